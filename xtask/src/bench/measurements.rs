//! The output of the benchmarks, read leniently: a missing number is missing, never zero.

use serde_json::Value;

/// A program that measures, with its output or the reason why there is none.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) command: String,
    pub(crate) output: Result<Value, String>,
}

/// Everything that was measured in one run.
#[derive(Debug, Default)]
pub(crate) struct Measurements {
    pub(crate) cpu: Vec<Cpu>,
    pub(crate) requests: Vec<Requests>,
    pub(crate) ceremonies: Vec<Ceremony>,
    pub(crate) reshares: Vec<Reshares>,
    pub(crate) changes: Vec<Change>,
    /// The commands that ran, with the reason if one yielded nothing.
    pub(crate) commands: Vec<(String, Option<String>)>,
}

/// Processor time of one participant (`rows`).
#[derive(Debug)]
pub(crate) struct Cpu {
    /// The operation: `dkg`, `sign`, …
    pub(crate) name: String,
    pub(crate) min_signers: u64,
    pub(crate) max_signers: u64,
    pub(crate) ours_ms: f64,
    /// The library that did the same in the same run, with its milliseconds.
    pub(crate) peer: Option<(String, f64)>,
}

/// Requests that became signatures on a cluster (`end_to_end`).
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) min_signers: u64,
    pub(crate) max_signers: u64,
    pub(crate) requests: Option<u64>,
    /// How many requests were in progress at a time.
    pub(crate) concurrency: Option<u64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) per_second: Option<f64>,
}

/// A key generation on a cluster (`dkg`).
#[derive(Debug)]
pub(crate) struct Ceremony {
    pub(crate) min_signers: u64,
    pub(crate) max_signers: u64,
    /// Milliseconds, from the command to the certified key.
    pub(crate) took: f64,
}

/// Repeated refreshes while requests are signed (`reshare`). If a request failed, there is no row.
#[derive(Debug)]
pub(crate) struct Reshares {
    pub(crate) min_signers: u64,
    pub(crate) max_signers: u64,
    pub(crate) reshares: u64,
    /// The median, in milliseconds.
    pub(crate) took: f64,
    /// The number of requests that were signed meanwhile.
    pub(crate) requests: u64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) longest_ms: Option<f64>,
}

/// An idle group that gets new members and a new `min_signers` (`change`).
#[derive(Debug)]
pub(crate) struct Change {
    /// `min_signers` and `max_signers` before the change.
    pub(crate) old: (u64, u64),
    /// `min_signers` and `max_signers` after the change.
    pub(crate) new: (u64, u64),
    pub(crate) times: u64,
    /// The median, in milliseconds.
    pub(crate) took: f64,
}

impl Measurements {
    pub(crate) fn add(&mut self, source: Source) {
        let before = self.len();
        let reason = match source.output {
            Err(reason) => Some(reason),
            Ok(output) => {
                self.cpu.extend(rows(&output, "rows").filter_map(Cpu::read));
                self.requests.extend(rows(&output, "end_to_end").filter_map(Requests::read));
                self.ceremonies.extend(rows(&output, "dkg").filter_map(Ceremony::read));
                self.reshares.extend(rows(&output, "reshare").filter_map(Reshares::read));
                self.changes.extend(rows(&output, "change").filter_map(Change::read));
                (self.len() == before).then(|| "it printed no rows that this page knows".into())
            }
        };
        self.commands.push((source.command, reason));
    }

    /// Whether nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.cpu.len()
            + self.requests.len()
            + self.ceremonies.len()
            + self.reshares.len()
            + self.changes.len()
    }
}

impl Cpu {
    fn read(row: &Value) -> Option<Self> {
        let peer = row.get("peer").and_then(Value::as_str).zip(number(row, "peer_ms"));
        Some(Self {
            name: row.get("name")?.as_str()?.into(),
            min_signers: count(row, "min_signers")?,
            max_signers: count(row, "max_signers")?,
            ours_ms: number(row, "ours_ms")?,
            peer: peer.map(|(name, took)| (name.into(), took)),
        })
    }
}

