//! Reports a command line that is not understood: clap's message for people, and a problem for
//! programs.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::terminal::{Color, Terminal};
use crate::api::{Code, Exit, Problem};

/// Prints why `arguments` are not understood, or the help that they ask for. Returns the exit code.
pub(super) fn tell(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // If stderr is closed, the exit code must be enough.
    match error.kind() {
        // Clap would list hidden commands as well.
        ErrorKind::MissingSubcommand => {
            let mut err = std::io::stderr();
            let _ = writeln!(err, "error: {NO_COMMAND}\n\nquorate --help lists the commands");
        }
        _ => {
            let _ = error.print();
        }
    }
    if error.use_stderr() && wants_json(arguments) {
        let _ = Terminal::new(true, true, Color::Never).object("problem", &problem(error));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

const NO_COMMAND: &str = "there is no command, only options";

/// Whether `--json` is among the options. Parsing failed, so clap did not report it.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// Converts clap's message to a problem.
fn problem(error: &clap::Error) -> Problem {
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Problem::new(Code::Usage, "the command is not complete").hint("quorate --help");
        }
        ErrorKind::MissingSubcommand => {
            return Problem::new(Code::Usage, NO_COMMAND).hint("quorate --help");
        }
        _ => {}
    }
    let text = error.render().to_string();
    let mut parts = text.split("\n\n").map(one_line);
    let said = parts.next().unwrap_or_default();
    let message = said.strip_prefix("error: ").unwrap_or(&said).to_owned();
    let advice: Vec<String> = parts
        .filter(|part| part.starts_with("tip: ") || part.starts_with("Usage: "))
        .map(|part| part.strip_prefix("tip: ").map(str::to_owned).unwrap_or(part))
        .collect();
    match advice.is_empty() {
        true => Problem::new(Code::Usage, message).hint("quorate --help"),
        false => Problem::new(Code::Usage, message).hint(advice.join("; ")),
    }
}

fn one_line(part: &str) -> String {
    part.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::grammar;

    fn told(line: &str) -> Problem {
        let error = grammar(Color::Never).try_get_matches_from(line.split(' ')).unwrap_err();
        problem(&error)
    }

    #[test]
    fn a_usage_error_is_a_problem_with_a_way_out() {
        let told_of = told("quorate sing --json");
        assert_eq!(told_of.exit(), Exit::Usage);
        assert_eq!(told_of.message, "unrecognized subcommand 'sing'");
        let hint = told_of.hint.unwrap();
        assert!(hint.contains("'sign'") && hint.contains("Usage: quorate"), "{hint}");
        let told_of = told("quorate sign f --json");
        assert!(told_of.message.ends_with("not provided: --group <GROUP>"), "{told_of:?}");
        assert!(told_of.hint.unwrap().contains("Usage: quorate sign"));
        assert_eq!(told("quorate group").message, "the command is not complete");
    }

    #[test]
    fn what_stands_after_two_dashes_is_no_option() {
        let wants =
            |line: &str| wants_json(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(wants("quorate sing --json"));
        assert!(!wants("quorate verify -- --json"));
        assert!(!wants("quorate sing"));
    }
}
