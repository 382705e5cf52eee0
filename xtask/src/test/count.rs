//! The number of tests that ran, read from the output of the test runners.

use std::fmt;
use std::iter::Sum;

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    /// Tests that failed, crashed, or were ended after a time-out.
    pub(crate) failed: usize,
}

impl Counts {
    /// Reads the totals of a JUnit report as nextest writes it.
    pub(crate) fn from_junit(report: &str) -> Option<Self> {
        let (_, rest) = report.split_once("<testsuites ")?;
        let (attributes, _) = rest.split_once('>')?;
        let number = |name: &str| {
            let (_, rest) = attributes.split_once(&format!("{name}=\""))?;
            rest.split_once('"')?.0.parse::<usize>().ok()
        };
        let failed = number("failures")? + number("errors")?;
        Some(Self { passed: number("tests")?.checked_sub(failed)?, failed })
    }

    /// Adds the numbers of a line such as `test result: ok. 3 passed; 0 failed; …`.
    pub(crate) fn add_libtest_line(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        for part in result.split(['.', ';']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, next| Self {
            passed: sum.passed + next.passed,
            failed: sum.failed + next.failed,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.passed + self.failed;
        write!(f, "{total} tests run: {} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_junit_report_counts_failures_and_errors_as_failed() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="nextest-run" tests="12" failures="2" errors="1" uuid="x">
            <testsuite name="quorate-log" tests="99" failures="9" errors="9">"#;

        assert_eq!(Counts::from_junit(report), Some(Counts { passed: 9, failed: 3 }));
    }

    #[test]
    fn a_broken_report_counts_nothing() {
        for report in ["", "<testsuites tests=\"1\"", "<testsuites tests=\"x\" failures=\"0\">"] {
            assert_eq!(Counts::from_junit(report), None, "{report}");
        }
    }

    #[test]
    fn libtest_lines_add_up_and_others_do_not_count() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured",
            "test x ... ok. 7 passed",
        ] {
            counts.add_libtest_line(line);
        }

        assert_eq!(counts.to_string(), "6 tests run: 4 passed, 2 failed");
    }
}
