//! Lines for a person, wrapped and coloured on a terminal.

use std::fmt::Display;

/// The stream that lines are written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) color: bool,
    pub(crate) is_terminal: bool,
}

impl Stream {
    /// The width of a line in columns; `None` if the stream is not a terminal.
    pub(crate) fn width(self) -> Option<usize> {
        let (terminal_size::Width(width), _) = terminal_size::terminal_size()?;
        self.is_terminal.then(|| usize::from(width).clamp(MIN_WIDTH, MAX_WIDTH))
    }
}

/// The meaning that a mark or a colour gives to text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tone {
    Good,
    /// May need attention.
    Warn,
    Bad,
    Strong,
    /// Less important.
    Faint,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31;1",
            Self::Strong => "1",
            Self::Faint => "2",
        }
    }

    pub(crate) fn painted_mark(self, color: bool) -> String {
        match color {
            true => format!("\x1b[{}m{}\x1b[0m", self.code(), self.mark()),
            false => self.mark().to_owned(),
        }
    }

    /// Returns the sign in front of an item.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Warn => "!",
            Self::Bad => "✗",
            Self::Strong => "•",
            Self::Faint => "·",
        }
    }
}

/// Lines for a person, wrapped to the terminal. Text is printed without control characters, because
/// file names and reasons come from other people.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) text: String,
    stream: Stream,
    width: Option<usize>,
}

