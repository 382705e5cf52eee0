//! `cargo xtask`: tests the project, checks its structure, and measures it.

mod bench;
mod cargo;
mod dependencies;
mod failure;
mod kept;
mod python;
mod replay;
mod soak;
mod terminal;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use crate::cargo::Workspace;
use crate::failure::Failure;

const USAGE: &str = "\
Developer tasks of Quorate

Usage: cargo xtask <COMMAND> [OPTIONS]

Commands:
  test [-p CRATE]… [--keep-going] [--no-install]
        Runs every test and check: tidy, dependencies, format, clippy, tests, doc tests, docs, examples.
        Installs missing system packages that tests call, if it can (root and apt-get).
        -p CRATE      only this crate, `-p log` or `-p quorate-log`; repeatable
        --keep-going  continues after a failed step
        --no-install  never installs a package; missing ones are reported as skipped
  dependencies
        Checks the sources and licences of all dependencies
  tools Installs the programs of others that tests call: Debian packages and Python packages
  tidy  Checks the source tree: dependencies, purity, import circles, names, files, English
  bench [--quick] [--date YYYY-MM-DD]
        Measures in release mode and writes docs/benchmarks.md
        --quick       fewer requests; prints the page and does not write the file
        --date        the date to print on the page (default: today, UTC)
  kept [--seeds]
        Writes the files that are missing in vectors/kept, after a format got a new version
        --seeds       writes the first inputs of the fuzz targets instead
  soak --minutes N [--seed S]
        Uses a cluster of real processes under random faults, and ends with one verdict
        --minutes N   the duration; 0.5 is half a minute
        --seed S      repeats the choices of an earlier run (default: a new seed, which is printed)
  replay --seed N [--step] [--json]
        Plays a schedule of the simulator again, with the change of state after each step
        --seed N      the schedule, as a failed run names it
        --step        waits for Enter after each step
        --json        prints each step as a JSON object
  help  Prints this
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Checks) => ExitCode::from(1),
        Err(Failure::Environment(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            eprintln!("error: {message}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut arguments = arguments.iter().map(String::as_str);
    match arguments.next() {
        Some("test") => test::run(&test_options(arguments)?, &Workspace::read()?),
        Some("tidy") => {
            no_more(arguments)?;
            tidy::run(&Workspace::read()?)
        }
        Some("dependencies") => {
            no_more(arguments)?;
            dependencies::run(&Workspace::read()?)
        }
        Some("tools") => {
            no_more(arguments)?;
            match tools::provide(&Workspace::read()?.target, true).is_empty() {
                true => Ok(()),
                false => Err(Failure::Checks),
            }
        }
        Some("bench") => bench::run(&bench_options(arguments)?, &Workspace::read()?),
        Some("kept") => kept::run(kept_seeds(arguments)?, &Workspace::read()?),
        Some("soak") => soak::run(&soak_options(arguments)?, &Workspace::read()?),
        Some("replay") => {
            let arguments: Vec<&str> = arguments.collect();
            replay::run(&arguments, &Workspace::read()?)
        }
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        Some(other) => Err(Failure::Usage(format!("there is no command `{other}`"))),
        None => Err(Failure::Usage("a command is missing".into())),
    }
}

fn test_options<'a>(
    mut arguments: impl Iterator<Item = &'a str>,
) -> Result<test::Options, Failure> {
    let mut options = test::Options { packages: Vec::new(), keep_going: false, may_install: true };
    while let Some(argument) = arguments.next() {
        match argument {
            "-p" | "--package" => match arguments.next() {
                Some(package) => options.packages.push(package.into()),
                None => return Err(Failure::Usage(format!("`{argument}` needs a crate"))),
            },
            "--keep-going" => options.keep_going = true,
            "--no-install" => options.may_install = false,
            other => return Err(Failure::Usage(format!("`test` does not know `{other}`"))),
        }
    }
    Ok(options)
}

fn bench_options<'a>(
    mut arguments: impl Iterator<Item = &'a str>,
) -> Result<bench::Options, Failure> {
    let mut options = bench::Options { quick: false, date: None };
    while let Some(argument) = arguments.next() {
        match argument {
            "--quick" => options.quick = true,
            "--date" => match arguments.next() {
                Some(date) => options.date = Some(date.into()),
                None => return Err(Failure::Usage("`--date` needs a date".into())),
            },
            other => return Err(Failure::Usage(format!("`bench` does not know `{other}`"))),
        }
    }
    Ok(options)
}

fn soak_options<'a>(
    mut arguments: impl Iterator<Item = &'a str>,
) -> Result<soak::Options, Failure> {
    let mut minutes = None;
    let mut seed = None;
    while let Some(argument) = arguments.next() {
        let value = arguments.next();
        match (argument, value) {
            ("--minutes", Some(value)) if value.parse::<f64>().is_ok_and(|n| n > 0.0) => {
                minutes = Some(value.to_owned());
            }
            ("--seed", Some(value)) if value.parse::<u64>().is_ok() => seed = value.parse().ok(),
            ("--minutes" | "--seed", _) => {
                return Err(Failure::Usage(format!("`{argument}` needs a number")));
            }
            (other, _) => return Err(Failure::Usage(format!("`soak` does not know `{other}`"))),
        }
    }
    let minutes = minutes.ok_or_else(|| Failure::Usage("`soak` needs `--minutes N`".into()))?;
    Ok(soak::Options { minutes, seed })
}

fn kept_seeds<'a>(mut arguments: impl Iterator<Item = &'a str>) -> Result<bool, Failure> {
    match arguments.next() {
        None => Ok(false),
        Some("--seeds") => no_more(arguments).map(|()| true),
        Some(other) => Err(Failure::Usage(format!("`kept` does not know `{other}`"))),
    }
}

fn no_more<'a>(mut arguments: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    match arguments.next() {
        None => Ok(()),
        Some(other) => Err(Failure::Usage(format!("`{other}` is one argument too many"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_takes_several_crates_and_flags() {
        let options = test_options(["-p", "log", "--keep-going", "-p", "xtask"].into_iter());

        let options = options.unwrap();
        assert_eq!(options.packages, ["log", "xtask"]);
        assert!(options.keep_going);
        assert!(options.may_install);
    }

    #[test]
    fn an_unknown_word_is_a_usage_error_that_repeats_it() {
        for arguments in [
            vec!["tset"],
            vec!["test", "--fast"],
            vec!["bench", "fast"],
            vec!["tidy", "x"],
            vec!["dependencies", "x"],
            vec!["kept", "x"],
            vec!["tools", "x"],
        ] {
            let arguments: Vec<String> = arguments.into_iter().map(String::from).collect();

            let Err(Failure::Usage(message)) = run(&arguments) else { panic!("{arguments:?}") };

            assert!(message.contains(arguments.last().unwrap()), "{message}");
        }
    }

    #[test]
    fn an_option_without_its_value_is_a_usage_error() {
        assert!(matches!(test_options(["-p"].into_iter()), Err(Failure::Usage(_))));
        assert!(matches!(bench_options(["--date"].into_iter()), Err(Failure::Usage(_))));
        for arguments in [&[][..], &["--minutes"], &["--minutes", "x"], &["--seed", "1"]] {
            let options = soak_options(arguments.iter().copied());
            assert!(matches!(options, Err(Failure::Usage(_))), "{arguments:?}");
        }
    }

    #[test]
    fn a_soak_takes_its_time_and_its_seed() {
        let options = soak_options(["--minutes", "0.5", "--seed", "7"].into_iter()).unwrap();
        assert_eq!((options.minutes.as_str(), options.seed), ("0.5", Some(7)));
    }
}
