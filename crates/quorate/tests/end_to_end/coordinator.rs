//! A coordinator whose disk is lost, old, copied, or in the wrong place.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use quorate_testkit::cluster::process::Ran;
use quorate_testkit::cluster::{COORDINATOR, Cluster};

use super::accounts::{copy_home, is_audited_without_faults, is_well};
use super::{until, with_board};

/// Signs a document that ada requests and ben approves.
fn signs(system: &Cluster) {
    let line = "sign contract --group board --wait --force";
    let (signing, id) = system.sign("ada", line, "ben");
    system.run("ben", &format!("approve {id} --yes")).succeeds();
    signing.end().succeeds();
}

fn all_are_well(system: &Cluster) {
    ["ada", "ben", "carol"].iter().for_each(|home| is_well(system, home));
}

/// Runs a command of the coordinator with the passphrase of its backup.
fn with_passphrase(system: &Cluster, line: &str) -> Ran {
    system.run(COORDINATOR, &format!("{line} --passphrase-file pass"))
}

fn lose(system: &Cluster) {
    system.stop(COORDINATOR);
    fs::remove_dir_all(system.path(COORDINATOR)).unwrap();
}

/// Serves the files of a directory over HTTP, and returns the URL.
fn on_the_web(directory: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/log/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let asked = lines.next().unwrap().unwrap();
            let headers = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
            drop(headers.collect::<Vec<_>>());
            let path = asked.strip_prefix("GET /log/").unwrap().split(' ').next().unwrap();
            let (status, body) = match fs::read(directory.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        }
    });
    url
}

#[test]
fn a_coordinator_that_lost_its_disk_is_rebuilt_from_its_nodes() {
    let system = with_board();
    let made = with_passphrase(&system, "coordinator backup --out c.backup --json").succeeds();
    let made = made.json();
    let size = made["ivns"][0]["log_size"].as_u64().unwrap();
    assert!(size > 10, "{made}");
    let backup = system.path("c.backup");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    with_passphrase(&system, "coordinator backup --out c.backup")
        .fails(1, &["exists already", "--force"]);
    // The home is in use, and it is a home already.
    system
        .run(COORDINATOR, "serve")
        .fails(1, &["is already in use by process", "end that process"]);
    let restore = "coordinator restore c.backup";
    with_passphrase(&system, restore).fails(1, &["is a home already"]);
    signs(&system);

    lose(&system);
    fs::create_dir(system.path("empty")).unwrap();
    let whole = fs::read(&backup).unwrap();
    system.write("x.backup", &whole[..whole.len() - 1]);
    system.write("other", b"battery staple\n");
    fs::set_permissions(system.path("other"), fs::Permissions::from_mode(0o600)).unwrap();
    for (line, texts) in [
        ("coordinator restore x.backup --passphrase-file pass", ["is damaged or cut off", ""]),
        (
            "coordinator restore contract",
            ["is not a backup of a coordinator", "coordinator backup"],
        ),
        ("coordinator restore c.backup --passphrase-file other", ["a different passphrase", ""]),
        (
            "coordinator restore c.backup --passphrase-file pass --from empty",
            ["neither a node's home nor a published log", ""],
        ),
    ] {
        system.run(COORDINATOR, line).fails(1, &texts);
        assert!(!system.path(COORDINATOR).exists(), "{line}");
    }
    let shown = system.run(COORDINATOR, &format!("{restore} --show")).succeeds().stdout;
    assert!(shown.contains("a backup of a coordinator, made"), "{shown}");
    let restored = with_passphrase(&system, &format!("{restore} --json")).succeeds().json();
    assert_eq!(restored["ivns"][0]["log_size"], 1, "{restored}");
    assert_eq!(restored["ivns"][0]["missing"], size - 1, "{restored}");
    // Somebody who starts it for that alone gets the whole log from the nodes.
    let caught_up = system.run(COORDINATOR, "serve --catch-up").succeeds();
    assert!(caught_up.stdout.contains("the log is complete"), "{}", caught_up.stdout);
    system.start_process(COORDINATOR);
    all_are_well(&system);
    signs(&system);

    // From a published log on a web server.
    system.stop(COORDINATOR);
    fs::rename(system.ivn_directory().join("log"), system.path("published")).unwrap();
    lose(&system);
    let url = on_the_web(system.path("published"));
    let away = format!("{restore} --from {url}nowhere");
    with_passphrase(&system, &away).fails(1, &["neither a node's home nor a published log", "URL"]);
    let closed = format!("{restore} --from http://127.0.0.1:1/");
    with_passphrase(&system, &closed).fails(7, &["http://127.0.0.1:1/ cannot be read", ""]);
    let line = format!("{restore} --from {url} --json");
    let restored = with_passphrase(&system, &line).succeeds().json();
    assert!(restored["ivns"][0]["log_size"].as_u64().unwrap() > size, "{restored}");

    // From the copy of a node that runs, without its passphrase.
    lose(&system);
    let line = format!("{restore} --from ada --json");
    let restored = with_passphrase(&system, &line).succeeds().json();
    assert_eq!(restored["ivns"][0]["missing"], 0, "{restored}");
    assert!(restored["ivns"][0]["log_size"].as_u64().unwrap() > size, "{restored}");
    system.start_process(COORDINATOR);
    all_are_well(&system);
    signs(&system);
    is_audited_without_faults(&system);
}

