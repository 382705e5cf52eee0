//! Rules about files: required files, names, lengths, first lines.

use crate::tidy::problem::Problem;
use crate::tidy::tree::Tree;

const LONGEST: usize = 600;

const MEANINGLESS: &[&str] = &["utils", "util", "helpers", "common", "types", "misc", "manager"];

/// The beginnings of paths that exist on one machine only.
// tidy: path because the rule has to name them
const MACHINE_PATHS: &[&str] = &["/root/", "/home/", "/Users/", "/work/"];

/// Returns the line (from 1) of the file at `path` that contains `text`, or 0 without a match.
pub(super) fn line_of(tree: &Tree, path: &str, text: &str) -> usize {
    let lines = tree.files.get(path).map(|file| file.text.lines());
    lines.and_then(|mut lines| lines.position(|line| line.contains(text))).map_or(0, |at| at + 1)
}

/// Finds manifests of members that do not inherit the lints of the workspace.
pub(super) fn lints(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in &tree.packages {
        let text = tree.files.get(&package.manifest).map_or("", |file| file.text.as_str());
        let mut section = "";
        let inherits = text.lines().map(str::trim).any(|line| {
            if line.starts_with('[') {
                section = line;
            }
            section == "[lints]" && line.replace(' ', "") == "workspace=true"
        });
        if !inherits {
            problems.push(Problem::at(&package.manifest, 0, "no `[lints] workspace = true`"));
        }
    }
    problems
}

/// Finds a crate's clippy.toml that lacks settings of the one at the root, because clippy reads
/// only the nearest file.
pub(super) fn clippy_settings(tree: &Tree) -> Vec<Problem> {
    let Some(root) = tree.files.get("clippy.toml") else { return vec![] };
    let settings = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        lines.map(String::from).collect()
    };
    let mut problems = Vec::new();
    for (path, file) in tree.files.iter().filter(|(path, _)| path.ends_with("/clippy.toml")) {
        let own = settings(&file.text);
        for setting in settings(&root.text).iter().filter(|setting| !own.contains(setting)) {
            problems.push(Problem::at(path, 0, format!("does not repeat `{setting}`")));
        }
    }
    problems
}

/// Finds a missing or ignored `Cargo.lock`.
pub(super) fn lockfile(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !tree.files.contains_key("Cargo.lock") {
        problems.push(Problem::at("Cargo.lock", 0, "missing; `cargo generate-lockfile` makes it"));
    }
    let line = line_of(tree, ".gitignore", "Cargo.lock");
    if line > 0 {
        problems.push(Problem::at(".gitignore", line, "ignores Cargo.lock"));
    }
    problems
}

/// Finds a CI script that does not do exactly what developers do.
pub(super) fn one_command(tree: &Tree) -> Vec<Problem> {
    let script = tree.files.get(".ci/run").map_or("", |file| file.text.as_str());
    let mut lines = script.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some("cargo xtask test" | "exec cargo xtask test"), None) => vec![],
        _ => vec![Problem::at(".ci/run", 0, "is not exactly `cargo xtask test`")],
    }
}

/// Finds `.rs` files whose first line does not describe them.
pub(super) fn headline(tree: &Tree) -> Vec<Problem> {
    let has_headline = |text: &str| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_some_and(|rest| !rest.trim().is_empty())
    };
    let sources = tree.sources().filter(|(_, file)| !has_headline(&file.text));
    sources.map(|(path, _)| Problem::at(path, 1, "does not begin with `//! …`")).collect()
}

/// Finds `.rs` files that are too long.
pub(super) fn long(tree: &Tree) -> Vec<Problem> {
    let lengths = tree.sources().map(|(path, file)| (path, file.text.lines().count()));
    let long = lengths.filter(|(_, length)| *length > LONGEST);
    long.map(|(path, length)| Problem::at(path, 0, format!("has {length} lines"))).collect()
}

