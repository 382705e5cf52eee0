//! Who approved and rejected a document: `quorate log verify --document`, and evidence files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use quorate::log_audit::Evidence;
use quorate_ceremony::audit::Anchor;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Body;
use quorate_ceremony::names::{EntryId, IvnId};
use quorate_ceremony::test_world::TestLog;
use tempfile::TempDir;

use super::{EVERYBODY, package, published, to_be_signed, write};

const REASON: &str = "<script>alert('no')</script>";

/// A request for the package's document that ben signed with ada, after cyd rejected it.
fn signed() -> (TestLog, EntryId) {
    let mut log = TestLog::with_key();
    let request = log.asks("ada", package().commitment());
    log.by("cyd", Body::Refusal { request, reason: REASON.to_owned() });
    log.by("ben", Body::Approval { request });
    let signature = log.signature_over(request, &["ada", "ben"], &to_be_signed());
    log.by("coordinator", signature);
    (log, request)
}

/// A request for the same document that ben and cyd rejected.
fn rejected() -> (TestLog, EntryId) {
    let mut log = TestLog::with_key();
    let request = log.asks("ada", package().commitment());
    for member in ["ben", "cyd"] {
        log.by(member, Body::Refusal { request, reason: "too dear".to_owned() });
    }
    (log, request)
}

/// A working directory with the document under another name than in the request.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    write(place.path(), "copy.txt", &package().document);
    place
}

