//! `cargo xtask test`: every test and check, in order, with a verdict.

mod count;
mod step;

use std::path::Path;
use std::time::Instant;

use crate::cargo::{Package, Workspace, command};
use crate::dependencies;
use crate::failure::Failure;
use crate::terminal::{Tone, human, paint, plural, say};
use crate::test::count::Counts;
use crate::test::step::{Outcome, Step, Work};
use crate::tools;

/// The options of the command line.
#[derive(Debug)]
pub(crate) struct Options {
    /// The crates to test, with or without `quorate-`; all if the list is empty.
    pub(crate) packages: Vec<String>,
    /// Whether to continue after a failed step.
    pub(crate) keep_going: bool,
    /// Whether system packages may be installed.
    pub(crate) may_install: bool,
}

/// Runs every step and prints the summary.
///
/// # Errors
///
/// [`Failure::Checks`] if a step failed. A step that could not run is reported, and never counts
/// as passed.
pub(crate) fn run(options: &Options, workspace: &Workspace) -> Result<(), Failure> {
    let started = Instant::now();
    let packages = select(&options.packages, &workspace.packages)?;
    let missing = tools::provide(&workspace.target, options.may_install);

    let has = |subcommand: &str| {
        let version = command(&workspace.root, [subcommand, "--version"]).output();
        version.is_ok_and(|output| output.status.success())
    };
    if !has("nextest") {
        let note = "cargo-nextest not installed, so `cargo test` runs the tests; \
                    get it with `cargo install cargo-nextest --locked`";
        say!("{}", paint(Tone::Warning, note));
    }
    let mut done: Vec<(Step, Outcome)> = Vec::new();
    let database = dependencies::advisory_database();
    for step in plan(&packages, has, database.as_deref()) {
        let failed = done.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed { .. }));
        let outcome =
            if failed && !options.keep_going { Outcome::NotRun } else { step.run(workspace) };
        done.push((step, outcome));
    }

    say!("\n{}", paint(Tone::Strong, "==> summary"));
    for (step, outcome) in &done {
        say!("{}", outcome.row(step.name));
    }
    for tool in &missing {
        say!("{}", Outcome::Skipped(tool.used_for.into()).row(tool.program));
    }
    let outcomes: Vec<&Outcome> = done.iter().map(|(_, outcome)| outcome).collect();
    let counts: Counts = outcomes.iter().filter_map(|outcome| outcome.counts()).sum();
    say!("\n{counts}");

    let names = |wanted: fn(&Outcome) -> bool| {
        let steps = done.iter().filter(|(_, outcome)| wanted(outcome));
        steps.map(|(step, _)| step.name).collect::<Vec<_>>()
    };
    let failed = names(|outcome| matches!(outcome, Outcome::Failed { .. }));
    let mut skipped = names(|outcome| matches!(outcome, Outcome::Skipped(_)));
    skipped.extend(missing.iter().map(|tool| tool.program));
    let (tone, verdict) = verdict(done.len(), &failed, &skipped);
    say!("{} in {}", paint(tone, &verdict), human(started.elapsed()));
    if failed.is_empty() { Ok(()) } else { Err(Failure::Checks) }
}

fn verdict(steps: usize, failed: &[&str], skipped: &[&str]) -> (Tone, String) {
    match (failed, skipped) {
        ([], []) => (Tone::Good, format!("PASSED: all {}", plural(steps, "step"))),
        ([], _) => {
            let skipped = skipped.join(", ");
            (Tone::Warning, format!("INCOMPLETE: nothing failed, but skipped {skipped}"))
        }
        _ => (Tone::Bad, format!("FAILED: {}", failed.join(", "))),
    }
}

fn select<'a>(wanted: &[String], members: &'a [Package]) -> Result<Selection<'a>, Failure> {
    let mut chosen = Vec::new();
    for name in wanted {
        let full = format!("quorate-{name}");
        let found = members.iter().find(|member| member.name == *name || member.name == full);
        chosen.push(found.ok_or_else(|| {
            let names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
            Failure::Usage(format!("there is no crate `{name}`; there are {}", names.join(", ")))
        })?);
    }
    let narrowed = !chosen.is_empty();
    Ok(Selection { narrowed, packages: if narrowed { chosen } else { members.iter().collect() } })
}

