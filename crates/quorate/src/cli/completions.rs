//! `quorate completions`.

use clap::Args;
use clap_complete::Shell;

use super::context::Context;
use super::terminal::Color;
use super::{Failure, Run};

/// Print a script that completes quorate's commands in a shell
///
/// To load it in every new shell:
///
/// bash: quorate completions bash > ~/.local/share/bash-completion/completions/quorate
///
/// zsh: quorate completions zsh > ~/.zfunc/_quorate, and in ~/.zshrc, before compinit:
/// fpath+=~/.zfunc
///
/// fish: quorate completions fish > ~/.config/fish/completions/quorate.fish
///
/// elvish, powershell: append the script to ~/.config/elvish/rc.elv, or to $PROFILE
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  source <(quorate completions bash)
  quorate completions zsh > ~/.zfunc/_quorate
  quorate completions fish > ~/.config/fish/completions/quorate.fish")]
pub(super) struct Completions {
    /// Which shell: bash, zsh, fish, elvish, powershell
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    shell: Shell,
}

impl Run for Completions {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut (context.grammar)(Color::Never),
            "quorate",
            &mut script,
        );
        context.terminal.bytes(&script)?;
        Ok(())
    }
}
