//! The Quorate binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorate::cli::main()
}
