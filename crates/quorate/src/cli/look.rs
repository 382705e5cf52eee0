//! Shows an approver the document: short text on the terminal, anything else as a file to open.
//!
//! The document comes from the requester, who may want to deceive. So text is displayed without
//! control characters and invisible ones, and says that it was cleaned; it is bounded; and the name
//! of a copy leads to no other directory.

use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::file::plain_name;
use super::output::Target;
use crate::api::{Code, Problem, RequestView};
use crate::documents::viewed;
use crate::render::{Page, Tone, clean};
use crate::store::durable;

/// The most lines of a text that are displayed with the question.
const LINES: usize = 40;
/// The most characters of a line that are displayed.
const COLUMNS: usize = 200;

/// A document that can be looked at.
pub(super) struct Look {
    document: Vec<u8>,
    /// Where the copy is, or would be.
    copy: PathBuf,
    is_seen: Cell<bool>,
}

impl Look {
    /// `home` is the node's home, where copies are private.
    pub(super) fn new(
        request: &RequestView,
        (name, document): (&str, Vec<u8>),
        home: &Path,
    ) -> Self {
        let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
        let copy = viewed(&home, request.id).join(plain_name(name));
        let is_seen = Cell::new(is_short(&document));
        Self { document, copy, is_seen }
    }

    /// A document without a copy.
    #[cfg(test)]
    pub(super) fn at(document: &[u8]) -> Self {
        let is_seen = Cell::new(is_short(document));
        Self { document: document.to_owned(), copy: PathBuf::new(), is_seen }
    }

    /// Whether the account holder was shown the whole document, or opened it.
    pub(super) fn is_seen(&self) -> bool {
        self.is_seen.get()
    }

    /// Displays the document if it is text, and how to open it otherwise.
    pub(super) fn show(&self, page: &mut Page) {
        page.blank();
        let Some(text) = text(&self.document) else {
            page.sentence("The document is not plain text. This node's own copy of it:");
            return match self.keep() {
                Ok(()) => page.copyable(self.copy.display()),
                Err(problem) => page.item(Tone::Warn, problem.message),
            };
        };
        if text.is_empty() {
            return page.sentence("The document is empty.");
        }
        page.sentence("The document:");
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().take(LINES) {
            let cut: String = line.chars().take(COLUMNS).collect();
            page.quoted(&cut);
        }
        if !is_short(&self.document) {
            page.item(
                Tone::Warn,
                format!("this is only the beginning of {} lines; v shows everything", lines.len()),
            );
        }
        if text.lines().any(|line| clean(line) != line.replace('\t', " ")) {
            page.item(
                Tone::Warn,
                "it contains control characters or invisible characters, displayed as \u{fffd}",
            );
        }
    }

    /// Opens the whole document, and waits until a text is read.
    pub(super) fn open(&self) -> Result<(), Problem> {
        match text(&self.document) {
            Some(text) => page_through(&clean_lines(text))?,
            None => {
                self.keep()?;
                let opened = Command::new("xdg-open")
                    .arg(&self.copy)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn();
                opened.map_err(|error| {
                    let message = format!("xdg-open cannot be started: {error}");
                    Problem::new(Code::Failed, message)
                        .hint(format!("open the copy yourself: {}", self.copy.display()))
                })?;
            }
        }
        self.is_seen.set(true);
        Ok(())
    }

    /// Writes the copy.
    fn keep(&self) -> Result<(), Problem> {
        let directory = durable::directory_of(&self.copy);
        durable::create_directories(directory).map_err(|error| {
            let message = format!("{} cannot be created: {error}", directory.display());
            Problem::new(Code::Failed, message)
        })?;
        Target::private(self.copy.clone(), true)?.write(&self.document)
    }
}

/// Returns the document as text, if it is text that people read.
fn text(document: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(document).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// Whether the whole document is displayed with the question.
fn is_short(document: &[u8]) -> bool {
    text(document).is_some_and(|text| {
        text.lines().count() <= LINES && text.lines().all(|line| line.chars().count() <= COLUMNS)
    })
}

fn clean_lines(text: &str) -> String {
    text.lines().map(|line| clean(line) + "\n").collect()
}

/// Displays text with the account holder's pager, which reads it from a pipe: no part of the
/// document is in its arguments.
fn page_through(text: &str) -> Result<(), Problem> {
    let pager = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let pager = pager.unwrap_or_else(|| "less".to_owned());
    let mut words = pager.split_whitespace();
    let failed = |error: std::io::Error| {
        let message = format!("the pager {pager} cannot be used: {error}");
        Problem::new(Code::Failed, message)
            .hint("set PAGER, or: quorate request download ID --document")
    };
    let mut child = Command::new(words.next().unwrap_or("less"))
        .args(words)
        .env("LESSSECURE", "1")
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A pager that is closed early reads no further.
        let _ = stdin.write_all(text.as_bytes());
    }
    child.wait().map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_text_counts_as_seen() {
        assert!(is_short(b"pay 100 euros\nto ada\n"));
        assert!(is_short(b""));
        assert!(!is_short("a line\n".repeat(LINES + 1).as_bytes()));
        assert!(!is_short("x".repeat(COLUMNS + 1).as_bytes()));
        assert!(!is_short(b"%PDF-1.7\0"));
        assert!(!is_short(&[0xff, 0xfe]));
    }

    #[test]
    fn a_pager_gets_no_control_characters() {
        assert_eq!(clean_lines("a\x1b[2J\tb\r\nc"), "a\u{fffd}[2J b\nc\n");
        assert_eq!(clean_lines("pay\u{202e}001"), "pay\u{fffd}001\n");
    }
}