fn quorate(place: &Path, line: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(line)
        .current_dir(place)
        .env_clear()
        .env("XDG_DATA_HOME", place.join("data"))
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(all).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn asked(log: &TestLog, more: &[&str]) -> (i32, String) {
    let (directory, place) = (published(log), place());
    let log = directory.path().display().to_string();
    let line = [&["log", "verify", &log, "--document", "copy.txt"], more].concat();
    let output = quorate(place.path(), &line);
    (output.status.code().unwrap(), text(&output))
}

#[test]
fn a_log_alone_says_who_approved_a_signed_document() {
    let (log, request) = signed();
    let (exit, said) = asked(&log, &["--ivn", &log.state.ivn().to_string()]);
    assert_eq!(exit, 0, "{said}");
    let size = log.entries.len();
    for expected in [
        "✓ copy.txt was approved by ada (",
        " UTC) and ben (",
        "rejected by cyd (",
        "and signed by board (",
        &format!("request {request}"),
        "2 approvals by members of board; the request of a member counts as its approval",
        "the shares of any 2 of 3 members make a signature",
        &format!("{} (approval by ben), {} (signature)", size - 2, size - 1),
        "The log is final",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in: {said}");
    }
    assert!(!said.contains("Compare its IVN id"), "{said}");
}

#[test]
fn without_an_anchor_the_answer_warns_about_the_logs_identity() {
    let (log, _) = signed();
    let (exit, said) = asked(&log, &[]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("Compare its IVN id"), "{said}");
}

#[test]
fn an_unsigned_document_is_recognised_by_its_opening() {
    let (log, _) = rejected();
    let (exit, said) = asked(&log, &[]);
    assert_eq!(exit, 3, "{said}");
    assert!(said.contains("1 unsigned request cannot be"), "{said}");
    assert!(said.contains("--documents DIR"), "{said}");
    let documents = tempfile::tempdir().unwrap();
    write(documents.path(), &package().commitment().to_string(), &package().to_bytes());
    let (exit, said) = asked(&log, &["--documents", &documents.path().display().to_string()]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("✗ copy.txt was approved by ada ("), "{said}");
    assert!(said.contains("too dear) and cyd ("), "{said}");
    assert!(said.contains("and therefore not signed"), "{said}");
    assert!(said.contains("as file contract.txt"), "{said}");
}

#[test]
fn the_documents_next_to_a_coordinators_log_are_found() {
    let (log, _) = rejected();
    let home = tempfile::tempdir().unwrap();
    let directory = published(&log);
    fs::rename(directory.path(), home.path().join("log")).unwrap();
    let commitment = package().commitment().to_string();
    write(&home.path().join("documents"), &commitment, &package().to_bytes());
    let place = place();
    let log = home.path().join("log").display().to_string();
    let output = quorate(place.path(), &["log", "verify", &log, "--document", "copy.txt"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn a_document_that_was_never_requested_is_exit_3() {
    let (log, _) = signed();
    let (directory, place) = (published(&log), place());
    write(place.path(), "copy.txt", b"another contract");
    let log = directory.path().display().to_string();
    let output = quorate(place.path(), &["log", "verify", &log, "--document", "copy.txt"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("the log contains no request for a signature of copy.txt"));
}

/// Evidence about a request, under a checkpoint that everybody cosigned.
fn evidence(log: &TestLog, request: EntryId) -> Evidence {
    let checkpoint = log.checkpoint(&EVERYBODY).to_string();
    Evidence::new(request, Some(&package()), checkpoint, log.entries.clone())
}

fn anchor(ivn: IvnId) -> Anchor {
    Anchor { ivn: Some(ivn), log_key: None }
}

#[test]
fn evidence_is_checked_offline_with_nothing_but_the_ivns_id() {
    let (log, request) = signed();
    let place = place();
    write(place.path(), "evidence", &evidence(&log, request).to_bytes());
    let ivn = log.state.ivn().to_string();
    let line = ["verify", "copy.txt", "--evidence", "evidence", "--ivn", &ivn, "--page", "p.html"];
    let output = quorate(place.path(), &line);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("✓ copy.txt was approved by ada ("), "{said}");

    let page = fs::read_to_string(place.path().join("p.html")).unwrap();
    assert!(page.contains("&lt;script&gt;alert(&#39;no&#39;)"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    for shown in [&request.to_string(), &ivn, "copy.txt", "contract.txt", "ben", "rejected: "] {
        assert!(page.contains(shown), "{shown:?} is not in: {page}");
    }

    let output = quorate(place.path(), &["verify", "--evidence", "evidence"]);
    assert_eq!(output.status.code(), Some(9), "{}", text(&output));
    assert!(text(&output).contains("Whose log this is has not been checked"));
}

#[test]
fn a_page_never_replaces_what_it_is_about() {
    let (log, request) = signed();
    let place = place();
    write(place.path(), "evidence", &evidence(&log, request).to_bytes());
    for input in ["copy.txt", "evidence"] {
        let before = fs::read(place.path().join(input)).unwrap();
        let line = ["verify", "copy.txt", "--evidence", "evidence", "--page", input, "--force"];
        let output = quorate(place.path(), &line);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("is the input itself"), "{}", text(&output));
        assert_eq!(fs::read(place.path().join(input)).unwrap(), before);
    }
}

#[test]
fn evidence_without_the_document_needs_it() {
    let (log, request) = signed();
    let place = place();
    let bytes = evidence(&log, request).without_document().to_bytes();
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("\"document\""));
    write(place.path(), "evidence", &bytes);
    let ivn = log.state.ivn().to_string();
    let output = quorate(place.path(), &["verify", "--evidence", "evidence", "--ivn", &ivn]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let line = ["verify", "copy.txt", "--evidence", "evidence", "--ivn", &ivn];
    let output = quorate(place.path(), &line);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn evidence_shows_nothing_about_another_document_log_or_request() {
    let (log, request) = signed();
    let ivn = log.state.ivn();
    let genuine = evidence(&log, request);
    assert!(genuine.verify(None, &anchor(ivn)).is_ok());
    let refused = |evidence: &Evidence, document: Option<&[u8]>, ivn| {
        evidence.verify(document, &anchor(ivn)).unwrap_err().message
    };
    let said = refused(&genuine, Some(b"another contract"), ivn);
    assert!(said.contains("about a different document"), "{said}");
    let other = TestLog::of_three_elsewhere().state.ivn();
    assert!(refused(&genuine, None, other).contains("does not hold"));
    let said = refused(&evidence(&log, EntryId::new([1; 32])), None, ivn);
    assert!(said.contains("does not contain the request"), "{said}");
}

#[test]
fn evidence_from_which_an_entry_was_left_out_does_not_hold() {
    let (log, request) = signed();
    let json: serde_json::Value =
        serde_json::from_slice(&evidence(&log, request).to_bytes()).unwrap();
    for left_out in 0..log.entries.len() {
        let mut changed = json.clone();
        changed["entries"].as_array_mut().unwrap().remove(left_out);
        let changed = Evidence::from_bytes(changed.to_string().as_bytes()).unwrap();
        assert!(changed.verify(None, &anchor(log.state.ivn())).is_err(), "entry {left_out}");
    }
}

#[test]
fn evidence_with_a_forged_decision_does_not_hold() {
    let (log, request) = rejected();
    let mut forged = TestLog::with_key();
    let theirs = forged.asks("ada", package().commitment());
    forged.by("ben", Body::Approval { request: theirs });
    let json = evidence(&log, request).to_bytes();
    let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let last = json["entries"].as_array().unwrap().len() - 2;
    let approval = serde_json::to_value(Base64(forged.entries.last().unwrap().clone())).unwrap();
    json["entries"][last] = approval;
    let changed = Evidence::from_bytes(json.to_string().as_bytes()).unwrap();
    let problem = changed.verify(None, &anchor(log.state.ivn())).unwrap_err();
    assert!(problem.message.contains("does not hold"), "{problem}");
}

#[test]
fn a_copied_log_is_shown_by_request_account_kind_group_and_time() {
    let (log, request) = signed();
    let (directory, place) = (published(&log), place());
    let directory = directory.path().display().to_string();
    let indexes = |filters: &[&str]| {
        let output =
            quorate(place.path(), &[&["log", "show", &directory, "--json"], filters].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let entries = view["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let last = log.entries.len() as u64 - 1;
    let about = [last - 3, last - 2, last - 1, last];
    assert_eq!(indexes(&["--request", &request.to_string()]), about);
    assert_eq!(indexes(&["--kind", "approval"]), [last - 1]);
    assert_eq!(indexes(&["--request", &request.short(), "--account", "cyd"]), [last - 2]);
    assert!(indexes(&["--group", "board"]).ends_with(&about));
    // Probably a typing error, which must not look like an answer.
    let nothing = quorate(place.path(), &["log", "show", &directory, "--group", "desk"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing).contains("matches these options"), "{}", text(&nothing));
    assert_eq!(indexes(&["--all"]).len() as u64, last + 1);
    assert!((indexes(&["--limit", "1000"]).len() as u64) < last + 1);
    assert_eq!(indexes(&["--limit", "2"]), [last - 1, last]);
    // The clocks of this log began to run in 1970.
    assert_eq!(indexes(&["--since", "1970-01-02", "--all"]), [0; 0]);
    assert_eq!(indexes(&["--until", "1970-01-01", "--limit", "2"]), [last - 1, last]);
    let beyond = quorate(place.path(), &["log", "show", &directory, "--first", "999"]);
    assert_eq!(beyond.status.code(), Some(2));
    assert!(text(&beyond).contains(&format!("(0 to {last})")), "{}", text(&beyond));
}

#[test]
fn a_damaged_copy_of_a_log_is_not_shown() {
    let (log, _) = signed();
    let (directory, place) = (published(&log), place());
    fs::write(directory.path().join("checkpoint"), "x").unwrap();
    let directory = directory.path().display().to_string();
    let output = quorate(place.path(), &["log", "show", &directory]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
}
