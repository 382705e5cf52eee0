//! The files that tidy checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::cargo::{Package, Workspace};
use crate::failure::Failure;
use crate::tidy::source;

/// Directories that no rule applies to.
const SKIPPED: &[&str] = &["target", ".git", "node_modules"];

/// The source tree, or in tests a made-up one.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The files by path relative to the root, with `/`, without those that are not UTF-8.
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) text: String,
    /// The text without comments and literals; empty unless the file is Rust.
    pub(crate) code: String,
    /// Lines (from 1) of items under `#[cfg(test)]`.
    cfg_test_lines: BTreeSet<usize>,
    /// Whether another file declares it under `#[cfg(test)]`, or a file above it.
    is_test_module: bool,
    /// Whether it is in a directory that only tests use.
    is_in_test_directory: bool,
}

impl File {
    /// Whether only tests use this line.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.is_in_test_directory || self.is_test_module || self.is_cfg_test(line)
    }

    /// Whether this line is of an item under `#[cfg(test)]`.
    pub(crate) fn is_cfg_test(&self, line: usize) -> bool {
        self.cfg_test_lines.contains(&line)
    }

    /// Whether the whole file is a module under `#[cfg(test)]`.
    pub(crate) fn is_test_module(&self) -> bool {
        self.is_test_module
    }
}

impl Tree {
    /// Reads every text file below the root of the workspace.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let mut texts = Vec::new();
        collect(&workspace.root, "", &mut texts)
            .map_err(|error| Failure::Environment(format!("can't read the tree: {error}")))?;
        Ok(Self::new(texts, workspace.packages.clone()))
    }

    fn new(texts: Vec<(String, String)>, packages: Vec<Package>) -> Self {
        let mut test_modules = BTreeSet::new();
        let mut files = BTreeMap::new();
        for (path, text) in texts {
            let mut file = File {
                text,
                code: String::new(),
                cfg_test_lines: BTreeSet::new(),
                is_test_module: false,
                is_in_test_directory: is_test_directory(&path),
            };
            if path.ends_with(".rs") {
                file.code = source::code(&file.text);
                let (lines, modules) = source::test_items(&source::tokens(&file.code));
                file.cfg_test_lines = lines.into_iter().flatten().collect();
                let parent = module_directory(&path);
                test_modules.extend(modules.iter().map(|name| format!("{parent}/{name}")));
            }
            files.insert(path, file);
        }
        for (path, file) in &mut files {
            file.is_test_module = is_below_any(path, &test_modules);
        }
        Self { files, packages }
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &File)> {
        let files = self.files.iter().map(|(path, file)| (path.as_str(), file));
        files.filter(|(path, _)| path.ends_with(".rs"))
    }
}

fn module_directory(path: &str) -> String {
    let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => directory.into(),
        _ => format!("{directory}/{}", name.trim_end_matches(".rs")),
    }
}

fn is_test_directory(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "testkit" | "fuzz"))
}

fn is_below_any(path: &str, modules: &BTreeSet<String>) -> bool {
    modules.iter().any(|module| {
        let rest = path.strip_prefix(module.as_str());
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    })
}

fn collect(
    directory: &Path,
    prefix: &str,
    texts: &mut Vec<(String, String)>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), texts)?;
            }
        } else if kind.is_file() {
            match fs::read(entry.path()) {
                Ok(bytes) => texts.extend(String::from_utf8(bytes).ok().map(|text| (path, text))),
                // An editor or a test has removed the file in the meantime.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
impl Tree {
    /// Returns a tree of these files, in which each `Cargo.toml` is a member without dependencies.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let texts = files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        let manifests = files.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
        let packages = manifests.map(|(path, _)| Package {
            name: "quorate-log".into(),
            manifest: (*path).into(),
            has_library: true,
            has_examples: false,
            dependencies: vec![],
        });
        Self::new(texts, packages.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_directories_make_a_file_a_test() {
        assert!(is_test_directory("crates/log/tests/vectors.rs"));
        assert!(is_test_directory("testkit/src/lib.rs"));
        assert!(!is_test_directory("crates/log/src/attests.rs"));
        let checks = BTreeSet::from(["a/src/checks".into()]);
        assert!(is_below_any("a/src/checks/deep.rs", &checks));
        assert!(!is_below_any("a/src/checksum.rs", &checks));
    }
}
