//! What every command has: the terminal, the home, the passphrase, and a node to ask.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_ceremony::names::Timestamp;
use tokio::runtime::Runtime;

use super::session::Session;
use super::terminal::{Color, Terminal};
use crate::api::{Code, Problem};
use crate::error_chain::chain;
use crate::home::{HOME_VARIABLE, HomeError, Locations, NodeConfig, NodeHome};
use crate::keystore::{
    Cost, KeystoreError, NodeKeys, Passphrase, PassphraseProtector, ProtectorError, Purpose, Source,
};
use crate::launch::Client;
use crate::shell_quote::quoted;

/// What the options of every command give to it.
pub(super) struct Context {
    pub(super) terminal: Terminal,
    /// Makes the grammar of all commands, from which completions are generated.
    pub(super) grammar: fn(Color) -> clap::Command,
    /// From `--home` or QUORATE_HOME.
    pub(super) home: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    passphrase_command: Option<String>,
    may_ask: bool,
    runtime: Arc<Runtime>,
}

impl Context {
    pub(super) fn new(
        terminal: Terminal,
        grammar: fn(Color) -> clap::Command,
        home: Option<PathBuf>,
        passphrases: (Option<PathBuf>, Option<String>),
        may_ask: bool,
    ) -> Result<Self, Problem> {
        let runtime = Runtime::new().map_err(|error| {
            Problem::new(Code::Failed, format!("no threads can be started: {error}"))
        })?;
        let (passphrase_file, passphrase_command) = passphrases;
        let runtime = Arc::new(runtime);
        Ok(Self { terminal, grammar, home, passphrase_file, passphrase_command, may_ask, runtime })
    }

    /// Adds the option to `command` that selects this home, if it needs one.
    pub(super) fn command(&self, command: &str) -> String {
        let variable = std::env::var_os(HOME_VARIABLE).map(PathBuf::from);
        match &self.home {
            Some(home) if variable.as_ref() != Some(home) => {
                format!("{command} --home {}", quoted(&home.display().to_string()))
            }
            _ => command.to_owned(),
        }
    }

    /// Blocks until `work` is done.
    pub(super) fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Finds the node home that the options select.
    pub(super) fn node_home(&self) -> Result<PathBuf, Problem> {
        Locations::from_environment().node(self.home.clone()).map_err(|error| home_problem(&error))
    }

    /// Reads the configuration of the node home, whether its node runs or not.
    pub(super) fn node_config(&self) -> Result<NodeConfig, Problem> {
        NodeHome::read(&self.node_home()?).map_err(|error| home_problem(&error))
    }

    /// Returns the file that `--passphrase-file` or QUORATE_PASSPHRASE_FILE names.
    pub(super) fn passphrase_file(&self) -> Option<&Path> {
        self.passphrase_file.as_deref()
    }

    /// Reads the passphrase of the node home's keys. On a terminal, it is checked, and a wrong one
    /// can be typed again.
    pub(super) fn home_passphrase(&self) -> Result<Passphrase, Problem> {
        let keys = NodeHome::keys_at(&self.node_home()?);
        let mut passphrase = self.passphrase(&Purpose::Open)?;
        // Programs do not type.
        if !self.may_ask() || self.source() != Source::Terminal {
            return Ok(passphrase);
        }
        for _ in 1..TRIES {
            let protector = PassphraseProtector::new(passphrase.again(), Cost::RECOMMENDED);
            match NodeKeys::open(&keys, &protector) {
                Err(KeystoreError::Protector {
                    source: ProtectorError::WrongPassphrase, ..
                }) => {
                    self.terminal.warn("wrong passphrase; type it again");
                    passphrase = self.passphrase(&Purpose::Open)?;
                }
                // Another problem is reported by what needs the keys.
                Ok(_) | Err(_) => break,
            }
        }
        Ok(passphrase)
    }

