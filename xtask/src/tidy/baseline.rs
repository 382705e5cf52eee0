//! How often a rule may still be broken, where it is younger than the code. It only shrinks.

use std::collections::BTreeMap;

use crate::tidy::problem::Problem;

/// A rule, a directory, and how many problems with files below it are tolerated. The longest
/// directory counts. Where there are more, all are printed. When you remove some, lower the number.
const ALLOWED: &[(&str, &str, usize)] = &[
    ("comment-width", "crates/ceremony/", 480),
    ("comment-width", "crates/quorate/", 400),
    ("comment-width", "testkit/", 180),
    ("module-cycles", "crates/ceremony/", 9),
    ("module-cycles", "testkit/", 7),
    ("one-word-docs", "crates/ceremony/", 55),
    ("one-word-docs", "crates/quorate/", 45),
    ("one-word-docs", "testkit/", 10),
    ("phrases", "crates/ceremony/", 260),
    ("phrases", "crates/network/", 1),
    ("phrases", "crates/quorate/", 395),
    ("phrases", "testkit/", 120),
    ("phrases", "vectors/", 5),
    ("sentences", "vectors/", 10),
    ("test-names", "crates/ceremony/", 145),
    ("test-names", "crates/quorate/", 80),
    ("test-names", "testkit/", 30),
];

/// Those of `problems` that are in directories with more of them than the rule `name` tolerates.
pub(super) fn beyond(name: &str, problems: Vec<Problem>) -> Vec<Problem> {
    beyond_of(ALLOWED, name, problems)
}

fn beyond_of(
    allowed: &[(&str, &'static str, usize)],
    name: &str,
    mut problems: Vec<Problem>,
) -> Vec<Problem> {
    let nearest = |path: &str| {
        let around = allowed
            .iter()
            .filter(|(rule, directory, _)| *rule == name && path.starts_with(directory));
        around.max_by_key(|(_, directory, _)| directory.len())
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, directory, _) in problems.iter().filter_map(|problem| nearest(&problem.path)) {
        *counts.entry(directory).or_default() += 1;
    }
    problems.retain(|problem| {
        nearest(&problem.path).is_none_or(|(_, directory, allowed)| {
            counts.get(directory).is_some_and(|count| count > allowed)
        })
    });
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_directory_has_beyond_its_number_is_reported() {
        let allowed = [("a-rule", "crates/", 1), ("a-rule", "crates/log/", 2), ("other", "", 9)];
        let left = |paths: &[&str]| {
            let problems = paths.iter().map(|path| Problem::at(path, 1, "")).collect();
            beyond_of(&allowed, "a-rule", problems).len()
        };

        assert_eq!(left(&["crates/log/a.rs", "crates/log/b.rs", "crates/network/a.rs"]), 0);
        assert_eq!(left(&["crates/log/a.rs", "crates/log/a.rs", "crates/log/b.rs"]), 3);
        assert_eq!(left(&["testkit/a.rs"]), 1, "no entry tolerates nothing");
    }
}