impl Requests {
    fn read(row: &Value) -> Option<Self> {
        Some(Self {
            min_signers: count(row, "min_signers")?,
            max_signers: count(row, "members").or_else(|| count(row, "max_signers"))?,
            requests: count(row, "requests"),
            concurrency: count(row, "concurrency"),
            p50_ms: number(row, "p50_ms"),
            p99_ms: number(row, "p99_ms"),
            per_second: number(row, "per_second"),
        })
    }
}

impl Ceremony {
    fn read(row: &Value) -> Option<Self> {
        Some(Self {
            min_signers: count(row, "min_signers")?,
            max_signers: count(row, "max_signers").or_else(|| count(row, "members"))?,
            took: number(row, "ms")?,
        })
    }
}

impl Reshares {
    fn read(row: &Value) -> Option<Self> {
        Some(Self {
            min_signers: count(row, "min_signers")?,
            max_signers: count(row, "max_signers")?,
            reshares: count(row, "reshares")?,
            took: number(row, "p50_ms")?,
            requests: count(row, "requests")?,
            p50_ms: number(row, "request_p50_ms"),
            p99_ms: number(row, "request_p99_ms"),
            longest_ms: number(row, "request_longest_ms"),
        })
    }
}

impl Change {
    fn read(row: &Value) -> Option<Self> {
        Some(Self {
            old: (count(row, "old_min_signers")?, count(row, "old_max_signers")?),
            new: (count(row, "min_signers")?, count(row, "max_signers")?),
            times: count(row, "times")?,
            took: number(row, "p50_ms")?,
        })
    }
}

fn rows<'a>(output: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    output.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Reads a time or a rate. A value that is not finite and above zero was not measured.
fn number(row: &Value, name: &str) -> Option<f64> {
    row.get(name)?.as_f64().filter(|number| number.is_finite() && *number > 0.0)
}

fn count(row: &Value, name: &str) -> Option<u64> {
    row.get(name)?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reshare_under_load_is_read_with_what_was_signed_meanwhile() {
        let row = serde_json::json!({
            "min_signers": 2, "max_signers": 3, "reshares": 7, "p50_ms": 80, "requests": 300,
            "request_p50_ms": 30.5, "request_p99_ms": 90.0,
        });
        let all = read(serde_json::json!({ "reshare": [row, { "min_signers": 2 }] }));
        let [reshares] = &all.reshares[..] else { panic!("{all:?}") };
        assert_eq!((reshares.reshares, reshares.requests, reshares.longest_ms), (7, 300, None));
    }

    fn read(output: Value) -> Measurements {
        let mut measurements = Measurements::default();
        measurements.add(Source { command: "c".into(), output: Ok(output) });
        measurements
    }

    #[test]
    fn rows_with_a_number_missing_are_left_out_and_others_kept() {
        let measurements = read(serde_json::json!({
            "rows": [
                { "name": "dkg", "min_signers": 2, "max_signers": 3, "ours_ms": 1.5 },
                { "name": "dkg", "min_signers": 3, "max_signers": 5 },
            ],
            "unknown": 7,
        }));

        assert_eq!(measurements.cpu.len(), 1);
        assert!(measurements.cpu.iter().all(|row| row.peer.is_none()));
        assert_eq!(measurements.commands, [("c".into(), None)]);
    }

    #[test]
    fn a_zero_is_not_taken_for_a_measurement() {
        let row = serde_json::json!({ "min_signers": 2, "members": 3, "p50_ms": 0, "p99_ms": 4 });
        let measurements = read(serde_json::json!({ "end_to_end": [row] }));

        assert!(
            measurements.requests.iter().all(|row| row.p50_ms.is_none() && row.p99_ms == Some(4.0))
        );
    }

    #[test]
    fn output_of_another_shape_is_reported_as_missing() {
        let measurements = read(serde_json::json!({ "rows": "many" }));

        assert!(measurements.is_empty());
        assert!(matches!(measurements.commands.as_slice(), [(_, Some(_))]));
    }
}
