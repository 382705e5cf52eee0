//! `cargo xtask tidy`: checks the source tree against the rules below.

mod architecture;
mod cycles;
mod files;
mod imports;
mod problem;
mod prose;
mod source;
mod style;
mod tree;

use std::collections::BTreeSet;

use crate::cargo::Workspace;
use crate::failure::Failure;
use crate::terminal::{Tone, paint, plural, say};
use crate::tidy::problem::Problem;
use crate::tidy::tree::Tree;

/// A rule for the tree.
struct Rule {
    name: &'static str,
    /// The rule and its reason, printed above the problems.
    says: &'static str,
    /// `tidy: <excuse> because <reason>` makes an exception, in a comment on the line or the one
    /// above it, or anywhere in the file for a rule about whole files.
    excuse: Option<&'static str>,
    check: fn(&Tree) -> Vec<Problem>,
}

/// All rules. A new rule is an entry here, a function, and a test that breaks it.
const RULES: &[Rule] = &[
    Rule {
        name: "dependencies",
        says: "dependencies point one way (quorate → ceremony → protocol, log), so that each crate can be read and tested alone",
        excuse: None,
        check: architecture::dependencies,
    },
    Rule {
        name: "pure",
        says: "protocol, ceremony, log and documents do no I/O, read no clock, make no randomness and are not async, so that the simulator can replay them",
        excuse: None,
        check: architecture::pure,
    },
    Rule {
        name: "node-coordinator",
        says: "node/ and coordinator/ do not import each other: what they share is in ceremony, and one does not trust the other",
        excuse: None,
        check: architecture::node_and_coordinator,
    },
    Rule {
        name: "module-cycles",
        says: "the files of a crate do not import each other in a circle, so that each can be read after those below it",
        excuse: None,
        check: cycles::cycles,
    },
    Rule {
        name: "lints",
        says: "every manifest has `[lints] workspace = true`, so that no crate is checked less",
        excuse: None,
        check: files::lints,
    },
    Rule {
        name: "clippy-settings",
        says: "a crate's clippy.toml repeats the one at the root, because clippy reads only the nearest",
        excuse: None,
        check: files::clippy_settings,
    },
    Rule {
        name: "lockfile",
        says: "Cargo.lock is there and not ignored, so that everyone builds the same",
        excuse: None,
        check: files::lockfile,
    },
    Rule {
        name: "one-command",
        says: "CI runs what a developer runs: .ci/run is exactly `cargo xtask test`",
        excuse: None,
        check: files::one_command,
    },
    Rule {
        name: "headline",
        says: "the first line of each .rs file says what is in it (`//! …`)",
        excuse: None,
        check: files::headline,
    },
    Rule {
        name: "long",
        says: "a file has at most 600 lines (aim for 400): one concept each",
        excuse: Some("long"),
        check: files::long,
    },
    Rule {
        name: "mod-files",
        says: "a folder of modules has a mod.rs, not a file beside it, so that it can be moved as one",
        excuse: None,
        check: files::mod_files,
    },
    Rule {
        name: "module-names",
        says: "no module is named utils, helpers, common, types, misc or manager: the name says what is inside",
        excuse: None,
        check: files::module_names,
    },
    Rule {
        name: "machine-paths",
        says: "no file names a directory of somebody's machine",
        excuse: Some("path"),
        check: files::machine_paths,
    },
    Rule {
        name: "words",
        says: "one word per thing: GLOSSARY.md has the right one",
        excuse: Some("word"),
        check: style::words,
    },
    Rule {
        name: "ignored-tests",
        says: "no test is ignored: a test that does not run proves nothing",
        excuse: None,
        check: style::ignored_tests,
    },
    Rule {
        name: "sleeping-tests",
        says: "no test sleeps: it waits for a condition, or uses virtual time",
        excuse: Some("sleep"),
        check: style::sleeping_tests,
    },
    Rule {
        name: "phrases",
        says: "text is plain English: a noun, then an active verb (CONTRIBUTING.md, Style)",
        excuse: Some("phrase"),
        check: prose::phrases,
    },
    Rule {
        name: "comment-width",
        says: "comments wrap at 100 columns, as the code does",
        excuse: Some("width"),
        check: prose::comment_width,
    },
    Rule {
        name: "one-word-docs",
        says: "documentation is a sentence; what a name says already gets none (`#[expect(missing_docs, reason = …)]`)",
        excuse: None,
        check: prose::one_word_docs,
    },
    Rule {
        name: "test-names",
        says: "the name of a test is a sentence of at most 60 characters",
        excuse: None,
        check: prose::test_names,
    },
    Rule {
        name: "named-tests",
        says: "a test that a page names exists: rename both",
        excuse: None,
        check: prose::named_tests,
    },
    Rule {
        name: "sentences",
        says: "Markdown has one sentence on each line, so that a change of one is a change of one line",
        excuse: None,
        check: prose::sentences,
    },
    Rule {
        name: "unfinished",
        says: "no todo!(), unimplemented!() or TODO without an issue, `TODO(#12)`",
        excuse: None,
        check: style::unfinished,
    },
];

