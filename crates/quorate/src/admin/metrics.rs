//! Metrics in Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Gauges by name. All values are states at one moment, so there are no counters to keep.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(BTreeMap<&'static str, Gauge>);

#[derive(Clone, Debug)]
struct Gauge {
    help: &'static str,
    /// A line for each set of labels.
    lines: Vec<String>,
}

impl Metrics {
    /// Adds a value of the gauge `name`.
    pub(crate) fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: u64,
    ) {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let gauge = self.0.entry(name).or_insert(Gauge { help, lines: Vec::new() });
        gauge.lines.push(format!("{name}{labels} {value}"));
    }

    /// Adds the values of others.
    pub(crate) fn merge(&mut self, others: Self) {
        for (name, mut gauge) in others.0 {
            match self.0.get_mut(name) {
                Some(known) => known.lines.append(&mut gauge.lines),
                None => drop(self.0.insert(name, gauge)),
            }
        }
    }

    /// Writes all gauges with their help.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, gauge) in &self.0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} gauge", gauge.help);
            for line in &gauge.lines {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_has_its_help_once_and_a_line_for_each_label() {
        let mut metrics = Metrics::default();
        metrics.gauge("a", "What a is.", &[("account", "ada"), ("ivn", "x\"\\\n")], 1);
        metrics.gauge("a", "What a is.", &[], 2);
        let expected = "# HELP a What a is.\n# TYPE a gauge\n\
                        a{account=\"ada\",ivn=\"x\\\"\\\\\\n\"} 1\na 2\n";
        assert_eq!(metrics.text(), expected);
    }
}
