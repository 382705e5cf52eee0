//! Plays one schedule of the simulator again and displays the change of state after each step.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use quorate_testkit::{Failure, Simulation, Step};

const USAGE: &str = "Usage: replay --seed N [--step] [--json]";

struct Options {
    seed: u64,
    /// Waits for Enter after each step.
    step: bool,
    /// Prints one JSON object for each step.
    json: bool,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let played =
        Simulation::of_seed(options.seed).map(Simulation::recorded).and_then(|simulation| {
            if !options.json {
                println!("seed {}: {:#?}", options.seed, simulation.scenario());
            }
            simulation.run()
        });
    let (Ok((_, steps)) | Err(Failure { steps, .. })) = &played;
    // A reader that has seen enough closes the pipe.
    let _ = show(steps, &options);
    match played {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("seed {} {failure}", options.seed);
            ExitCode::from(1)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let (mut seed, mut step, mut json) = (None, false, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => seed = Some(arguments.next()?.parse().ok()?),
            "--step" => step = true,
            "--json" => json = true,
            _ => return None,
        }
    }
    Some(Options { seed: seed?, step, json })
}

fn show(steps: &[Step], options: &Options) -> io::Result<()> {
    let (mut out, input) = (io::stdout().lock(), io::stdin());
    let waits = options.step && input.is_terminal() && out.is_terminal();
    for step in steps {
        if options.json {
            serde_json::to_writer(&mut out, step)?;
            writeln!(out)?;
        } else {
            write!(out, "{step}")?;
        }
        if waits {
            write!(out, "Enter: next step, q: end ")?;
            out.flush()?;
            let mut answer = String::new();
            if input.lock().read_line(&mut answer)? == 0 || answer.trim() == "q" {
                break;
            }
        }
    }
    Ok(())
}