#[test]
fn a_lost_or_old_database_is_completed_from_the_published_log() {
    let system = with_board();
    system.stop(COORDINATOR);
    let directory = system.ivn_directory();
    // SQLite may keep files beside the database.
    let database = || {
        let paths = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
        let is_of = |path: &PathBuf| path.display().to_string().contains("log.sqlite");
        paths.filter(is_of).collect::<Vec<_>>()
    };
    let old = database().into_iter().map(|path| (fs::read(&path).unwrap(), path));
    let old: Vec<_> = old.collect();
    system.start_process(COORDINATOR);
    all_are_well(&system);
    signs(&system);
    for left in [old, Vec::new()] {
        system.stop(COORDINATOR);
        database().iter().for_each(|path| fs::remove_file(path).unwrap());
        left.iter().for_each(|(content, path)| fs::write(path, content).unwrap());
        system.start_process(COORDINATOR);
        until("the entries to be taken", || {
            system.said(COORDINATOR).contains("from the published log/").then_some(())
        });
        all_are_well(&system);
        signs(&system);
    }
    is_audited_without_faults(&system);
}

#[test]
fn a_wrong_directory_is_refused_and_the_right_one_goes_on() {
    let system = with_board();
    system.stop(COORDINATOR);
    fs::rename(system.path(COORDINATOR), system.path("right")).unwrap();
    fs::create_dir(system.path("empty")).unwrap();
    for (home, text) in [
        ("ada", "is a node home, and a coordinator home is needed here"),
        ("empty", "is not a coordinator home: it has no home.json"),
        ("nothing", "there is no coordinator home at"),
    ] {
        system.run(home, "serve").fails(1, &[text, "--home"]);
    }
    // A coordinator of another IVN at the same address.
    let hub = fs::read_to_string(system.path("ada/home.json")).unwrap();
    let hub: serde_json::Value = serde_json::from_str(&hub).unwrap();
    let hub = hub["config"]["hub"].as_str().unwrap();
    let line = format!("init --admin zoe --coordinator-home {COORDINATOR} --hub {hub}");
    system.run("zoe", &line).succeeds();
    system.start_process(COORDINATOR);
    until("ada's node to find another IVN", || {
        let said = system.said("ada").contains("the hub does not serve this IVN");
        (said && system.run("ada", "status").exit == 7).then_some(())
    });
    system.stop(COORDINATOR);
    fs::remove_dir_all(system.path(COORDINATOR)).unwrap();
    fs::rename(system.path("right"), system.path(COORDINATOR)).unwrap();
    system.start_process(COORDINATOR);
    all_are_well(&system);
    signs(&system);
    is_audited_without_faults(&system);
}

/// Returns an address of this machine at which nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn two_coordinators_from_copies_of_one_home_do_not_fork_the_log() {
    let system = with_board();
    system.stop(COORDINATOR);
    copy_home(&system, COORDINATOR, "copy");
    system.start_process(COORDINATOR);
    all_are_well(&system);
    let new = free_address();
    system.run("copy", &format!("config hub {new}")).succeeds();
    system.try_serve("copy", &format!("--listen {new}")).unwrap();

    // One of three nodes moves. The copy takes what it lacks, and appends nothing.
    system.run("carol", &format!("config hub {new}")).succeeds();
    system.stop("carol");
    system.start_process("carol");
    until("the copy to wait for another node", || {
        system.said("copy").contains("waiting for 1 of ada, ben").then_some(())
    });
    signs(&system);

    // The log announces the address to the others. They follow when the first coordinator is gone.
    system.run("ada", &format!("config hub {new} --announce")).succeeds();
    until("ben's node to know the address", || {
        let shown = system.run("ben", "config hub --json").succeeds().json();
        (shown["hub"] == new.as_str()).then_some(())
    });
    system.stop(COORDINATOR);
    all_are_well(&system);
    signs(&system);
    let waits = system.run("ada", "sign contract --group board --json").succeeds().json();
    let waits = waits["id"].as_str().unwrap().to_owned();
    // The documents are lost. Ada's node uploads the one that is still needed.
    fs::remove_dir_all(system.path(COORDINATOR)).unwrap();
    system.stop("copy");
    fs::rename(system.path("copy"), system.path(COORDINATOR)).unwrap();
    fs::remove_dir_all(system.ivn_directory().join("documents")).unwrap();
    system.try_serve(COORDINATOR, &format!("--listen {new}")).unwrap();
    all_are_well(&system);
    system.run("carol", &format!("approve {waits} --yes")).succeeds();
    until("the request to be signed", || {
        let shown = system.run("ada", &format!("request show {waits} --json")).succeeds().json();
        (shown["state"] == "signed").then_some(())
    });
    let shown = system.run("ada", "log show --all").succeeds().stdout;
    assert!(shown.contains(&format!("the coordinator is at {new} from now on")), "{shown}");
    is_audited_without_faults(&system);
}
