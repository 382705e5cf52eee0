//! Services: systemd's notification, health, metrics, units, and the doctor of a coordinator.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use super::Place;

/// A coordinator that was started as systemd starts a service.
struct Served {
    child: Child,
    notifications: UnixDatagram,
    /// Where it serves health and metrics.
    admin: String,
}

fn serve(place: &Place) -> Served {
    let notifications = UnixDatagram::bind(place.path("notify")).unwrap();
    let line = "serve --home coordinator --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --log-format json";
    let mut child = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(line.split(' '))
        .current_dir(place.0.path())
        .env_clear()
        .env("NOTIFY_SOCKET", place.path("notify"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut objects = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()));
    let admin = objects.find_map(|object| {
        let object = object.unwrap();
        let text = |name| object.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        text("address").filter(|_| text("message").unwrap() == "serving health and metrics")
    });
    // Later messages are read and dropped, so that the process never waits for a reader.
    std::thread::spawn(move || objects.for_each(drop));
    Served { child, notifications, admin: admin.unwrap() }
}

impl Served {
    fn notified(&self) -> String {
        let mut text = [0; 64];
        let length = self.notifications.recv(&mut text).unwrap();
        String::from_utf8_lossy(text.get(..length).unwrap()).into_owned()
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn a_coordinator_reports_to_systemd_monitoring_and_doctor() {
    let place = Place::new();
    assert_eq!(place.init().exit, 0);
    let stopped = place.run("doctor --home coordinator");
    assert_eq!(stopped.exit, 1);
    assert!(stopped.stdout.contains("✗ process: no coordinator answers"), "{}", stopped.stdout);
    assert!(stopped.stdout.contains("quorate serve --home coordinator"), "{}", stopped.stdout);

    let mut served = serve(&place);
    assert_eq!(served.notified(), "READY=1");
    for (path, status, text) in [
        ("/healthz", "200 OK", "ok"),
        // The admin's node has not shown its log yet.
        ("/readyz", "503 Service Unavailable", "comparing this log of 1 entry"),
        ("/metrics", "200 OK", "\nquorate_ready 0\n"),
        ("/metrics", "200 OK", "account=\"ada\"} 0\n"),
        ("/log", "404 Not Found", ""),
    ] {
        let answer = served.get(path);
        assert!(answer.contains(status) && answer.contains(text), "{path}: {answer}");
    }
    let well = place.run("doctor --home coordinator");
    assert_eq!(well.exit, 0, "{}", well.stdout);
    for text in ["process: it runs; 0 of 1 node is connected", "✓ certificate", "✓ disk", "✓ keys"]
    {
        assert!(well.stdout.contains(text), "{text:?} is not in: {}", well.stdout);
    }

    let hangup = Command::new("kill").args(["-HUP", &served.child.id().to_string()]).status();
    assert!(hangup.unwrap().success());
    assert_eq!(served.notified(), "STOPPING=1");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert!(!place.path("coordinator/admin.sock").exists());
}

#[test]
fn a_damaged_coordinator_fails_its_checks() {
    let place = Place::new();
    assert_eq!(place.init().exit, 0);
    let ivns = std::fs::read_dir(place.path("coordinator/ivns")).unwrap();
    let ivn = ivns.map(|entry| entry.unwrap().path()).next().unwrap();
    std::fs::write(ivn.join("ca.pem"), "x").unwrap();
    let doctor = place.run("doctor --home coordinator");
    assert_eq!(doctor.exit, 1);
    assert!(doctor.stdout.contains("✗ certificate"), "{}", doctor.stdout);
}

#[test]
fn units_keep_the_passphrase_out_of_the_environment_and_verify() {
    let place = Place::new();
    assert_eq!(place.init().exit, 0);
    place
        .run("service install node --home ada --print")
        .says(2, &["needs its passphrase from a file", "--passphrase-file"]);
    let node = place.run("service install node --home ada --passphrase-file pass --print");
    assert_eq!(node.exit, 0, "{}", node.stderr);
    for text in ["Type=notify", "LoadCredential=passphrase:", "FILE=%d/passphrase", "node run"] {
        assert!(node.stdout.contains(text), "{text:?} is not in: {}", node.stdout);
    }
    assert!(!node.stdout.contains("correct horse"));
    let line = "service install coordinator --home coordinator --system --run-as root --print";
    let system = place.run(line).stdout;
    assert!(
        system.contains("ProtectSystem=strict\n") && system.contains("User=root\n"),
        "{system}"
    );
    for (name, unit) in [("node.service", &node.stdout), ("coordinator.service", &system)] {
        place.write(name, unit.as_bytes());
        let verified = Command::new("systemd-analyze").arg("verify").arg(place.path(name)).output();
        let Ok(verified) = verified else {
            return println!("skipped: systemd-analyze not installed");
        };
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        // It also reports on units of the machine, which are not ours.
        let ours = said.lines().filter(|line| line.contains(name)).collect::<Vec<_>>();
        assert!(ours.is_empty(), "{said}");
    }
}

#[test]
fn a_unit_is_written_where_systemd_looks_for_it() {
    let place = Place::new();
    assert_eq!(place.init().exit, 0);
    let line = "service install coordinator --home coordinator";
    place.run(line).says(1, &["neither XDG_CONFIG_HOME nor HOME is set", "--print"]);
}
