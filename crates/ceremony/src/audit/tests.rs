//! Audits of logs with changes of groups, and of logs with faults that the fold does not admit,
//! which only its own tests can make.

use super::replay::Auditor;
use super::*;
use crate::document::NoDocuments;
use crate::entry::{Body, GroupChange, Role};
use crate::state::Refusal;
use crate::state::refusal::Confirmations;
use crate::test_world::{TestLog, board, name, refused, session};

#[test]
fn a_key_that_a_participant_did_not_certify_is_a_fault() {
    let log = TestLog::keyed();
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

fn audited(log: &TestLog, cosigners: &[&str]) -> AuditReport {
    let checkpoint = log.checkpoint(cosigners);
    let entries = log.entries.iter().cloned();
    replay(entries, checkpoint.as_signed(), &Anchor::default(), &mut NoDocuments).unwrap()
}

/// A board of ada, ben and cyd, two of whom sign. Dan and eve could join.
fn before() -> TestLog {
    let mut log = TestLog::keyed();
    for account in ["dan", "eve"] {
        log.admits(account, Role::Member);
    }
    log
}

/// Cyd proposed a board of cyd, dan and eve, and ada approved. Ben does not know of it.
fn changed() -> TestLog {
    let mut log = before();
    let after = log.board_of(&["cyd", "dan", "eve"], 2);
    let change = log.proposes("cyd", after).unwrap();
    log.approves("ada", change).unwrap();
    log.carry_out(change, session(2));
    log
}

fn change_confirmed(
    log: &mut TestLog,
    checkpoint: &str,
) -> Result<Vec<crate::state::Event>, Refusal> {
    let checkpoint = checkpoint.to_owned();
    log.coordinator_says(Body::ChangeConfirmed { group: board(), epoch: 2, checkpoint })
}

/// Cyd, one of the two signers, colludes with the coordinator and cosigns both.
#[test]
fn a_change_hidden_from_members_makes_no_log_final() {
    let (with, without) = (changed(), before());
    let report = audited(&with, &["cyd", "dan", "eve"]);
    assert_eq!((report.verdict, report.groups[0].is_final), (Verdict::NotFinal, false));
    let confirmation = &report.groups[0].confirmations[0];
    assert_eq!((confirmation.epoch, confirmation.needed, confirmation.confirmed), (2, 3, false));
    assert_eq!(confirmation.cosigned_by, [name("cyd")]);
    assert_eq!(audited(&without, &["ada", "ben", "cyd"]).verdict, Verdict::Final);
    // The log is final only if ben and ada have cosigned it.
    let all = ["ada", "ben", "cyd", "dan", "eve"];
    assert_eq!(audited(&with, &all).verdict, Verdict::Final);
}

#[test]
fn a_change_that_was_agreed_on_needs_no_confirmation() {
    let log = changed();
    let epoch_started = log.group().confirmations[0].index;
    let mut report = audited(&log, &["cyd", "dan", "eve"]);
    report.agree_up_to(epoch_started);
    assert_eq!(report.verdict, Verdict::NotFinal, "it was agreed on what was before the change");
    report.agree_up_to(epoch_started + 1);
    assert_eq!((report.verdict, report.groups[0].is_final), (Verdict::Final, true));
    let confirmation = &report.groups[0].confirmations[0];
    assert!(confirmation.agreed && !confirmation.confirmed);
    assert_eq!((confirmation.epoch, confirmation.index), (2, epoch_started));
    let mut report = audited(&log, &["dan", "eve"]);
    report.agree_up_to(epoch_started + 1);
    assert_eq!(report.verdict, Verdict::NotFinal, "those after have to cosign it");
    report.faults.push(Fault::ConfirmsOtherLog { index: 0, group: board() });
    report.agree_up_to(epoch_started + 1);
    assert_eq!(report.verdict, Verdict::Failed);
}

#[test]
fn a_logged_confirmation_by_former_members_is_permanent() {
    let mut log = changed();
    let few = log.checkpoint(&["ada", "cyd", "dan", "eve"]).to_string();
    assert_eq!(change_confirmed(&mut log, &few), refused(Confirmations::Checkpoint));
    let enough = log.checkpoint(&["ada", "ben", "cyd", "dan"]).to_string();
    assert_eq!(change_confirmed(&mut log, &enough), Ok(vec![]));
    let again = Refusal::Confirmations(Confirmations::NoConfirmation { group: board(), epoch: 2 });
    assert_eq!(change_confirmed(&mut log, &enough), Err(again));
    log.wait(1);
    log.says("ada", Body::AccountRemoved { account: name("ben") }).unwrap();
    let report = audited(&log, &["cyd", "dan", "eve"]);
    assert_eq!((report.verdict, report.faults.as_slice()), (Verdict::Final, &[][..]));
    let confirmation = &report.groups[0].confirmations[0];
    assert_eq!((confirmation.epoch, confirmation.confirmed), (2, true));
}

#[test]
fn the_members_keys_before_a_change_confirm_it() {
    let mut log = changed();
    log.wait(1);
    log.replace_keys("ben", "new").unwrap();
    // Ada is an admin. The keys that she gave to ben's account prove nothing about what ben saw.
    let forged = log.checkpoint(&["ada", "ben", "cyd", "dan", "eve"]);
    assert_eq!(change_confirmed(&mut log, &forged.to_string()), refused(Confirmations::Checkpoint));
    let report = audited(&log, &["ada", "ben", "cyd", "dan", "eve"]);
    assert_eq!(report.verdict, Verdict::NotFinal);
    assert_eq!(report.groups[0].confirmations[0].cosigned_by, [name("ada"), name("cyd")]);
}

#[test]
fn a_checkpoint_from_before_a_change_confirms_nothing() {
    let earlier = before().checkpoint(&["ada", "ben", "cyd"]).to_string();
    assert_eq!(change_confirmed(&mut changed(), &earlier), refused(Confirmations::Checkpoint));
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
    let elsewhere = other.checkpoint(&["ada", "ben", "cyd"]).to_string();
    // The fold does not know the tree, but the auditor does.
    change_confirmed(&mut log, &elsewhere).unwrap();
    let index = log.entries.len() as u64 - 1;
    let report = audited(&log, &["cyd", "dan", "eve"]);
    assert_eq!(report.faults, [Fault::ConfirmsOtherLog { index, group: board() }]);
    assert_eq!(report.verdict, Verdict::Failed);
}

#[test]
fn a_refresh_needs_no_confirmation() {
    let mut log = before();
    log.change(&["cyd", "ben", "ada"], 2, session(2));
    assert!(log.group().confirmations.is_empty());
    assert_eq!(audited(&log, &["ada", "ben", "cyd"]).verdict, Verdict::Final);
}

/// A board of four, of whom two sign.
fn board_of_four() -> TestLog {
    let mut log = before();
    log.change(&["ada", "ben", "cyd", "dan"], 2, session(2));
    log
}

/// Ben's account gets new keys and, with ada's approval, his share.
fn replace_ben(log: &mut TestLog) {
    log.replace_keys("ben", "new").unwrap();
    let definition = log.group().definition.clone();
    let expires_at = log.now.plus(1_000_000);
    let repairs = Some(name("ben"));
    let body = Body::GroupChange(GroupChange {
        epoch: 2,
        definition,
        expires_at,
        repairs,
        retires: false,
    });
    let change = log.entry("cyd", body);
    log.enter(&change).unwrap();
    log.approves("ada", change.id()).unwrap();
    log.begin(session(3), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    log.certifies("ben").unwrap();
}

/// Cyd colludes with the coordinator. Dan, and ben with his earlier keys, see a log without the
/// change.
#[test]
fn a_member_with_replaced_keys_counts_as_a_new_member() {
    let mut without = board_of_four();
    let seen = without.checkpoint(&["ada", "ben", "cyd"]).to_string();
    change_confirmed(&mut without, &seen).unwrap();
    let mut with = board_of_four();
    change_confirmed(&mut with, &seen).unwrap();
    replace_ben(&mut with);

    assert_eq!(audited(&without, &["ben", "cyd", "dan"]).verdict, Verdict::Final);
    let report = audited(&with, &["ada", "ben", "cyd"]);
    assert_eq!((report.verdict, report.groups[0].cosigned_by.len()), (Verdict::NotFinal, 3));
    let [_, confirmation] = &*report.groups[0].confirmations else { panic!() };
    assert_eq!((&confirmation.repaired, confirmation.needed), (&Some(name("ben")), 3));
    assert_eq!(confirmation.cosigned_by, [name("ada"), name("cyd")]);
    assert!(!confirmation.confirmed);
    // The log is final only if dan has cosigned it.
    assert_eq!(audited(&with, &["ada", "ben", "cyd", "dan"]).verdict, Verdict::Final);
}

#[test]
fn changes_in_an_epoch_are_confirmed_by_their_previous_members() {
    let mut log = board_of_four();
    replace_ben(&mut log);
    let confirmed = |log: &TestLog| {
        let all = log.group().confirmations.iter();
        all.map(|confirmation| confirmation.confirmed.is_some()).collect::<Vec<_>>()
    };
    let seen = log.checkpoint(&["ada", "cyd", "dan"]).to_string();
    assert_eq!(change_confirmed(&mut log, &seen), Ok(vec![]));
    assert_eq!(confirmed(&log), [false, true], "before the first, dan was no member, and ben was");
    assert_eq!(change_confirmed(&mut log, &seen), refused(Confirmations::Checkpoint));

    let mut log = board_of_four();
    let earlier = log.checkpoint(&["ada", "ben", "cyd"]).to_string();
    replace_ben(&mut log);
    assert_eq!(change_confirmed(&mut log, &earlier), Ok(vec![]));
    assert_eq!(confirmed(&log), [true, false], "it is from before the second");
}

#[test]
fn a_member_that_rotated_its_keys_confirms_with_the_new_ones() {
    let rotated = || {
        let mut log = changed();
        let before = log.checkpoint(&["ada", "ben", "cyd"]).to_string();
        let rotation = log.rotation("ben", "ben", "new");
        log.enter(&rotation).unwrap();
        (log, before)
    };
    let (mut log, before) = rotated();
    assert_eq!(
        change_confirmed(&mut log, &before),
        Ok(vec![]),
        "and with the former ones before that"
    );
    let (mut log, _) = rotated();
    let former = log.checkpoint(&["ada", "ben", "cyd"]).to_string();
    assert_eq!(change_confirmed(&mut log, &former), refused(Confirmations::Checkpoint));
    log.keys_of.insert(name("ben"), "new".to_owned());
    let present = log.checkpoint(&["ada", "ben", "cyd"]).to_string();
    assert_eq!(change_confirmed(&mut log, &present), Ok(vec![]));
}

#[test]
fn the_others_confirm_shares_for_a_member_with_replaced_keys() {
    let mut log = before();
    log.replace_keys("ben", "new").unwrap();
    let change = log.proposes("ada", log.group().definition.clone()).unwrap();
    log.approves("cyd", change).unwrap();
    log.carry_out(change, session(2));
    let [confirmation] = &*log.group().confirmations else { panic!() };
    assert!(confirmation.members.keys().eq([&name("ada"), &name("cyd")]));
    assert_eq!(audited(&log, &["ada", "ben", "cyd"]).verdict, Verdict::NotFinal);
}
