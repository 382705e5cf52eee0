//! Asks before something that cannot be undone.
//!
//! A decision needs a person who has seen what it is about, or a script that names it completely:
//!
//! - On a terminal, the command displays what would happen and asks. Anything but `y` or `yes` is a
//!   no. Where a document is decided on, `v` shows it, and a yes without a look is asked for twice.
//! - With `--yes` it does not ask. An id must then be whole, because nobody compares what the
//!   beginning of an id selects with what was meant.
//! - Everywhere else (in a pipe, with `--no-input` or `--json`) it fails, and names `--yes`.
//!
//! These commands ask: votes (`approve`, `reject`, `group approve`, `group reject`, `coordinator
//! approve`), `request withdraw`, `group cancel` and `retire`, `account suspend`, `remove` and
//! `replace-keys`, `node rotate-keys`, and `coordinator follow`. Other proposals do not ask,
//! because they can be withdrawn. Neither does an option whose only purpose is consent, such as
//! `--force`.

use std::io::{BufRead as _, Write as _};

use clap::Args;
use quorate_ceremony::names::EntryId;

use super::context::Context;
use super::look::Look;
use crate::api::{Code, Problem};
use crate::render::Page;

/// The option of commands that ask.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Yes {
    /// Do not ask for confirmation; required where nobody can be asked
    #[arg(long, short)]
    yes: bool,
}

impl Yes {
    pub(super) fn is_given(self) -> bool {
        self.yes
    }
}

/// What a command asks.
pub(super) struct Question<'a> {
    /// For example `Approve?`.
    pub(super) text: &'a str,
    /// For example `not approved`, for the message after a no.
    pub(super) no: &'a str,
    /// What to do instead after a no.
    pub(super) instead: Option<String>,
    /// The document that the decision is about.
    pub(super) look: Option<&'a Look>,
}

/// Asks for confirmation of something that is not named by an id. `what` writes what would happen.
///
/// # Errors
///
/// If the answer is no, or nobody can be asked and `--yes` is missing.
pub(super) fn confirm(
    context: &Context,
    yes: Yes,
    question: &Question<'_>,
    what: impl FnOnce(&mut Page),
) -> Result<(), Problem> {
    if yes.yes {
        return Ok(());
    }
    can_ask(context, question, "add --yes to do it without being asked")?;
    context.terminal.ask(what);
    decide(question, read, |text| context.terminal.warn(text))
}

/// As [`confirm`], and writes what would happen with `--yes` as well.
///
/// # Errors
///
/// As [`confirm`].
pub(super) fn confirm_described(
    context: &Context,
    yes: Yes,
    question: &Question<'_>,
    what: impl Fn(&mut Page),
) -> Result<(), Problem> {
    if yes.yes {
        context.terminal.note(&what);
    }
    confirm(context, yes, question, what)
}

/// Asks for confirmation of a decision on the entry `id`, which `given` selects.
///
/// # Errors
///
/// If the answer is no, or nobody can be asked and `--yes` or a part of the id is missing.
pub(super) fn confirm_id(
    context: &Context,
    yes: Yes,
    (given, id): (&str, EntryId),
    question: &Question<'_>,
    what: impl FnOnce(&mut Page),
) -> Result<(), Problem> {
    let whole = "give the whole id (64 digits) and --yes";
    if yes.yes {
        if given.eq_ignore_ascii_case(&id.to_string()) {
            return Ok(());
        }
        let message = format!(
            "{}: without a question, the beginning of an id is not enough, because several entries can begin alike",
            question.no
        );
        return Err(Problem::new(Code::Usage, message)
            .hint(format!("to decide without being asked, {whole}; or leave out --yes")));
    }
    can_ask(context, question, &format!("to decide without being asked, {whole}"))?;
    context.terminal.ask(what);
    decide(question, read, |text| context.terminal.warn(text))
}

fn can_ask(context: &Context, question: &Question<'_>, way_out: &str) -> Result<(), Problem> {
    if context.may_ask() && !context.terminal.is_json() {
        return Ok(());
    }
    let message = format!(
        "{}: this has to be confirmed, and nobody can be asked here, because it is not a terminal, or because of \
         --no-input or --json",
        question.no
    );
    Err(Problem::new(Code::Usage, message).hint(way_out))
}

/// Asks until there is a yes or a no.
fn decide(
    question: &Question<'_>,
    mut ask: impl FnMut(&str) -> Result<Answer, Problem>,
    mut warn: impl FnMut(&str),
) -> Result<(), Problem> {
    let choices = if question.look.is_some() { "[y/N/v = view the document]" } else { "[y/N]" };
    let mut text = question.text;
    let mut is_warned = false;
    loop {
        match (ask(&format!("{text} {choices} "))?, question.look) {
            (Answer::View, Some(look)) => {
                if let Err(problem) = look.open() {
                    warn(&problem.message);
                    problem.hint.iter().for_each(|hint| warn(hint));
                }
                text = question.text;
            }
            (Answer::Yes, Some(look)) if !look.is_seen() && !is_warned => {
                warn("you have not looked at the document");
                is_warned = true;
                text = "Without having looked at it?";
            }
            (Answer::Yes, _) => return Ok(()),
            (Answer::No, _) => break,
            (Answer::View | Answer::Unclear, _) => {
                let view = if question.look.is_some() { ", or v to view the document" } else { "" };
                warn(&format!("answer y for yes, n for no{view}"));
            }
        }
    }
    let problem = Problem::new(Code::Failed, format!("{}: the answer was no", question.no));
    Err(match &question.instead {
        Some(instead) => problem.hint(instead),
        None => problem,
    })
}

#[derive(Clone, Copy)]
enum Answer {
    Yes,
    View,
    /// Also an empty line, and the end of the input.
    No,
    Unclear,
}

fn read(question: &str) -> Result<Answer, Problem> {
    let failed =
        |error| Problem::new(Code::Failed, format!("the terminal cannot be used: {error}"));
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Answer::Yes,
        "v" | "view" => Answer::View,
        "" | "n" | "no" => Answer::No,
        _ => Answer::Unclear,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives these answers, and counts the warnings.
    fn decided(look: Option<&Look>, answers: &[Answer]) -> (Result<(), Problem>, usize) {
        let question = Question { text: "Approve?", no: "not approved", instead: None, look };
        let (mut answers, mut warnings) = (answers.iter(), 0);
        let result = decide(&question, |_| Ok(*answers.next().unwrap()), |_| warnings += 1);
        assert_eq!(answers.len(), 0, "every answer was asked for");
        (result, warnings)
    }

    #[test]
    fn a_yes_without_a_look_is_asked_for_twice() {
        let (unseen, seen) = (Look::at(b"\xff"), Look::at(b"pay 100 euros"));
        assert_eq!(decided(None, &[Answer::Yes]), (Ok(()), 0));
        assert_eq!(decided(Some(&seen), &[Answer::Yes]), (Ok(()), 0));
        assert_eq!(decided(Some(&unseen), &[Answer::Yes, Answer::Yes]), (Ok(()), 1));
        for (look, answers) in [
            (None, [Answer::No].as_slice()),
            (None, &[Answer::View, Answer::Unclear, Answer::No]),
            (Some(&unseen), &[Answer::No]),
            (Some(&unseen), &[Answer::Yes, Answer::No]),
        ] {
            let problem = decided(look, answers).0.unwrap_err();
            assert_eq!(problem.message, "not approved: the answer was no");
        }
    }
}
