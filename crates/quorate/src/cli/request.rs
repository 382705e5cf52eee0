//! `quorate request`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::{Context, now};
use super::evidence::WriteEvidence;
use super::file;
use super::output::Target;
use super::sign::{decided, output_of, wait, write_signature};
use super::{Failure, Run, duration};
use crate::api::{Code, Problem, Query, RequestView};
use crate::render::{self, Tone, clause, json, request_in_list, request_sentence, size};

/// Show and withdraw requests, and download their documents and signatures
#[derive(Args, Debug)]
pub(super) struct Request {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(Show),
    List(List),
    Download(Download),
    Evidence(WriteEvidence),
    Withdraw(super::withdraw::Withdraw),
}

/// Show one request: where it stands, who is missing, and what happens next
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate request show 8f2091aa4c07d1e25b63
  quorate request show 8f2091aa4c07d1e25b63 --json")]
struct Show {
    /// The request's id, or the beginning of it (at least 4 digits)
    #[arg(value_name = "ID")]
    id: String,
}

/// List all requests, the newest first
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate request list
  quorate request list --json")]
struct List {}

/// Write a request's signature, or its document, to a file
///
/// The signature is written to FILE with the ending of its format, such as FILE.sig for ssh, in
/// this directory, where FILE is the document's name, after a check with independent code.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate request download 8f2091aa4c07d1e25b63
  quorate request download 8f2091aa4c07d1e25b63 --wait --timeout 1h
  quorate request download 8f2091aa4c07d1e25b63 --document --out contract.pdf")]
struct Download {
    /// The request's id, or the beginning of it (at least 4 digits)
    #[arg(value_name = "ID")]
    id: String,
    /// Write the document instead of the signature
    #[arg(long, conflicts_with_all = ["wait", "timeout"])]
    document: bool,
    /// Wait until it is signed
    #[arg(long, short)]
    wait: bool,
    /// Stop waiting after this time (exit code 4, or 8 if only nodes are missing)
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "wait")]
    timeout: Option<Duration>,
    /// Write it to this file; - writes it to stdout
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct RequestsView {
    requests: Vec<serde_json::Value>,
}

#[derive(Serialize)]
struct DocumentView {
    request: quorate_ceremony::names::EntryId,
    document_file: PathBuf,
    bytes: usize,
}

impl Run for Request {
    fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Show(show) => show.run(context),
            Action::List(list) => list.run(context),
            Action::Download(download) => download.run(context),
            Action::Evidence(evidence) => evidence.run(context),
            Action::Withdraw(withdraw) => withdraw.run(context),
        }
    }
}

impl Run for Show {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let request = context.session()?.request(&self.id)?;
        context.terminal.show("request", &json::request(&request), |page| {
            render::request(page, &request, now())
        })?;
        context.terminal.note(|page| {
            page.blank();
            page.sentence("To see when each member decided:");
            page.copyable(
                context.command(&format!("quorate log show --request {}", request.id.short())),
            );
        });
        Ok(())
    }
}

impl Run for List {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let requests = context.session()?.requests(Query::Requests)?;
        let view = RequestsView { requests: json::each(&requests, json::request) };
        context.terminal.show("requests", &view, |page| {
            if requests.is_empty() {
                page.sentence(
                    "There are no requests yet; `quorate sign FILE --group GROUP` makes one.",
                );
            }
            for request in &requests {
                request_in_list(page, request, now());
            }
        })?;
        Ok(())
    }
}

impl Run for Download {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let session = context.session()?;
        let request = session.request(&self.id)?;
        if self.document {
            let (name, document) = session.document(request.id)?;
            let target = self.target(context, file::plain_name(&name))?;
            return save_document(context, &request, &document, &target);
        }
        let mut request = decided(request)?;
        let output = output_of(&request)?;
        let name = request
            .file_name
            .as_deref()
            .map_or_else(|| PathBuf::from(request.id.short()), file::plain_name);
        let ending = file::ending(output.format(), || session.group(&request.group))?;
        let target = self.target(context, file::with_ending(&name, ending))?;
        if !request.state.is_final() {
            if !self.wait {
                let sentence = request_sentence(&request);
                let sentence = clause(&sentence);
                return Err(Problem::new(Code::Waiting, format!("not signed yet: {sentence}"))
                    .hint("--wait waits for the signature")
                    .into());
            }
            request = wait(context, &session, request, self.timeout)?;
        }
        let (_, document) = session.document(request.id)?;
        write_signature(context, &request, &document, &target, &name)?;
        Ok(())
    }
}

impl Download {
    fn target(&self, context: &Context, default: PathBuf) -> Result<Target, Problem> {
        let path = self.out.clone().unwrap_or(default);
        if file::is_dash(&path) && context.terminal.is_json() {
            return Err(Problem::new(Code::Usage, "--json and the file cannot both go to stdout")
                .hint("give a file with --out FILE"));
        }
        Target::new(path, self.force)
    }
}

fn save_document(
    context: &Context,
    request: &RequestView,
    document: &[u8],
    target: &Target,
) -> Result<(), Failure> {
    if target.is_stdout() {
        context.terminal.bytes(document)?;
        return Ok(());
    }
    target.write(document)?;
    let view = DocumentView {
        request: request.id,
        document_file: target.path().to_owned(),
        bytes: document.len(),
    };
    context.terminal.show("document", &view, |page| {
        let size = size(document.len() as u64);
        page.verdict(Tone::Good, format!("the document of request {}: {size}", request.id.short()));
        page.field("file", target.path().display());
    })?;
    Ok(())
}
