//! `quorate log verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use quorate_ceremony::audit::{Anchor, AuditReport, Verdict};
use quorate_ceremony::entry::Entry;
use quorate_ceremony::names::IvnId;
use quorate_ceremony::state::IvnState;
use quorate_log::key::LogVerifier;
use quorate_log::tlog_proof::TlogProof;
use serde::Serialize;

use super::document;
use crate::api::{Code, Exit, Problem};
use crate::cli::context::Context;
use crate::cli::file;
use crate::cli::{Failure, Run};
use crate::log_audit::{
    Options, Since, audit_directory, compare_since, verify_misbehaviour, verify_proof,
};

/// Check a whole log, or a proof that one entry is in it
///
/// A log is a directory as coordinators publish it (C2SP tlog-tiles), copied from anywhere.
/// Everything in it is computed again: the Merkle tree, who signed each entry and was allowed to,
/// the key generations, the signatures. Exit code 3 if any check fails. Needs no network and no
/// home.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate log verify ./log
  quorate log verify ./log --document contract.pdf --ivn ID     who approved it, and when
  quorate log verify ./log --log-key log.vkey --documents ./documents
  quorate log verify ./log --since last-month/checkpoint --require-final
  quorate log verify --misbehaviour misbehaviour.json --log-key log.vkey
  quorate log verify --proof contract.tlog-proof --log-key log.vkey")]
pub(super) struct Verify {
    /// The log's directory. A coordinator publishes it as ivns/ID/log in its home
    #[arg(value_name = "DIR", required_unless_present_any = ["proof", "misbehaviour"])]
    directory: Option<PathBuf>,
    /// Check this proof instead, which `quorate log prove` wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["directory", "ivn", "documents"])]
    proof: Option<PathBuf>,
    /// The entry that the proof is about [default: the proof's name with .entry]
    #[arg(long, value_name = "FILE", requires = "proof")]
    entry: Option<PathBuf>,
    /// The log's key that you trust, or a file with it [default for a proof: the key of your home's
    /// IVN]
    #[arg(long, value_name = "KEY|FILE")]
    log_key: Option<String>,
    /// The id of the IVN whose log this must be
    #[arg(long, value_name = "ID")]
    ivn: Option<IvnId>,
    /// Report who approved and rejected this file, when, and by which rule. Exit code 3 if the log
    /// contains no request for a signature of it
    ///
    /// A signed file is recognised by its signature. Unsigned requests contain only a salted hash,
    /// so recognising their files takes the documents of a node or coordinator: --documents, those
    /// next to DIR, or those of your home.
    #[arg(long, value_name = "FILE", requires = "directory",
        conflicts_with_all = ["proof", "misbehaviour", "since", "require_final"])]
    document: Option<PathBuf>,
    /// A directory of documents, as nodes and coordinators keep them in their homes, to check the
    /// signatures over them too
    #[arg(long, value_name = "DIR")]
    documents: Option<PathBuf>,
    /// An earlier checkpoint of the log, or one from elsewhere, which the log must continue
    #[arg(long, value_name = "FILE", requires = "directory", conflicts_with = "misbehaviour")]
    since: Option<PathBuf>,
    /// Assume that nobody was shown a different log up to that checkpoint, because you have checked
    /// it by other means: earlier changes of groups then need no confirmation by the previous
    /// members
    #[arg(long, requires = "since")]
    agreed: bool,
    /// Fail unless enough members cosigned the log that nobody can be shown a different one
    #[arg(long, requires = "directory", conflicts_with = "misbehaviour")]
    require_final: bool,
    /// Check this proof that the coordinator broke the rules, as nodes keep it. If it accuses an
    /// entry, give a copy of the log with the same beginning as DIR
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "ivn"])]
    misbehaviour: Option<PathBuf>,
}

/// An audit, and how the log compares with an earlier checkpoint.
#[derive(Serialize)]
struct AuditView<'a> {
    #[serde(flatten)]
    report: &'a AuditReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'a Since>,
}

#[derive(Serialize)]
struct MisbehaviourView {
    proved: bool,
    sentence: String,
}

impl Run for Verify {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let log_key = self.log_key.as_deref().map(read_key).transpose()?;
        if let Some(file) = &self.misbehaviour {
            let (directory, documents) = (self.directory.as_deref(), self.documents.as_deref());
            return check_misbehaviour(context, file, log_key, directory, documents);
        }
        let known =
            Known { since: self.since, agreed: self.agreed, require_final: self.require_final };
        match (self.proof, self.directory) {
            (Some(proof), _) => {
                let entry = self.entry.unwrap_or_else(|| file::with_ending(&proof, "entry"));
                check_proof(context, &proof, &entry, log_key)
            }
            (None, Some(directory)) => {
                let anchor = Anchor { ivn: self.ivn, log_key };
                let options = Options { anchor, documents: self.documents };
                if let Some(file) = &self.document {
                    return document::check(context, &directory, &options, file);
                }
                check_log(context, &directory, &options, &known)
            }
            (None, None) => Err(Problem::new(
                Code::Usage,
                "there is nothing to verify: give DIR or --proof FILE",
            )
            .into()),
        }
    }
}

