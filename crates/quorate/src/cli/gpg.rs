//! `quorate gpg`: enough of gpg's command line for programs that sign with it.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::{Args, Parser};
use quorate_documents::{Certificate, Moment, Output, VerifyingKey, binary_signature};

use super::context::Context;
use super::openpgp::{certified, completed};
use super::output::Target;
use super::request_once::ask_once;
use super::session::Session;
use super::sign::{signature_file, wait_or};
use super::{Failure, Run, duration, file};
use crate::api::{Code, GroupView, Problem};

/// The program that git, rpmsign and debsign call instead of gpg, so that a group signs
///
/// Signs with the OpenPGP key of a group of your home, for which `quorate key certify` makes a
/// certificate. The members get the whole file, and this command waits for their approval. What
/// signs nothing, such as a verification, is done by the gpg on the PATH. A link with the name
/// quorate-gpg to this program serves programs that call gpg by one name.
#[derive(Args, Debug)]
#[command(
    disable_help_flag = true,
    after_help = "\
Examples:
  ln -s $(command -v quorate) ~/bin/quorate-gpg
  git config gpg.program quorate-gpg
  git config user.signingkey release
  git tag -s v1.0 -m 'release 1.0'
  quorate gpg --local-user release --armor --detach-sign --output app.tgz.asc app.tgz"
)]
pub(super) struct Gpg {
    /// Stop waiting for approvals after this time; the request continues
    #[arg(long = "sign-timeout", env = "QUORATE_SIGN_TIMEOUT", value_name = "TIME",
        value_parser = duration::parse, hide_env_values = true)]
    timeout: Option<Duration>,
    /// The arguments of gpg: -s, -b, -a, -u KEY, -o FILE, --clearsign, --status-fd N, and a file
    #[arg(
        value_name = "ARGUMENTS",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<OsString>,
}

/// The options of gpg that make a signature.
#[derive(Debug, Parser)]
#[command(name = "gpg", disable_help_flag = true, disable_version_flag = true)]
struct Line {
    #[arg(short = 's', long)]
    sign: bool,
    #[arg(short = 'b', long = "detach-sign", alias = "detach-sig")]
    detach: bool,
    #[arg(long = "clearsign", alias = "clear-sign")]
    clear: bool,
    #[arg(short = 'a', long, overrides_with = "no_armor")]
    armor: bool,
    #[arg(long)]
    no_armor: bool,
    #[arg(short = 'u', long = "local-user", alias = "default-key", overrides_with = "user")]
    user: Option<String>,
    #[arg(short = 'o', long, overrides_with = "output")]
    output: Option<PathBuf>,
    #[arg(long, overrides_with = "status_fd")]
    status_fd: Option<u32>,
    #[arg(long)]
    yes: bool,
    /// SHA-512 is the only one.
    #[arg(long, overrides_with = "digest_algo")]
    digest_algo: Option<String>,
    // What programs say besides and means nothing for a group.
    #[arg(short = 't', long)]
    textmode: bool,
    #[arg(short = 'q', long)]
    quiet: bool,
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    verbose: u8,
    #[arg(long)]
    batch: bool,
    #[arg(long)]
    no_tty: bool,
    #[arg(long)]
    no_verbose: bool,
    #[arg(long)]
    no_secmem_warning: bool,
    #[arg(long)]
    no_auto_check_trustdb: bool,
    #[arg(long)]
    use_agent: bool,
    #[arg(long, overrides_with = "list_options")]
    list_options: Option<String>,
    #[arg(long, overrides_with = "keyid_format")]
    keyid_format: Option<String>,
    #[arg(long, overrides_with = "pinentry_mode")]
    pinentry_mode: Option<String>,
    file: Option<PathBuf>,
}

impl Run for Gpg {
    fn run(self, context: &Context) -> Result<(), Failure> {
        if !signs(&self.arguments) {
            return Err(real_gpg(&self.arguments).into());
        }
        let line = Line::try_parse_from(
            std::iter::once(OsString::from("gpg")).chain(self.arguments.iter().cloned()),
        )
        .map_err(|error| {
            let text = error.to_string();
            let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Problem::new(Code::Usage, format!("these arguments of gpg are not supported: {what}"))
                .hint("quorate gpg -u KEY -bsa -o FILE.asc FILE; see quorate gpg --help")
        })?;
        Ok(self.sign(context, &line)?)
    }
}

