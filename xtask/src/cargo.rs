//! Cargo: the workspace that it describes, and the commands that it runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::Failure;

/// The workspace, as `cargo metadata` describes it.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// The name in the manifest, such as `quorate-log`.
    pub(crate) name: String,
    /// The path of the manifest, relative to the root, with `/`.
    pub(crate) manifest: String,
    /// Whether the package has a library, without which it has no doc tests.
    pub(crate) has_library: bool,
    pub(crate) has_examples: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency of one workspace member on another.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Whether only tests, benches and examples see it.
    pub(crate) is_dev: bool,
}

impl Workspace {
    /// Asks Cargo about the workspace that this program belongs to.
    pub(crate) fn read() -> Result<Self, Failure> {
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .ok_or_else(|| Failure::Environment("run this as `cargo xtask`".into()))?;
        let root = Path::new(&manifest_dir).parent().unwrap_or(Path::new(".")).to_path_buf();

        let mut command = command(&root, ["metadata", "--no-deps", "--format-version", "1"]);
        let output = command
            .output()
            .map_err(|error| Failure::Environment(format!("can't start cargo: {error}")))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::Environment(format!("cargo metadata failed: {reason}")));
        }
        serde_json::from_slice(&output.stdout)
            .ok()
            .and_then(|metadata| Self::from_metadata(root, &metadata))
            .ok_or_else(|| Failure::Environment("cargo metadata has an unknown shape".into()))
    }

    fn from_metadata(root: PathBuf, metadata: &Value) -> Option<Self> {
        let packages = metadata.get("packages")?.as_array()?;
        let names: Vec<&str> =
            packages.iter().filter_map(|package| package.get("name")?.as_str()).collect();
        let packages = packages
            .iter()
            .map(|package| Package::from_metadata(&root, &names, package))
            .collect::<Option<_>>()?;
        let target = metadata.get("target_directory")?.as_str()?.into();
        Some(Self { root, target, packages })
    }
}

impl Package {
    fn from_metadata(root: &Path, members: &[&str], package: &Value) -> Option<Self> {
        let manifest = Path::new(package.get("manifest_path")?.as_str()?);
        let manifest = manifest.strip_prefix(root).unwrap_or(manifest);
        let targets = package.get("targets")?.as_array()?;
        let has = |wanted: &str| {
            let kinds = targets.iter().filter_map(|target| target.get("kind")?.as_array());
            kinds.flatten().any(|kind| kind == wanted)
        };
        let dependencies = package.get("dependencies")?.as_array()?.iter().filter_map(|found| {
            let name = found.get("name")?.as_str()?;
            let is_dev = found.get("kind").and_then(Value::as_str) == Some("dev");
            members.contains(&name).then(|| Dependency { name: name.into(), is_dev })
        });
        Some(Self {
            name: package.get("name")?.as_str()?.into(),
            manifest: manifest.to_string_lossy().replace('\\', "/"),
            has_library: has("lib"),
            has_examples: has("example"),
            dependencies: dependencies.collect(),
        })
    }
}

/// Returns a Cargo command in `root`, as a developer would type it there.
pub(crate) fn command<S: AsRef<OsStr>>(
    root: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root);
    // `cargo xtask` set these for this program. A build script that watches one of them would
    // run again each time a developer changes between `cargo xtask test` and plain Cargo.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name.as_ref());
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_yields_members_and_the_arrows_between_them() {
        let metadata = serde_json::json!({
            "target_directory": "/x/target",
            "packages": [
                {
                    "name": "quorate-log", "manifest_path": "/x/crates/log/Cargo.toml",
                    "targets": [{ "kind": ["lib"] }, { "kind": ["test"] }],
                    "dependencies": [
                        { "name": "quorate-testkit", "kind": "dev" },
                        { "name": "sha2", "kind": null },
                    ],
                },
                {
                    "name": "quorate-testkit", "manifest_path": "/x/testkit/Cargo.toml",
                    "targets": [{ "kind": ["bin"] }, { "kind": ["example"] }],
                    "dependencies": [{ "name": "quorate-log", "kind": null }],
                },
            ],
        });

        let workspace = Workspace::from_metadata("/x".into(), &metadata).unwrap();

        let [log, testkit] = workspace.packages.as_slice() else { panic!("two packages") };
        assert_eq!(log.manifest, "crates/log/Cargo.toml");
        assert!(log.has_library && !testkit.has_library);
        assert!(testkit.has_examples && !log.has_examples);
        assert_eq!(log.dependencies.len(), 1, "a crate of the registry is no arrow");
        assert!(log.dependencies.iter().all(|arrow| arrow.is_dev));
        assert!(testkit.dependencies.iter().all(|arrow| !arrow.is_dev));
    }
}
