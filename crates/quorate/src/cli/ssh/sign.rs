//! `quorate ssh-sign`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use quorate_documents::keys::KeyError;
use quorate_documents::{Output, VerifyingKey, keys};

use super::super::context::Context;
use super::super::output::Target;
use super::super::request_once::ask_once;
use super::super::sign::{SignatureView, signature_file, wait_or};
use super::super::{Failure, Run, duration, file};
use super::group_with;
use super::keygen::{self, Asked, SignLine};
use crate::api::{Code, Problem, RequestView};
use crate::error_chain::chain;
use crate::render::{Tone, commas};

/// The program that git calls instead of ssh-keygen, so that a group signs commits and tags
///
/// The group is the one whose public key is in the file after -f (git: user.signingkey). It has to
/// sign in the namespace after -n: `--format ssh:git`. The members receive all of what is signed,
/// and this command waits until enough have approved; while it waits, it displays who is missing.
/// If it ends before that, the request continues, and the same command finds it again.
/// Everything except `-Y sign` is done by ssh-keygen.
///
/// Git calls a program without arguments, so make a link: under the name quorate-ssh-sign, this
/// program is `quorate ssh-sign`. Git keeps stderr for itself, so under that name the command
/// displays who is missing on the terminal.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  ln -s \"$(command -v quorate)\" ~/.local/bin/quorate-ssh-sign
  quorate key export --group release --format ssh --out release.pub
  git config gpg.format ssh
  git config gpg.ssh.program quorate-ssh-sign
  git config user.signingkey \"$PWD/release.pub\"
  git commit -S

  quorate ssh-sign --timeout 10m -Y sign -n file -f release.pub app.tgz")]
pub(crate) struct SshSign {
    /// Stop waiting after this time (exit code 4, or 8 if only nodes are missing); the request
    /// continues
    #[arg(
        long, value_name = "TIME", value_parser = duration::parse,
        env = "QUORATE_SIGN_TIMEOUT", hide_env_values = true
    )]
    timeout: Option<Duration>,
    /// The arguments of ssh-keygen: -Y sign -n NAMESPACE -f KEY, and a file
    #[arg(
        value_name = "ARGUMENTS",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<OsString>,
}

impl Run for SshSign {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let asked = keygen::read(&self.arguments).map_err(|error| {
            let message = format!("this is no command line of ssh-keygen: {error}");
            Problem::new(Code::Usage, message)
                .hint("quorate ssh-sign -Y sign -n NAMESPACE -f KEY [FILE]")
        })?;
        match asked {
            Asked::Sign(line) => Ok(self.sign(context, &line)?),
            Asked::Other => Err(ssh_keygen(&self.arguments).into()),
        }
    }
}

impl SshSign {
    fn sign(&self, context: &Context, line: &SignLine) -> Result<(), Problem> {
        let output = Output::new("ssh".parse().map_err(usage)?, Some(&line.namespace));
        let output = output.map_err(usage)?;
        let key = read_key(&line.key)?;
        let path = line.file.clone().unwrap_or_else(|| PathBuf::from(file::DASH));
        let target = target(context, &path)?;
        let document = file::read(&path, context.node_config()?.limits.document_bytes)?;
        let session = context.session()?;
        let group = group_with(&key, session.groups()?).ok_or_else(|| foreign(&key))?;
        let request = ask_once(context, &session, &group, &output, (&document, &path))?;
        let again = again(&document);
        let request = wait_or(context, &session, request, self.timeout, &again)?;
        let signature = signature_file(&request, &document)?;
        if target.is_stdout() {
            return context.terminal.bytes(&signature);
        }
        target.write(&signature)?;
        report_signed(context, &request, &target)
    }
}

fn usage(error: impl std::error::Error) -> Problem {
    Problem::new(Code::Usage, chain(&error))
}

/// Runs ssh-keygen instead of this program. Returns only if that fails.
fn ssh_keygen(arguments: &[OsString]) -> Problem {
    let error = Command::new("ssh-keygen").args(arguments).exec();
    Problem::new(Code::Failed, format!("ssh-keygen cannot be run: {error}"))
        .hint("install OpenSSH 8.2 or later: everything except signing is done by its ssh-keygen")
}

