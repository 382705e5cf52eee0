//! The command line.
//!
//! A command is a file here and a line in the list below: its type takes the arguments
//! ([`clap::Args`]) and does the work (`Run`). Data goes to stdout, messages go to stderr; exit
//! codes are those of [`Exit`].

mod account;
mod approve;
mod backup_file;
mod bench_cluster;
mod certify;
mod completions;
mod config;
mod confirm;
mod context;
mod coordinator;
mod daemon;
mod demo;
mod doctor;
mod duration;
mod evidence;
mod fail_points;
mod file;
mod gpg;
mod group;
mod inbox;
mod init;
mod invite;
mod join;
mod key;
mod log;
mod look;
mod manpages;
mod moment;
mod node;
mod openpgp;
mod output;
mod progress;
mod reject;
mod request;
mod request_once;
mod run;
mod serve;
mod service;
mod session;
mod setup_problem;
mod sign;
mod ssh;
mod status;
mod suggest;
mod terminal;
mod usage;
mod verify;
mod weak_passphrase;
mod withdraw;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum as _};

use self::context::Context;
use self::run::{Failure, Run};
use self::terminal::{Color, Terminal};
use crate::api::Exit;
use crate::home::HOME_VARIABLE;
use crate::keystore::{PASSPHRASE_COMMAND_VARIABLE, PASSPHRASE_VARIABLE};

/// Declares the commands, in the order in which help lists them.
macro_rules! commands {
    ($($(#[$attribute:meta])* $command:ident = $arguments:ty,)+) => {
        #[derive(Debug, Subcommand)]
        enum Command {
            $($(#[$attribute])* $command($arguments),)+
        }

        impl Command {
            fn run(self, context: &Context) -> Result<(), Failure> {
                match self {
                    $(Self::$command(arguments) => arguments.run(context),)+
                }
            }
        }
    };
}

commands! {
    Demo = demo::Demo,
    Sign = sign::Sign,
    Inbox = inbox::Inbox,
    Approve = approve::Approve,
    Reject = reject::Reject,
    Request = request::Request,
    Verify = verify::Verify,
    Status = status::Status,
    Doctor = doctor::Doctor,
    Join = join::Join,
    Node = node::Node,
    Group = group::Group,
    Key = key::Key,
    Gpg = gpg::Gpg,
    SshSign = ssh::SshSign,
    SshAgent = ssh::SshAgent,
    Log = log::Log,
    Init = init::Init,
    Serve = serve::Serve,
    Coordinator = coordinator::Coordinator,
    Invite = invite::Invite,
    Account = account::Account,
    Service = service::Service,
    Config = config::Config,
    Completions = completions::Completions,
    Manpages = manpages::Manpages,
    #[command(hide = true)]
    BenchCluster = bench_cluster::BenchCluster,
    #[command(hide = true)]
    FailPoints = fail_points::FailPoints,
}

/// Electronic signatures with a key that nobody holds.
///
/// The members of a signing group make a key together, and no one ever has all of it. A document is
/// signed when enough members approve; the signature verifies with ordinary tools (ssh-keygen,
/// openssl).
#[derive(Debug, Parser)]
#[command(
    name = "quorate",
    bin_name = "quorate",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = START,
    after_long_help = START_LONG
)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const START: &str = "\
Start here:
  quorate demo            see it work, on a file of yours
  quorate init            create an IVN
  quorate join 'URL'      join one that you are invited to
  quorate sign --help     have a file signed
  quorate --help          a first signature, step by step";

const START_LONG: &str = "\
A first signature, with everything on one machine:
  quorate init --admin ada            creates an IVN; ada is its first admin
  quorate serve                       runs the coordinator (leave it running)
  quorate node run                    runs ada's node (leave it running)
  quorate invite ben                  prints a URL for ben
  quorate join 'URL' --home ben       makes ben's keys and home
  quorate node run --home ben         runs ben's node (leave it running)
  quorate group create board --members ada,ben --min-signers 2
  quorate sign contract.pdf --group board --wait
  quorate approve ID --home ben       as ben, meanwhile
  quorate verify contract.pdf

Exit codes:
  0  done                              5  rejected or expired
  1  another error                     6  not allowed
  2  the command was not understood    7  the coordinator cannot be reached
  3  verification failed               8  too few nodes are online
  4  still waiting when time was over  9  signed by a key that is not trusted
130  ended by Ctrl-C while it waited: what it waited for continues

Environment: QUORATE_HOME, QUORATE_PASSPHRASE_FILE, QUORATE_PASSPHRASE_COMMAND, QUORATE_LOG (for serve and node run: error, warn,
info, debug), NO_COLOR.";

#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// The home: the directory with this account's keys, or the coordinator's
    ///
    /// Without it: the only node home in $XDG_DATA_HOME/quorate/nodes (for `serve`:
    /// $XDG_DATA_HOME/quorate/coordinator).
    #[arg(
        long, global = true, value_name = "DIR", value_parser = path_or_nothing(),
        env = HOME_VARIABLE, hide_env_values = true
    )]
    home: Option<PathBuf>,
    /// Read the passphrase from the first line of a file
    ///
    /// Only its owner may be able to read it (chmod 600), unless somebody else placed it for this
    /// process: below $CREDENTIALS_DIRECTORY, on a read-only mount, or owned by root without access
    /// for others. Without it, the passphrase is asked for where one is needed.
    #[arg(
        long, global = true, value_name = "FILE", value_parser = path_or_nothing(),
        env = PASSPHRASE_VARIABLE, hide_env_values = true
    )]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from the first line that a command prints
    ///
    /// The command is split at spaces, except within '…' or "…", and runs without a shell. It takes
    /// precedence over a file.
    #[arg(
        long, global = true, value_name = "COMMAND",
        env = PASSPHRASE_COMMAND_VARIABLE, hide_env_values = true
    )]
    passphrase_command: Option<String>,
    /// Print JSON to stdout, for programs
    ///
    /// One object with a "schema" such as "quorate.request/v1"; one per line while waiting. A
    /// schema only ever gets more members. A failure prints "quorate.problem/v1".
    #[arg(long, global = true)]
    json: bool,
    /// Print only errors and warnings to stderr
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Never ask; fail, and name the missing option
    #[arg(long, global = true)]
    no_input: bool,
    /// When to use colour: auto, always, never; auto respects NO_COLOR
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true
    )]
    color: Color,
}

