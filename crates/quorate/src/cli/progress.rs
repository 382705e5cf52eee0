//! Displays the progress of work: rows that change on a terminal, a line for each change elsewhere,
//! JSON lines for programs.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

use super::context::now;
use super::terminal::Terminal;
use crate::api::{GroupView, Problem, RequestView};
use crate::render::{
    Tone, change_sentence, clean, group_sentence, json, member_state, request_sentence, utc, wrap,
};

pub(super) struct Progress<'a> {
    terminal: &'a Terminal,
    live: Option<Live>,
    last: String,
}

/// Rows on a terminal. The first contains the sentence.
struct Live {
    rows: MultiProgress,
    bars: Vec<ProgressBar>,
    color: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(terminal: &'a Terminal) -> Self {
        let live = terminal.is_live().then(|| Live {
            rows: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            bars: Vec::new(),
            color: terminal.has_color(),
        });
        Self { terminal, live, last: String::new() }
    }

    /// Displays a group and its members while a key or new shares are made.
    pub(super) fn group(&mut self, view: &GroupView) -> Result<(), Problem> {
        if self.terminal.is_json() {
            return self.terminal.object("group", &json::group(view, now()));
        }
        let rows = view.members.iter().map(|member| {
            let (tone, state) = member_state(view, member);
            (tone, format!("{}: {state}", member.account))
        });
        let sentence = view.change.as_deref().map_or_else(|| group_sentence(view), change_sentence);
        self.show(&sentence, rows.collect());
        Ok(())
    }

    /// Displays a request and the members' decisions while it waits.
    pub(super) fn request(&mut self, view: &RequestView) -> Result<(), Problem> {
        if self.terminal.is_json() {
            return self.terminal.object("request", &json::request(view));
        }
        let approved = view.approvals.iter().map(|name| (Tone::Good, format!("{name}: approved")));
        let refused = view.refusals.keys().map(|name| (Tone::Bad, format!("{name}: rejected")));
        let waiting = match view.state {
            crate::api::RequestStage::Open => view.undecided.iter().collect(),
            _ => Vec::new(),
        };
        let waiting = waiting.into_iter().map(|name| match view.away.contains(name) {
            true => (Tone::Bad, format!("{name}: has not decided, and is offline")),
            false => (Tone::Warn, format!("{name}: has not decided")),
        });
        self.show(&request_sentence(view), approved.chain(refused).chain(waiting).collect());
        Ok(())
    }

    fn show(&mut self, sentence: &str, rows: Vec<(Tone, String)>) {
        match &mut self.live {
            Some(live) => {
                live.show(&lines(sentence, &rows, self.terminal.width(), live.color));
            }
            None if self.last != sentence => {
                self.last = sentence.to_owned();
                self.terminal.note(|page| page.sentence(format!("{}  {sentence}", utc(now()))));
            }
            None => {}
        }
    }
}

impl Live {
    /// Gives each line its own bar, the first with a spinner.
    fn show(&mut self, lines: &[String]) {
        while self.bars.len() > lines.len() {
            if let Some(bar) = self.bars.pop() {
                bar.finish_and_clear();
                self.rows.remove(&bar);
            }
        }
        while self.bars.len() < lines.len() {
            let bar = self.rows.add(ProgressBar::new_spinner());
            let is_first = self.bars.is_empty();
            if is_first {
                bar.enable_steady_tick(Duration::from_millis(120));
            }
            bar.set_style(style(if is_first { "{spinner} {wide_msg}" } else { "{wide_msg}" }));
            self.bars.push(bar);
        }
        for (bar, line) in self.bars.iter().zip(lines) {
            bar.set_message(line.clone());
        }
    }
}

/// Returns the sentence, with room for the spinner, and the rows below it. They are wrapped,
/// because the terminal would cut them off.
fn lines(
    sentence: &str,
    rows: &[(Tone, String)],
    width: Option<usize>,
    color: bool,
) -> Vec<String> {
    let room = |indent: usize| width.map_or(usize::MAX, |width| width.saturating_sub(indent));
    let hung = |text: &str, first: &str, indent: usize| -> Vec<String> {
        let wrapped = wrap(&clean(text), room(indent)).into_iter().enumerate();
        let line = |(position, line): (usize, String)| match position {
            0 => format!("{first}{line}"),
            _ => format!("{:indent$}{line}", ""),
        };
        wrapped.map(line).collect()
    };
    let mut lines = hung(sentence, "", 2);
    for (tone, text) in rows {
        lines.extend(hung(text, &format!("    {} ", tone.painted_mark(color)), 6));
    }
    lines
}

impl Drop for Live {
    /// Removes the rows from the terminal, because the outcome follows on stdout.
    fn drop(&mut self) {
        for bar in &self.bars {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_what_goes_on_is_cut_off_in_a_narrow_terminal() {
        let sentence = "board: key generation, round 4 of 5: waiting for certifications of ben.";
        let rows = [(Tone::Good, "ada: online, done for now".to_owned())];
        assert_eq!(
            lines(sentence, &rows, Some(30), false),
            [
                "board: key generation, round",
                "  4 of 5: waiting for",
                "  certifications of ben.",
                "    ✓ ada: online, done for",
                "      now",
            ]
        );
        assert_eq!(lines(sentence, &rows, Some(110), false).len(), 2);
    }
}