/// The crates to test.
#[derive(Debug)]
struct Selection<'a> {
    /// Whether this is less than the whole workspace.
    narrowed: bool,
    packages: Vec<&'a Package>,
}

impl Selection<'_> {
    fn arguments(&self) -> Vec<String> {
        if self.narrowed { self.names(|_| true) } else { vec!["--workspace".into()] }
    }

    fn names(&self, wanted: fn(&Package) -> bool) -> Vec<String> {
        let packages = self.packages.iter().filter(|package| wanted(package));
        packages.flat_map(|package| ["-p".into(), package.name.clone()]).collect()
    }
}

/// Returns the steps, cheapest first, so that small mistakes are reported before the long build.
///
/// All steps use the one dev profile and the same features, so that no step repeats the build of
/// another: clippy and docs share the output of `cargo check`, the others that of `cargo build`.
fn plan(
    selection: &Selection<'_>,
    has: impl Fn(&str) -> bool,
    database: Option<&Path>,
) -> Vec<Step> {
    let which = selection.arguments();
    let formatted = if selection.narrowed { which.clone() } else { vec!["--all".into()] };
    // Cargo refuses `-p` for a crate that has nothing for it to test or build.
    let with_libraries = selection.names(|package| package.has_library);
    let with_examples = selection.names(|package| package.has_examples);
    let narrowed_to = |some: &Vec<String>| match selection.narrowed {
        true => some.clone(),
        false => which.clone(),
    };

    let component = |name: &str, step: Work| {
        if has(name) {
            return step;
        }
        let package = if name == "fmt" { "rustfmt" } else { name };
        Work::Missing(format!(
            "{package} not installed; get it with `rustup component add {package}`"
        ))
    };
    let tests = if has("nextest") {
        // A narrowed run may select a crate that has no tests; the whole project has some.
        let none = if selection.narrowed { vec!["--no-tests=pass".into()] } else { vec![] };
        Work::nextest([vec!["nextest".into(), "run".into()], which.clone(), none].concat())
    } else {
        // `--tests` means unit and integration tests; the default would run the doc tests twice.
        let options = ["--tests", "--no-fail-fast"].map(String::from).to_vec();
        Work::libtest([vec!["test".into()], which.clone(), options].concat())
    };
    let cargo = |first: &[&str], middle: &[String], last: &[&str]| {
        let own = |words: &[&str]| words.iter().copied().map(String::from).collect::<Vec<_>>();
        Work::cargo([own(first), middle.to_vec(), own(last)].concat())
    };

    let mut steps = vec![Step { name: "tidy", work: Work::Tidy }];
    if !selection.narrowed {
        // `fuzz` is a workspace of its own, so no other step notices that its lock file is stale.
        let manifest = ["--manifest-path".into(), "fuzz/Cargo.toml".into()];
        let work = cargo(&["update", "--workspace", "--locked", "--quiet"], &manifest, &[]);
        steps.push(Step { name: "fuzz lock", work });
        steps.push(Step { name: "dependencies", work: Work::Dependencies });
        steps.push(Step { name: "advisories", work: advisories(has("audit"), database) });
    }
    steps.extend([
        Step { name: "format", work: component("fmt", cargo(&["fmt"], &formatted, &["--check"])) },
        Step {
            name: "clippy",
            work: component(
                "clippy",
                cargo(&["clippy"], &which, &["--all-targets", "--", "-D", "warnings"]),
            ),
        },
        // The docs are built before the tests, because they take less time to fail.
        Step {
            name: "docs",
            work: cargo(&["doc"], &which, &["--no-deps", "--document-private-items"])
                .denying_rustdoc_warnings(),
        },
        Step { name: "tests", work: tests },
    ]);
    if !with_libraries.is_empty() {
        let arguments = narrowed_to(&with_libraries);
        let work = Work::libtest([vec!["test".into(), "--doc".into()], arguments].concat());
        steps.push(Step { name: "doc tests", work });
    }
    if !with_examples.is_empty() {
        let work = cargo(&["build"], &narrowed_to(&with_examples), &["--examples"]);
        steps.push(Step { name: "examples", work });
    }
    steps
}