/// Runs the command of this process's command line.
pub fn main() -> ExitCode {
    let called = std::env::args_os().collect();
    let (arguments, keeps_stderr) = by_name(called);
    let read = grammar(wanted_color(&arguments)).try_get_matches_from(&arguments);
    let line = match read.and_then(|matches| CommandLine::from_arg_matches(&matches)) {
        Ok(line) => line,
        Err(error) => return usage::tell(error, &arguments),
    };
    let Global { home, passphrase_file, passphrase_command, json, quiet, no_input, color } =
        line.global;
    let given = |path: &PathBuf| !path.as_os_str().is_empty();
    let (home, passphrase_file) = (home.filter(given), passphrase_file.filter(given));
    let passphrases = (passphrase_file, passphrase_command);
    let mut terminal = Terminal::new(json, quiet, color);
    if keeps_stderr {
        terminal = terminal.with_session_terminal();
    }
    let context = match Context::new(terminal, grammar, home, passphrases, !no_input) {
        Ok(context) => context,
        Err(problem) => {
            Terminal::new(json, quiet, color).problem(&problem);
            return exit_code(problem.exit());
        }
    };
    match line.command.run(&context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Shown(exit)) => exit_code(exit),
        Err(Failure::Problem(problem)) => {
            context.terminal.problem(&problem);
            exit_code(problem.exit())
        }
    }
}

/// Programs that call others by a name without arguments, as git does, call a link to this program,
/// and keep its stderr. Returns the command line that is meant, and whether stderr is kept.
fn by_name(mut arguments: Vec<OsString>) -> (Vec<OsString>, bool) {
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    let command = name.and_then(|name| match name.to_str()? {
        // rpmsign starts a program of any name as `gpg`.
        "gpg" => Some("gpg"),
        name => name.strip_prefix("quorate-"),
    });
    let Some(command) = command.filter(|command| CALLED_BY_NAME.contains(command)) else {
        return (arguments, false);
    };
    let meant = ["quorate", command].map(OsString::from);
    arguments.splice(..1, meant);
    (arguments, true)
}

/// The commands that also run under the name `quorate-COMMAND`.
const CALLED_BY_NAME: &[&str] = &["gpg", "ssh-sign"];

/// A path. An empty one, as of a variable that is set to nothing, counts as none.
fn path_or_nothing() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

fn grammar(color: Color) -> clap::Command {
    CommandLine::command().color(match color {
        Color::Auto => clap::ColorChoice::Auto,
        Color::Always => clap::ColorChoice::Always,
        Color::Never => clap::ColorChoice::Never,
    })
}

/// Reads `--color`, which clap has to know before it parses the command line.
fn wanted_color(arguments: &[OsString]) -> Color {
    let text = |argument: &OsString| argument.to_str().map(str::to_owned);
    let mut wanted = Color::Auto;
    for (position, argument) in arguments.iter().enumerate() {
        let Some(argument) = text(argument) else { continue };
        let value = match argument.strip_prefix("--color") {
            Some("") => arguments.get(position + 1).and_then(text),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(color) = value.and_then(|value| Color::from_str(&value, true).ok()) {
            wanted = color;
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_has_no_contradictions() {
        grammar(Color::Auto).debug_assert();
    }

    #[test]
    fn every_command_has_an_example_and_every_option_help() {
        fn check(command: &clap::Command, path: &str) {
            let name = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{name} has no help");
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(
                    argument.get_help().is_some() || argument.is_hide_set(),
                    "{name}: {id} has no help"
                );
            }
            if command.has_subcommands() {
                command.get_subcommands().for_each(|below| check(below, &name));
            } else {
                let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(after.contains("quorate "), "{name} has no example");
            }
        }
        grammar(Color::Auto).get_subcommands().for_each(|command| check(command, "quorate"));
    }

    #[test]
    fn a_link_to_the_program_runs_the_command_of_its_name() {
        let line = |line: &[&str]| {
            let (line, keeps) = by_name(line.iter().map(OsString::from).collect());
            (line.join(" ".as_ref()).into_string().unwrap(), keeps)
        };
        let meant = ("quorate ssh-sign -Y sign".to_owned(), true);
        assert_eq!(line(&["quorate-ssh-sign", "-Y", "sign"]), meant);
        assert_eq!(line(&["/usr/local/bin/quorate-ssh-sign", "-Y", "sign"]), meant);
        assert_eq!(line(&["gpg", "-bs"]), ("quorate gpg -bs".to_owned(), true));
        for other in ["quorate", "/bin/quorate-status", "quorate-", "/", ""] {
            assert_eq!(line(&[other, "-Y"]), (format!("{other} -Y"), false));
        }
        assert_eq!(line(&[]), (String::new(), false));
    }

    #[test]
    fn colour_is_known_before_the_grammar_is() {
        let color =
            |line: &[&str]| wanted_color(&line.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(color(&["quorate", "status"]), Color::Auto);
        assert_eq!(color(&["quorate", "--color", "never", "status"]), Color::Never);
        assert_eq!(color(&["quorate", "status", "--color=always"]), Color::Always);
    }
}