impl Gpg {
    fn sign(&self, context: &Context, line: &Line) -> Result<(), Problem> {
        let format = line.format()?;
        let path = line.file.clone().unwrap_or_else(|| PathBuf::from(file::DASH));
        let target = line.target(&path)?;
        let session = context.session()?;
        let (group, certificate) = signer(&session, line.user.as_deref())?;
        let wanted = Output::new(format.parse().map_err(usage)?, None).map_err(usage)?;
        let output = completed(&session, &group.name, &wanted)?;
        let document = file::read(&path, context.node_config()?.limits.document_bytes)?;
        let request = ask_once(context, &session, &group, &output, (&document, &path))?;
        let again = "the request continues; the same command finds it again";
        let request = wait_or(context, &session, request, self.timeout, again)?;
        let signed = signature_file(&request, &document)?;
        let bytes = match line.clear || (line.armor && !line.no_armor) {
            true => signed,
            false => binary_signature(&signed).ok_or_else(|| {
                Problem::new(Code::Failed, "the signature cannot be written without armor")
            })?,
        };
        if target.is_stdout() {
            context.terminal.bytes(&bytes)?;
        } else {
            target.write(&bytes)?;
        }
        let key = group.verifying_key.as_deref().unwrap_or_default();
        line.report(&certificate, key, request.at.seconds().try_into().unwrap_or(Moment::MAX))
    }
}

impl Line {
    fn format(&self) -> Result<&'static str, Problem> {
        let unsupported = |what: &str| {
            Err(Problem::new(Code::Usage, format!("a group does not make {what}"))
                .hint("use -b (--detach-sign) or --clearsign"))
        };
        if let Some(hash) = self.digest_algo.as_deref().filter(|it| !is_sha512(it)) {
            return unsupported(&format!("signatures with the hash {hash}, only with SHA-512"));
        }
        match (self.clear, self.detach) {
            (true, false) => Ok("pgp-text"),
            (false, true) => Ok("pgp"),
            _ => unsupported("OpenPGP messages that contain the file"),
        }
    }

    fn target(&self, file: &std::path::Path) -> Result<Target, Problem> {
        let path = match (&self.output, file::is_dash(file)) {
            (Some(output), _) => output.clone(),
            (None, true) => PathBuf::from(file::DASH),
            (None, false) => {
                let armored = self.clear || (self.armor && !self.no_armor);
                file::with_ending(file, if armored { "asc" } else { "sig" })
            }
        };
        Target::new(path, self.yes)
    }

    /// Tells the calling program that there is a signature (gnupg's `doc/DETAILS`).
    fn report(&self, certificate: &Certificate, key: &str, at: Moment) -> Result<(), Problem> {
        let Some(number) = self.status_fd else { return Ok(()) };
        let Some(key) = VerifyingKey::from_hex(key) else { return Ok(()) };
        let (kind, class) = if self.clear { ('C', "01") } else { ('D', "00") };
        let fingerprint = certificate.fingerprint(&key);
        let line = format!("\n[GNUPG:] SIG_CREATED {kind} 22 10 {class} {at} {fingerprint}\n");
        let written = match number {
            1 => std::io::stdout().write_all(line.as_bytes()),
            2 => std::io::stderr().write_all(line.as_bytes()),
            number => std::fs::File::options()
                .write(true)
                .open(format!("/dev/fd/{number}"))
                .and_then(|mut file| file.write_all(line.as_bytes())),
        };
        written.map_err(|error| {
            Problem::new(Code::Failed, format!("--status-fd {number} cannot be written: {error}"))
        })
    }
}

fn is_sha512(hash: &str) -> bool {
    hash == "10" || hash.eq_ignore_ascii_case("sha512")
}

fn usage(error: impl std::error::Error) -> Problem {
    Problem::new(Code::Usage, error.to_string())
}

/// Whether these arguments of gpg make a signature.
fn signs(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|it| *it != "--").any(|argument| {
        let text = argument.to_string_lossy();
        match text.strip_prefix("--") {
            Some(long) => {
                matches!(long, "sign" | "detach-sign" | "detach-sig" | "clearsign" | "clear-sign")
            }
            // `-bsau KEY`: the letters before one that takes a value.
            None => text.strip_prefix('-').is_some_and(|letters| {
                letters
                    .chars()
                    .take_while(|letter| letter.is_ascii_alphabetic())
                    .any(|it| it == 's' || it == 'b')
                    && letters.chars().all(|it| "sbatquvo".contains(it))
            }),
        }
    })
}

/// Runs gpg instead of this program. Returns only if that fails.
fn real_gpg(arguments: &[OsString]) -> Problem {
    let error = Command::new("gpg").args(arguments).exec();
    Problem::new(Code::Failed, format!("gpg cannot be run: {error}"))
        .hint("install GnuPG: everything except signing is done by it")
}

