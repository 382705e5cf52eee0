//! Output: data to stdout, messages to stderr, colour only on a terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Write as _};
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;

use crate::api::{Code, Problem};
use crate::render::{Page, Stream, Tone};

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// Both output streams, with the options for them.
#[derive(Clone, Debug)]
pub(super) struct Terminal {
    json: bool,
    quiet: bool,
    out: Stream,
    err: Stream,
    /// The terminal of the session, if information goes there instead of stderr.
    session: Option<Arc<File>>,
}

impl Terminal {
    pub(super) fn new(json: bool, quiet: bool, color: Color) -> Self {
        let out = stream(io::stdout().is_terminal(), color);
        let err = stream(io::stderr().is_terminal(), color);
        Self { json, quiet, out, err, session: None }
    }

    /// Sends information to the terminal of the session, because the program that called this one
    /// keeps stderr. Problems still go to stderr. Changes nothing if there is no such terminal, or
    /// stderr is one.
    #[must_use]
    pub(super) fn with_session_terminal(mut self) -> Self {
        if !self.err.is_terminal {
            self.session = File::options().write(true).open("/dev/tty").ok().map(Arc::new);
        }
        self
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    pub(super) fn has_color(&self) -> bool {
        self.err.color
    }

    /// The width of a line on stderr in columns; `None` if it is not a terminal.
    pub(super) fn width(&self) -> Option<usize> {
        self.err.width()
    }

    /// Whether stderr can display rows that change.
    pub(super) fn is_live(&self) -> bool {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        self.err.is_terminal && !self.quiet && !self.json && !dumb
    }

    /// Prints the answer of a command: `view` as JSON under `quorate.<noun>/v1`, or what `page`
    /// writes.
    pub(super) fn show<T: Serialize>(
        &self,
        noun: &'static str,
        view: &T,
        page: impl FnOnce(&mut Page),
    ) -> Result<(), Problem> {
        if self.json {
            return self.object(noun, view);
        }
        let mut lines = Page::new(self.out);
        page(&mut lines);
        write_out(lines.text.as_bytes())
    }

    /// Prints one line of JSON to stdout.
    pub(super) fn object<T: Serialize>(&self, noun: &'static str, view: &T) -> Result<(), Problem> {
        let document = Document { schema: format!("quorate.{noun}/v1"), view };
        let mut line = serde_json::to_vec(&document).map_err(|error| {
            Problem::new(Code::Failed, format!("the answer has no JSON form: {error}"))
        })?;
        line.push(b'\n');
        write_out(&line)
    }

    /// Writes raw bytes to stdout: a key, a signature, a script.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Result<(), Problem> {
        write_out(bytes)
    }

    /// Prints information to stderr or the session's terminal, but not with `--quiet` or `--json`.
    pub(super) fn note(&self, page: impl FnOnce(&mut Page)) {
        if !self.quiet && !self.json {
            let mut lines = Page::new(self.err);
            page(&mut lines);
            match &self.session {
                // Nothing more can be done if the terminal is gone.
                Some(terminal) => drop(terminal.as_ref().write_all(lines.text.as_bytes())),
                None => write_err(&lines.text),
            }
        }
    }

    /// Prints what a question is about to stderr, even with `--quiet`: nobody decides unseen.
    pub(super) fn ask(&self, page: impl FnOnce(&mut Page)) {
        let mut lines = Page::new(self.err);
        page(&mut lines);
        write_err(&lines.text);
    }

    /// Prints a warning to stderr.
    pub(super) fn warn(&self, text: &str) {
        let mut lines = Page::new(self.err);
        lines.labelled("warning:", Tone::Warn, text);
        write_err(&lines.text);
    }

    /// Prints a problem to stderr, and with `--json` to stdout too. If both are terminals, only the
    /// JSON is printed.
    pub(super) fn problem(&self, problem: &Problem) {
        let mut lines = Page::new(self.err);
        lines.labelled("error:", Tone::Bad, &problem.message);
        let hint = crate::render::hint(problem);
        if let Some(hint) = &hint {
            lines.labelled(" hint:", Tone::Strong, hint);
        }
        if !(self.json && both_are_seen()) {
            write_err(&lines.text);
        }
        if self.json {
            // Nothing more can be done if stdout is closed.
            let _ = self.object("problem", &Problem { hint, ..problem.clone() });
        }
    }
}

/// Whether stdout and stderr are terminals, and so presumably the same.
pub(super) fn both_are_seen() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

#[derive(Serialize)]
struct Document<'a, T> {
    schema: String,
    #[serde(flatten)]
    view: &'a T,
}

/// Writes to stdout. A closed pipe (`| head`) is not an error.
fn write_out(bytes: &[u8]) -> Result<(), Problem> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Problem::new(
            Code::Failed,
            format!("the answer cannot be written to stdout: {error}"),
        )),
        _ => Ok(()),
    }
}

fn write_err(text: &str) {
    // Nothing more can be done if stderr is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn stream(is_terminal: bool, color: Color) -> Stream {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let color = match color {
        Color::Auto => is_terminal && wanted,
        Color::Always => true,
        Color::Never => false,
    };
    Stream { color, is_terminal }
}
