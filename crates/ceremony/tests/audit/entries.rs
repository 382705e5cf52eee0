//! Entries that the log's rules do not admit, under checkpoints by the log's own key.

use quorate_ceremony::audit::{Anchor, Fault, NoIvn, replay};
use quorate_ceremony::document::NoDocuments;
use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::{Entries, Requests};

use super::{DOCUMENT, MESSAGE, audit, only_fault, signed_log};
use quorate_ceremony::test_world::{TestLog, name};

/// The index of the first entry of a kind, and the entry.
fn first(log: &TestLog, wanted: impl Fn(&Body) -> bool) -> (usize, Entry) {
    let entries = log.entries.iter().map(|bytes| Entry::from_bytes(bytes).unwrap());
    entries.enumerate().find(|(_, entry)| wanted(&entry.statement().body)).unwrap()
}

#[test]
fn entries_that_found_no_ivn_give_no_report() {
    let log = signed_log();
    let checkpoint = log.checkpoint(&[]);
    let replay = |entries: &[Vec<u8>]| {
        let entries = entries.to_vec();
        replay(entries, checkpoint.as_signed(), &Anchor::default(), &mut NoDocuments).map(|_| ())
    };
    assert_eq!(replay(&[]), Err(NoIvn::Empty));
    assert_eq!(
        replay(&log.entries[1..]),
        Err(NoIvn::Genesis(Refusal::Entries(Entries::NotGenesis)))
    );
    assert_eq!(
        replay(&[b"{}".to_vec()]),
        Err(NoIvn::Genesis(Refusal::Entries(Entries::Malformed)))
    );
}

#[test]
fn swapped_entries_are_inadmissible_even_under_a_new_checkpoint() {
    let mut log = signed_log();
    let (approval, _) = first(&log, |body| matches!(body, Body::Approval { .. }));
    log.entries.swap(approval, approval - 1);
    let report = audit(&log);
    let Fault::Inadmissible { index, reason } = only_fault(&report) else { panic!() };
    assert_eq!(*index, approval as u64 - 1);
    assert!(matches!(reason, Refusal::Requests(Requests::UnknownRequest { .. })), "{reason:?}");
}

#[test]
fn a_removed_entry_makes_one_after_it_inadmissible() {
    let genuine = signed_log();
    // Without the last entry, the signature, the log is a valid earlier one.
    for removed in 1..genuine.entries.len() - 1 {
        let mut log = TestLog::with_signature(DOCUMENT, MESSAGE).0;
        log.entries.remove(removed);
        let report = audit(&log);
        let Fault::Inadmissible { index, .. } = only_fault(&report) else {
            panic!("{removed}: {:?}", report.faults);
        };
        assert!(*index >= removed as u64);
    }
}

#[test]
fn a_forged_author_is_not_admissible() {
    let mut log = signed_log();
    let forged = Statement {
        ivn: Some(log.state.ivn()),
        author: Author::Account(name("ben")),
        at: log.now,
        seen: 0,
        body: Body::NodeStarted { incarnation: DOCUMENT },
    };
    let forged = Entry::sign(forged, &[&log.secrets("cyd").identity]).unwrap();
    log.entries.push(forged.to_bytes());
    let report = audit(&log);
    let index = log.entries.len() as u64 - 1;
    assert_eq!(
        only_fault(&report),
        &Fault::Inadmissible { index, reason: Refusal::Entries(Entries::Signature) }
    );
}

#[test]
fn an_entry_of_another_ivn_is_not_admissible() {
    let mut log = signed_log();
    let foreign =
        TestLog::founded_elsewhere().signed("ada", Body::NodeStarted { incarnation: DOCUMENT });
    log.entries.push(foreign.to_bytes());
    let report = audit(&log);
    assert!(matches!(
        only_fault(&report),
        Fault::Inadmissible { reason: Refusal::Entries(Entries::OtherIvn), .. }
    ));
}

#[test]
fn after_an_inadmissible_entry_the_rest_is_only_hashed() {
    let mut log = signed_log();
    let (index, _) = first(&log, |body| matches!(body, Body::EpochStarted { .. }));
    log.entries[index] = b"nonsense".to_vec();
    let report = audit(&log);
    let index = index as u64;
    assert_eq!(
        only_fault(&report),
        &Fault::Inadmissible { index, reason: Refusal::Entries(Entries::Malformed) }
    );
    assert_eq!((report.size, report.root), (report.checkpoint.size, report.checkpoint.root));
    assert_eq!(report.kinds.values().sum::<u64>(), index);
    assert!(report.signatures.is_empty());
}

#[test]
fn flipping_any_byte_is_noticed_under_a_new_checkpoint() {
    let log = signed_log();
    for index in 0..log.entries.len() {
        for position in (index % 7..log.entries[index].len()).step_by(7) {
            let mut entries = log.entries.clone();
            entries[index][position] ^= 1;
            let checkpoint = log.checkpoint(&[]);
            let report =
                replay(entries, checkpoint.as_signed(), &Anchor::default(), &mut NoDocuments);
            let noticed = match report {
                Err(_) => index == 0,
                Ok(report) => report.faults.iter().any(|fault| fault.index() == Some(index as u64)),
            };
            assert!(noticed, "entry {index}, byte {position}");
        }
    }
}
