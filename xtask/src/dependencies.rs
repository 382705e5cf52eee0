//! The gate for dependencies: where they come from, and under which licences.
//!
//! Known vulnerabilities are the business of `cargo audit`, which `cargo xtask test` runs where it
//! finds the program and its database. Neither can be fetched where CI runs.

use std::path::PathBuf;

use serde_json::Value;

use crate::cargo::{Workspace, command};
use crate::failure::Failure;
use crate::terminal::{Tone, paint, plural, say};

/// Licences that a dependency may have. CDLA-Permissive-2.0 is for data: Mozilla's list of
/// certificate authorities.
const PERMITTED: &[&str] = &[
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks all dependencies.
///
/// # Errors
///
/// [`Failure::Checks`] if a dependency has another source or licence than permitted.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let arguments = ["metadata", "--locked", "--format-version", "1"];
    let output = command(&workspace.root, arguments)
        .output()
        .map_err(|error| Failure::Environment(format!("can't start cargo: {error}")))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|_| {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Failure::Environment(format!("cargo metadata failed: {reason}"))
    })?;
    let packages = metadata.get("packages").and_then(Value::as_array).cloned().unwrap_or_default();
    let problems: Vec<String> = packages.iter().filter_map(problem).collect();
    for problem in &problems {
        say!("{}", paint(Tone::Bad, problem));
    }
    if packages.is_empty() || !problems.is_empty() {
        return Err(Failure::Checks);
    }
    say!("{}: sources and licences are permitted", plural(packages.len(), "crate"));
    Ok(())
}

fn problem(package: &Value) -> Option<String> {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let (name, version) = (text("name")?, text("version").unwrap_or_default());
    match text("source") {
        // A member of the workspace.
        None => None,
        Some(REGISTRY) => match text("license") {
            Some(licence) if is_permitted(licence) => None,
            licence => {
                let licence = licence.unwrap_or("none");
                let permitted = PERMITTED.join(", ");
                Some(format!("{name} {version}: licence {licence}; permitted: {permitted}"))
            }
        },
        Some(source) => Some(format!("{name} {version}: comes from {source}, not crates.io")),
    }
}

/// Whether permitted licences suffice for this SPDX expression. `/` is the earlier form of `OR`.
fn is_permitted(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest) == Some(true) && rest.is_empty()
}

/// Alternatives. `None` for what is no expression.
fn any(words: &mut &[&str]) -> Option<bool> {
    let mut permitted = all(words)?;
    while let [first, rest @ ..] = *words
        && *first == "OR"
    {
        *words = rest;
        permitted |= all(words)?;
    }
    Some(permitted)
}

fn all(words: &mut &[&str]) -> Option<bool> {
    let mut permitted = one(words)?;
    while let [first, rest @ ..] = *words
        && *first == "AND"
    {
        *words = rest;
        permitted &= one(words)?;
    }
    Some(permitted)
}

fn one(words: &mut &[&str]) -> Option<bool> {
    let [first, rest @ ..] = *words else { return None };
    *words = rest;
    if *first == "(" {
        let permitted = any(words)?;
        let [")", rest @ ..] = *words else { return None };
        *words = rest;
        return Some(permitted);
    }
    // An exception only permits more.
    if let ["WITH", _, rest @ ..] = *words {
        *words = rest;
    }
    Some(PERMITTED.contains(first))
}

/// The local copy of the advisory database, if there is one.
pub(crate) fn advisory_database() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let database = home.join("advisory-db");
    database.join("crates").is_dir().then_some(database)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_is_permitted_if_a_choice_of_licences_is() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 / MIT",
            "LGPL-2.1-or-later OR MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "ISC AND (Apache-2.0 OR OpenSSL) AND MIT",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
        ] {
            assert!(is_permitted(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (GPL-3.0 OR AGPL-3.0)",
            "MIT OR",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
        ] {
            assert!(!is_permitted(bad), "{bad}");
        }
    }

    #[test]
    fn a_dependency_needs_a_known_source_and_a_permitted_licence() {
        let of = |source: Value, licence: Value| {
            problem(&json!({ "name": "x", "version": "1", "source": source, "license": licence }))
        };
        assert_eq!(of(REGISTRY.into(), "MIT".into()), None);
        assert_eq!(of(Value::Null, Value::Null), None, "a member of the workspace");
        assert!(of(REGISTRY.into(), Value::Null).unwrap().contains("licence none"));
        assert!(of("git+https://example.org/x".into(), "MIT".into()).unwrap().contains("git+"));
    }
}
