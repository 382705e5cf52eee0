//! `quorate sign`.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use quorate_ceremony::names::{AccountName, DocumentType, EntryId, GroupName};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Requests;
use quorate_documents::{CertificateChain, Format, Output, OutputError, X509Error, prepare};
use serde::Serialize;

use super::context::{Context, now};
use super::file;
use super::openpgp::completed;
use super::output::Target;
use super::progress::Progress;
use super::session::{Session, Watched};
use super::{Failure, Run, duration};
use crate::api::{Answer, Code, Problem, Query, RequestStage, RequestView, SignAsk};
use crate::documents::signatures;
use crate::launch::unexpected;
use crate::render::{Page, Tone, clause, commas, json, request_sentence};
use crate::shell_quote::quoted;
use crate::store::documents::{DocumentName, DocumentNote, DocumentPackage, InvalidNote};

/// Ask a group to sign a file, or several
///
/// The members' nodes receive the file, compute the bytes to be signed themselves, and ask their
/// account holders. With --wait, this command displays who is missing until there is a decision,
/// checks the finished signature with independent code, and writes it next to the file, with the
/// ending of its format: FILE.sig for ssh.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate sign contract.pdf --group board --type contract --wait
  quorate sign contract.pdf --group board --message 'the renewal that we discussed'
  quorate sign app.tgz --group release --as raw --out app.tgz.ed25519 --wait --timeout 10m
  tar c docs | quorate sign - --group board --wait --out docs.sig
  quorate sign contract.pdf --group board      then: quorate request download ID")]
pub(super) struct Sign {
    /// The files to be signed, each by a request of its own; - reads stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The group that signs
    #[arg(long, short, value_name = "GROUP", env = "QUORATE_GROUP", hide_env_values = true)]
    group: GroupName,
    /// The type of the document, for groups that sign certain types only
    #[arg(long = "type", value_name = "TYPE")]
    document_type: Option<DocumentType>,
    /// The format, one of those that `quorate group show` lists
    #[arg(long = "as", alias = "format", value_name = "FORMAT", default_value = "ssh", value_parser = output, help = formats())]
    output: Output,
    /// The purpose of the signature, in the ssh format; it verifies for no other [default: file]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// The certificate of the group's key in PEM, and those of its issuers after it, for cms;
    /// for x509, the certificate of the group as an authority
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// What you write to the approvers, in at most 500 bytes; it stays with the document
    #[arg(long, short, value_name = "TEXT", value_parser = message)]
    message: Option<DocumentNote>,
    /// How long the request can be approved: 30m, 24h, 7d; the group's policy sets the maximum and
    /// the default
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    expires: Option<Duration>,
    /// Wait for the signature and write it
    #[arg(long, short)]
    wait: bool,
    /// Stop waiting after this time (exit code 4, or 8 if only nodes are missing); the request
    /// continues
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "wait")]
    timeout: Option<Duration>,
    /// Write the signature to this file; - writes it to stdout
    #[arg(long, short, value_name = "FILE", requires = "wait")]
    out: Option<PathBuf>,
    /// Replace the signature file if it exists
    #[arg(long, requires = "wait")]
    force: bool,
}

/// A signature that was written.
#[derive(Serialize)]
pub(super) struct SignatureView<'a> {
    request: EntryId,
    group: &'a GroupName,
    output: &'a str,
    signature_file: &'a Path,
    verifying_key: &'a str,
    signers: &'a [AccountName],
    log_index: Option<u64>,
}

impl<'a> SignatureView<'a> {
    pub(super) fn of(request: &'a RequestView, target: &'a Target) -> Self {
        Self {
            request: request.id,
            group: &request.group,
            output: &request.output,
            signature_file: target.path(),
            verifying_key: request.verifying_key.as_deref().unwrap_or_default(),
            signers: &request.signers,
            log_index: request.signature_index,
        }
    }
}

