//! Reports a command line that is not understood: clap's message for people, and a problem for
//! programs.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::terminal::{Color, Terminal, both_are_seen};
use crate::api::{Code, Exit, Problem};

/// Words that people expect to be commands, and what to use instead.
const TIPS: [(&str, &[&str], &str); 2] = [
    ("quorate", &["version"], "quorate --version"),
    (
        "quorate group",
        &["delete", "remove", "rm"],
        "a group is not deleted but retired: quorate group retire GROUP",
    ),
];

/// Prints why `arguments` are not understood, or the help that they ask for. Returns the exit code.
pub(super) fn tell(error: clap::Error, arguments: &[OsString]) -> ExitCode {
    let error = &with_tip(error);
    let as_json = error.use_stderr() && wants_json(arguments);
    // If stderr is closed, the exit code must be enough.
    match error.kind() {
        _ if as_json && both_are_seen() => {}
        // Clap would list hidden commands as well.
        ErrorKind::MissingSubcommand => {
            let mut err = std::io::stderr();
            let _ = writeln!(err, "error: {NO_COMMAND}\n\nquorate --help lists the commands");
        }
        _ => {
            let _ = error.print();
        }
    }
    if as_json {
        let _ = Terminal::new(true, true, Color::Never).object("problem", &problem(error));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

const NO_COMMAND: &str = "there is no command, only options";

/// Replaces clap's guess, which looks only at the spelling, if there is a better tip.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    let tip = TIPS.iter().find(|(command, words, _)| {
        words.contains(&word.as_str()) && usage.contains(&format!("{command} ["))
    });
    if let Some((_, _, tip)) = tip {
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(*tip)]);
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

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
        problem(&with_tip(error))
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
    fn a_word_that_is_no_command_leads_to_the_right_one() {
        for (line, tip) in [
            ("quorate version", "quorate --version; Usage"),
            ("quorate group delete board", "quorate group retire GROUP; Usage"),
            ("quorate group remove board", "quorate group retire GROUP; Usage"),
        ] {
            let hint = told(line).hint.unwrap();
            assert!(hint.contains(tip) && !hint.contains("similar"), "{hint}");
        }
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
