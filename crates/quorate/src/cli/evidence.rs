//! `quorate request evidence`.

use std::path::{Path, PathBuf};

use clap::Args;
use quorate_ceremony::audit::{Anchor, Verdict};
use quorate_ceremony::names::EntryId;
use serde::Serialize;

use super::context::Context;
use super::log::{key_of_home, shown_name};
use super::output::Target;
use super::session::Session;
use super::{Failure, Run};
use crate::api::{Answer, Code, Problem, Query};
use crate::launch::unexpected;
use crate::log_audit::{Evidence, EvidenceReport};
use crate::render::{Page, Tone, decisions, evidence_page, size, trust_sentence};
use crate::shell_quote::quoted;

/// Write one file with which anyone can check offline who approved a request
///
/// The file contains the document, its request, all decisions, the signature, and the whole log up
/// to now with the cosignatures, so that nothing about the request can be left out. It therefore
/// shows the names of all accounts and groups of the IVN, and when they did what, but no other
/// document. Checking it takes no network, no home and no trust, only the IVN's id.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate request evidence 8f2091aa4c07d1e25b63 --out contract.evidence --page contract.html
  quorate request evidence 8f2091aa4c07d1e25b63 --out contract.evidence --without-document
  quorate verify contract.pdf --evidence contract.evidence --ivn ID")]
pub(super) struct WriteEvidence {
    /// The request's id, or the beginning of it (at least 4 digits)
    #[arg(value_name = "ID")]
    id: String,
    /// Write the evidence to this file
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Write a page for printing to this file as well (HTML)
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Leave out the document: those who check the evidence need it from elsewhere
    #[arg(long)]
    without_document: bool,
    /// Replace the files if they exist
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct WrittenView<'a> {
    request: EntryId,
    evidence_file: &'a Path,
    page_file: Option<&'a Path>,
    bytes: usize,
    contains_document: bool,
    ivn: quorate_ceremony::names::IvnId,
    log_key: &'a str,
    verdict: Verdict,
    #[serde(flatten)]
    found: &'a crate::log_audit::DocumentRequest,
}

impl Run for WriteEvidence {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let target = Target::new(self.out.clone(), self.force)?;
        let page = self.page.clone().map(|path| Target::new(path, self.force)).transpose()?;
        if target.is_stdout() && context.terminal.is_json() {
            return Err(Problem::new(
                Code::Usage,
                "--json and the evidence cannot both go to stdout",
            )
            .hint("give a file with --out FILE")
            .into());
        }
        let session = context.session()?;
        let evidence = ask(&session, &self.id)?;
        if evidence.document().is_none() {
            return Err(Problem::new(Code::NoDocument, "this node cannot get the document")
                .hint("only nodes that have the document can make evidence; ask a member")
                .into());
        }
        let anchor = Anchor { ivn: None, log_key: key_of_home(context).ok() };
        // Its recipients check it again.
        let report = evidence.verify(None, &anchor)?;
        let evidence = if self.without_document { evidence.without_document() } else { evidence };
        let bytes = evidence.to_bytes();
        if target.is_stdout() {
            context.terminal.bytes(&bytes)?;
            return Ok(());
        }
        target.write(&bytes)?;
        let name = report.evidence.file_name.clone().unwrap_or_default();
        if let Some(page) = &page {
            let text = evidence_page(&name, &shown_name(target.path()), &report);
            page.write(text.as_bytes())?;
        }
        let view = WrittenView {
            request: report.evidence.request.id,
            evidence_file: target.path(),
            page_file: page.as_ref().map(Target::path),
            bytes: bytes.len(),
            contains_document: !self.without_document,
            ivn: report.audit.ivn,
            log_key: &report.audit.log_key,
            verdict: report.audit.verdict,
            found: &report.evidence,
        };
        context.terminal.show("evidence-file", &view, |out| write(out, &name, &view, &report))?;
        context.terminal.note(|note| {
            let (file, evidence) = (quoted(&name), quoted(&target.path().display().to_string()));
            note.blank();
            note.sentence("Anyone who has the document and knows the IVN's id can check it with:");
            note.copyable(format!(
                "quorate verify {file} --evidence {evidence} --ivn {}",
                report.audit.ivn
            ));
        });
        Ok(())
    }
}

fn ask(session: &Session, id: &str) -> Result<Evidence, Problem> {
    let request = session.request(id)?;
    match session.ask(Query::Evidence { id: request.id.to_string() })? {
        Answer::Evidence { file } => Evidence::from_bytes(&file),
        other => Err(unexpected(&other)),
    }
}

fn write(page: &mut Page, name: &str, view: &WrittenView<'_>, report: &EvidenceReport) {
    decisions(page, name, &report.file_sha256, &report.evidence);
    let what = if view.contains_document { "with" } else { "without" };
    page.field(
        "evidence",
        format!(
            "{}, {}, {what} the document",
            view.evidence_file.display(),
            size(view.bytes as u64)
        ),
    );
    if let Some(file) = view.page_file {
        page.field("page", file.display());
    }
    if view.verdict != Verdict::Final {
        page.blank();
        page.sentence(trust_sentence(&report.audit));
        page.item(
            Tone::Warn,
            "When more members' nodes have been online, make the evidence again: it then has more cosignatures.",
        );
    }
}