/// Where the signature goes, as for ssh-keygen: `FILE.sig`, or stdout if the document is from
/// stdin.
fn target(context: &Context, document: &Path) -> Result<Target, Problem> {
    if file::is_dash(document) && context.terminal.is_json() {
        return Err(Problem::new(Code::Usage, "--json and the signature cannot both go to stdout")
            .hint("sign a file, not stdin"));
    }
    let path = match file::is_dash(document) {
        true => document.to_owned(),
        false => file::with_ending(document, "sig"),
    };
    Target::new(path.clone(), false)
        .map_err(|problem| problem.hint(format!("remove {} first", path.display())))
}

/// Reads the public key of a group: from a file, or behind `key::`.
fn read_key(key: &OsStr) -> Result<VerifyingKey, Problem> {
    let (text, origin) = match key.as_bytes().strip_prefix(b"key::") {
        Some(literal) => {
            (String::from_utf8_lossy(literal).into_owned(), "the key after key::".to_owned())
        }
        None => (file::read_text(Path::new(key))?, Path::new(key).display().to_string()),
    };
    keys::read(&text).map_err(|error| {
        let export = "give the file of a group's public key: quorate key export --group GROUP --format ssh --out FILE";
        let message = match &error {
            KeyError::PrivateKey => format!(
                "{origin} is a private key, and this command signs with the key of a group, which nobody has"
            ),
            KeyError::OtherType(kind) => {
                format!("{origin} is a key of type {kind}, and the keys of groups are ssh-ed25519")
            }
            _ => format!("{origin} is no public key: {}", chain(&error)),
        };
        Problem::new(Code::Failed, message).hint(export)
    })
}

/// No group of the home has this key.
fn foreign(key: &VerifyingKey) -> Problem {
    let shown = keys::to_ssh(key, "").unwrap_or_else(|_| key.to_string());
    let message = format!("no group of this home has the key {shown}");
    Problem::new(Code::Failed, message).hint(
        "`quorate group list` shows the groups, and `quorate key export --group GROUP --format ssh` the key of one; QUORATE_HOME selects another home; for a key of your own, let git use ssh-keygen: git config --unset gpg.ssh.program",
    )
}

fn report_signed(context: &Context, request: &RequestView, target: &Target) -> Result<(), Problem> {
    if context.terminal.is_json() {
        return context.terminal.object("signature", &SignatureView::of(request, target));
    }
    // Stdout is that of git's own command.
    context.terminal.note(|page| {
        let signers = commas(&request.signers);
        page.verdict(
            Tone::Good,
            format!("signed by {}, with the shares of {signers}", request.group),
        );
    });
    Ok(())
}

/// How to find the request again. A commit or tag contains the time at which git made it, so the
/// same command makes the same one only at the same dates.
fn again(document: &[u8]) -> String {
    let dates = dates(document);
    match dates.is_empty() {
        true => "the request continues; the same command finds it again".to_owned(),
        false => format!(
            "the request continues; the same git command finds it again with the same dates: {}",
            dates.join(" ")
        ),
    }
}

/// The variables that make git use the dates of this commit or tag again.
fn dates(document: &[u8]) -> Vec<String> {
    let headers = document.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let headers = headers.filter_map(|line| str::from_utf8(line).ok());
    let mut dates = Vec::new();
    for line in headers {
        let variable = match line.split(' ').next() {
            Some("author") => "GIT_AUTHOR_DATE",
            Some("committer" | "tagger") => "GIT_COMMITTER_DATE",
            _ => continue,
        };
        let Some((_, date)) = line.rsplit_once("> ") else { continue };
        let is_date = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-');
        if date.chars().all(is_date) {
            dates.push(format!("{variable}='@{date}'"));
        }
    }
    dates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_repeats_the_dates_of_a_commit_and_of_a_tag() {
        let commit = b"tree 1\nauthor A <a@b> 1700000000 +0100\ncommitter B <b@c> 1700000001 +0000\n\nauthor C <c@d> 5 +0000\n";
        assert_eq!(
            dates(commit),
            ["GIT_AUTHOR_DATE='@1700000000 +0100'", "GIT_COMMITTER_DATE='@1700000001 +0000'"]
        );
        let tag = b"object 1\ntype commit\ntag v1\ntagger A <a@b> 1700000000 +0100\n\nv1\n";
        assert_eq!(dates(tag), ["GIT_COMMITTER_DATE='@1700000000 +0100'"]);
    }

    #[test]
    fn no_text_of_a_document_gets_into_a_command() {
        for document in
            [b"author A <a@b> 1'; rm -rf ~; '\n".as_slice(), b"author\n", b"\xff\n", b""]
        {
            assert!(dates(document).is_empty());
        }
    }
}
