//! Processes that tests start: long-running ones, and commands.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a process may take to end after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(20);

/// A child process; killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a process and waits until it reports that it is ready. Its log is appended to a file.
    pub fn start(mut command: Command, log: &Path) -> Result<Self, String> {
        let file = fs::File::options().create(true).append(true).open(log).unwrap();
        let before = file.metadata().unwrap().len();
        // The log does not go through a pipe, because a pipe that nobody reads fills up.
        let mut process = Self(command.stderr(file).spawn().unwrap());
        let mut ready = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        if ready.is_empty() || ready.contains("quorate.problem") {
            let status = process.0.wait().unwrap();
            let said = fs::read(log).unwrap();
            let said = said.get(usize::try_from(before).unwrap()..).unwrap_or_default();
            return Err(format!("{status}\n{}", String::from_utf8_lossy(said)));
        }
        Ok(process)
    }

    pub fn has_ended(&mut self) -> bool {
        self.status().is_some()
    }

    /// Returns how it ended, if it has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Sends SIGSTOP.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Sends SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends SIGTERM, and waits until the process has ended.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while !self.has_ended() && asked.elapsed() < FAREWELL {
            // tidy: sleep because this waits for another process; nothing depends on how long
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, signal: Signal) {
        // Nothing has waited for the process yet, so the id is still its own. If the process has
        // ended, the signal has no effect.
        let _ = kill_process(Pid::from_child(&self.0), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if the process has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A command that may still run; killed when dropped.
#[derive(Debug)]
pub struct Pending {
    process: Process,
    /// The part of stdout and stderr that was read so far.
    heard: [Vec<u8>; 2],
}

impl Pending {
    pub(super) fn of(mut command: Command) -> Self {
        Self { process: Process(command.spawn().unwrap()), heard: Default::default() }
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Waits until the command printed this text on stdout.
    pub fn until_it_prints(&mut self, text: &str) {
        hear(self.process.0.stdout.as_mut().unwrap(), &mut self.heard[0], text);
    }

    /// Waits until the command printed this text on stderr.
    pub fn until_it_says(&mut self, text: &str) {
        hear(self.process.0.stderr.as_mut().unwrap(), &mut self.heard[1], text);
    }

    /// Sends SIGINT, like Ctrl-C, and waits until the command has ended.
    pub fn interrupt(self) -> Ran {
        self.process.signal(Signal::INT);
        self.end()
    }

    /// Waits until the command has ended.
    pub fn end(mut self) -> Ran {
        let child = &mut self.process.0;
        let [mut stdout, mut stderr] = self.heard;
        // An error message fits into the pipe's buffer, so reading one after the other cannot
        // deadlock.
        child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Ran {
            exit: exit(child.wait().unwrap()),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}

/// Reads until the output contains this text.
fn hear(from: &mut impl Read, heard: &mut Vec<u8>, text: &str) {
    let mut byte = [0];
    while !String::from_utf8_lossy(heard).contains(text) {
        from.read_exact(&mut byte).unwrap();
        heard.extend(byte);
    }
}

/// The result of a command.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The exit code; -1 if a signal ended the command.
    pub exit: i32,
    /// What the command printed for programs.
    pub stdout: String,
    /// What the command printed for people.
    pub stderr: String,
}

impl Ran {
    pub(super) fn of(mut command: Command, stdin: &[u8]) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read its input may have ended by now.
        drop(child.stdin.take().unwrap().write_all(stdin));
        let output = child.wait_with_output().unwrap();
        Self {
            exit: exit(output.status),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Returns the output if the command succeeded.
    #[must_use = "or say `.exit` if the outcome does not matter"]
    pub fn checked(self) -> Result<Self, String> {
        if self.exit == 0 { Ok(self) } else { Err(format!("{}{}", self.stdout, self.stderr)) }
    }

    pub fn succeeds(self) -> Self {
        assert_eq!(self.exit, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// Checks the exit code, and that stderr contains these texts.
    pub fn fails(self, exit: i32, texts: &[&str]) {
        assert_eq!(self.exit, exit, "{}{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in: {}", self.stderr);
        }
    }
}

fn exit(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}
