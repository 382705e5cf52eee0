//! Durations as people write them: `90s`, `10m`, `24h`, `7d`, `2w`.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum DurationError {
    #[error("expected a number and a unit, such as 90s, 10m, 24h, 7d or 2w")]
    Form,
    /// Zero, or more than the log's timestamps allow.
    #[error("expected between 1 second and 10 years")]
    Range,
}

pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError::Form)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| DurationError::Form)?;
    let seconds = match unit {
        "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => return Err(DurationError::Form),
    };
    match number.checked_mul(seconds) {
        Some(seconds) if (1..=3650 * DAY).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(DurationError::Range),
    }
}

/// Converts to milliseconds, the unit of the log.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("2w"), Ok(Duration::from_secs(14 * 86_400)));
        for bad in ["", "10", "m", "1.5h", "-1m", "10 m", "1y", "99999999999999999999s"] {
            assert_eq!(parse(bad), Err(DurationError::Form), "{bad}");
        }
        for bad in ["0s", "3651d", "18446744073709551615w"] {
            assert_eq!(parse(bad), Err(DurationError::Range), "{bad}");
        }
    }
}
