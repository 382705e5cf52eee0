//! The machine that measured, without which the numbers mean little.

use std::fs;
use std::process::Command;

/// The facts that a reader needs to judge the numbers.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    /// Processors that this process may use.
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// The file system of the temporary directory, where the cluster makes its writes durable:
    /// on `tmpfs` that costs nothing, and numbers from there promise too much.
    pub(crate) disk: String,
    pub(crate) compiler: String,
}

impl Machine {
    /// Describes this machine. Facts that cannot be found out are called unknown.
    pub(crate) fn this() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            processor: model_name(&cpuinfo).unwrap_or("unknown processor").into(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: first_line_of("uname", &["-sr"]),
            disk: first_line_of(
                "stat",
                &["-f", "-c", "%T", &std::env::temp_dir().to_string_lossy()],
            ),
            compiler: first_line_of("rustc", &["--version"]),
        }
    }
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

fn first_line_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text.ok().and_then(|text| text.lines().next().map(String::from));
    line.unwrap_or_else(|| format!("unknown {program}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_name_is_the_first_processors() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nmodel name\t: Other\n";

        assert_eq!(model_name(cpuinfo), Some("Fast CPU @ 3 GHz"));
        assert_eq!(model_name(""), None);
    }
}