/// A file to be signed, read and checked.
struct Input {
    path: PathBuf,
    name: String,
    document: Vec<u8>,
    /// Where the signature goes, with `--wait`.
    target: Option<Target>,
}

impl Run for Sign {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let output = self.output()?;
        if self.files.len() > 1
            && (self.out.is_some() || self.files.iter().any(|it| file::is_dash(it)))
        {
            let message =
                "several documents must be files, and each signature is written next to its own";
            return Err(Problem::new(Code::Usage, message)
                .hint("leave out --out and -, or sign one file at a time")
                .into());
        }
        let limit = context.node_config()?.limits.document_bytes;
        // Everything that can fail here fails before anybody is asked to approve anything.
        let inputs = self.files.iter().map(|path| self.input(context, path, limit));
        let inputs = inputs.collect::<Result<Vec<Input>, Problem>>()?;
        let session = context.session()?;
        let mut asked = Vec::new();
        let output = completed(&session, &self.group, &output)?;
        for mut input in inputs {
            let request = self.ask(&session, &output, &mut input)?;
            match input.target {
                None => self.leave(context, &request)?,
                Some(_) => context.terminal.note(|page| {
                    let (id, group) = (request.id.short(), &request.group);
                    page.sentence(format!(
                        "Request {id} sent to {group}. Its members approve it with:"
                    ));
                    page.copyable(format!("quorate approve {id}"));
                }),
            }
            asked.push((input, request));
        }
        let until = self.timeout.map(|timeout| Instant::now() + timeout);
        for (input, request) in asked {
            let Some(target) = &input.target else { continue };
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let request = wait(context, &session, request, left)?;
            write_signature(context, &request, &input.document, target, &input.path)?;
        }
        Ok(())
    }
}

impl Sign {
    /// What to make: `--as`, `--namespace` and `--certificate` together.
    fn output(&self) -> Result<Output, Problem> {
        let output = match &self.namespace {
            None => Ok(self.output.clone()),
            Some(namespace) => Output::new(self.output.format(), Some(namespace))
                .map_err(|error| Problem::new(Code::Usage, error.to_string())),
        }?;
        let output = match &self.certificate {
            None => output,
            Some(path) => {
                let chain = CertificateChain::from_pem(&file::read_text(path)?);
                let failed = |error: X509Error| {
                    Problem::new(Code::Usage, format!("{}: {error}", path.display()))
                };
                let certified = output.clone().with_certificates(&chain.map_err(failed)?);
                if certified == output {
                    let message = format!("{} signatures have no certificate", output.format());
                    return Err(Problem::new(Code::Usage, message).hint("leave out --certificate"));
                }
                certified
            }
        };
        Ok(output.dated(now().seconds()))
    }

