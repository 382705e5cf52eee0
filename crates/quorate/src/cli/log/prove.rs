//! `quorate log prove`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::api::{Answer, Code, Problem, Query};
use crate::cli::context::Context;
use crate::cli::file::with_ending;
use crate::cli::output::Target;
use crate::cli::session::Session;
use crate::cli::{Failure, Run};
use crate::launch::unexpected;
use crate::render::{Tone, clause, request_sentence};
use crate::shell_quote::quoted;

/// Write a proof that a signature, or any entry, is in the log
///
/// Writes two files: the proof (C2SP tlog-proof) and, next to it, the entry (.entry). Anyone who
/// has them and the log's key can check them offline.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate log prove 8f2091aa4c07d1e25b63 --out contract.tlog-proof      the signature of a request
  quorate log prove 17 --out genesis.tlog-proof                         entry 17
  quorate log verify --proof contract.tlog-proof --log-key log.vkey")]
pub(super) struct Prove {
    /// A request's id or the beginning of it (for its signature), or an entry's index
    #[arg(value_name = "REQUEST|INDEX")]
    what: String,
    /// Write the proof to this file
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Replace the files if they exist
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct ProofView {
    index: u64,
    proof_file: PathBuf,
    entry_file: PathBuf,
    log_key: String,
}

impl Run for Prove {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let proof_target = Target::new(self.out.clone(), self.force)?;
        let entry_target = Target::new(with_ending(&self.out, "entry"), self.force)?;
        if proof_target.is_stdout() {
            return Err(Problem::new(
                Code::Usage,
                "a proof is two files, so it cannot go to stdout",
            )
            .into());
        }
        let session = context.session()?;
        let index = self.index(&session)?;
        let (entry, proof, log_key) = match session.ask(Query::Prove { index })? {
            Answer::Proof { entry, proof, log_key } => (entry.0, proof, log_key),
            other => return Err(unexpected(&other).into()),
        };
        entry_target.write(&entry)?;
        proof_target.write(proof.as_bytes())?;
        let view = ProofView {
            index,
            proof_file: proof_target.path().to_owned(),
            entry_file: entry_target.path().to_owned(),
            log_key,
        };
        context.terminal.show("proof", &view, |page| {
            page.verdict(Tone::Good, format!("proved entry {index} of the log"));
            page.field("proof", view.proof_file.display());
            page.field("entry", view.entry_file.display());
            page.field("log key", &view.log_key);
        })?;
        context.terminal.note(|page| {
            let proof = quoted(&view.proof_file.display().to_string());
            page.blank();
            page.sentence("Anyone who trusts that log key can check both files with:");
            page.copyable(format!(
                "quorate log verify --proof {proof} --log-key '{}'",
                view.log_key
            ));
        });
        Ok(())
    }
}

impl Prove {
    /// Returns the index of the entry to prove. A request's id has at least 4 digits and takes
    /// precedence over an index, which few logs are long enough to notice.
    fn index(&self, session: &Session) -> Result<u64, Problem> {
        let as_index = self.what.parse::<u64>().ok();
        match (session.request(&self.what), as_index) {
            (Ok(request), _) => request.signature_index.ok_or_else(|| {
                let sentence = request_sentence(&request);
                let sentence = clause(&sentence);
                Problem::new(Code::Waiting, format!("there is no signature to prove: {sentence}"))
                    .hint(format!(
                        "its request is entry {}: quorate log prove {} --out FILE",
                        request.index, request.index
                    ))
            }),
            (Err(_), Some(index)) => Ok(index),
            (Err(problem), None) => Err(problem),
        }
    }
}