/// What the log is compared with besides itself, and whether it has to be final.
struct Known {
    since: Option<PathBuf>,
    agreed: bool,
    require_final: bool,
}

fn check_log(
    context: &Context,
    directory: &Path,
    options: &Options,
    known: &Known,
) -> Result<(), Failure> {
    let mut report = audit_directory(directory, options)?;
    let since = match &known.since {
        Some(file) => Some(compare_since(directory, &file::read_text(file)?, &report)?),
        None => None,
    };
    if let Some(Since::Continues { from, to, root }) = since
        && known.agreed
        // The directory may have changed meanwhile.
        && (to, root) == (report.size, report.root)
    {
        report.agree_up_to(from);
    }
    let too_few = known.require_final && report.verdict == Verdict::NotFinal;
    let view = AuditView { report: &report, since: since.as_ref() };
    context.terminal.show("audit", &view, |page| {
        crate::render::audit::lines(&report).iter().for_each(|line| page.sentence(line));
        if let Some(since) = &since {
            page.blank();
            page.sentence(since.sentence());
        }
        if too_few {
            page.blank();
            page.sentence("It is not final, and --require-final asks for that.");
        }
    })?;
    let holds = report.faults.is_empty() && since.as_ref().is_none_or(Since::holds) && !too_few;
    if holds { Ok(()) } else { Err(Failure::Shown(Exit::Verification)) }
}

fn check_misbehaviour(
    context: &Context,
    file: &Path,
    log_key: Option<LogVerifier>,
    directory: Option<&Path>,
    documents: Option<&Path>,
) -> Result<(), Failure> {
    let log_key = match log_key {
        Some(key) => key,
        None => key_of_home(context)?,
    };
    let proved = verify_misbehaviour(&file::read_text(file)?, &log_key, directory, documents)?;
    let sentence = format!("It is proved: {proved}.");
    let view = MisbehaviourView { proved: true, sentence };
    context.terminal.show("misbehaviour", &view, |page| {
        page.sentence(&view.sentence);
        page.sentence(format!("The log's key is {log_key}."));
    })?;
    Ok(())
}

fn check_proof(
    context: &Context,
    proof: &Path,
    entry: &Path,
    log_key: Option<LogVerifier>,
) -> Result<(), Failure> {
    let text = file::read_text(proof)?;
    if text.parse::<TlogProof>().is_err() {
        let message = format!("{} is not a proof of an entry", proof.display());
        return Err(Problem::new(Code::Verification, message)
            .hint("`quorate log prove` writes one; to check a document: quorate log verify DIR --document FILE")
            .into());
    }
    let (log_key, is_given) = match log_key {
        Some(key) => (key, true),
        None => (key_of_home(context)?, false),
    };
    let report = verify_proof(&text, &file::read(entry, ENTRY_LIMIT)?, &log_key.to_string())?;
    context.terminal.show("entry-proof", &report, |page| {
        report.lines().iter().for_each(|line| page.sentence(line));
        if !is_given {
            page.sentence("The log's key is that of this home's IVN.");
        }
    })?;
    Ok(())
}

/// Reads a key that is given as text or in a file.
pub(in crate::cli) fn read_key(text: &str) -> Result<LogVerifier, Problem> {
    let path = Path::new(text);
    let content = if path.is_file() { file::read_text(path)? } else { text.to_owned() };
    content.trim().parse().map_err(|error| {
        Problem::new(Code::Usage, format!("the log key cannot be used: {error}"))
            .hint("copy the whole line that `quorate status` shows as log key")
    })
}

/// Returns the log key of the coordinator that the home's node trusts.
pub(in crate::cli) fn key_of_home(context: &Context) -> Result<LogVerifier, Problem> {
    let untrusted = || {
        Problem::new(
            Code::UntrustedKey,
            "there is no log key to trust: no --log-key, and no home whose IVN has one",
        )
        .hint("give the key that the log's operator published: --log-key KEY")
    };
    let config = context.node_config().map_err(|_| untrusted())?;
    let genesis = Entry::from_bytes(&config.genesis.0).map_err(|_| untrusted())?;
    let state = IvnState::found(&genesis).map_err(|_| untrusted())?;
    let key = config.log_key.unwrap_or(state.genesis().log_key);
    state.log_verifier_of(&key).ok_or_else(untrusted)
}

/// In bytes; larger than any entry.
const ENTRY_LIMIT: u64 = 128 << 10;
