//! The command line without a running system: help, usage, error messages, exit codes, and
//! leftovers.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
#![expect(clippy::panic, reason = "tests fail by panicking")]

mod services;
mod walk;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quorate_ceremony::identity::SecretKey;
use quorate_documents::{Output, Signature, VerifyingKey, keys, prepare};
use tempfile::TempDir;

/// A working directory with a clean environment.
struct Place(TempDir);

/// The result of a command.
struct Ran {
    exit: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.write("pass", b"correct horse battery\n");
        fs::set_permissions(place.path("pass"), fs::Permissions::from_mode(0o600)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
    }

    fn run(&self, line: &str) -> Ran {
        self.run_with(line, b"")
    }

    fn run_with(&self, line: &str, stdin: &[u8]) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_quorate"))
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("XDG_DATA_HOME", self.path("data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input may have ended by now.
        drop(child.stdin.take().unwrap().write_all(stdin));
        let output = child.wait_with_output().unwrap();
        Ran {
            exit: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn init(&self) -> Ran {
        self.run(
            "init --admin ada --home ada --coordinator-home coordinator --passphrase-file pass",
        )
    }

    /// Lists all files below the directory, except locks.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn collect(directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, files);
                } else if !path.ends_with("lock") {
                    files.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        collect(self.0.path(), &mut files);
        files
    }
}

impl Ran {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|_| panic!("not one object: {}", self.stdout))
    }

    /// Checks the exit code, and that stderr contains these texts.
    fn says(&self, exit: i32, texts: &[&str]) {
        assert_eq!(self.exit, exit, "{}{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in: {}", self.stderr);
        }
    }
}

#[test]
fn every_command_explains_itself_with_examples() {
    let place = Place::new();
    let lines = [
        "demo",
        "sign",
        "inbox",
        "approve",
        "reject",
        "request show",
        "request list",
        "request download",
        "request evidence",
        "request withdraw",
        "verify",
        "status",
        "doctor",
        "join",
        "node run",
        "node backup",
        "node restore",
        "node rotate-keys",
        "node passphrase",
        "account list",
        "account show",
        "account add",
        "account roles",
        "account suspend",
        "account resume",
        "account remove",
        "account replace-keys",
        "account withdraw-invitation",
        "group create",
        "group show",
        "group list",
        "group approve",
        "group reject",
        "group cancel",
        "key export",
        "ssh-sign",
        "ssh-agent",
        "log show",
        "log prove",
        "log verify",
        "init",
        "serve",
        "coordinator backup",
        "coordinator restore",
        "invite",
        "service install",
        "config hub",
        "completions",
    ];
    for line in lines {
        let help = place.run(&format!("{line} --help"));
        assert_eq!(help.exit, 0, "{line}");
        assert!(help.stdout.contains("Examples:"), "{line}: {}", help.stdout);
        assert!(help.stdout.contains("--json"), "{line}");
    }
    let all = place.run("--help").stdout;
    for line in lines {
        assert!(all.contains(line.split(' ').next().unwrap()), "{line}");
    }
    assert!(all.contains("9  signed by a key that is not trusted"));
}

#[test]
fn what_is_not_understood_is_exit_2_with_a_tip() {
    let place = Place::new();
    for all in ["0.0.0.0:7420", "[::]:7420"] {
        place.run(&format!("init --hub {all}")).says(2, &["nobody can dial it", "--listen"]);
    }
    place.run("sing contract.pdf").says(2, &["similar subcommand exists: 'sign'"]);
    place.run("sign contract.pdf").says(2, &["--group <GROUP>"]);
    place.run("sign f --group Board").says(2, &["made of a-z, 0-9"]);
    place.run("sign f --group board --timeout 10m").says(2, &["--wait"]);
    place.run("sign f --group board --wait --timeout 10").says(2, &["such as 90s, 10m, 24h"]);
    place
        .run("sign f --group board --as pdf")
        .says(2, &["the formats are raw, ssh, minisign, ssh-agent, pgp"]);
    place
        .run("sign f --group board --as raw --namespace git")
        .says(2, &["this format has no namespace"]);
    place
        .run("ssh-sign -l -f a")
        .says(2, &["-Y and what to do is missing", "-Y sign -n NAMESPACE"]);
    place.run("ssh-sign --timeout 10 -Y sign").says(2, &["such as 90s, 10m, 24h"]);
    place.run("reject abcd").says(2, &["--reason <TEXT>"]);
    place.run("log verify").says(2, &["<DIR>"]);
    place.run("group create board --members ada,ben").says(2, &["--min-signers <N>"]);
}

