//! The newcomer's walk: the commands of the README's section "Use it", pasted line by line into
//! three terminals. Skipped where tmux is not installed.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use quorate_testkit::cluster::until;

use super::Place;

/// A terminal multiplexer of this test's own, with three terminals. Ends with this value.
struct Terminals {
    socket: String,
    /// Per terminal: how many passphrases and questions have been answered.
    answered: [usize; 3],
}

/// A line of the README and the terminal that it belongs to.
struct Line {
    terminal: usize,
    command: String,
}

const PROMPT: &str = "walk>";
const PASSPHRASE: &str = "correct horse battery staple";

impl Terminals {
    fn open(place: &Place) -> Self {
        let terminals =
            Self { socket: format!("quorate-{}", std::process::id()), answered: [0; 3] };
        let program = Path::new(env!("CARGO_BIN_EXE_quorate")).parent().unwrap();
        let shell = format!(
            "env -i TERM=xterm HOME={home} PATH={program}:$PATH PS1='[$?] {PROMPT} ' bash --norc --noprofile",
            home = place.0.path().display(),
            program = program.display(),
        );
        let home = place.0.path().display().to_string();
        terminals.tmux(&[
            "new-session",
            "-d",
            "-x",
            "250",
            "-y",
            "50",
            "-s",
            "walk",
            "-c",
            &home,
            &shell,
        ]);
        for _ in 1..3 {
            terminals.tmux(&["new-window", "-d", "-t", "walk", "-c", &home, &shell]);
        }
        for terminal in 0..3 {
            until("a shell", || terminals.screen(terminal).contains(PROMPT).then_some(()));
        }
        terminals
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket, "-f", "/dev/null"]).args(arguments);
        command.output().unwrap()
    }

    /// Returns everything that was printed in a terminal.
    fn screen(&self, terminal: usize) -> String {
        let target = format!("walk:{terminal}");
        let output = self.tmux(&["capture-pane", "-p", "-J", "-S", "-", "-t", &target]);
        String::from_utf8(output.stdout).unwrap()
    }

    fn type_line(&self, terminal: usize, text: &str) {
        let target = format!("walk:{terminal}");
        self.tmux(&["send-keys", "-l", "-t", &target, text]);
        self.tmux(&["send-keys", "-t", &target, "Enter"]);
    }

    /// Types a command, answers its questions, and waits until it has succeeded or serves.
    fn paste(&mut self, line: &Line) {
        let terminal = line.terminal;
        let before = self.screen(terminal).matches(PROMPT).count();
        self.type_line(terminal, &line.command);
        until(&line.command, || {
            let screen = self.screen(terminal);
            let asked = questions(&screen);
            let answered = self.answered.get_mut(terminal).unwrap();
            if asked.len() > *answered {
                *answered += 1;
                // Everybody mistypes a passphrase sometimes: the first of ada's node.
                let answer = match asked.last().unwrap() {
                    question if question.contains("[y/N") => "y",
                    _ if terminal == 1 && *answered == 1 => "correct horse battery stable",
                    _ => PASSPHRASE,
                };
                self.type_line(terminal, answer);
                return None;
            }
            if screen.contains("is running; Ctrl-C stops") {
                return Some(());
            }
            let is_done = screen.matches(PROMPT).count() > before;
            let last = screen.lines().rfind(|line| line.contains(PROMPT)).unwrap();
            assert!(!is_done || last.starts_with("[0]"), "{} failed:\n{screen}", line.command);
            is_done.then_some(())
        });
    }

    /// Starts a node as many people would: it must not ask for a passphrase that the shell would
    /// receive.
    fn run_in_the_background(&self, line: &Line) {
        self.type_line(line.terminal, &format!("{} &", line.command));
        until("the node to say why it does not ask", || {
            let screen = self.screen(line.terminal);
            screen.contains("runs in the background, where nothing can be typed").then_some(())
        });
        assert!(!questions(&self.screen(line.terminal)).iter().any(|line| line.contains("assphr")));
        self.type_line(line.terminal, "clear; tmux clear-history 2>/dev/null");
        until("an empty screen", || {
            let screen = self.screen(line.terminal);
            (!screen.contains("background") && screen.contains(PROMPT)).then_some(())
        });
    }

    /// Types an approval, looks at the document, and answers no: nothing is approved.
    fn decline(&mut self, line: &Line) {
        let terminal = line.terminal;
        let before = questions(&self.screen(terminal)).len();
        self.type_line(terminal, &format!("PAGER=cat {}", line.command));
        let asked = |count: usize| {
            until("a question", || {
                let screen = self.screen(terminal);
                (questions(&screen).len() == before + count).then_some(screen)
            })
        };
        let screen = asked(1);
        assert!(screen.contains("│ We buy one boat."), "the document is not displayed:\n{screen}");
        self.type_line(terminal, "v");
        let screen = asked(2);
        assert!(screen.lines().any(|line| line == "We buy one boat."), "no pager:\n{screen}");
        self.type_line(terminal, "n");
        until("a no to end the command", || {
            let screen = self.screen(terminal);
            let last = screen.lines().rfind(|line| line.contains(PROMPT)).unwrap();
            (last.trim_end() == format!("[1] {PROMPT}")).then_some(())
        });
        let screen = self.screen(terminal);
        assert!(screen.contains("not approved: the answer was no"), "{screen}");
        *self.answered.get_mut(terminal).unwrap() = questions(&screen).len();
    }
}

