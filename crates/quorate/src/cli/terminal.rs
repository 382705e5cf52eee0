//! Where words go: data to stdout, talk to stderr, colour only where a person looks.

use std::io::{self, IsTerminal, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use crate::api::{Code, Problem};
use crate::render::{Page, Stream, Tone};

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Both output streams, and what was asked of them.
#[derive(Debug)]
pub(super) struct Terminal {
    json: bool,
    quiet: bool,
    out: Stream,
    err: Stream,
}

impl Terminal {
    pub(super) fn new(json: bool, quiet: bool, color: Color) -> Self {
        let out = stream(io::stdout().is_terminal(), color);
        let err = stream(io::stderr().is_terminal(), color);
        Self { json, quiet, out, err }
    }

    /// Whether stdout is for a program.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether stderr may have colours.
    pub(super) fn has_color(&self) -> bool {
        self.err.color
    }

    /// How wide a line on stderr may be; `None` where nobody looks.
    pub(super) fn width(&self) -> Option<usize> {
        self.err.width()
    }

    /// Whether a person watches stderr and may see it change.
    pub(super) fn is_live(&self) -> bool {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        self.err.is_terminal && !self.quiet && !self.json && !dumb
    }

    /// The answer of a command: `view` as JSON under `quorate.<noun>/v1`, or what `page` writes.
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

    /// One line of JSON on stdout.
    pub(super) fn object<T: Serialize>(&self, noun: &'static str, view: &T) -> Result<(), Problem> {
        let document = Document { schema: format!("quorate.{noun}/v1"), view };
        let mut line = serde_json::to_vec(&document).map_err(|error| {
            Problem::new(Code::Failed, format!("the answer has no JSON form: {error}"))
        })?;
        line.push(b'\n');
        write_out(&line)
    }

    /// Bytes on stdout as they are: a key, a signature, a script.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Result<(), Problem> {
        write_out(bytes)
    }

    /// Something that a person may want to know, on stderr; nothing with `--quiet` or `--json`.
    pub(super) fn note(&self, page: impl FnOnce(&mut Page)) {
        if !self.quiet && !self.json {
            let mut lines = Page::new(self.err);
            page(&mut lines);
            write_err(&lines.text);
        }
    }

    /// Something that may be wrong, on stderr.
    pub(super) fn warn(&self, text: &str) {
        let mut lines = Page::new(self.err);
        lines.labelled("warning:", Tone::Warn, text);
        write_err(&lines.text);
    }

    /// Why a command failed: on stderr, and with `--json` on stdout too.
    pub(super) fn problem(&self, problem: &Problem) {
        let mut lines = Page::new(self.err);
        lines.labelled("error:", Tone::Bad, &problem.message);
        let hint = crate::render::hint(problem);
        if let Some(hint) = &hint {
            lines.labelled(" hint:", Tone::Strong, hint);
        }
        write_err(&lines.text);
        if self.json {
            // Nothing is left to tell if stdout is gone.
            let _ = self.object("problem", &Problem { hint, ..problem.clone() });
        }
    }
}

#[derive(Serialize)]
struct Document<'a, T> {
    schema: String,
    #[serde(flatten)]
    view: &'a T,
}

/// A reader who has seen enough (`| head`) is no error of ours.
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
    // If stderr is gone, there is nobody to tell.
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
