//! Default locations of homes.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::error::HomeError;

/// The environment variable that stands in for `--home`.
pub const HOME_VARIABLE: &str = "QUORATE_HOME";

/// The locations that the environment gives.
#[derive(Clone, Debug)]
pub struct Locations {
    home: Option<PathBuf>,
    data: Option<PathBuf>,
}

impl Locations {
    /// Reads `QUORATE_HOME`, `XDG_DATA_HOME` and `HOME`.
    pub fn from_environment() -> Self {
        Self::new(|name| env::var_os(name))
    }

    fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG specification requires relative paths to be ignored.
        let xdg = path("XDG_DATA_HOME").filter(|path| path.is_absolute());
        let data = xdg.or_else(|| path("HOME").map(|home| home.join(".local/share")));
        Self { home: path(HOME_VARIABLE), data: data.map(|data| data.join("quorate")) }
    }

    /// Returns the home of a new node: `flag` if it was given, else `QUORATE_HOME`, else
    /// `$XDG_DATA_HOME/quorate/nodes/<name>`.
    ///
    /// # Errors
    ///
    /// [`HomeError::NoDataDirectory`].
    pub fn new_node(&self, flag: Option<PathBuf>, name: &str) -> Result<PathBuf, HomeError> {
        self.given(flag).map_or_else(|| Ok(self.data()?.join(NODES).join(name)), Ok)
    }

    /// Returns the home of an existing node: as [`Self::new_node`], or the only one that there is.
    ///
    /// # Errors
    ///
    /// When there is none, or more than one.
    pub fn node(&self, flag: Option<PathBuf>) -> Result<PathBuf, HomeError> {
        if let Some(given) = self.given(flag) {
            return Ok(given);
        }
        let nodes = self.data()?.join(NODES);
        let mut names = match fs::read_dir(&nodes) {
            Ok(entries) => entries
                .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| HomeError::read(&nodes, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(HomeError::read(&nodes, error)),
        };
        // Unfinished restores.
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        match names.as_slice() {
            [] => Err(HomeError::Missing { path: nodes, kind: "node" }),
            [name] => Ok(nodes.join(name)),
            _ => Err(HomeError::Ambiguous { path: nodes, names }),
        }
    }

    /// Returns the coordinator's home: `flag` if it was given, else `QUORATE_HOME`, else
    /// `$XDG_DATA_HOME/quorate/coordinator`.
    ///
    /// # Errors
    ///
    /// [`HomeError::NoDataDirectory`].
    pub fn coordinator(&self, flag: Option<PathBuf>) -> Result<PathBuf, HomeError> {
        self.given(flag).map_or_else(|| Ok(self.data()?.join("coordinator")), Ok)
    }

    fn given(&self, flag: Option<PathBuf>) -> Option<PathBuf> {
        flag.or_else(|| self.home.clone())
    }

    fn data(&self) -> Result<&PathBuf, HomeError> {
        self.data.as_ref().ok_or(HomeError::NoDataDirectory)
    }
}

const NODES: &str = "nodes";

#[cfg(test)]
mod tests {
    use super::*;

    fn locations(variables: &[(&str, &str)]) -> Locations {
        Locations::new(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn a_flag_comes_before_the_variable_and_that_before_xdg() {
        let all = [(HOME_VARIABLE, "/q"), ("XDG_DATA_HOME", "/x"), ("HOME", "/h")];
        let flag = Some(PathBuf::from("/f"));
        let coordinator = |from, flag| locations(from).coordinator(flag).unwrap();
        assert_eq!(coordinator(&all, flag), PathBuf::from("/f"));
        assert_eq!(coordinator(&all, None), PathBuf::from("/q"));
        assert_eq!(coordinator(&all[1..], None), PathBuf::from("/x/quorate/coordinator"));
        assert_eq!(
            coordinator(&all[2..], None),
            PathBuf::from("/h/.local/share/quorate/coordinator")
        );
        let refused = locations(&[]).coordinator(None);
        assert!(matches!(refused, Err(HomeError::NoDataDirectory)));
    }

    #[test]
    fn empty_and_relative_variables_are_ignored() {
        let from = locations(&[(HOME_VARIABLE, ""), ("XDG_DATA_HOME", "x"), ("HOME", "/h")]);
        let node = from.new_node(None, "ada").unwrap();
        assert_eq!(node, PathBuf::from("/h/.local/share/quorate/nodes/ada"));
    }

    #[test]
    fn without_a_name_the_only_node_is_meant() {
        let data = tempfile::tempdir().unwrap();
        let from = locations(&[("XDG_DATA_HOME", data.path().to_str().unwrap())]);
        assert!(matches!(from.node(None), Err(HomeError::Missing { .. })));
        let ada = from.new_node(None, "ada").unwrap();
        fs::create_dir_all(&ada).unwrap();
        fs::create_dir_all(from.new_node(None, ".bob.restoring").unwrap()).unwrap();
        assert_eq!(from.node(None).unwrap(), ada);
        fs::create_dir_all(from.new_node(None, "bob").unwrap()).unwrap();
        let refused = from.node(None);
        assert!(
            matches!(refused, Err(HomeError::Ambiguous { names, .. }) if names == ["ada", "bob"])
        );
    }
}
