//! Homes: private, of one kind, and used by one process.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use quorate_ceremony::encoding::Base64;

use super::*;
use crate::file_problem::FileProblem;
use crate::home::Limits;

fn node_config() -> NodeConfig {
    NodeConfig {
        ivn: IvnId::new([1; 32]),
        account: "ada".parse().unwrap(),
        hub: "localhost:7000".into(),
        server_name: "01.ivn.internal".into(),
        ca_certificate: "PEM".into(),
        client_certificate: "PEM".into(),
        genesis: Base64(b"genesis".to_vec()),
        log_key: None,
        auto_accept: true,
        auto_approve: false,
        limits: Limits::default(),
    }
}

fn coordinator_config() -> CoordinatorConfig {
    CoordinatorConfig::new("example.com".into(), "127.0.0.1:0".into(), "localhost:7000".into())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn new_node(path: &Path) -> NodeHome {
    let mut home = NodeHome::create(path).unwrap();
    home.save(node_config()).unwrap();
    home
}

#[test]
fn a_home_is_private_and_remembers_its_configuration() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("some/where");
    let home = NodeHome::create(&path).unwrap();
    assert_eq!(home.config(), None);
    drop(home);
    drop(new_node(&path));
    assert_eq!(
        (mode(&path), mode(&path.join(FILE)), mode(&path.join(LOCK))),
        (0o700, 0o600, 0o600)
    );
    assert_eq!(NodeHome::open(&path).unwrap().config(), Some(&node_config()));

    let path = root.path().join("coordinator");
    let mut home = CoordinatorHome::create(&path).unwrap();
    home.save(coordinator_config()).unwrap();
    assert_eq!(home.ivns().unwrap(), []);
    let ivn = IvnId::new([2; 32]);
    home.ivn(ivn).create().unwrap();
    assert_eq!(mode(home.ivn(ivn).path()), 0o700);
    assert_eq!(home.ivns().unwrap(), [ivn]);
    drop(home);
    assert_eq!(CoordinatorHome::open(&path).unwrap().config(), Some(&coordinator_config()));
}

#[test]
fn a_second_use_of_a_home_is_refused_and_names_the_process() {
    let root = tempfile::tempdir().unwrap();
    let home = new_node(root.path());
    let error = NodeHome::open(root.path()).unwrap_err();
    let us = std::process::id();
    assert!(matches!(error, HomeError::InUse { process: Some(process), .. } if process == us));
    assert!(error.to_string().contains(&format!("already in use by process {us}")), "{error}");
    assert_eq!(NodeHome::read(root.path()).unwrap(), node_config());
    drop(home);
    NodeHome::open(root.path()).unwrap();
}

/// Holds a home until it is killed. Does nothing on its own.
#[test]
fn holding_child() {
    let Some(path) = std::env::var_os("QUORATE_TEST_HOLDING_CHILD") else { return };
    let home = NodeHome::open(Path::new(&path)).unwrap();
    println!("\nholding");
    // Also ends when the parent ends.
    let _ = io::stdin().read_line(&mut String::new());
    drop(home);
}

#[test]
fn the_lock_dies_with_a_killed_process() {
    let root = tempfile::tempdir().unwrap();
    drop(new_node(root.path()));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["home::directory::tests::holding_child", "--exact", "--nocapture"])
        .env("QUORATE_TEST_HOLDING_CHILD", root.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "holding"));
    let error = NodeHome::open(root.path()).unwrap_err();
    let theirs = child.id();
    assert!(matches!(error, HomeError::InUse { process: Some(process), .. } if process == theirs));
    child.kill().unwrap();
    child.wait().unwrap();
    NodeHome::open(root.path()).unwrap();
}

#[test]
fn an_unfinished_home_can_be_tried_again_and_keeps_its_keys() {
    let root = tempfile::tempdir().unwrap();
    let home = NodeHome::create(root.path()).unwrap();
    fs::write(home.keys(), b"keys").unwrap();
    drop(home);
    let error = NodeHome::open(root.path()).unwrap_err();
    assert!(matches!(error, HomeError::NotAHome { .. }), "{error}");
    let home = new_node(root.path());
    assert_eq!(fs::read(home.keys()).unwrap(), b"keys");
    drop(home);
    let error = NodeHome::create(root.path()).unwrap_err();
    assert!(matches!(error, HomeError::Exists(_)), "{error}");
}

