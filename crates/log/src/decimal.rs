//! Decimal numbers as the C2SP formats write them.

/// Reads digits without sign or leading zeroes (except `0` itself), up to `u64::MAX`.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_the_shortest_form_is_read() {
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("18446744073709551615"), Some(u64::MAX));
        for bad in
            ["", "00", "01", "+1", "-1", " 1", "1 ", "1e3", "0x1", "18446744073709551616", "١"]
        {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
