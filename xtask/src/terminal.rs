//! Output for people: lines, colours where they are wanted, durations, plurals.

use std::fmt::Arguments;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Duration;

/// Like `println!`, but exits quietly when stdout is closed, as in `cargo xtask test | head`.
macro_rules! say {
    ($($text:tt)*) => { $crate::terminal::print_line(format_args!($($text)*)) };
}
pub(crate) use say;

/// See [`say`].
pub(crate) fn print_line(line: Arguments<'_>) {
    if writeln!(stdout().lock(), "{line}").is_err() {
        std::process::exit(1);
    }
}

/// The meaning of a colour.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Strong,
    Good,
    Bad,
    Warning,
}

/// Returns `text` in a colour, if the reader wants colours.
pub(crate) fn paint(tone: Tone, text: &str) -> String {
    let setting = std::env::var("CARGO_TERM_COLOR").ok();
    let quiet = ["NO_COLOR", "CI"].iter().any(|name| std::env::var_os(name).is_some());
    if !wants_colour(setting.as_deref(), quiet, stdout().is_terminal()) {
        return text.into();
    }
    let code = match tone {
        Tone::Strong => "1",
        Tone::Good => "32",
        Tone::Bad => "1;31",
        Tone::Warning => "33",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Applies Cargo's rule: an explicit setting decides; otherwise a terminal outside of CI has
/// colours.
fn wants_colour(setting: Option<&str>, quiet: bool, terminal: bool) -> bool {
    match setting {
        Some("always") => true,
        Some("never") => false,
        _ => terminal && !quiet,
    }
}

/// `850 ms`, `4.2 s`, `3 min 07 s`.
pub(crate) fn human(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// `1 test`, `2 tests`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explicit_colour_setting_wins_over_the_terminal() {
        assert!(wants_colour(Some("always"), true, false));
        assert!(!wants_colour(Some("never"), false, true));
        assert!(wants_colour(Some("auto"), false, true));
        assert!(!wants_colour(None, true, true));
        assert!(!wants_colour(None, false, false));
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        assert_eq!(human(Duration::from_millis(850)), "850 ms");
        assert_eq!(human(Duration::from_millis(4_240)), "4.2 s");
        assert_eq!(human(Duration::from_secs(187)), "3 min 07 s");
    }
}