#[test]
fn a_directory_that_is_something_else_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let error = NodeHome::open(&root.path().join("nowhere")).unwrap_err();
    assert!(matches!(error, HomeError::Missing { .. }), "{error}");
    fs::write(root.path().join("letter.txt"), b"dear").unwrap();
    let error = NodeHome::open(root.path()).unwrap_err();
    assert!(matches!(error, HomeError::NotAHome { .. }), "{error}");
    let error = NodeHome::create(root.path()).unwrap_err();
    assert!(matches!(error, HomeError::NotEmpty(_)), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_home_that_is_wrong_newer_or_damaged_is_refused_unchanged() {
    let root = tempfile::tempdir().unwrap();
    drop(new_node(root.path()));
    let error = CoordinatorHome::open(root.path()).unwrap_err();
    assert!(matches!(error, HomeError::OtherKind { found: "node", kind: "coordinator", .. }));
    let file = root.path().join(FILE);
    let text = fs::read_to_string(&file).unwrap();
    let newer = text.replace("\"format\": 1", "\"format\": 2");
    fs::write(&file, &newer).unwrap();
    let error = NodeHome::open(root.path()).unwrap_err();
    assert!(
        matches!(error, HomeError::File(FileProblem::Newer { found: 2, known: 1, .. })),
        "{error}"
    );
    for length in [0, 1, text.len() / 2, text.len() - 2] {
        fs::write(&file, &text[..length]).unwrap();
        let error = NodeHome::open(root.path()).unwrap_err();
        assert!(matches!(error, HomeError::File(FileProblem::Damaged { .. })), "{error}");
        assert_eq!(fs::read(&file).unwrap(), &text.as_bytes()[..length]);
    }
    let misspelt = text.replace("auto_accept", "auto_except");
    let misplaced = text.replacen('{', "{\"limits\": {\"document_bytes\": 1},", 1);
    for wrong in [misspelt, misplaced] {
        fs::write(&file, wrong).unwrap();
        assert!(matches!(
            NodeHome::open(root.path()),
            Err(HomeError::File(FileProblem::Setting { .. }))
        ));
    }
}

#[test]
fn a_staged_home_becomes_a_home_once_it_is_put_in_place() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("ada");
    let mut home = NodeHome::stage(&path).unwrap();
    fs::write(home.path().join("leftover"), "").unwrap();
    let error = NodeHome::stage(&path).unwrap_err();
    assert!(matches!(error, HomeError::InUse { .. }), "{error}");
    home.save(node_config()).unwrap();
    assert!(!path.exists());
    drop(home);

    // A new attempt starts from the beginning.
    let mut home = NodeHome::stage(&path).unwrap();
    assert!(!home.path().join("leftover").exists() && !home.path().join(FILE).exists());
    home.save(node_config()).unwrap();
    let home = home.put_in_place(&path).unwrap();
    assert_eq!((home.path(), mode(&path)), (path.as_path(), 0o700));
    let error = NodeHome::open(&path).unwrap_err();
    assert!(matches!(error, HomeError::InUse { .. }), "{error}");
    drop(home);
    assert_eq!(NodeHome::open(&path).unwrap().config(), Some(&node_config()));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_staged_home_takes_the_place_of_nothing() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("ada");
    drop(new_node(&path));
    let error = NodeHome::stage(&path).unwrap_err();
    assert!(matches!(error, HomeError::Exists(_)), "{error}");
    fs::remove_file(path.join(FILE)).unwrap();
    // It may be an unfinished join, whose keys the log contains.
    let error = NodeHome::stage(&path).unwrap_err();
    assert!(matches!(error, HomeError::NotEmpty(_)), "{error}");

    let other = root.path().join("ben");
    let home = NodeHome::stage(&other).unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("file"), "").unwrap();
    let error = home.put_in_place(&other).unwrap_err();
    assert!(matches!(error, HomeError::NotEmpty(_)), "{error}");
    assert!(other.join("file").exists());
}
