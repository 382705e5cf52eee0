//! Audits of logs that only the fold's own tests can make: with faults that it does not admit, and with changes of groups.

use quorate_log::checkpoint::{CosignerSet, VerifiedCheckpoint};
use quorate_log::key::{CosignerSigner, LogSigner, Seed};

use super::*;
use crate::chronicle::{Chronicle, board, name, session};
use crate::statement::Role;

#[test]
fn a_key_that_somebody_did_not_certify_is_a_fault_whatever_the_fold_admits() {
    let log = Chronicle::keyed();
    let (mut auditor, _) = Auditor::found(&log.entries[0]).unwrap();
    for bytes in &log.entries[1..] {
        for (_, session) in auditor.sessions.values_mut() {
            session.certified_by.retain(|account| *account != name("cyd"));
        }
        auditor.add(bytes, &mut NoDocuments);
    }
    let index = log.entries.len() as u64 - 1;
    let missing = Fault::Certification { index, group: board(), account: name("cyd") };
    assert_eq!(auditor.faults, [missing]);
}

/// The log's checkpoint, cosigned by these.
fn checkpoint(log: &Chronicle, cosigners: &[&str]) -> VerifiedCheckpoint {
    let mut frontier = Frontier::default();
    log.entries.iter().for_each(|entry| frontier.append(leaf_hash(entry)));
    let origin = log.state.origin();
    let signer = LogSigner::new(origin.parse().unwrap(), Seed::new(Box::new([1; 32])));
    let mut checkpoint = signer.sign(frontier.head());
    for account in cosigners {
        let seed = Seed::new(Box::new(*log.secrets(account).cosigner.seed()));
        let cosigner = CosignerSigner::new(format!("{origin}/{account}").parse().unwrap(), seed);
        let line = cosigner.cosign(&checkpoint, 1_700_000_100.try_into().unwrap());
        let one = CosignerSet::new([cosigner.verifier().clone()]).unwrap();
        checkpoint.add_cosignature(&one, line).unwrap();
    }
    checkpoint
}

fn audited(log: &Chronicle, cosigners: &[&str]) -> AuditReport {
    let checkpoint = checkpoint(log, cosigners);
    let entries = log.entries.iter().cloned();
    replay(entries, checkpoint.as_signed(), &Anchor::default(), &mut NoDocuments).unwrap()
}

/// A board of ada, ben and cyd, two of whom sign; dan and eve could join.
fn before() -> Chronicle {
    let mut log = Chronicle::keyed();
    for account in ["dan", "eve"] {
        log.invite(account, Role::Member);
        log.join(account).unwrap();
    }
    log
}

/// Cyd, dan and eve are the board: proposed by cyd and approved by ada. Ben knows nothing of it.
fn changed() -> Chronicle {
    let mut log = before();
    let after = log.board_of(&["cyd", "dan", "eve"], 2);
    let change = log.proposes("cyd", after).unwrap();
    log.approves("ada", change).unwrap();
    log.carry_out(change, session(2));
    log
}

fn handed_over(log: &mut Chronicle, checkpoint: &str) -> Result<Vec<crate::state::Event>, Invalid> {
    let checkpoint = checkpoint.to_owned();
    log.coordinator_says(Body::HandedOver { group: board(), epoch: 2, checkpoint })
}

/// Cyd, one of two who sign, is in league with the coordinator and cosigns both.
#[test]
fn a_change_that_was_kept_from_members_makes_no_log_final() {
    let (with, without) = (changed(), before());
    let report = audited(&with, &["cyd", "dan", "eve"]);
    assert_eq!((report.verdict, report.groups[0].is_final), (Verdict::NotFinal, false));
    let handover = &report.groups[0].handovers[0];
    assert_eq!((handover.epoch, handover.needed, handover.confirmed), (2, 3, false));
    assert_eq!(handover.cosigned_by, [name("cyd")]);
    let said = report.lines().join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("too few are known to have seen it begin: cyd (1 of 3 needed)"),
        "{said}"
    );
    assert_eq!(audited(&without, &["ada", "ben", "cyd"]).verdict, Verdict::Final);
    // Only if ben and ada have seen it.
    let all = ["ada", "ben", "cyd", "dan", "eve"];
    assert_eq!(audited(&with, &all).verdict, Verdict::Final);
}

#[test]
fn who_has_left_confirms_a_change_for_good() {
    let mut log = changed();
    let few = checkpoint(&log, &["ada", "cyd", "dan", "eve"]).to_string();
    assert_eq!(handed_over(&mut log, &few), Err(Invalid::Checkpoint));
    let enough = checkpoint(&log, &["ada", "ben", "cyd", "dan"]).to_string();
    assert_eq!(handed_over(&mut log, &enough), Ok(vec![]));
    let again = Invalid::NoHandover { group: board(), epoch: 2 };
    assert_eq!(handed_over(&mut log, &enough), Err(again));
    log.wait(1);
    log.says("ada", Body::AccountRemoved { account: name("ben") }).unwrap();
    let report = audited(&log, &["cyd", "dan", "eve"]);
    assert_eq!((report.verdict, report.faults.as_slice()), (Verdict::Final, &[][..]));
    assert!(report.groups[0].handovers[0].confirmed);
    let said = report.lines();
    assert!(said.contains(&"  Enough of the members before epoch 2 saw it begin.".to_owned()));
}

#[test]
fn a_change_is_confirmed_by_the_keys_that_its_members_had_then() {
    let mut log = changed();
    log.wait(1);
    log.replace_keys("ben", "new").unwrap();
    // Ada is an admin. The keys that she gave to ben's account say nothing of what ben saw.
    let forged = checkpoint(&log, &["ada", "ben", "cyd", "dan", "eve"]);
    assert_eq!(handed_over(&mut log, &forged.to_string()), Err(Invalid::Checkpoint));
    let report = audited(&log, &["ada", "ben", "cyd", "dan", "eve"]);
    assert_eq!(report.verdict, Verdict::NotFinal);
    assert_eq!(report.groups[0].handovers[0].cosigned_by, [name("ada"), name("cyd")]);
}

#[test]
fn a_checkpoint_from_before_a_change_confirms_nothing() {
    let earlier = checkpoint(&before(), &["ada", "ben", "cyd"]).to_string();
    assert_eq!(handed_over(&mut changed(), &earlier), Err(Invalid::Checkpoint));
}

#[test]
fn cosignatures_of_another_log_confirm_no_change() {
    let mut other = changed();
    other.wait(7);
    other.invite("fay", Role::Member);
    let mut log = changed();
    log.invite("fay", Role::Member);
    assert_eq!(log.entries.len(), other.entries.len());
    assert_ne!(log.entries.last(), other.entries.last());
    let elsewhere = checkpoint(&other, &["ada", "ben", "cyd"]).to_string();
    // The fold does not know the tree. The auditor does.
    handed_over(&mut log, &elsewhere).unwrap();
    let index = log.entries.len() as u64 - 1;
    let report = audited(&log, &["cyd", "dan", "eve"]);
    assert_eq!(report.faults, [Fault::OtherHandover { index, group: board() }]);
    assert_eq!(report.verdict, Verdict::Failed);
}

#[test]
fn new_shares_for_the_same_members_need_no_confirmation() {
    let mut log = before();
    log.change(&["cyd", "ben", "ada"], 2, session(2));
    assert!(log.group().handovers.is_empty());
    assert_eq!(audited(&log, &["ada", "ben", "cyd"]).verdict, Verdict::Final);
}
