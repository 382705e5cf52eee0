//! `quorate log verify --document`: who decided about a file.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::api::{Code, Problem};
use crate::cli::context::Context;
use crate::cli::{Failure, file};
use crate::documents::sha256;
use crate::log_audit::{DocumentAnswer, Openings, Options, find_document, verify_directory};
use crate::render::{decisions, trust_sentence, unknown_document};

/// What a verified log contains about a document.
#[derive(Serialize)]
struct DocumentView<'a> {
    file: &'a Path,
    file_sha256: &'a str,
    #[serde(flatten)]
    answer: &'a DocumentAnswer,
    ivn: quorate_ceremony::names::IvnId,
    anchored: bool,
    verdict: quorate_ceremony::audit::Verdict,
    size: u64,
}

pub(super) fn check(
    context: &Context,
    directory: &Path,
    options: &Options,
    document: &Path,
) -> Result<(), Failure> {
    let bytes = file::read(document, u64::MAX - 1)?;
    let report = verify_directory(directory, options)?;
    let answer = find_document(&report, &bytes, &openings(context, directory, options));
    let name = shown_name(document);
    let sha256 = sha256(&bytes);
    if answer.requests.is_empty() {
        let (sentence, hint) = unknown_document(&name, &answer);
        let problem = Problem::new(Code::Verification, sentence);
        return Err(match hint {
            Some(hint) => problem.hint(hint).into(),
            None => problem.into(),
        });
    }
    let view = DocumentView {
        file: document,
        file_sha256: &sha256,
        answer: &answer,
        ivn: report.ivn,
        anchored: report.anchored,
        verdict: report.verdict,
        size: report.size,
    };
    context.terminal.show("document-decisions", &view, |page| {
        for found in &answer.requests {
            decisions(page, &name, &sha256, found);
        }
        page.blank();
        page.sentence(trust_sentence(&report));
        if !report.anchored {
            page.sentence(format!(
                "Whose log it is was taken from the log itself. Compare its IVN id with one from a source that you trust: {}",
                report.ivn
            ));
        }
    })?;
    Ok(())
}

/// Returns the name of a file for people.
pub(in crate::cli) fn shown_name(path: &Path) -> String {
    match path.file_name() {
        _ if file::is_dash(path) => "stdin".to_owned(),
        Some(name) => name.to_string_lossy().into_owned(),
        None => path.display().to_string(),
    }
}

/// Returns all openings that are here: the given ones, those next to the log in a coordinator's
/// home, and those of the node's home.
fn openings(context: &Context, directory: &Path, options: &Options) -> Openings {
    let beside = directory.canonicalize().ok().and_then(|log| Some(log.parent()?.join(DOCUMENTS)));
    let of_home = context.node_home().ok().map(|home| home.join(DOCUMENTS));
    let directories: [Option<PathBuf>; 3] = [options.documents.clone(), beside, of_home];
    directories.into_iter().flatten().fold(Openings::default(), Openings::directory)
}

const DOCUMENTS: &str = "documents";