/// The check for known vulnerabilities. It never fetches its database, so that a run says the same
/// on a machine without a network.
fn advisories(has_program: bool, database: Option<&Path>) -> Work {
    match database {
        Some(database) if has_program => {
            let database = database.to_string_lossy().into_owned();
            let own = ["audit", "--no-fetch", "--db", &database, "--deny", "warnings"];
            Work::cargo(own.map(String::from).to_vec())
        }
        _ => Work::Missing(
            "cargo-audit or its database is missing; get both with \
             `cargo install cargo-audit --locked && cargo audit`"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advisories_are_skipped_without_the_program_or_its_database() {
        let database = Some(Path::new("/db"));
        for (has_program, database) in [(false, database), (true, None)] {
            assert!(matches!(advisories(has_program, database), Work::Missing(_)));
        }
        assert!(matches!(advisories(true, database), Work::Cargo { .. }));
    }

    fn member(name: &str, has_library: bool) -> Package {
        Package {
            name: name.into(),
            manifest: String::new(),
            has_library,
            has_examples: has_library,
            dependencies: vec![],
        }
    }

    fn lines(wanted: &[&str], has: fn(&str) -> bool) -> Vec<String> {
        let members = [member("quorate-log", true), member("quorate", false)];
        let wanted: Vec<String> = wanted.iter().copied().map(String::from).collect();
        let selection = select(&wanted, &members).unwrap();
        let database = Some(Path::new("/db"));
        plan(&selection, has, database).iter().map(|step| step.work.to_string()).collect()
    }

    #[test]
    fn a_full_run_covers_the_workspace_in_every_step() {
        assert_eq!(
            lines(&[], |_| true),
            [
                "cargo xtask tidy",
                "cargo update --workspace --locked --quiet --manifest-path fuzz/Cargo.toml",
                "cargo xtask dependencies",
                "cargo audit --no-fetch --db /db --deny warnings",
                "cargo fmt --all --check",
                "cargo clippy --workspace --all-targets -- -D warnings",
                "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items",
                "cargo nextest run --workspace",
                "cargo test --doc --workspace",
                "cargo build --workspace --examples",
            ]
        );
    }

    #[test]
    fn a_narrowed_run_names_its_crates_and_no_others() {
        for line in lines(&["log"], |_| true).iter().skip(1) {
            assert!(line.contains("-p quorate-log"), "{line}");
            assert!(!line.contains("--workspace") && !line.contains("--all "), "{line}");
        }
    }

    #[test]
    fn without_nextest_the_tests_run_with_cargo_test() {
        let lines = lines(&[], |subcommand| subcommand != "nextest");

        let fallback = "cargo test --workspace --tests --no-fail-fast";
        assert!(lines.iter().any(|line| line == fallback), "{lines:?}");
    }

    #[test]
    fn a_crate_without_a_library_has_no_doc_tests_to_run() {
        let lines = lines(&["quorate"], |_| false);

        for absent in ["--doc ", "--examples"] {
            assert!(!lines.iter().any(|line| line.contains(absent)), "{absent} in {lines:?}");
        }
    }

    #[test]
    fn a_missing_component_is_skipped_with_its_install_command() {
        let lines = lines(&[], |subcommand| subcommand == "nextest");

        for component in ["rustfmt", "clippy"] {
            let hint = format!("rustup component add {component}");
            assert!(lines.iter().any(|line| line.contains(&hint)), "{lines:?}");
        }
    }

    #[test]
    fn an_unknown_crate_is_rejected_with_the_names_that_exist() {
        let members = [member("quorate-log", true)];

        let Err(Failure::Usage(message)) = select(&["lgo".into()], &members) else { panic!() };

        assert!(message.contains("lgo") && message.contains("quorate-log"), "{message}");
    }

    #[test]
    fn a_skipped_step_never_makes_the_verdict_passed() {
        assert!(verdict(7, &[], &[]).1.starts_with("PASSED"));
        assert!(!verdict(7, &[], &["clippy"]).1.contains("PASSED"));
        assert!(verdict(7, &["tidy"], &["clippy"]).1.starts_with("FAILED: tidy"));
    }
}
