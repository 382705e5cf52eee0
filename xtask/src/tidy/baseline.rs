//! How often a rule may still be broken, where it is younger than the code. It only shrinks.

use std::collections::BTreeMap;

use crate::tidy::problem::Problem;

/// A rule, a directory, and how many problems with files below it are tolerated. The longest
/// directory counts. Where there are more, all are printed. When you remove some, lower the number.
const ALLOWED: &[(&str, &str, usize)] = &[];

/// Those of `problems` that are in directories with more of them than the rule `name` tolerates,
/// and entries of the table without any problem left.
pub(super) fn beyond(name: &str, problems: Vec<Problem>) -> Vec<Problem> {
    beyond_of(ALLOWED, name, problems)
}

fn beyond_of(
    allowed: &[(&str, &'static str, usize)],
    name: &str,
    mut problems: Vec<Problem>,
) -> Vec<Problem> {
    let of_rule = || allowed.iter().filter(|(rule, _, _)| *rule == name);
    let nearest = |path: &str| {
        let around = of_rule().filter(|(_, directory, _)| path.starts_with(directory));
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
    let spent = of_rule().filter(|(_, directory, _)| !counts.contains_key(directory));
    problems.extend(spent.map(|(_, directory, _)| {
        Problem::at(directory, 0, "has none left; remove its entry in xtask/src/tidy/baseline.rs")
    }));
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
        let many = ["crates/log/a.rs", "crates/log/a.rs", "crates/log/b.rs", "crates/b.rs"];
        assert_eq!(left(&many), 3);
        let other = ["crates/log/a.rs", "crates/network/a.rs", "testkit/a.rs"];
        assert_eq!(left(&other), 1, "without an entry nothing is tolerated");
        assert_eq!(left(&["crates/log/a.rs"]), 1, "an entry without problems is one");
    }
}
