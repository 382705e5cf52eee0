//! `quorate log verify`: checks a log, or a proof from one, without asking anybody.

use std::path::{Path, PathBuf};

use clap::Args;
use quorate_ceremony::audit::Anchor;
use quorate_ceremony::entry::Entry;
use quorate_ceremony::names::IvnId;
use quorate_ceremony::state::IvnState;
use quorate_log::key::LogVerifier;

use crate::cli::context::Context;
use crate::cli::file;
use crate::cli::{Failure, Run};
use crate::control::{Exit, Problem};
use crate::log_audit::{Options, audit_directory, verify_proof};

/// Check a whole log, or a proof that one entry is in it
///
/// A log is a directory as coordinators publish it (C2SP tlog-tiles), copied from anywhere. Everything in it is computed
/// again: the Merkle tree, who signed each entry and was allowed to, the key generations, the signatures. Exit code 3 if
/// anything does not hold. Needs no network and no home.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate log verify ./log
  quorate log verify ./log --log-key log.vkey --documents ./documents
  quorate log verify --proof contract.tlog-proof --log-key log.vkey")]
pub(super) struct Verify {
    /// The log's directory
    #[arg(value_name = "DIR", required_unless_present = "proof")]
    directory: Option<PathBuf>,
    /// Check this proof instead, as `quorate log prove` wrote it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["directory", "ivn", "documents"])]
    proof: Option<PathBuf>,
    /// The entry that the proof is about [the proof's name with .entry, if not given]
    #[arg(long, value_name = "FILE", requires = "proof")]
    entry: Option<PathBuf>,
    /// The log's key that you trust, or a file with it [for a proof: that of your home's IVN, if not given]
    #[arg(long, value_name = "KEY|FILE")]
    log_key: Option<String>,
    /// The IVN that it must be the log of
    #[arg(long, value_name = "ID")]
    ivn: Option<IvnId>,
    /// A directory of documents, as the coordinator keeps them: then the signatures over them are checked, too
    #[arg(long, value_name = "DIR")]
    documents: Option<PathBuf>,
}

impl Run for Verify {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let log_key = self.log_key.as_deref().map(read_key).transpose()?;
        match (self.proof, self.directory) {
            (Some(proof), _) => {
                let entry = self.entry.unwrap_or_else(|| file::with_ending(&proof, "entry"));
                check_proof(context, &proof, &entry, log_key)
            }
            (None, Some(directory)) => {
                let anchor = Anchor { ivn: self.ivn, log_key };
                check_log(context, &directory, &Options { anchor, documents: self.documents })
            }
            (None, None) => {
                Err(Problem::new(Exit::Usage, "say what to verify: DIR or --proof FILE").into())
            }
        }
    }
}

fn check_log(context: &Context, directory: &Path, options: &Options) -> Result<(), Failure> {
    let report = audit_directory(directory, options)?;
    context.terminal.show("audit", &report, |page| {
        report.lines().iter().for_each(|line| page.sentence(line));
    })?;
    if report.faults.is_empty() { Ok(()) } else { Err(Failure::Shown(Exit::Verification)) }
}

fn check_proof(
    context: &Context,
    proof: &Path,
    entry: &Path,
    log_key: Option<LogVerifier>,
) -> Result<(), Failure> {
    let (log_key, is_given) = match log_key {
        Some(key) => (key, true),
        None => (key_of_home(context)?, false),
    };
    let text = file::read_text(proof)?;
    let report = verify_proof(&text, &file::read(entry, ENTRY_LIMIT)?, &log_key.to_string())?;
    context.terminal.show("entry-proof", &report, |page| {
        report.lines().iter().for_each(|line| page.sentence(line));
        if !is_given {
            page.sentence("The log's key is that of this home's IVN.");
        }
    })?;
    Ok(())
}

/// A key as text, or in a file.
fn read_key(text: &str) -> Result<LogVerifier, Problem> {
    let path = Path::new(text);
    let content = if path.is_file() { file::read_text(path)? } else { text.to_owned() };
    content.trim().parse().map_err(|error| {
        Problem::new(Exit::Usage, format!("the log key can not be used: {error}"))
            .hint("copy the whole line that `quorate status` shows as log key")
    })
}

/// The log key that the home's genesis names.
fn key_of_home(context: &Context) -> Result<LogVerifier, Problem> {
    let untrusted = || {
        Problem::new(
            Exit::UntrustedKey,
            "there is no log key to trust: no --log-key, and no home whose IVN has one",
        )
        .hint("give the key that the log's operator published: --log-key KEY")
    };
    let config = context.node_config().map_err(|_| untrusted())?;
    let genesis = Entry::from_bytes(&config.genesis.0).map_err(|_| untrusted())?;
    let state = IvnState::found(&genesis).map_err(|_| untrusted())?;
    let origin = state.origin().parse().map_err(|_| untrusted())?;
    LogVerifier::new(origin, &state.genesis().log_key.0).map_err(|_| untrusted())
}

/// More than an entry can have, in bytes.
const ENTRY_LIMIT: u64 = 128 << 10;
