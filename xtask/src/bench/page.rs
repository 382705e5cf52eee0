//! The page: tables, ratios against the peer of the same run, and whether each aim is met.

use std::fmt::Write as _;

use crate::bench::machine::Machine;
use crate::bench::measurements::{Measurements, Requests};

/// The heading of the text that people wrote; everything from it on survives a new run.
const NOTES: &str = "## Notes";

/// A goal of the design.
struct Aim {
    what: &'static str,
    limit: Limit,
    /// `None` if this run did not measure it.
    measured: fn(&Measurements) -> Option<f64>,
}

enum Limit {
    AtMost(f64, &'static str),
    AtLeast(f64, &'static str),
}

/// The aims of the design, for all nodes and the coordinator on one machine with two cores.
const AIMS: &[Aim] = &[
    Aim {
        what: "Ed25519 2-of-3, request → signature, median",
        limit: Limit::AtMost(5.0, "ms"),
        measured: |all| least(two_of_three(all).filter_map(|row| row.p50_ms)),
    },
    Aim {
        what: "Ed25519 2-of-3, request → signature, 99th percentile (of the row with that median)",
        limit: Limit::AtMost(25.0, "ms"),
        measured: |all| {
            let best = least(two_of_three(all).filter_map(|row| row.p50_ms))?;
            two_of_three(all).find(|row| row.p50_ms == Some(best))?.p99_ms
        },
    },
    Aim {
        what: "Ed25519 2-of-3, sustained",
        limit: Limit::AtLeast(700.0, "signatures/s"),
        measured: |all| two_of_three(all).filter_map(|row| row.per_second).reduce(f64::max),
    },
    Aim {
        what: "DKG 3-of-5 on the cluster",
        limit: Limit::AtMost(100.0, "ms"),
        measured: |all| {
            let rows = all.ceremonies.iter();
            least(rows.filter(|r| (r.min_signers, r.max_signers) == (3, 5)).map(|row| row.took))
        },
    },
    Aim {
        what: "DKG 67-of-100, CPU per member, relative to frost-core's",
        limit: Limit::AtMost(0.1, "×"),
        measured: |all| {
            let mut rows = all.cpu.iter();
            let row = rows.find(|row| {
                row.name.starts_with("dkg") && (row.min_signers, row.max_signers) == (67, 100)
            })?;
            row.peer.as_ref().map(|(_, peer)| row.ours_ms / peer)
        },
    },
    Aim {
        what: "ECDSA P-256 2-of-3, request → signature, median",
        limit: Limit::AtMost(30.0, "ms"),
        measured: |_| None,
    },
    Aim {
        what: "reshare 2-of-3 → 3-of-5",
        limit: Limit::AtMost(200.0, "ms"),
        measured: |all| {
            let mut rows = all.changes.iter();
            Some(rows.find(|row| (row.old, row.new) == ((2, 3), (3, 5)))?.took)
        },
    },
    Aim {
        what: "fail-over from a killed signer",
        limit: Limit::AtMost(1_000.0, "ms"),
        measured: |_| None,
    },
];

fn two_of_three(all: &Measurements) -> impl Iterator<Item = &Requests> {
    all.requests.iter().filter(|row| (row.min_signers, row.max_signers) == (2, 3))
}

fn least(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    numbers.reduce(f64::min)
}

/// The part of a page that people wrote.
pub(crate) fn notes(page: &str) -> &str {
    page.find(NOTES).and_then(|at| page.get(at..)).unwrap_or_default()
}

/// The whole page, in Markdown.
pub(crate) fn render(all: &Measurements, machine: &Machine, date: &str, notes: &str) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n`cargo xtask bench` writes this page; edit only the section Notes.\nTimes differ \
         between machines: compare the ratios, each measured against a peer in the same run.\n\n",
    );
    let Machine { processor, cores, kernel, disk, compiler } = machine;
    let mut line = |text: String| {
        page.push_str(&text);
        page.push('\n');
    };
    line(format!("- Machine: {processor}, {cores} cores, {kernel}, writes to {disk}"));
    line(format!("- Compiler: {compiler}, release profile"));
    line(format!("- Date: {date}"));
    for (command, missing) in &all.commands {
        let missing = missing.as_ref().map(|reason| format!(": **missing**, {reason}"));
        line(format!("- Command: `{command}`{}", missing.unwrap_or_default()));
    }
    line(String::new());
    aims(&mut page, all);
    cpu(&mut page, all);
    cluster(&mut page, all);
    changes(&mut page, all);
    reshares(&mut page, all);
    let notes = if notes.is_empty() { "## Notes\n\nNone yet.\n" } else { notes };
    page.push_str(notes);
    page
}

