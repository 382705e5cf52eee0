//! `quorate manpages`: a manual page for each command, for those who package the program.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;

use super::context::Context;
use super::terminal::Color;
use super::{Failure, Run};
use crate::api::{Code, Problem};

/// Write the manual pages of all commands to a directory
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate manpages ~/.local/share/man/man1      then: man quorate-sign")]
pub(super) struct Manpages {
    /// The directory, which is made if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Run for Manpages {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            let message = format!("{} cannot be written: {error}", self.directory.display());
            Problem::new(Code::Failed, message)
        };
        std::fs::create_dir_all(&self.directory).map_err(failed)?;
        let mut grammar = (context.grammar)(Color::Never);
        grammar.build();
        write(&grammar, &self.directory).map_err(failed)?;
        Ok(())
    }
}

/// Writes the page of a command and of those below it.
fn write(command: &clap::Command, directory: &Path) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    std::fs::write(directory.join(format!("{name}.1")), page)?;
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    below.filter(|below| below.get_name() != "help").try_for_each(|below| write(below, directory))
}