/// The group of this home that `user` names as gpg would: by fingerprint, key id, user id, or by
/// its own name.
fn signer(session: &Session, user: Option<&str>) -> Result<(GroupView, Certificate), Problem> {
    let mut found = Vec::new();
    let mut known = Vec::new();
    for group in session.groups()? {
        let Some((_, certificate)) = certified(session, &group.name)? else { continue };
        let key = group.verifying_key.as_deref();
        let Some(key) = key.and_then(VerifyingKey::from_hex) else { continue };
        let fingerprint = certificate.fingerprint(&key);
        known.push(format!("{} ({fingerprint})", group.name));
        if user.is_none_or(|user| names(user, group.name.as_str(), &fingerprint, &certificate)) {
            found.push((group, certificate));
        }
    }
    let list = || match known.is_empty() {
        true => "no group of this home has an OpenPGP certificate; quorate key certify makes one"
            .to_owned(),
        false => format!("the groups with an OpenPGP certificate: {}", known.join(", ")),
    };
    let wanted = user.map_or_else(String::new, |user| format!(" \"{user}\""));
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(Problem::new(Code::Failed, format!("no group has the OpenPGP key{wanted}"))
            .hint(list())),
        _ => Err(Problem::new(Code::Usage, format!("several groups have an OpenPGP key{wanted}"))
            .hint(format!("name one with -u; {}", list()))),
    }
}

fn names(user: &str, group: &str, fingerprint: &str, certificate: &Certificate) -> bool {
    let id = user.trim_start_matches("0x").trim_end_matches('!').to_ascii_uppercase();
    let is_id = id.len() >= 16 && id.bytes().all(|it| it.is_ascii_hexdigit());
    let user_id = certificate.user_id();
    user == group
        || (is_id && fingerprint.ends_with(&id))
        || user_id == user
        || user_id.split_once('<').is_some_and(|(_, address)| {
            address.trim_end_matches('>') == user.trim_start_matches('<').trim_end_matches('>')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::try_parse_from(["gpg"].into_iter().chain(text.split_whitespace())).unwrap()
    }

    fn asks(text: &str) -> bool {
        signs(&text.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn what_git_rpmsign_and_debsign_write_is_understood() {
        let git = line("--status-fd=2 -bsau release");
        assert_eq!((git.format().unwrap(), git.armor, git.status_fd), ("pgp", true, Some(2)));
        assert_eq!((git.user.as_deref(), git.file), (Some("release"), None));
        let rpm =
            line("--no-verbose --no-armor --no-secmem-warning -u release -sbo a.sig a.header");
        assert_eq!((rpm.format().unwrap(), rpm.armor, rpm.no_armor), ("pgp", false, true));
        assert_eq!((rpm.output, rpm.file), (Some("a.sig".into()), Some("a.header".into())));
        let debsign = line(
            "--local-user release --clearsign --list-options no-show-policy-urls --armor \
             --textmode --output a.asc a.changes",
        );
        assert_eq!((debsign.format().unwrap(), debsign.output), ("pgp-text", Some("a.asc".into())));
    }

    #[test]
    fn only_what_signs_is_not_done_by_gpg() {
        for text in ["-bsau release", "-sbo a b", "--clearsign a", "--detach-sign a", "-u x -b a"] {
            assert!(asks(text), "{text}");
        }
        for text in [
            "--keyid-format=long --status-fd=1 --verify a -",
            "--list-keys",
            "--version",
            "--import a.asc",
            "-d -- -s",
            "--batch",
        ] {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn other_hashes_and_messages_are_refused() {
        assert!(line("-bs --digest-algo sha256 a").format().is_err());
        assert!(line("-bs --digest-algo SHA512 a").format().is_ok());
        assert!(line("-s a").format().is_err());
        assert!(line("-b --clearsign a").format().is_err());
    }

    #[test]
    fn a_key_is_named_as_for_gpg() {
        let user_id = "Example Releases <releases@example.com>";
        let certificate = Certificate::new(user_id, 1, 1, None).unwrap();
        let fingerprint = "C959BDBAFA32A2F89A153B678CFDE12197965A9A";
        let named = |user| names(user, "release", fingerprint, &certificate);
        for user in [
            "release",
            fingerprint,
            "0x8CFDE12197965A9A",
            "8cfde12197965a9a!",
            user_id,
            "releases@example.com",
            "<releases@example.com>",
        ] {
            assert!(named(user), "{user}");
        }
        for user in ["97965A9A", "Example", "example.com", "", "board"] {
            assert!(!named(user), "{user}");
        }
    }
}