/// Checks every rule and prints the problems.
///
/// # Errors
///
/// [`Failure::Checks`] if a rule is broken.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let tree = Tree::read(workspace)?;
    let mut total = 0;
    for rule in RULES {
        let problems = broken(rule, &tree);
        total += problems.len();
        if problems.is_empty() {
            continue;
        }
        say!("{}: {}", paint(Tone::Bad, rule.name), rule.says);
        for Problem { path, line, message } in &problems {
            match line {
                0 => say!("  {path}: {message}"),
                _ => say!("  {path}:{line}: {message}"),
            }
        }
        if let Some(excuse) = rule.excuse {
            say!("  (an exception needs a comment: `tidy: {excuse} because …`)");
        }
    }
    let scope = format!("{} and {}", plural(RULES.len(), "rule"), plural(tree.files.len(), "file"));
    if total == 0 {
        say!("tidy: {scope}, nothing to complain about");
        Ok(())
    } else {
        say!("tidy: {} ({scope})", plural(total, "problem"));
        Err(Failure::Checks)
    }
}

fn broken(rule: &Rule, tree: &Tree) -> Vec<Problem> {
    let mut problems = (rule.check)(tree);
    if let Some(excuse) = rule.excuse {
        let marker = format!("tidy: {excuse} because ");
        problems.retain(|problem| !is_excused(tree, problem, &marker));
    }
    let mut seen = BTreeSet::new();
    problems.retain(|problem| {
        seen.insert((problem.path.clone(), problem.line, problem.message.clone()))
    });
    problems
}