    fn input(&self, context: &Context, path: &Path, limit: u64) -> Result<Input, Problem> {
        let name = match file::is_dash(path) {
            true => "stdin".into(),
            false => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        name.parse::<DocumentName>()
            .map_err(|error| Problem::new(Code::Usage, format!("{}: {error}", path.display())))?;
        let target = self.wait.then(|| self.target(context, path)).transpose()?;
        let note = self.message.as_ref().map(DocumentNote::as_str);
        let limit = limit.saturating_sub(DocumentPackage::overhead(&name, note));
        let document = file::read(path, limit)?;
        if document.is_empty() {
            context
                .terminal
                .warn(&format!("{} is empty, so the signature covers no content", path.display()));
        }
        Ok(Input { path: path.to_owned(), name, document, target })
    }

    fn target(&self, context: &Context, document: &Path) -> Result<Target, Problem> {
        let path = match &self.out {
            Some(path) => path.clone(),
            None if file::is_dash(document) => {
                return Err(Problem::new(
                    Code::Usage,
                    "the signature of a document from stdin has no file name",
                )
                .hint("give --out FILE, or --out - for stdout"));
            }
            None => {
                let format = self.output.format();
                let ending = file::ending(format, || context.session()?.group(&self.group))?;
                file::with_ending(document, ending)
            }
        };
        let target = Target::new(path, self.force)?;
        if target.is_stdout() && context.terminal.is_json() {
            return Err(Problem::new(
                Code::Usage,
                "--json and the signature cannot both go to stdout",
            )
            .hint("give a file for the signature: --out FILE"));
        }
        target.spare(document)?;
        Ok(target)
    }

    fn ask(
        &self,
        session: &Session,
        output: &Output,
        input: &mut Input,
    ) -> Result<RequestView, Problem> {
        // The signature is made over the document, which is needed again with `--wait`.
        let document = match input.target.is_some() {
            true => input.document.clone(),
            false => std::mem::take(&mut input.document),
        };
        let ask = SignAsk {
            group: self.group.clone(),
            document_type: self.document_type.clone(),
            output: output.to_string(),
            name: input.name.clone(),
            note: self.message.as_ref().map(|note| note.as_str().to_owned()),
            document,
            expires_in: self.expires.map(duration::milliseconds),
        };
        let (id, _) = session.order(ask).map_err(|problem| self.explain(session, problem))?;
        decided(session.request(&id.to_string())?)
    }

    /// Explains `problem` better where possible.
    fn explain(&self, session: &Session, problem: Problem) -> Problem {
        let problem = session.about_group(&self.group, problem);
        let Some(Refusal::Requests(Requests::Expiry { longest_hours })) = problem.code.refusal()
        else {
            return problem;
        };
        let (count, unit) = match *longest_hours {
            hours if hours > 0 && hours.is_multiple_of(24) => (hours / 24, "day"),
            hours => (hours, "hour"),
        };
        let plural = if count == 1 { "" } else { "s" };
        let message =
            format!("requests to {} can wait for {count} {unit}{plural} at most", self.group);
        let hint = format!("--expires {count}{}", if unit == "day" { "d" } else { "h" });
        Problem::new(problem.code, message).hint(hint)
    }

    /// Displays what happens next, without `--wait`.
    fn leave(&self, context: &Context, request: &RequestView) -> Result<(), Failure> {
        context.terminal.show("request", &json::request(request), |page| {
            page.verdict(
                Tone::Good,
                format!("request {} sent to {}", request.id.short(), request.group),
            );
            page.note(request_sentence(request));
        })?;
        let id = request.id.short();
        context.terminal.note(|page| {
            page.blank();
            page.sentence("Members approve with the first command; the second gets the signature:");
            page.copyable(format!("quorate approve {id}"));
            page.copyable(context.command(&format!("quorate request download {id} --wait")));
        });
        Ok(())
    }
}

fn output(text: &str) -> Result<Output, String> {
    text.parse().map_err(|error| match error {
        OutputError::Format(_) => {
            let formats = commas(Format::ALL.iter());
            format!("the formats are {formats}")
        }
        error => error.to_string(),
    })
}

/// The help for `--as`.
fn formats() -> String {
    let formats = Format::ALL.iter().map(|it| format!("{} ({})", it.name(), it.purpose()));
    let formats = formats.collect::<Vec<_>>().join(", ");
    format!("The format, one of those that `quorate group show` lists: {formats}")
}

fn message(text: &str) -> Result<DocumentNote, InvalidNote> {
    text.trim().parse()
}

/// Returns the request, or an error if it will never be signed.
pub(super) fn decided(request: RequestView) -> Result<RequestView, Problem> {
    let code = match &request.state {
        RequestStage::Open | RequestStage::Approved | RequestStage::Signed => return Ok(request),
        RequestStage::Refused { .. } => Code::NotAllowed,
        RequestStage::Rejected
        | RequestStage::Withdrawn
        | RequestStage::GroupRetired
        | RequestStage::Expired => Code::Rejected,
    };
    let message = match &request.state {
        RequestStage::Refused { refused } => refused.to_string(),
        _ => clause(&request_sentence(&request)).to_owned(),
    };
    Err(Problem::new(code, message)
        .hint(format!("for the details: quorate request show {}", request.id.short())))
}

/// Displays what was `done` with a request, and where it stands.
pub(super) fn show_done(
    context: &Context,
    request: &RequestView,
    done: &str,
) -> Result<(), Failure> {
    show_done_and(context, request, done, |page| page.note(request_sentence(request)))
}

/// As [`show_done`], with something else than where the request stands.
pub(super) fn show_done_and(
    context: &Context,
    request: &RequestView,
    done: &str,
    rest: impl FnOnce(&mut Page),
) -> Result<(), Failure> {
    context.terminal.show("request", &json::request(request), |page| {
        page.verdict(Tone::Good, format!("{done}: request {}", request.id.short()));
        rest(page);
    })?;
    Ok(())
}

/// Waits until a request is signed, and displays who is missing meanwhile.
pub(super) fn wait(
    context: &Context,
    session: &Session,
    request: RequestView,
    timeout: Option<Duration>,
) -> Result<RequestView, Problem> {
    let id = request.id.short();
    let again = context.command(&format!("quorate request download {id} --wait"));
    let again = format!("the request continues; to wait again: {again}");
    wait_or(context, session, request, timeout, &again)
}

/// As [`wait`]. If it ends early, `again` says how to wait again.
pub(super) fn wait_or(
    context: &Context,
    session: &Session,
    request: RequestView,
    timeout: Option<Duration>,
    again: &str,
) -> Result<RequestView, Problem> {
    if request.state.is_final() {
        return decided(request);
    }
    let id = request.id;
    let mut latest = request;
    let mut progress = Progress::new(&context.terminal);
    let ask = Query::Request { id: id.to_string(), watch: true };
    let watched = session.watch(ask, timeout, |answer| {
        let Answer::Request(view) = answer else {
            return ControlFlow::Break(Err(unexpected(&answer)));
        };
        latest = *view;
        if let Err(problem) = progress.request(&latest) {
            return ControlFlow::Break(Err(problem));
        }
        match latest.state.is_final() {
            true => ControlFlow::Break(Ok(())),
            false => ControlFlow::Continue(()),
        }
    });
    drop(progress);
    match watched? {
        Watched::Done(result) => result.and_then(|()| decided(latest)),
        Watched::Interrupted => {
            let what = format!("request {} of {}", id.short(), latest.group);
            Err(session.interrupted(&what, &request_sentence(&latest), again))
        }
        Watched::TimedOut => {
            let code = match latest.state {
                RequestStage::Approved => Code::TooFewNodes,
                _ => Code::Waiting,
            };
            let sentence = request_sentence(&latest);
            let sentence = clause(&sentence);
            Err(Problem::new(code, format!("not signed yet: {sentence}")).hint(again))
        }
    }
}

/// Assembles the signature file, checks it with independent code, and writes it.
pub(super) fn write_signature(
    context: &Context,
    request: &RequestView,
    document: &[u8],
    target: &Target,
    document_path: &Path,
) -> Result<(), Problem> {
    let output = output_of(request)?;
    let file = signature_file(request, document)?;
    if target.is_stdout() {
        return context.terminal.bytes(&file);
    }
    target.write(&file).map_err(|problem| {
        let id = request.id.short();
        problem.hint(format!(
            "the signature is safe in the log: {}",
            context.command(&format!("quorate request download {id} --out FILE"))
        ))
    })?;
    let view = SignatureView::of(request, target);
    context.terminal.show("signature", &view, |page| {
        let signers = commas(view.signers);
        page.verdict(Tone::Good, format!("signed by {}, with the shares of {signers}", view.group));
        page.field("signature", target.path().display());
        page.field("log entry", view.log_index.map(|index| index.to_string()).unwrap_or_default());
    })?;
    context.terminal.note(|page| {
        page.blank();
        page.sentence("Check it, here and with other people's tools:");
        let document = quoted(&document_path.display().to_string());
        let signature = quoted(&target.path().display().to_string());
        let verify = match output.namespace() {
            Some(other) if output.format().served(None).is_ok_and(|it| it.as_deref() != Some(other)) => {
                format!("quorate verify {document} --signature {signature} --namespace {}", quoted(other))
            }
            _ => format!("quorate verify {document} --signature {signature}"),
        };
        page.copyable(context.command(&verify));
        let group = view.group;
        let export = |format| context.command(&format!("quorate key export --group {group} --format {format}"));
        match output.format().name() {
            "pgp" | "pgp-text" => {
                page.copyable(format!("{} > {group}.asc", export("pgp")));
                page.copyable(format!("gpg --import {group}.asc"));
                page.copyable(match output.format().name() {
                    "pgp" => format!("gpg --verify {signature} {document}"),
                    _ => format!("gpg --verify {signature}"),
                });
            }
            "minisign" => {
                page.copyable(format!("{} > {group}.pub", export("minisign")));
                page.copyable(format!("minisign -Vm {document} -x {signature} -p {group}.pub"));
            }
            // Libraries verify these, with the key.
            "dsse" | "tuf" => page.copyable(format!("{} > {group}.pem", export("pem"))),
            "jws" | "jws-detached" => {
                page.copyable(format!("{} > {group}.jwk", export("jwk")));
            }
            "ssh" => {
                let namespace = quoted(output.namespace().unwrap_or_default());
                page.copyable(format!("{} > {group}.signers", export("allowed-signers")));
                page.copyable(format!(
                    "ssh-keygen -Y verify -f {group}.signers -I {group} -n {namespace} -s {signature} < {document}"
                ));
            }
            "cms" => page.copyable(format!(
                "openssl cms -verify -binary -cades -inform DER -in {signature} -content {document} -CAfile ca.crt -purpose any -out /dev/null"
            )),
            "csr" => page.copyable(format!("openssl req -verify -noout -in {signature}")),
            "x509" | "x509-ca" | "x509-self" => {
                page.copyable(format!("openssl x509 -noout -text -in {signature}"));
            }
            "raw" if target.path().extension().is_some_and(|ending| ending == "ecdsa") => {
                page.copyable(format!("{} > {group}.pem", export("pem")));
                page.copyable(format!(
                    "openssl dgst -sha256 -verify {group}.pem -signature {signature} {document}"
                ));
            }
            _ => {
                page.copyable(format!("{} > {group}.pem", export("pem")));
                page.copyable(format!(
                    "openssl pkeyutl -verify -pubin -inkey {group}.pem -rawin -in {document} -sigfile {signature}"
                ));
            }
        }
    });
    Ok(())
}

/// Returns the signature file of a signed request, verified with the group's key.
pub(super) fn signature_file(request: &RequestView, document: &[u8]) -> Result<Vec<u8>, Problem> {
    let damaged =
        || Problem::new(Code::Failed, "the node's answer about the signature cannot be read");
    let made = request.signatures.iter().map(String::as_str);
    let (key, signatures) =
        signatures(request.verifying_key.as_deref(), made).ok_or_else(damaged)?;
    let failed = |error: &dyn std::error::Error| {
        Problem::new(Code::Verification, crate::error_chain::chain(error))
    };
    let output = output_of(request)?;
    let prepared = prepare(document, &output, &key).map_err(|error| failed(&error))?;
    prepared.finish(&signatures).map_err(|error| failed(&error))
}

/// Returns what a request wants made from the signature.
pub(super) fn output_of(request: &RequestView) -> Result<Output, Problem> {
    request.output.parse().map_err(|_| {
        let message = format!("this version does not know the format \"{}\"", request.output);
        Problem::new(Code::Failed, message).hint("use the version that made the request")
    })
}