    /// Where the passphrase of a home's keys comes from.
    fn source(&self) -> Source {
        let command = self.passphrase_command.clone().filter(|line| !line.is_empty());
        match (command, self.passphrase_file.clone()) {
            (Some(command), _) => Source::Command(command),
            (None, Some(file)) => Source::File(file),
            (None, None) => Source::Terminal,
        }
    }

    /// Reads the passphrase of a home's keys, or asks for it.
    pub(super) fn passphrase(&self, purpose: &Purpose) -> Result<Passphrase, Problem> {
        let hint = "give a file with --passphrase-file or QUORATE_PASSPHRASE_FILE, or a command with --passphrase-command";
        self.obtain(&self.source(), purpose, "a passphrase", hint)
    }

    /// Reads a passphrase that is to protect something new, other than the home's: from `file`, or
    /// the terminal.
    pub(super) fn other_passphrase(
        &self,
        file: Option<&Path>,
        purpose: &Purpose,
        option: &str,
    ) -> Result<Passphrase, Problem> {
        let source = file.map_or(Source::Terminal, |file| Source::File(file.to_owned()));
        self.obtain(&source, purpose, "the other passphrase", &format!("give a file with {option}"))
    }

    fn obtain(
        &self,
        source: &Source,
        purpose: &Purpose,
        what: &str,
        hint: &str,
    ) -> Result<Passphrase, Problem> {
        if *source == Source::Terminal && !self.may_ask {
            let message = format!("{what} is needed, and --no-input forbids asking");
            return Err(Problem::new(Code::Usage, message).hint(hint));
        }
        if let Some(introduction) = purpose.introduction().filter(|_| *source == Source::Terminal) {
            self.terminal.note(|page| page.sentence(introduction));
        }
        Passphrase::obtain(source, purpose)
            .map_err(|error| Problem::new(Code::Failed, chain(&error)))
    }

    /// Connects to the running node of the home, or opens the node in this process.
    pub(super) fn session(&self) -> Result<Session, Problem> {
        let home = self.node_home()?;
        // Checked first, so that nobody types a passphrase in vain.
        NodeHome::read(&home).map_err(|error| home_problem(&error))?;
        let client = self.wait_for(Client::open(&home, || self.home_passphrase()))?;
        Ok(Session::new(client, self.runtime.clone()))
    }

    /// Connects to the node of the home, if it is running.
    pub(super) fn running_session(&self) -> Result<Option<Session>, Problem> {
        let home = self.node_home()?;
        let mut is_running = true;
        // A passphrase is only asked for when no node runs.
        let opening = Client::open(&home, || {
            is_running = false;
            Err(Problem::new(Code::Failed, "no node is running"))
        });
        match self.wait_for(opening) {
            Ok(client) => Ok(Some(Session::new(client, self.runtime.clone()))),
            Err(_) if !is_running => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Whether a person can be asked.
    pub(super) fn may_ask(&self) -> bool {
        use std::io::IsTerminal as _;
        self.may_ask && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// How often a person may type a passphrase.
const TRIES: usize = 3;

/// Returns the current time in milliseconds, as in the log.
pub(super) fn now() -> Timestamp {
    crate::timers::now()
}

/// Names the command that makes a missing home.
pub(super) fn home_problem(error: &HomeError) -> Problem {
    let problem = Problem::new(Code::Failed, chain(error));
    match error {
        HomeError::Missing { kind: "node", .. } => problem.hint(
            "`quorate init` creates an IVN; `quorate join URL` joins one; --home says where a home is",
        ),
        HomeError::Missing { .. } => problem.hint("`quorate init` creates an IVN"),
        HomeError::Ambiguous { path, names } => {
            let homes = names.iter().map(|name| {
                format!("--home {}", quoted(&path.join(name).display().to_string()))
            });
            problem.hint(homes.collect::<Vec<_>>().join(" or "))
        }
        _ => problem,
    }
}