fn aims(page: &mut String, all: &Measurements) {
    page.push_str("## Aims\n\n| aim | limit | measured | |\n|---|---:|---:|---|\n");
    for Aim { what, limit, measured } in AIMS {
        let (limit_text, unit) = match limit {
            Limit::AtMost(most, unit) => (format!("≤ {most} {unit}"), unit),
            Limit::AtLeast(least, unit) => (format!("≥ {least} {unit}"), unit),
        };
        let value = measured(all);
        let verdict = match (value, limit) {
            (None, _) => "not measured",
            (Some(value), Limit::AtMost(most, _)) if value <= *most => "met",
            (Some(value), Limit::AtLeast(least, _)) if value >= *least => "met",
            _ => "**missed**",
        };
        let value = value.map_or("–".into(), |value| format!("{} {unit}", short(value)));
        row(page, &[what, &limit_text, &value, verdict]);
    }
    page.push('\n');
}

fn cpu(page: &mut String, all: &Measurements) {
    if all.cpu.is_empty() {
        return;
    }
    page.push_str(
        "## CPU per participant\n\n| what | key | ours, ms | peer | peer, ms | ours is |\n",
    );
    page.push_str("|---|---|---:|---|---:|---|\n");
    for measured in &all.cpu {
        let key = format!("{}-of-{}", measured.min_signers, measured.max_signers);
        let (peer, peer_time, ratio) = match &measured.peer {
            Some((peer, time)) => (peer.as_str(), short(*time), ratio(measured.ours_ms, *time)),
            None => ("–", "–".into(), "–".into()),
        };
        row(page, &[&measured.name, &key, &short(measured.ours_ms), peer, &peer_time, &ratio]);
    }
    page.push('\n');
}

fn cluster(page: &mut String, all: &Measurements) {
    if !all.requests.is_empty() {
        page.push_str("## Request → signature on a cluster\n\n");
        page.push_str(
            "| key | requests | at a time | median, ms | 99th percentile, ms | per second |\n",
        );
        page.push_str("|---|---:|---:|---:|---:|---:|\n");
        for measured in &all.requests {
            let key = format!("{}-of-{}", measured.min_signers, measured.max_signers);
            let number = |value: Option<f64>| value.map_or("–".into(), short);
            let count = |value: Option<u64>| value.map_or("–".into(), |value| value.to_string());
            row(
                page,
                &[
                    &key,
                    &count(measured.requests),
                    &count(measured.concurrency),
                    &number(measured.p50_ms),
                    &number(measured.p99_ms),
                    &number(measured.per_second),
                ],
            );
        }
        page.push('\n');
    }
    if !all.ceremonies.is_empty() {
        page.push_str("## Key generation on a cluster\n\n| key | ms |\n|---|---:|\n");
        for measured in &all.ceremonies {
            let key = format!("{}-of-{}", measured.min_signers, measured.max_signers);
            row(page, &[&key, &short(measured.took)]);
        }
        page.push('\n');
    }
}

fn changes(page: &mut String, all: &Measurements) {
    if all.changes.is_empty() {
        return;
    }
    page.push_str(
        "## A change of members and min_signers on a cluster\n\n| from | to | times | median, ms |\n",
    );
    page.push_str("|---|---|---:|---:|\n");
    for measured in &all.changes {
        let key = |(min_signers, max_signers)| format!("{min_signers}-of-{max_signers}");
        let (old, new) = (key(measured.old), key(measured.new));
        row(page, &[&old, &new, &measured.times.to_string(), &short(measured.took)]);
    }
    page.push('\n');
}

