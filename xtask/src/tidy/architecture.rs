//! Rules about dependencies: crates, purity, the two halves of the shell.

use crate::tidy::files;
use crate::tidy::problem::Problem;
use crate::tidy::source::{paths, tokens};
use crate::tidy::tree::Tree;

/// Which member may depend on which. The test kit may use all members, and tests of a crate
/// (dev-dependencies) may also use the test kit.
const ARROWS: &[(&str, &[&str])] = &[
    ("quorate-protocol", &[]),
    ("quorate-log", &[]),
    ("quorate-documents", &[]),
    ("quorate-network", &[]),
    ("quorate-ceremony", &["quorate-protocol", "quorate-log"]),
    (
        "quorate",
        &[
            "quorate-ceremony",
            "quorate-network",
            "quorate-documents",
            "quorate-log",
            "quorate-protocol",
        ],
    ),
    ("xtask", &[]),
];

const TESTKIT: &str = "quorate-testkit";

/// The crates that only compute.
const PURE: &[&str] = &["protocol", "ceremony", "log", "documents"];

/// Paths in a pure crate must not begin with these.
const IMPURE_PREFIXES: &[&str] =
    &["std::fs", "std::net", "std::env", "std::process", "std::io::stdin", "tokio", "async_std"];

/// Paths in a pure crate must not contain these.
const IMPURE_PARTS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "OsRng",
    "thread_rng",
    "from_entropy",
    "getrandom",
    "thread::spawn",
    "thread::sleep",
    "println",
    "eprintln",
];

/// Finds dependencies that point the wrong way.
pub(super) fn dependencies(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in tree.packages.iter().filter(|package| package.name != TESTKIT) {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            let message = "this crate is not in the table of arrows in xtask's tidy";
            problems.push(Problem::at(&package.manifest, 0, message));
            continue;
        };
        for arrow in &package.dependencies {
            let name = arrow.name.as_str();
            // With a feature for tests, tests of a crate may use what it offers to others' tests.
            let is_for_tests = arrow.is_dev && [TESTKIT, &package.name].contains(&name);
            let is_allowed = allowed.contains(&name) || is_for_tests;
            if !is_allowed {
                let line = files::line_of(tree, &package.manifest, name);
                let message = format!("{} may not depend on {name}", package.name);
                problems.push(Problem::at(&package.manifest, line, message));
            }
        }
    }
    problems
}

/// Finds I/O, clocks, randomness and async code in the pure crates.
pub(super) fn pure(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        if !PURE.iter().any(|name| path.starts_with(&format!("crates/{name}/src/"))) {
            continue;
        }
        let tokens = tokens(&file.code);
        let mut complain = |line: usize, what: &str| {
            if !file.is_test(line) {
                problems.push(Problem::at(path, line, format!("`{what}` in a pure crate")));
            }
        };
        for found in paths(&tokens) {
            for prefix in IMPURE_PREFIXES.iter().filter(|prefix| found.starts_with(prefix)) {
                complain(found.line, prefix);
            }
            for part in IMPURE_PARTS.iter().filter(|part| found.contains(part)) {
                complain(found.line, part);
            }
        }
        for token in tokens.iter().filter(|token| matches!(token.text, "async" | "await")) {
            complain(token.line, token.text);
        }
    }
    problems
}

/// Finds imports between `node/` and `coordinator/` of the shell.
pub(super) fn node_and_coordinator(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        let Some(rest) = path.strip_prefix("crates/quorate/src/") else { continue };
        let other = match rest.split(['/', '.']).next() {
            Some("node") => "coordinator",
            Some("coordinator") => "node",
            _ => continue,
        };
        let tokens = tokens(&file.code);
        for found in paths(&tokens) {
            let mut segments = found.segments.iter().copied();
            let is_relative = matches!(segments.next(), Some("crate" | "super"));
            if is_relative && segments.find(|name| *name != "super") == Some(other) {
                let message = format!("imports `{other}`");
                problems.push(Problem::at(path, found.line, message));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::{Dependency, Package};

    fn arrow(from: &str, to: &str, is_dev: bool) -> Vec<Problem> {
        let mut tree = Tree::of(&[]);
        tree.packages.push(Package {
            name: from.into(),
            manifest: "Cargo.toml".into(),
            has_library: true,
            has_examples: false,
            dependencies: vec![Dependency { name: to.into(), is_dev }],
        });
        dependencies(&tree)
    }

    #[test]
    fn arrows_point_one_way() {
        assert!(arrow("quorate-ceremony", "quorate-log", false).is_empty());
        assert!(arrow("quorate", "quorate-network", false).is_empty());
        assert_eq!(arrow("quorate-log", "quorate-ceremony", false).len(), 1);
        assert_eq!(arrow("quorate-log", "quorate-ceremony", true).len(), 1);
        assert_eq!(arrow("quorate-documents", "quorate-protocol", false).len(), 1);
    }

    #[test]
    fn only_tests_use_the_test_kit_and_it_uses_everything() {
        assert_eq!(arrow("quorate-log", TESTKIT, false).len(), 1);
        assert!(arrow("quorate-log", TESTKIT, true).is_empty());
        assert!(arrow(TESTKIT, "quorate", false).is_empty());
    }

    #[test]
    fn a_crate_that_the_table_does_not_know_is_reported() {
        assert_eq!(arrow("quorate-new", "serde", false).len(), 1);
    }

    #[test]
    fn async_and_clocks_are_found_under_any_import() {
        let impure = [
            "async fn a() {}",
            "fn a() { b().await }",
            "use std::time::Instant; fn a() { Instant::now() }",
            "fn a() { std::time::SystemTime::now() }",
            "use rand_core::OsRng;",
            "use std::thread; fn a() { thread::spawn(b) }",
            "fn a() { ::std::env::var(b) }",
            "fn a() { println!() }",
        ];
        for code in impure {
            let tree = Tree::of(&[("crates/ceremony/src/a.rs", code)]);
            assert!(!pure(&tree).is_empty(), "{code}");
        }
        let harmless =
            "use std::net_extra; fn environment() { now(Instant) } const A: u8 = env!();";
        assert!(pure(&Tree::of(&[("crates/ceremony/src/a.rs", harmless)])).is_empty());
    }
}
