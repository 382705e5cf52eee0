//! `quorate verify --evidence`: what an evidence file shows about a document, offline.

use std::path::{Path, PathBuf};

use quorate_ceremony::audit::Anchor;
use quorate_ceremony::names::IvnId;

use crate::api::{Exit, Problem};
use crate::cli::Failure;
use crate::cli::context::Context;
use crate::cli::file;
use crate::cli::log::{key_of_home, read_key, shown_name};
use crate::cli::output::Target;
use crate::log_audit::{Evidence, EvidenceReport};
use crate::render::{Tone, decisions, evidence_page, trust_sentence};

/// What to check, and by what.
pub(super) struct Check<'a> {
    /// The document, if it was given apart from the evidence.
    pub(super) file: Option<&'a Path>,
    pub(super) evidence: &'a Path,
    pub(super) ivn: Option<IvnId>,
    pub(super) log_key: Option<&'a str>,
    /// Where to write the page for printing.
    pub(super) page: Option<PathBuf>,
    pub(super) force: bool,
}

impl Check<'_> {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let page = self.page.clone().map(|path| Target::new(path, self.force)).transpose()?;
        if let Some(page) = &page {
            page.spare(self.evidence)?;
            self.file.map_or(Ok(()), |document| page.spare(document))?;
        }
        let evidence = Evidence::from_bytes(&file::read(self.evidence, EVIDENCE_LIMIT)?)?;
        let document = self.file.map(|path| file::read(path, u64::MAX - 1)).transpose()?;
        let anchor = self.anchor(context)?;
        let report = evidence.verify(document.as_deref(), &anchor)?;
        let name = self.name(&report);
        if let Some(target) = &page {
            let text = evidence_page(&name, &shown_name(self.evidence), &report);
            target.write(text.as_bytes())?;
        }
        show(context, &name, &report, page.as_ref().map(Target::path))?;
        match report.audit.anchored {
            true => Ok(()),
            false => Err(Failure::Shown(Exit::UntrustedKey)),
        }
    }

    /// Returns the given identity of the log, or that of the home's IVN.
    fn anchor(&self, context: &Context) -> Result<Anchor, Problem> {
        let log_key = match self.log_key {
            Some(text) => Some(read_key(text)?),
            None if self.ivn.is_none() => key_of_home(context).ok(),
            None => None,
        };
        Ok(Anchor { ivn: self.ivn, log_key })
    }

    fn name(&self, report: &EvidenceReport) -> String {
        let submitted = || report.evidence.file_name.clone();
        let name = self.file.map(shown_name).or_else(submitted);
        name.unwrap_or_else(|| "the document".to_owned())
    }
}

/// Shows what verified evidence contains.
fn show(
    context: &Context,
    name: &str,
    report: &EvidenceReport,
    page_file: Option<&Path>,
) -> Result<(), Problem> {
    context.terminal.show("evidence", report, |page| {
        if !report.audit.anchored {
            page.verdict(Tone::Warn, "Whose log this is has not been checked.");
            page.advice("give the id that the organisation published: --ivn ID, or --log-key KEY");
        }
        decisions(page, name, &report.file_sha256, &report.evidence);
        page.field("IVN", report.audit.ivn);
        if let Some(file) = page_file {
            page.field("page", file.display());
        }
        page.blank();
        page.sentence(trust_sentence(&report.audit));
    })
}

/// In bytes; larger than any evidence that a node hands out.
const EVIDENCE_LIMIT: u64 = 1 << 30;