/// Finds `x.rs` beside the folder `x/` with its modules.
pub(super) fn mod_files(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let sources = tree.sources().filter(|(path, _)| path.contains("/src/"));
    for (path, _) in sources.filter(|(path, _)| !path.contains("/src/bin/")) {
        let folder = format!("{}/", path.trim_end_matches(".rs"));
        let inside = tree.files.range(folder.clone()..).next();
        if inside.is_some_and(|(inside, _)| inside.starts_with(&folder)) {
            problems.push(Problem::at(path, 0, format!("is {folder}mod.rs")));
        }
    }
    problems
}

pub(super) fn module_names(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, _) in tree.sources() {
        let mut parts = path.trim_end_matches(".rs").split('/');
        if let Some(name) = parts.find(|part| MEANINGLESS.contains(part)) {
            problems.push(Problem::at(path, 0, format!("`{name}` does not say what is inside")));
        }
    }
    problems
}

/// Finds absolute paths that exist on one machine only.
pub(super) fn machine_paths(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in &tree.files {
        for (index, line) in file.text.lines().enumerate() {
            for found in MACHINE_PATHS.iter().filter(|found| names(line, found)) {
                let message = format!("`{found}` is a place on one machine");
                problems.push(Problem::at(path, index + 1, message));
            }
        }
    }
    problems
}

/// Whether `line` contains `path` as the beginning of a path, and not inside a longer one.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}>/".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_path_names_a_machine() {
        // tidy: path because the test is about them
        assert!(names("see /home/alice", "/home/"));
        // tidy: path because the test is about them
        assert!(names("\"/home/\"", "/home/") && !names("src/home/", "/home/"));
        // tidy: path because the test is about them
        assert!(!names("https://example.org/work/", "/work/"));
    }

    #[test]
    fn a_folder_of_modules_has_its_own_file_inside() {
        let files = [("a/src/b.rs", ""), ("a/src/b/c.rs", ""), ("a/src/b_d.rs", "")];
        assert_eq!(mod_files(&Tree::of(&files)).len(), 1);

        let files = [("a/src/b/mod.rs", ""), ("a/src/b/c.rs", ""), ("a/tests/b.rs", "")];
        assert!(mod_files(&Tree::of(&files)).is_empty());
    }

    #[test]
    fn lints_count_only_in_their_own_section() {
        let manifest = |text: &str| Tree::of(&[("crates/log/Cargo.toml", text)]);

        assert!(lints(&manifest("[lints]\nworkspace = true\n")).is_empty());
        assert!(!lints(&manifest("[lints]\n[package]\nworkspace = true\n")).is_empty());
    }

    #[test]
    fn a_nearer_clippy_file_repeats_the_settings_of_the_root() {
        let lost = |nearer: &str| {
            let root = ("clippy.toml", "# a\nallow-a = true\nallow-b = true\n");
            clippy_settings(&Tree::of(&[root, ("crates/log/clippy.toml", nearer)])).len()
        };

        assert_eq!(lost("allow-b = true\nallow-a = true\nmore = 1\n"), 0);
        assert_eq!(lost("# allow-a = true\nallow-b = true\n"), 1);
    }

    #[test]
    fn the_script_of_ci_may_have_comments_and_nothing_else() {
        let script = |text: &str| one_command(&Tree::of(&[(".ci/run", text)])).is_empty();

        assert!(script("#!/bin/sh\n# what developers run\nexec cargo xtask test\n"));
        assert!(!script("#!/bin/sh\ncargo xtask test || true\n"));
        assert!(!script("#!/bin/sh\ncargo build\ncargo xtask test\n"));
    }

    #[test]
    fn a_lockfile_that_is_ignored_is_reported() {
        let files = [("Cargo.lock", ""), (".gitignore", "/target\nCargo.lock\n")];

        assert_eq!(lockfile(&Tree::of(&files)).len(), 1);
        assert!(lockfile(&Tree::of(&[("Cargo.lock", "")])).is_empty());
    }
}
