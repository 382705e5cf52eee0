//! Rules about code that clippy has no lint for: words, sleeping and ignored tests, unfinished
//! work.

use crate::tidy::problem::Problem;
use crate::tidy::source::{paths, tokens};
use crate::tidy::tree::Tree;

/// Words that the glossary replaces, as parts of names that we declare. Words with a legitimate
/// use (`cluster`, `leaf`, the `cheater detection` of a library) are not listed.
const WORDS: &[(&str, &str)] = &[
    ("tenant", "ivn"),
    ("committee", "group"),
    ("leader", "coordinator"),
    ("cheater", "culprit"),
    ("cheaters", "culprits"),
    ("pubkey", "verifying_key"),
    ("privkey", "signing_share"),
    ("sth", "checkpoint"),
];

/// Names that the glossary replaces as a whole.
const NAMES: &[(&str, &str)] = &[
    ("threshold", "min_signers or approvals_required"),
    ("Threshold", "min_signers or approvals_required"),
    ("KeyShare", "KeyPackage or SigningShare"),
    ("PartialSignature", "SignatureShare"),
    ("partial_signature", "signature_share"),
];

const DECLARES: &[&str] =
    &["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "let", "mut", "union"];

/// Finds declared names that contain a word which the glossary replaces.
pub(super) fn words(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        let tokens = tokens(&file.code);
        for (keyword, name) in tokens.iter().zip(tokens.iter().skip(1)) {
            if !DECLARES.contains(&keyword.text) {
                continue;
            }
            let parts = parts(name.text);
            let in_word = WORDS.iter().find(|(word, _)| parts.iter().any(|part| part == word));
            let whole = NAMES.iter().find(|(whole, _)| *whole == name.text);
            if let Some((_, instead)) = in_word.or(whole) {
                let message = format!("`{}`: say {instead}", name.text);
                problems.push(Problem::at(path, name.line, message));
            }
        }
    }
    problems
}

/// Splits `verifying_share`, `VerifyingShare` or `VERIFYING_SHARE` into `verifying` and `share`.
fn parts(name: &str) -> Vec<String> {
    let is_constant = !name.chars().any(char::is_lowercase);
    let mut parts = vec![String::new()];
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && !is_constant) {
            parts.push(String::new());
        }
        if c != '_'
            && let Some(part) = parts.last_mut()
        {
            part.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

pub(super) fn ignored_tests(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        let tokens = tokens(&file.code);
        for window in tokens.windows(3) {
            if let [hash, bracket, word] = window
                && (hash.text, bracket.text, word.text) == ("#", "[", "ignore")
            {
                problems.push(Problem::at(path, word.line, "an ignored test"));
            }
        }
    }
    problems
}

/// Finds calls that sleep in test code, except below `#[tokio::test(start_paused = true)]`, where
/// tokio's time is virtual. A thread always sleeps in real time.
pub(super) fn sleeping_tests(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        let tokens = tokens(&file.code);
        // From each line on: whether time is virtual.
        let mut clocks: Vec<(usize, bool)> = Vec::new();
        for token in &tokens {
            match token.text {
                "#" => clocks.push((token.line, false)),
                "start_paused" => {
                    if let Some((_, is_paused)) = clocks.last_mut() {
                        *is_paused = true;
                    }
                }
                _ => {}
            }
        }
        let is_virtual = |line: usize| {
            let above = clocks.iter().rev().find(|(start, _)| *start < line);
            above.is_some_and(|(_, paused)| *paused)
        };
        for found in paths(&tokens).iter().filter(|found| file.is_test(found.line)) {
            let sleeps =
                matches!(found.segments.last(), Some(&("sleep" | "sleep_until" | "sleep_ms")));
            if sleeps && (found.contains("thread") || !is_virtual(found.line)) {
                problems.push(Problem::at(path, found.line, "sleeps"));
            }
        }
    }
    problems
}

/// Finds code and notes that were left unfinished.
pub(super) fn unfinished(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        let tokens = tokens(&file.code);
        for (name, mark) in tokens.iter().zip(tokens.iter().skip(1)) {
            if matches!(name.text, "todo" | "unimplemented") && mark.text == "!" {
                problems.push(Problem::at(path, name.line, format!("`{}!`", name.text)));
            }
        }
        for (index, line) in file.text.lines().enumerate() {
            let comment = line.split_once("// ").map_or("", |(_, comment)| comment);
            let loose = ["FIXME", "XXX"].iter().any(|word| comment.starts_with(word))
                || (comment.starts_with("TODO") && !comment.starts_with("TODO(#"));
            if loose {
                problems.push(Problem::at(path, index + 1, "a note without an issue"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(check: fn(&Tree) -> Vec<Problem>, path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn names_are_split_in_every_case() {
        for name in ["pubkey_bytes", "PubkeyBytes", "PUBKEY_BYTES"] {
            assert_eq!(parts(name), ["pubkey", "bytes"]);
        }
    }

    #[test]
    fn only_names_that_we_declare_are_judged() {
        let code = "fn a() {\n    frost::CheaterDetection::AllCheaters;\n    let cheaters = 1;\n}\n\
                    struct TenantId;\nfn threshold() {}\nstruct SthLike;\nstruct Months;\n";

        assert_eq!(lines(words, "a.rs", code), [3, 5, 6, 7]);
    }

    #[test]
    fn only_tests_are_kept_from_sleeping() {
        let code = "fn a() { tokio::time::sleep(b) }\n\
                    #[cfg(test)]\nmod tests {\n    fn a() { thread::sleep(b) }\n}\n";

        assert_eq!(lines(sleeping_tests, "crates/network/src/a.rs", code), [4]);
        assert_eq!(lines(sleeping_tests, "testkit/src/a.rs", code), [1, 4]);
    }

    #[test]
    fn a_test_in_virtual_time_may_let_it_pass() {
        let code = "#[tokio::test(start_paused = true)]\nasync fn a() {\n    time::sleep(b);\n    \
                    thread::sleep(b);\n}\n#[tokio::test]\nasync fn c() {\n    time::sleep(b);\n}\n";

        assert_eq!(lines(sleeping_tests, "crates/network/tests/a.rs", code), [4, 8]);
    }

    #[test]
    fn a_note_needs_an_issue() {
        let notes = "// TODO(#12): a\n// TODO: b\n// the TODO of others\nfn a() {} // FIXME c\n";

        assert_eq!(lines(unfinished, "a.rs", notes), [2, 4]);
    }
}