impl Drop for Terminals {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn questions(screen: &str) -> Vec<&str> {
    screen.lines().filter(|line| is_question(line)).collect()
}

fn is_question(line: &str) -> bool {
    let line = line.trim_end();
    line.ends_with("passphrase:")
        || line.ends_with("Passphrase:")
        || line.ends_with("again:")
        || line.contains("[y/N")
}

/// Reads the commands after each `<!-- walk: N -->` of the README.
fn lines() -> Vec<Line> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let blocks = readme.split("<!-- walk: ").skip(1);
    let blocks = blocks.flat_map(|block| {
        let number: usize = block.split(' ').next().unwrap().parse().unwrap();
        let console = block.split("```console\n").nth(1).unwrap();
        let console = console.split("```").next().unwrap();
        let lines = console.lines().map(|line| line.strip_prefix("$ ").unwrap().to_owned());
        lines.map(move |command| Line { terminal: number - 1, command }).collect::<Vec<_>>()
    });
    blocks.collect()
}

#[test]
fn a_newcomer_gets_a_signature_by_pasting_the_readme() {
    if Command::new("tmux").arg("-V").output().is_err() {
        return println!("skipped: tmux not installed");
    }
    let place = Place::new();
    let mut lines = lines();
    assert!(lines.len() > 10, "the README has lost its walk");
    // Another coordinator of this machine may use the README's port.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let init = lines.first_mut().unwrap();
    assert!(init.command.starts_with("quorate init "), "{}", init.command);
    init.command.push_str(&format!(" --hub 127.0.0.1:{port}"));
    let mut terminals = Terminals::open(&place);
    for line in lines {
        let screen = terminals.screen(0);
        let id = screen
            .rsplit("quorate approve ")
            .next()
            .and_then(|rest| rest.split_whitespace().next());
        let line = Line { command: line.command.replace("ID", id.unwrap_or("ID")), ..line };
        if line.command.starts_with("quorate approve ") {
            terminals.decline(&line);
        }
        if line.command == "quorate node run" {
            terminals.run_in_the_background(&line);
        }
        terminals.paste(&line);
    }
    assert!(terminals.screen(1).contains("wrong passphrase; type it again"));
    let screen = terminals.screen(0);
    assert!(screen.contains("contract.txt was approved by ada ("), "{screen}");
    for file in ["contract.txt.sig", "contract.evidence", "contract.html"] {
        assert!(place.path(file).exists(), "{file}");
    }
}