impl Page {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { text: String::new(), stream, width: stream.width() }
    }

    /// Returns what `write` writes without a terminal.
    #[cfg(test)]
    pub(crate) fn text_of(write: impl FnOnce(&mut Self)) -> String {
        let mut page = Self::new(Stream { color: false, is_terminal: false });
        write(&mut page);
        page.text
    }

    /// Returns what `write` writes on a terminal of `width` columns.
    #[cfg(test)]
    pub(crate) fn text_within(width: usize, write: impl FnOnce(&mut Self)) -> String {
        let stream = Stream { color: false, is_terminal: false };
        let mut page = Self { text: String::new(), stream, width: Some(width) };
        write(&mut page);
        page.text
    }

    pub(crate) fn sentence(&mut self, text: impl Display) {
        self.wrapped("", 0, &clean(&text.to_string()), None);
    }

    /// Writes the most important line: a mark and a sentence.
    pub(crate) fn verdict(&mut self, tone: Tone, text: impl Display) {
        let mark = self.paint(tone, tone.mark());
        self.wrapped(&format!("{mark} "), 2, &clean(&text.to_string()), Some(Tone::Strong));
    }

    /// Writes a line below a verdict.
    pub(crate) fn item(&mut self, tone: Tone, text: impl Display) {
        let mark = self.paint(tone, tone.mark());
        self.wrapped(&format!("  {mark} "), 4, &clean(&text.to_string()), None);
    }

    /// Writes what to do about an item.
    pub(crate) fn advice(&mut self, text: impl Display) {
        self.wrapped("    → ", 6, &clean(&text.to_string()), None);
    }

    /// Writes a less important line below a verdict.
    pub(crate) fn note(&mut self, text: impl Display) {
        self.wrapped("  ", 2, &clean(&text.to_string()), Some(Tone::Faint));
    }

    pub(crate) fn field(&mut self, label: &str, value: impl Display) {
        self.value(label, FIELD, &clean(&value.to_string()));
    }

    /// Like [`Self::field`], with a column for longer labels.
    pub(crate) fn wide_field(&mut self, label: &str, value: impl Display) {
        self.value(label, WIDE_FIELD, &clean(&value.to_string()));
    }

    /// Writes a value beside its label, or below it if its column would be too narrow.
    fn value(&mut self, label: &str, column: usize, value: &str) {
        let longest = value.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
        let is_narrow = self.width.is_some_and(|width| {
            let room = width.saturating_sub(column + 2);
            room < LEAST_ROOM || room < longest && longest + BELOW.len() <= width
        });
        if !is_narrow {
            let label = self.paint(Tone::Faint, &format!("  {label:<column$}"));
            return self.wrapped(&label, column + 2, value, None);
        }
        if !label.is_empty() {
            self.wrapped("  ", 2, label, Some(Tone::Faint));
        }
        self.wrapped(BELOW, BELOW.len(), value, None);
    }

    /// Writes pairs of values side by side under these titles, or below each other if they are too
    /// wide.
    pub(crate) fn comparison(
        &mut self,
        titles: [&str; 2],
        rows: impl IntoIterator<Item = (&'static str, String, String)>,
    ) {
        let rows: Vec<_> = rows.into_iter().collect();
        let beside = |[first, second]: [&str; 2]| format!("{first:<SIDE$} {second}");
        let fits = |(_, first, second): &(_, String, String)| {
            let needed = WIDE_FIELD + 2 + SIDE + 1 + second.chars().count();
            self.width.is_none_or(|width| needed <= width && first.chars().count() <= SIDE)
        };
        if rows.iter().all(fits) {
            self.wide_field("", beside(titles));
            for (label, first, second) in &rows {
                self.wide_field(label, beside([first, second]));
            }
            return;
        }
        let column = titles.iter().map(|title| title.chars().count()).max().unwrap_or(0) + 2;
        for (label, first, second) in &rows {
            self.wrapped("  ", 2, label, None);
            for (title, value) in titles.iter().zip([first, second]) {
                let title = self.paint(Tone::Faint, &format!("{BELOW}{title:<column$}"));
                self.wrapped(&title, BELOW.len() + column, &clean(value), None);
            }
        }
    }

    /// Writes a numbered line of a list.
    pub(crate) fn row(&mut self, number: &str, text: impl Display) {
        let start = format!("{}  ", self.paint(Tone::Faint, number));
        self.wrapped(&start, number.chars().count() + 2, &clean(&text.to_string()), None);
    }

    /// Writes a command or file name for copying, which is never wrapped.
    pub(crate) fn copyable(&mut self, text: impl Display) {
        self.text.push_str("    ");
        self.text.push_str(&clean(&text.to_string()));
        self.text.push('\n');
    }

    /// Writes a line of somebody else's text, which is never wrapped.
    pub(crate) fn quoted(&mut self, line: &str) {
        let bar = self.paint(Tone::Faint, "│");
        self.text.push_str(&format!("  {bar} {}\n", clean(line)));
    }

    /// Writes a title over what follows.
    pub(crate) fn title(&mut self, text: impl Display) {
        let title = self.paint(Tone::Strong, &clean(&text.to_string()));
        self.text.push_str(&title);
        self.text.push('\n');
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Writes a line behind a label.
    pub(crate) fn labelled(&mut self, label: &str, tone: Tone, text: &str) {
        let indent = label.chars().count() + 1;
        let label = self.paint(tone, label);
        self.wrapped(&format!("{label} "), indent, &clean(text), None);
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        if self.stream.color {
            format!("\x1b[{}m{text}\x1b[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    /// Writes `text` wrapped, behind `start`, which takes `indent` columns.
    fn wrapped(&mut self, start: &str, indent: usize, text: &str, tone: Option<Tone>) {
        let width = self.width.map_or(usize::MAX, |width| width.saturating_sub(indent));
        for (position, line) in wrap(text, width).into_iter().enumerate() {
            if position == 0 {
                self.text.push_str(start);
            } else {
                self.text.extend(std::iter::repeat_n(' ', indent));
            }
            match tone {
                Some(tone) => self.text.push_str(&self.paint(tone, &line)),
                None => self.text.push_str(&line),
            }
            self.text.push('\n');
        }
    }
}

/// Splits at spaces. A word longer than a line gets its own line, so that it can be copied.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    lines.push(line);
    lines
}

/// Returns `text` as one line, without characters that move the cursor, colour the screen, or
/// change the direction of writing.
pub(crate) fn clean(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let shown = |c| match c {
        '\n' | '\t' => ' ',
        c if hidden(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// The width of a label in columns.
const FIELD: usize = 13;
/// The width of a longer label: `nodes, automatically`, and a space.
const WIDE_FIELD: usize = 21;
/// The width of the first of two values side by side.
const SIDE: usize = 24;
/// The indentation of a value below its label.
const BELOW: &str = "    ";
/// The narrowest column for a value beside its label.
const LEAST_ROOM: usize = 20;
const MIN_WIDTH: usize = 20;
const MAX_WIDTH: usize = 110;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_words_and_keeps_long_ones_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a 0123456789 b", 5), ["a", "0123456789", "b"]);
        assert_eq!(wrap("", 80), [""]);
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    #[test]
    fn a_value_is_below_its_label_if_its_column_would_be_narrow() {
        let write = |page: &mut Page| {
            page.wide_field("approve a request", "2 of those who are members (now: 3)");
            page.field("signs", "documents without a type");
            page.field("digest", "0123456789abcdef0123456789abcdef");
        };
        let narrow = [
            "  approve a request",
            "    2 of those who are members (now: 3)",
            "  signs        documents without a type",
            "  digest",
            "    0123456789abcdef0123456789abcdef",
        ];
        assert_eq!(Page::text_within(40, write).lines().collect::<Vec<_>>(), narrow);
        assert_eq!(
            Page::text_within(110, write),
            Page::text_of(write),
            "a wide terminal is like none"
        );
        // A word that fits nowhere stays whole, beside its label.
        let long = "0123456789abcdef".repeat(4);
        let text = Page::text_within(40, |page| page.field("key", &long));
        assert_eq!(text, format!("  key          {long}\n"));
    }

    #[test]
    fn two_values_are_either_side_by_side_or_below_each_other() {
        let write = |page: &mut Page| {
            page.comparison(
                ["Now", "After"],
                [
                    (
                        "signs with",
                        "any 2 of 3 members".to_owned(),
                        "any 3 of 5 members".to_owned(),
                    ),
                    ("new shares", "when asked for".to_owned(), "every 30 days".to_owned()),
                ],
            );
        };
        let row = |label, now, after| format!("  {label:<21}{now:<24} {after}\n");
        let wide = [
            row("", "Now", "After"),
            row("signs with", "any 2 of 3 members", "any 3 of 5 members"),
            row("new shares", "when asked for", "every 30 days"),
        ];
        for text in [Page::text_of(write), Page::text_within(66, write)] {
            assert_eq!(text, wide.concat());
        }
        let narrow = [
            "  signs with",
            "    Now    any 2 of 3 members",
            "    After  any 3 of 5 members",
            "  new shares",
            "    Now    when asked for",
            "    After  every 30 days",
        ];
        for width in [65, 40, 30] {
            let text = Page::text_within(width, write);
            assert_eq!(text.lines().collect::<Vec<_>>(), narrow, "{width}");
        }
        assert!(widest(&Page::text_within(20, write)) <= 20);
    }

    #[test]
    fn what_others_wrote_can_not_move_the_cursor_or_turn_the_text() {
        assert_eq!(clean("a\x1b[2Jb\rc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(clean("invoice\u{202e}fdp.exe"), "invoice\u{fffd}fdp.exe");
        assert_eq!(clean("no\n✓ signed"), "no ✓ signed");
        assert_eq!(clean("Größe ✓"), "Größe ✓");
    }

    #[test]
    fn colour_is_only_where_it_was_asked_for() {
        let page = |color| {
            let mut page = Page::new(Stream { color, is_terminal: false });
            page.verdict(Tone::Good, "signed");
            page.text
        };
        assert_eq!(page(false), "✓ signed\n");
        assert!(page(true).contains("\x1b[32m✓\x1b[0m"));
    }
}