#[test]
fn a_missing_home_names_the_commands_that_make_one() {
    let place = Place::new();
    place.run("status").says(1, &["there is no node home", "quorate init", "quorate join URL"]);
    place.run("status --home nowhere").says(1, &["nowhere", "quorate init"]);
    place.run("serve").says(1, &["there is no coordinator home", "quorate init"]);
    place.run("ssh-agent").says(1, &["there is no node home", "quorate init"]);
    let doctor = place.run("doctor");
    assert_eq!(doctor.exit, 1);
    assert!(doctor.stdout.contains("✗ home: there is no node home"), "{}", doctor.stdout);
}

#[test]
fn an_agent_needs_the_running_node() {
    let place = Place::new();
    assert_eq!(place.init().exit, 0);
    place.run("ssh-agent --home ada").says(1, &["node is not running", "quorate node run"]);
    assert!(!place.path("ada/ssh-agent.sock").exists());
}

#[test]
fn with_json_a_failure_is_one_object_on_stdout() {
    let place = Place::new();
    let ran = place.run("status --json");
    let problem = ran.json();
    assert_eq!(problem["schema"], "quorate.problem/v1");
    assert_eq!(problem["exit"], "error");
    assert!(problem["message"].as_str().unwrap().contains("there is no node home"));
    ran.says(1, &["error:"]);
}

#[test]
fn with_json_a_usage_error_is_an_object_and_help_is_text() {
    let place = Place::new();
    let lines = [
        "sing --json",
        "--json sign f",
        "status --frob --json",
        "group --json",
        "key export --json",
    ];
    for line in lines {
        let ran = place.run(line);
        let problem = ran.json();
        assert_eq!(problem["schema"], "quorate.problem/v1", "{line}");
        assert_eq!(problem["exit"], "usage", "{line}");
        for said in [&problem["message"], &problem["hint"]] {
            assert!(said.as_str().is_some_and(|text| !text.is_empty()), "{line}: {problem}");
        }
        // The message on stderr is the same as without `--json`.
        let plain = place.run(&line.replace("--json", "--quiet"));
        assert_eq!((plain.exit, plain.stdout.as_str()), (2, ""), "{line}");
        ran.says(2, &[]);
        assert_eq!(ran.stderr.lines().next(), plain.stderr.lines().next(), "{line}");
    }
    let help = place.run("sign --help --json");
    assert_eq!(help.exit, 0);
    assert!(help.stdout.contains("Examples:") && !help.stdout.starts_with('{'));
}

