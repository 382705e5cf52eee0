//! Lists, plurals and times as text.

use std::fmt::Display;

use quorate_ceremony::names::Timestamp;

/// `ada`, `ada and ben`, `ada, ben and carol`.
pub(crate) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    join(items, "and")
}

/// `ada`, `ada or ben`, `ada, ben or carol`.
pub(crate) fn list_or<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    join(items, "or")
}

/// `ada, ben, carol`.
pub(crate) fn commas<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "nobody".to_owned() } else { items.join(", ") }
}

fn join<T: Display>(items: impl IntoIterator<Item = T>, word: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, first)) => format!("{} {word} {last}", first.join(", ")),
    }
}

/// `1 share`, `2 shares`.
pub(crate) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Removes the full stop of a sentence, so that it can be part of another.
pub(crate) fn clause(sentence: &str) -> &str {
    sentence.trim_end_matches('.')
}

/// `in 6 days`, `3 minutes ago`.
pub(crate) fn relative(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.0.abs_diff(then.0).saturating_add(500) / 1000;
    if seconds < 2 {
        return "now".to_owned();
    }
    let length = rough(seconds);
    match then.0 >= now.0 {
        true => format!("in {length}"),
        false => format!("{length} ago"),
    }
}

/// `6 days`: one unit, rounded.
pub(crate) fn rough(seconds: u64) -> String {
    // A unit is used from about twice its length, so that rounding is never far off.
    let units = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")];
    let (length, unit) =
        units.into_iter().find(|(length, _)| seconds >= 2 * length).unwrap_or((1, "second"));
    let count = (seconds + length / 2) / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// `2026-11-22 08:25:25 UTC`.
pub(crate) fn utc(time: Timestamp) -> String {
    let seconds = time.seconds();
    let (year, month, day) = date(seconds / DAY);
    let clock = seconds % DAY;
    let (hour, minute, second) = (clock / HOUR, clock % HOUR / MINUTE, clock % MINUTE);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Returns the Gregorian date of a day since 1970-01-01, by counting years of 365.2425 days that
/// begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day - (153 * from_march + 2) / 5 + 1)
}

/// `12 bytes`, `3.4 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in units {
        if bytes >= unit {
            let tenths = u128::from(bytes) * 10 / u128::from(unit);
            return match tenths % 10 {
                0 => format!("{} {name}", tenths / 10),
                rest => format!("{}.{rest} {name}", tenths / 10),
            };
        }
    }
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_gnu_date_writes_them() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(Timestamp(seconds * 1000)), text);
        }
    }

    #[test]
    fn distances_have_one_unit() {
        let now = Timestamp(1_000_000_000);
        assert_eq!(relative(now, now.plus(400)), "now");
        assert_eq!(relative(now, now.plus(90_000)), "in 90 seconds");
        assert_eq!(relative(now, now.plus(86_399_900)), "in 24 hours");
        assert_eq!(relative(now, now.plus(7 * 86_400_000 - 1)), "in 7 days");
        assert_eq!(relative(now.plus(2 * 86_400_000), now), "2 days ago");
    }

    #[test]
    fn sizes_are_readable() {
        for (bytes, text) in
            [(0, "0 bytes"), (1, "1 byte"), (1536, "1.5 KiB"), (32 << 20, "32 MiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