fn is_excused(tree: &Tree, problem: &Problem, marker: &str) -> bool {
    let Some(file) = tree.files.get(&problem.path) else { return false };
    let mut lines = file.text.lines();
    match problem.line {
        0 => lines.any(|line| line.contains(marker)),
        line => lines.skip(line.saturating_sub(2)).take(line.min(2)).any(|l| l.contains(marker)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the rule `name` is broken in a tree of `files`, as `path:line`.
    fn check(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let rule = RULES.iter().find(|rule| rule.name == name).unwrap();
        let problems = broken(rule, &Tree::of(files));
        problems.iter().map(|problem| format!("{}:{}", problem.path, problem.line)).collect()
    }

    #[test]
    fn an_excuse_needs_a_reason_and_covers_only_its_line() {
        // The words are put together here, so that this file does not excuse itself.
        let excuse = |end: &str| format!("//! A.\n// tidy: word because{end}\nstruct Tenant;\n");

        assert!(check("words", &[("a.rs", &excuse(" a protocol names it so"))]).is_empty());
        assert_eq!(check("words", &[("a.rs", &excuse(""))]), ["a.rs:3"]);
        let far = excuse(" x") + "struct Committee;\n";
        assert_eq!(check("words", &[("a.rs", &far)]), ["a.rs:4"]);
    }

    #[test]
    fn every_rule_that_can_be_broken_by_a_file_is_broken_by_one() {
        let cases: &[(&str, &str, &str)] = &[
            ("pure", "crates/log/src/a.rs", "//! A.\nuse std::fs;\n"),
            ("node-coordinator", "crates/quorate/src/node/a.rs", "use crate::coordinator::X;"),
            ("headline", "a.rs", "fn main() {}\n"),
            ("module-names", "crates/log/src/utils.rs", "//! A.\n"),
            ("machine-paths", "docs/a.md", concat!("see /ro", "ot/x\n")),
            ("words", "a.rs", "//! A.\nfn cheater() {}\n"),
            ("ignored-tests", "a.rs", "//! A.\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n"),
            ("sleeping-tests", "tests/a.rs", "//! A.\nfn a() { thread::sleep(x) }\n"),
            ("unfinished", "a.rs", "//! A.\nfn a() { todo!() }\n"),
            ("phrases", "a.rs", concat!("//! It is made ane", "w.\n")),
            ("comment-width", "a.rs", &format!("//! {}\n", "a ".repeat(60))),
            ("one-word-docs", "a.rs", "//! A.\n\n/// Who.\nstruct A;\n"),
            ("test-names", "a.rs", &format!("//! A.\n#[test]\nfn {}() {{}}\n", "a".repeat(61))),
            ("sentences", "a.md", "One. Two.\n"),
            ("lockfile", "a.rs", "//! A.\n"),
            ("one-command", ".ci/run", "#!/bin/sh\nexec cargo test\n"),
            ("lints", "crates/log/Cargo.toml", "[package]\nname = \"quorate-log\"\n"),
        ];
        for (rule, path, text) in cases {
            assert!(!check(rule, &[(path, text)]).is_empty(), "{rule} accepts {text}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_reported_unless_it_says_why() {
        let long = "//! A.\n".repeat(601);

        assert_eq!(check("long", &[("a.rs", &long)]), ["a.rs:0"]);
        assert!(check("long", &[("a.rs", &"//! A.\n".repeat(600))]).is_empty());
        let excused = format!("{long}// tidy: long because it is one table\n");
        assert!(check("long", &[("a.rs", &excused)]).is_empty());
    }

    #[test]
    fn comments_and_strings_break_no_rule_about_code() {
        let text = "//! std::fs\nconst A: &str = \"std::fs todo!() #[ignore]\"; // tokio::spawn\n";

        for rule in ["pure", "ignored-tests", "unfinished", "words"] {
            assert!(check(rule, &[("crates/log/src/a.rs", text)]).is_empty(), "{rule}");
        }
    }

    #[test]
    fn tests_inside_a_pure_crate_may_read_files() {
        let text = "//! A.\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\nuse std::net::X;\n";

        assert_eq!(check("pure", &[("crates/log/src/a.rs", text)]), ["crates/log/src/a.rs:6"]);
        assert!(check("pure", &[("crates/log/tests/a.rs", text)]).is_empty());
        assert!(check("pure", &[("crates/network/src/a.rs", text)]).is_empty());
        let outside = &[
            ("crates/log/src/lib.rs", "//! A.\n#[cfg(test)]\nmod checks;\n"),
            ("crates/log/src/checks.rs", "//! Tests.\nuse std::fs;\n"),
        ];
        assert!(check("pure", outside).is_empty());
    }

    #[test]
    fn imports_are_seen_through_groups() {
        let text = "//! A.\nuse std::{\n    fmt,\n    net::{IpAddr, TcpStream},\n};\n";
        assert_eq!(check("pure", &[("crates/log/src/a.rs", text)]), ["crates/log/src/a.rs:4"; 1]);

        let text = "//! A.\nuse crate::{cli, coordinator::Hub};\n";
        let path = "crates/quorate/src/node/a.rs";
        assert_eq!(check("node-coordinator", &[(path, text)]), ["crates/quorate/src/node/a.rs:2"]);
    }

    #[test]
    fn the_node_may_use_what_ceremony_calls_a_coordinator() {
        let text = "//! A.\nuse quorate_ceremony::coordinator::Command;\n";

        assert!(check("node-coordinator", &[("crates/quorate/src/node/a.rs", text)]).is_empty());
    }
}