#[test]
fn an_ivn_is_founded_with_two_homes_and_never_twice() {
    let place = Place::new();
    let founded = place.init();
    founded.says(0, &["quorate serve --home coordinator", "quorate node run --home ada"]);
    assert!(
        founded.stdout.contains("founded IVN \"main\"; ada is its admin"),
        "{}",
        founded.stdout
    );
    for home in ["ada", "coordinator"] {
        let mode = fs::metadata(place.path(home)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{home}");
    }
    let before = place.files();
    place.init().says(1, &["ada is a home already"]);
    place
        .run("init --admin eve --home eve --coordinator-home coordinator --hub 127.0.0.1:1 --passphrase-file pass")
        .says(2, &["is for the hub 127.0.0.1:7420, not 127.0.0.1:1"]);
    place
        .run("init --admin eve --home eve --coordinator-home coordinator --listen 127.0.0.1:1 --passphrase-file pass")
        .says(2, &["is for the listen address 127.0.0.1:7420, not 127.0.0.1:1"]);
    assert_eq!(place.files(), before);
}

#[test]
fn a_coordinator_gets_a_second_ivn_that_shares_nothing() {
    let place = Place::new();
    let first = place
        .run("init --admin ada --home ada --coordinator-home c --hub localhost:1 --passphrase-file pass --json")
        .json();
    let second = place
        .run("init --admin ada --home eve --coordinator-home c --passphrase-file pass --json")
        .json();
    assert_eq!(first["schema"], "quorate.ivn/v1");
    assert_eq!((&first["hub"], &first["listen"]), (&second["hub"], &second["listen"]));
    for field in ["ivn", "log_key"] {
        assert_ne!(first[field], second[field]);
    }
    assert_eq!(fs::read_dir(place.path("c/ivns")).unwrap().count(), 2);
}

#[test]
fn founding_that_fails_leaves_nothing_behind() {
    let place = Place::new();
    place.write("file", b"");
    let before = place.files();
    place.run("init --home ada --coordinator-home file --passphrase-file pass").says(1, &["file"]);
    place
        .run("init --home ada --coordinator-home c --deployment a+b --passphrase-file pass")
        .says(1, &["a deployment name is"]);
    place
        .run("init --home ada --coordinator-home ada --passphrase-file pass")
        .says(2, &["are one directory"]);
    assert_eq!(place.files(), before);
    assert!(!place.path("ada").exists() && !place.path("c").exists());
}

#[test]
fn passphrases_are_never_guessed_at() {
    let place = Place::new();
    place.init();
    place.write("wrong", b"battery staple\n");
    fs::set_permissions(place.path("wrong"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = place.files();
    place.run("status --home ada --passphrase-file wrong").says(1, &["wrong passphrase"]);
    place.run("status --home ada").says(1, &["no terminal to ask on", "--passphrase-file"]);
    place.run("status --home ada --no-input").says(2, &["--no-input", "--passphrase-file"]);
    fs::set_permissions(place.path("wrong"), fs::Permissions::from_mode(0o640)).unwrap();
    place.run("status --home ada --passphrase-file wrong").says(1, &["chmod 600"]);
    assert_eq!(place.files(), before);
}

#[test]
fn a_home_gets_a_new_passphrase_wherever_the_command_dies() {
    let place = Place::new();
    place.init();
    let private = |name: &str, content: &[u8]| {
        place.write(name, content);
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    private("short", b"abc\n");
    private("first", b"a passphrase of some length\n");
    private("second", b"a different one of some length\n");
    let before = place.files();
    let weak = "node passphrase --home ada --passphrase-file pass --new-passphrase-file short";
    place.run(weak).says(
        1,
        &["a new one needs at least 15", "has 3 characters", "at least 15", "--weak-passphrase"],
    );
    let wrong = "node passphrase --home ada --passphrase-file first --new-passphrase-file second";
    place.run(wrong).says(1, &["wrong passphrase"]);
    assert_eq!(place.files(), before);
    let opens = |file: &str| {
        let line = format!("node backup --home ada --out backup --force --passphrase-file {file}");
        place.run(&line).exit == 0
    };
    for (moment, present, new) in
        [("before", "pass", "first"), ("after", "pass", "first"), ("", "first", "second")]
    {
        let line = format!(
            "node passphrase --home ada --passphrase-file {present} --new-passphrase-file {new}"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
        command.current_dir(place.0.path()).args(line.split(' '));
        let ran = match moment {
            "" => command.output(),
            moment => {
                command.env("QUORATE_CRASH_AT", format!("passphrase.replace.{moment}")).output()
            }
        };
        assert_eq!(ran.unwrap().status.success(), moment.is_empty());
        let is_changed = moment != "before";
        assert_eq!((opens(present), opens(new)), (!is_changed, is_changed), "{moment}");
    }
    // A command can give it, too.
    let line = "node backup --home ada --out backup --force";
    let ran = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .current_dir(place.0.path())
        .args(line.split(' '))
        .args(["--passphrase-command", "cat 'second'"])
        .output();
    assert!(ran.unwrap().status.success());
}

#[test]
fn an_unreachable_coordinator_is_exit_7() {
    let place = Place::new();
    place.run(
        "init --admin ada --home ada --coordinator-home c --hub 127.0.0.1:1 --passphrase-file pass",
    );
    let status = place.run("status --home ada --passphrase-file pass --json");
    assert_eq!(status.exit, 7);
    assert_eq!(status.json()["connected"], false);
    place.run("invite ben --home ada --passphrase-file pass").says(7, &["cannot be reached"]);
    let url =
        format!("https://127.0.0.1:1/join/{}/ben#{}", "ab".repeat(32), "AQAA".repeat(21) + "AQA");
    place
        .run_with("join - --home ben --passphrase-file pass", url.as_bytes())
        .says(7, &["cannot be reached", "quorate serve"]);
    assert!(!place.path("ben").exists());
}

#[test]
fn damaged_join_urls_say_what_is_wrong_and_repeat_no_secret() {
    let place = Place::new();
    let secret = "AQAA".repeat(21) + "AQA";
    let ivn = "ab".repeat(32);
    for (url, text) in [
        ("hello".to_owned(), "not a join URL"),
        (format!("https://h:1/join/{ivn}/ben"), "has lost its secret"),
        (format!("https://h:1/join/{ivn}/ben#{}", &secret[..40]), "cut short"),
        (format!("https://h:1/join/{ivn}#{secret}"), "names no valid account"),
        (format!("https://h/join/{ivn}/ben#{secret}"), "unusable hub address"),
        (format!("https://h:1/join/{ivn}/ben#{}", secret.replacen("AQ", "Ag", 1)), "version 2"),
    ] {
        let ran = place.run_with("join - --passphrase-file pass", url.as_bytes());
        ran.says(2, &[text]);
        assert!(!ran.stderr.contains("AAAQAA"), "{}", ran.stderr);
    }
}

fn signature_file(key: &SecretKey, document: &[u8], output: &str) -> Vec<u8> {
    let public = VerifyingKey::Ed25519(key.public().0);
    let output: Output = output.parse().unwrap();
    let prepared = prepare(document, &output, &public).unwrap();
    let signature = Signature::Ed25519(key.sign(&prepared.to_be_signed(&[]).unwrap()));
    prepared.finish(&[signature]).unwrap()
}

/// A file, its signatures by a key, and the key.
fn signed(place: &Place) -> SecretKey {
    let key = SecretKey::from_seed(&[7; 32]);
    let document = b"a contract";
    place.write("contract", document);
    let public = VerifyingKey::Ed25519(key.public().0);
    for (output, name) in [("raw", "contract.ed25519"), ("ssh", "contract.sig")] {
        place.write(name, &signature_file(&key, document, output));
    }
    place.write("key.pem", keys::to_pem(&public).as_bytes());
    let other = VerifyingKey::Ed25519(SecretKey::from_seed(&[8; 32]).public().0);
    place.write("other.pem", keys::to_pem(&other).as_bytes());
    key
}

#[test]
fn a_signature_gets_one_verdict_and_its_checks() {
    let place = Place::new();
    let key = signed(&place);
    for signature in ["contract.sig", "contract.ed25519"] {
        let ran = place.run(&format!("verify contract -s {signature} --key key.pem"));
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        assert!(ran.stdout.starts_with("✓ valid: contract was signed by the key that you gave"));

        place.write("changed", b"a contracT");
        let ran = place.run(&format!("verify changed -s {signature} --key key.pem"));
        assert_eq!(ran.exit, 3);
        assert!(ran.stdout.starts_with("✗ NOT VALID: changed"), "{}", ran.stdout);
    }
    let ran = place.run("verify contract -s contract.sig --key other.pem");
    assert_eq!(ran.exit, 9);
    assert!(ran.stdout.starts_with("✗ UNTRUSTED KEY"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!("got {}", hex::encode(key.public().0))), "{}", ran.stdout);
    // A raw signature does not name its key.
    assert_eq!(place.run("verify contract -s contract.ed25519 --key other.pem").exit, 3);
    let ran = place.run("verify contract -s contract.sig --key key.pem --namespace git");
    assert_eq!(ran.exit, 3);
    assert!(ran.stdout.contains("expected git, got file"), "{}", ran.stdout);
}

#[test]
fn a_file_that_contains_its_signature_verifies_alone() {
    let place = Place::new();
    let key = signed(&place);
    let metadata = br#"{"signatures":[],"signed":{"_type":"timestamp","spec_version":"1.0","version":1,"expires":"2999-01-01T00:00:00Z","meta":{}}}"#;
    for (name, output, document) in [
        ("statement.dsse.json", "dsse", b"{\"a\":1}".as_slice()),
        ("timestamp.signed.json", "tuf", metadata),
        ("terms.jws", "jws", b"{\"a\":1}"),
    ] {
        let file = signature_file(&key, document, output);
        place.write(name, &file);
        let ran = place.run(&format!("verify {name} --key key.pem"));
        assert_eq!(ran.exit, 0, "{}", ran.stderr);
        assert!(ran.stdout.starts_with(&format!("✓ valid: {name} was signed")), "{}", ran.stdout);
        assert_ne!(place.run(&format!("verify {name} --key other.pem")).exit, 0);
        place.write("document", document);
        assert_eq!(place.run(&format!("verify document -s {name} --key key.pem")).exit, 0);
        assert_eq!(place.run(&format!("verify contract -s {name} --key key.pem")).exit, 3);
        place.write(name, &file[..file.len() / 2]);
        assert_ne!(place.run(&format!("verify {name} --key key.pem")).exit, 0);
    }
    place.write("text.dsse.json", &signature_file(&key, b"a", "dsse:text/plain"));
    place.run("verify text.dsse.json --key key.pem").says(3, &[]);
    let ran = place.run("verify text.dsse.json --key key.pem -n text/plain");
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
}

#[test]
fn a_verdict_is_an_object_with_json() {
    let place = Place::new();
    signed(&place);
    let view = place.run("verify contract -s contract.sig --key key.pem --json").json();
    assert_eq!(view["schema"], "quorate.verification/v1");
    assert_eq!(view["verdict"], "valid");
    assert!(view["checks"].as_array().unwrap().iter().all(|check| check["outcome"] == "passed"));
}

#[test]
fn nobody_is_trusted_without_a_reason() {
    let place = Place::new();
    signed(&place);
    place.run("verify contract -s contract.sig").says(9, &["no --key was given", "--key FILE"]);
    place
        .run("verify contract --key key.pem")
        .says(2, &["several signatures: contract.ed25519, contract.sig"]);
    place
        .run("verify key.pem --key key.pem")
        .says(2, &["in the file or next to it, none of key.pem.ed25519,", "key.pem.minisig"]);
    place.run("verify contract -s contract --key key.pem").says(3, &["not a signature file"]);
    place
        .run("verify contract -s contract.sig --key contract")
        .says(1, &["not a key", "quorate key export"]);
}

#[test]
fn colour_is_for_people_who_want_it() {
    let place = Place::new();
    assert!(!place.run("status").stderr.contains('\x1b'));
    assert!(place.run("status --color always").stderr.contains('\x1b'));
}

#[test]
fn help_is_a_command_and_hidden_commands_are_not_listed() {
    let place = Place::new();
    for (line, text) in [
        ("help", "A first signature"),
        ("help sign", "Ask a group to sign a file"),
        ("help group create", "Usage: quorate group create"),
    ] {
        let help = place.run(line);
        assert_eq!(help.exit, 0, "{line}: {}", help.stderr);
        assert!(help.stdout.contains(text), "{line}: {}", help.stdout);
        assert!(!help.stdout.contains("bench-cluster"), "{line}: {}", help.stdout);
    }
    let options = place.run("--home x");
    options.says(2, &["there is no command", "quorate --help"]);
    assert!(!options.stderr.contains("bench-cluster"), "{}", options.stderr);
}

#[test]
fn every_command_gets_a_manual_page() {
    let place = Place::new();
    assert_eq!(place.run("manpages man").exit, 0);
    let page = fs::read_to_string(place.path("man/quorate-group-create.1")).unwrap();
    assert!(
        page.starts_with(".ie") && page.contains(".SH NAME\nquorate\\-group\\-create"),
        "{page}"
    );
    assert!(place.path("man/quorate.1").exists());
    assert!(!place.path("man/quorate-bench-cluster.1").exists());
}

#[test]
fn a_file_that_is_no_proof_says_so() {
    let place = Place::new();
    place.write("doc.txt", b"a document");
    place.run("log verify --proof doc.txt").says(3, &["not a proof", "quorate log prove"]);
}

#[test]
fn the_demo_says_what_is_wrong_before_it_starts_anything() {
    let place = Place::new();
    place
        .run("demo contract.pdf")
        .says(1, &["there is no file contract.pdf", "leave the file out"]);
    place.run("demo .").says(1, &["is a directory", "leave the file out"]);
    let large = fs::File::create(place.path("large")).unwrap();
    large.set_len(40 << 20).unwrap();
    place.run("demo large").says(1, &["has 40 MiB; at most 32 MiB can be signed"]);
}

#[test]
fn every_shell_gets_a_completion_script() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = place.run(&format!("completions {shell}"));
        assert_eq!(ran.exit, 0);
        assert!(ran.stdout.contains("quorate") && ran.stdout.contains("approve"), "{shell}");
    }
}
