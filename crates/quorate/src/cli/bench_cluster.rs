//! `quorate bench-cluster`, which `cargo xtask bench` runs.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::daemon::until_stopped;
use super::demo::new_directory;
use super::{Failure, Run};
use crate::api::{Code, Problem};
use crate::demo::measure::measure;

/// Measure how fast a coordinator and nodes on this machine make keys and signatures
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate bench-cluster
  quorate bench-cluster --requests 100 --dir ./bench")]
pub(super) struct BenchCluster {
    /// How many signatures for each row
    #[arg(long, default_value_t = 500, value_name = "N")]
    requests: usize,
    /// How many requests run at the same time, in the row for throughput
    #[arg(long, default_value_t = 64, value_name = "N")]
    concurrency: usize,
    /// A directory on a real disk for the homes [default: a new one in the system's temporary
    /// directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Run for BenchCluster {
    fn run(self, context: &Context) -> Result<(), Failure> {
        if self.requests == 0 || self.concurrency == 0 {
            let message = "--requests and --concurrency must be at least 1";
            return Err(Problem::new(Code::Usage, message).into());
        }
        let directory = self.dir.clone().unwrap_or_else(new_directory);
        let measurements = context.wait_for(async {
            let stop = until_stopped()?;
            tokio::select! {
                result = measure(&directory, self.requests, self.concurrency) => result,
                () = stop.cancelled() => Err(Problem::new(Code::Failed, "stopped")),
            }
        })?;
        if self.dir.is_none() {
            // Files left in the temporary directory do no harm.
            let _ = std::fs::remove_dir_all(&directory);
        }
        context.terminal.object("bench-cluster", &measurements)?;
        Ok(())
    }
}