fn reshares(page: &mut String, all: &Measurements) {
    if all.reshares.is_empty() {
        return;
    }
    page.push_str(
        "## Refreshes while requests are signed, none of which failed\n\n| key | times | median, ms | \
         requests meanwhile | request median, ms | 99th percentile, ms | longest, ms |\n",
    );
    page.push_str("|---|---:|---:|---:|---:|---:|---:|\n");
    let number = |value: Option<f64>| value.map_or("–".into(), short);
    for measured in &all.reshares {
        let key = format!("{}-of-{}", measured.min_signers, measured.max_signers);
        let [times, requests] =
            [measured.reshares, measured.requests].map(|count| count.to_string());
        let [p50, p99, longest] =
            [measured.p50_ms, measured.p99_ms, measured.longest_ms].map(number);
        let took = short(measured.took);
        row(page, &[&key, &times, &took, &requests, &p50, &p99, &longest]);
    }
    page.push('\n');
}

fn row(page: &mut String, cells: &[&str]) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

/// `3.1× faster` or `1.2× slower`, so that the reader need not find out the direction.
fn ratio(ours: f64, peer: f64) -> String {
    if ours <= peer {
        format!("{:.1}× faster", peer / ours)
    } else {
        format!("{:.1}× slower", ours / peer)
    }
}

/// Three significant digits or a few more.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        0.01.. => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::measurements::Source;

    fn page(output: serde_json::Value, notes: &str) -> String {
        let mut all = Measurements::default();
        all.add(Source { command: "measure it".into(), output: Ok(output) });
        all.add(Source { command: "broken".into(), output: Err("it ended with 2".into()) });
        let machine = Machine {
            processor: "Fast CPU".into(),
            cores: 2,
            kernel: "Linux 6".into(),
            disk: "ext2/ext3".into(),
            compiler: "rustc 1".into(),
        };
        render(&all, &machine, "2026-01-31", notes)
    }

    fn sample() -> serde_json::Value {
        serde_json::json!({
            "rows": [
                { "name": "dkg", "min_signers": 67, "max_signers": 100,
                  "ours_ms": 40.0, "peer": "frost-ed25519 3.0.0", "peer_ms": 600.0 },
            ],
            "end_to_end": [
                { "members": 3, "min_signers": 2, "p50_ms": 6.0, "p99_ms": 20.0, "concurrency": 1 },
                { "members": 3, "min_signers": 2, "p50_ms": 60.0, "per_second": 800.0 },
            ],
            "change": [
                { "old_min_signers": 2, "old_max_signers": 3, "min_signers": 3, "max_signers": 5,
                  "times": 9, "p50_ms": 54 },
            ],
        })
    }

    #[test]
    fn an_aim_is_met_missed_or_not_measured() {
        let page = page(sample(), "");

        for line in [
            "| Ed25519 2-of-3, request → signature, median | ≤ 5 ms | 6.00 ms | **missed** |",
            "| Ed25519 2-of-3, sustained | ≥ 700 signatures/s | 800 signatures/s | met |",
            "| DKG 3-of-5 on the cluster | ≤ 100 ms | – | not measured |",
            "| reshare 2-of-3 → 3-of-5 | ≤ 200 ms | 54.0 ms | met |",
            "| 2-of-3 | 3-of-5 | 9 | 54.0 |",
            "| DKG 67-of-100, CPU per member, relative to frost-core's | ≤ 0.1 × | 0.067 × | met |",
        ] {
            assert!(page.contains(line), "{line}\nis not in\n{page}");
        }
    }

    #[test]
    fn the_page_says_machine_date_commands_and_what_is_missing() {
        let page = page(sample(), "");

        for text in
            ["Fast CPU, 2 cores, Linux 6", "2026-01-31", "`measure it`", "`broken`: **missing**"]
        {
            assert!(page.contains(text), "{text}\nis not in\n{page}");
        }
        assert!(page.contains("| 40.0 | frost-ed25519 3.0.0 | 600 | 15.0× faster |"), "{page}");
    }

    #[test]
    fn what_people_wrote_survives_the_next_run() {
        let first = page(sample(), "## Notes\n\nThe disk is slow.\n");
        let second = page(sample(), notes(&first));

        assert!(second.ends_with("The disk is slow.\n"));
        assert_eq!(first, second);
    }

    #[test]
    fn a_ratio_says_who_is_faster() {
        assert_eq!(ratio(1.0, 3.1), "3.1× faster");
        assert_eq!(ratio(3.0, 2.0), "1.5× slower");
    }
}
