//! Times as people write them: `2026-11-29`, `2026-11-29 23:51:41`, or `7d` for 7 days ago.

use std::time::Duration;

use quorate_ceremony::names::Timestamp;

use super::duration;

/// A day, a second, or a length of time before now. All times are UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moment {
    Day(u64),
    Second(u64),
    Ago(Duration),
}

impl Moment {
    pub(super) fn start(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Day(day) => Timestamp(day * DAY * 1000),
            Self::Second(second) => Timestamp(second * 1000),
            Self::Ago(duration) => {
                Timestamp(now.0.saturating_sub(duration::milliseconds(duration)))
            }
        }
    }

    /// Returns the last millisecond.
    pub(super) fn end(self, now: Timestamp) -> Timestamp {
        let length = match self {
            Self::Day(_) => DAY * 1000 - 1,
            Self::Second(_) => 999,
            Self::Ago(_) => 0,
        };
        self.start(now).plus(length)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a time such as 2026-11-29, \"2026-11-29 23:51:41\" (UTC), or 7d for 7 days ago")]
pub(super) struct MomentError;

impl std::str::FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        if let Ok(duration) = duration::parse(text) {
            return Ok(Self::Ago(duration));
        }
        let text = text.trim_end_matches(" UTC").trim_end_matches('Z');
        let (date, clock) = match text.split_once([' ', 'T']) {
            Some((date, clock)) => (date, Some(clock)),
            None => (text, None),
        };
        let day = day(numbers(date, '-')?).ok_or(MomentError)?;
        let Some(clock) = clock else { return Ok(Self::Day(day)) };
        let [hour, minute, second] = match clock.matches(':').count() {
            1 => numbers(&format!("{clock}:00"), ':')?,
            _ => numbers(clock, ':')?,
        };
        if hour > 23 || minute > 59 || second > 59 {
            return Err(MomentError);
        }
        Ok(Self::Second(day * DAY + hour * 3600 + minute * 60 + second))
    }
}

fn numbers(text: &str, separator: char) -> Result<[u64; 3], MomentError> {
    let parts: Result<Vec<u64>, _> = text.split(separator).map(str::parse).collect();
    parts.ok().and_then(|parts| parts.try_into().ok()).ok_or(MomentError)
}

/// Returns the number of a date's day since 1970-01-01, or `None` if there is no such date.
fn day([year, month, day]: [u64; 3]) -> Option<u64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *lengths.get(before)?;
    if !(1970..10_000).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    Some(years + lengths.iter().take(before).sum::<u64>() + day - 1)
}

const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::utc;

    #[test]
    fn a_moment_reads_what_the_log_shows() {
        for text in [
            "1970-01-01 00:00:00 UTC",
            "2000-02-29 23:59:59 UTC",
            "2026-11-29 23:51:41 UTC",
            "2100-03-01 00:00:00 UTC",
        ] {
            let moment: Moment = text.parse().unwrap();
            assert_eq!(utc(moment.start(Timestamp(0))), text);
        }
    }

    #[test]
    fn a_day_lasts_until_the_next_one() {
        let day: Moment = "2024-02-29".parse().unwrap();
        assert_eq!(utc(day.start(Timestamp(0))), "2024-02-29 00:00:00 UTC");
        assert_eq!(utc(day.end(Timestamp(0))), "2024-02-29 23:59:59 UTC");
        assert_eq!("7d".parse::<Moment>().unwrap().start(Timestamp(7 * DAY * 1000)), Timestamp(0));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in
            ["", "x", "2023-02-29", "2026-13-01", "2026-01-01 24:00:00", "1969-12-31", "2026"]
        {
            assert_eq!(bad.parse::<Moment>(), Err(MomentError), "{bad}");
        }
    }
}
