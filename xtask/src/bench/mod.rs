//! `cargo xtask bench`: measures in release mode and writes `docs/benchmarks.md`.

mod machine;
mod measurements;
mod page;

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::bench::machine::Machine;
use crate::bench::measurements::{Measurements, Source};
use crate::cargo::{Workspace, command};
use crate::failure::Failure;
use crate::terminal::{Tone, paint, say};

/// Where the page is, relative to the root.
const PAGE: &str = "docs/benchmarks.md";

/// The options of the command line.
#[derive(Debug)]
pub(crate) struct Options {
    /// Fewer requests to the cluster, and no change to the page.
    pub(crate) quick: bool,
    /// The date to print, unchanged.
    pub(crate) date: Option<String>,
}

/// Runs the benchmarks and writes the page.
///
/// # Errors
///
/// [`Failure::Environment`] if nothing could be measured or the page cannot be written. If only
/// some benchmarks fail, the page lists them as missing.
pub(crate) fn run(options: &Options, workspace: &Workspace) -> Result<(), Failure> {
    let mut measurements = Measurements::default();
    for source in [cpu(workspace), cluster(options, workspace)] {
        if let Err(reason) = &source.output {
            say!("{}", paint(Tone::Warning, &format!("missing: {}: {reason}", source.command)));
        }
        measurements.add(source);
    }
    if measurements.is_empty() {
        return Err(Failure::Environment(format!(
            "nothing was measured, so {PAGE} stays as it is"
        )));
    }

    let path = workspace.root.join(PAGE);
    let previous = fs::read_to_string(&path).unwrap_or_default();
    let date = options.date.clone().unwrap_or_else(today);
    let page = page::render(&measurements, &Machine::this(), &date, page::notes(&previous));
    if options.quick {
        say!("\n{page}\n{PAGE} stays as it is: a quick run is not worth keeping");
        return Ok(());
    }
    fs::write(&path, page)
        .map_err(|error| Failure::Environment(format!("can't write {PAGE}: {error}")))?;
    say!("{}", paint(Tone::Good, &format!("wrote {PAGE}")));
    Ok(())
}

/// The processor time of one participant, ours and the peer's.
fn cpu(workspace: &Workspace) -> Source {
    let arguments = ["bench", "-p", "quorate-protocol", "--bench", "cpu"];
    say!("{}", paint(Tone::Strong, "==> CPU per participant"));
    Source {
        command: format!("cargo {}", arguments.join(" ")),
        output: measure(command(&workspace.root, arguments)),
    }
}

/// Requests and ceremonies on a cluster of real processes.
fn cluster(options: &Options, workspace: &Workspace) -> Source {
    say!("{}", paint(Tone::Strong, "==> cluster of real processes"));
    let mut arguments = vec!["bench-cluster", "--json"];
    if options.quick {
        arguments.extend(["--requests", "50"]);
    }
    let build = ["build", "--release", "-p", "quorate"];
    let built = command(&workspace.root, build).status();
    let output = match built {
        Ok(status) if status.success() => {
            let mut program = Command::new(workspace.target.join("release/quorate"));
            program.args(&arguments).current_dir(&workspace.root);
            measure(program)
        }
        _ => Err("the release build failed".into()),
    };
    Source { command: format!("quorate {}", arguments.join(" ")), output }
}

/// Runs a program that prints one JSON object on stdout and messages on stderr.
fn measure(mut program: Command) -> Result<Value, String> {
    program.stderr(std::process::Stdio::inherit());
    let output = program.output().map_err(|error| format!("can't start it: {error}"))?;
    if !output.status.success() {
        return Err(format!("it ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    last_object(&text).ok_or_else(|| "it printed no JSON object".into())
}

/// The JSON object at the end of `text`, whatever stands before it.
fn last_object(text: &str) -> Option<Value> {
    let starts = text.match_indices('{').map(|(at, _)| at);
    let mut objects = starts.filter_map(|at| serde_json::from_str(text.get(at..)?.trim()).ok());
    objects.next()
}

fn today() -> String {
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let text = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_found_after_other_output() {
        let text = "warming up {3 rounds}\n{\"rows\": [{\"name\": \"dkg\"}]}\n";

        assert_eq!(last_object(text), Some(serde_json::json!({ "rows": [{ "name": "dkg" }] })));
    }

    #[test]
    fn output_without_an_object_is_not_a_measurement() {
        for text in ["", "no", "{\"rows\": [", "{} and then some"] {
            assert_eq!(last_object(text), None, "{text}");
        }
    }
}
