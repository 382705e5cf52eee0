//! Times as people read them, from 1970 to 9999.

use time::OffsetDateTime;

/// Seconds since 1970 as `YYYY-MM-DD HH:MM`, in UTC.
pub(crate) fn to_the_minute(seconds: i64) -> Option<String> {
    let mut text = to_the_second(seconds)?;
    text.truncate("YYYY-MM-DD HH:MM".len());
    Some(text)
}

/// Seconds since 1970 as `YYYY-MM-DD HH:MM:SS`, in UTC.
pub(crate) fn to_the_second(seconds: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|_| seconds >= 0)?;
    let (month, day) = (u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    Some(format!("{:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}", at.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `date -u -d @SECONDS`.
    #[test]
    fn seconds_are_the_dates_that_they_are() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_868_799, "2000-02-29 23:59"),
            (4_107_542_399, "2100-02-28 23:59"),
            (253_402_300_799, "9999-12-31 23:59"),
        ] {
            assert_eq!(to_the_minute(seconds).unwrap(), date);
        }
        assert_eq!(
            (to_the_minute(-1), to_the_minute(253_402_300_800), to_the_minute(i64::MAX)),
            (None, None, None)
        );
    }

    #[test]
    fn seconds_are_shown_where_they_are_asked_for() {
        assert_eq!(to_the_second(951_782_399).unwrap(), "2000-02-28 23:59:59");
    }
}
