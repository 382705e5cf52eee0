//! Repairs: a member that lost its share gets it back, if the others want that.

use std::collections::BTreeSet;

use crate::chronicle::{Chronicle, HOUR, board, name, session};
use crate::names::{AccountName, EntryId};
use crate::signing::Subject;
use crate::state::{ChangeEnd, Event, Group, Health, Invalid, Unable};
use crate::statement::{AbortReason, Body, GroupChange, GroupDefinition, Role};

fn group(log: &Chronicle) -> &Group {
    log.state.group(&board()).unwrap()
}

fn some(names: &[&str]) -> BTreeSet<AccountName> {
    names.iter().map(|text| name(text)).collect()
}

/// Somebody proposes to give a member its share back.
fn proposes(log: &mut Chronicle, by: &str, member: &str) -> Result<EntryId, Invalid> {
    proposes_with(log, by, member, group(log).definition.clone())
}

fn proposes_with(
    log: &mut Chronicle,
    by: &str,
    member: &str,
    definition: GroupDefinition,
) -> Result<EntryId, Invalid> {
    let epoch = group(log).key.as_ref().map_or(0, |key| key.epoch);
    let expires_at = log.now.plus(HOUR);
    let repairs = Some(name(member));
    let entry =
        log.entry(by, Body::GroupChange(GroupChange { epoch, definition, expires_at, repairs }));
    log.enter(&entry).map(|_| entry.id())
}

/// The board of three; ben has lost his share and has other keys, and ada and cyd have approved that he gets it back.
fn approved() -> (Chronicle, EntryId) {
    let mut log = Chronicle::keyed();
    log.replace_keys("ben", "new").unwrap();
    let change = proposes(&mut log, "ada", "ben").unwrap();
    log.approves("cyd", change).unwrap();
    (log, change)
}

/// Has these sign a request that they have approved.
fn sign(log: &mut Chronicle, by: &[&str], number: u8) -> Result<(), Invalid> {
    let request = log.requests(by[0], log.request()).unwrap();
    log.approves(by[1], request)?;
    let signers = log.records(by, session(number), Subject::Request { request });
    let signature = log.signature();
    let body = Body::Signature { request, session: session(number), signature, signers };
    log.coordinator_says(body).map(drop)
}

#[test]
fn a_member_with_other_keys_gets_its_share_back_and_has_a_say_again() {
    let (mut log, _) = approved();
    let before = group(&log).key.clone().unwrap();
    let lost = log.package_of("ben").to_bytes();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    let events = log.certifies("ben").unwrap();
    assert_eq!(events, [Event::Change(board()), Event::ShareProved(board())]);
    assert_eq!(*log.package_of("ben").to_bytes(), *lost, "the one that he had");
    let after = group(&log).key.clone().unwrap();
    assert_eq!((after.epoch, after.session, after.index), (1, before.session, before.index));
    assert_eq!((&after.public, &after.identifiers), (&before.public, &before.identifiers));
    assert_eq!(group(&log).unable(&name("ben")), None);
    let proved = Health::Healthy { proved: log.now };
    assert!(group(&log).health(log.now).contains(&(&name("ben"), proved)));
    assert!(group(&log).ceremony.is_none() && group(&log).change.is_none());
    assert_eq!(group(&log).past_changes.last().unwrap().end, ChangeEnd::Repaired { epoch: 1 });
    log.wait(1);
    sign(&mut log, &["ben", "cyd"], 9).unwrap();
}

#[test]
fn it_takes_the_consents_of_others_as_for_a_change() {
    let mut log = Chronicle::keyed();
    log.replace_keys("ben", "new").unwrap();
    let change = proposes(&mut log, "ada", "ben").unwrap();
    assert_eq!(log.begin(session(2), 1), Err(Invalid::NotApproved { request: change }));
    let no_share = Invalid::NoShare { account: name("ben"), group: board() };
    assert_eq!(log.approves("ben", change).unwrap_err(), no_share);
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
}

#[test]
fn who_gets_a_share_back_has_no_say_in_that_whatever_keys_it_has() {
    // Ben lost his share and nothing else.
    let mut log = Chronicle::keyed();
    let change = proposes(&mut log, "ben", "ben").unwrap();
    assert!(group(&log).change.as_ref().unwrap().approvals.is_empty());
    assert_eq!(log.approves("ben", change), Err(Invalid::RequesterMayNotApprove));
    log.approves("ada", change).unwrap();
    assert_eq!(log.begin(session(2), 1), Err(Invalid::NotApproved { request: change }));
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
    let terms = &group(&log).ceremony.as_ref().unwrap().terms;
    assert_eq!(terms.dealers().cloned().collect::<BTreeSet<_>>(), some(&["ada", "cyd"]));
    assert_eq!(terms.recipients().collect::<Vec<_>>(), [&name("ben")]);
}

#[test]
fn a_repair_is_for_a_member_and_changes_nothing_else() {
    let mut log = Chronicle::keyed();
    log.invite("dan", Role::Member);
    log.join("dan").unwrap();
    let stranger = Invalid::Repair { account: name("dan") };
    assert_eq!(proposes(&mut log, "ada", "dan").unwrap_err(), stranger);
    let more = log.board_of(&["ada", "ben", "cyd"], 3);
    let refused = Invalid::Repair { account: name("ben") };
    assert_eq!(proposes_with(&mut log, "ada", "ben", more).unwrap_err(), refused);
    log.says("ada", Body::AccountSuspended { account: name("ben") }).unwrap();
    let suspended = Invalid::Suspended { account: name("ben") };
    assert_eq!(proposes(&mut log, "ada", "ben").unwrap_err(), suspended);
    log.says("ada", Body::AccountRemoved { account: name("ben") }).unwrap();
    let removed = Invalid::Removed { account: name("ben") };
    assert_eq!(proposes(&mut log, "ada", "ben").unwrap_err(), removed);
}

#[test]
fn too_few_who_can_help_repair_nothing() {
    let mut log = Chronicle::keyed();
    log.replace_keys("ben", "new").unwrap();
    log.says("ada", Body::AccountSuspended { account: name("cyd") }).unwrap();
    let few = Invalid::TooFewShares { group: board(), able: 1, needed: 2 };
    assert_eq!(proposes(&mut log, "ada", "ben").unwrap_err(), few);
}

#[test]
fn other_keys_in_the_middle_end_a_repair() {
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.replace_keys("ben", "newer").unwrap();
    assert!(group(&log).ceremony.is_none() && group(&log).change.is_none());
    let end = &group(&log).past_changes.last().unwrap().end;
    assert_eq!(*end, ChangeEnd::Void { account: name("ben") });
}

#[test]
fn a_helper_that_is_suspended_ends_the_session_and_not_the_repair() {
    let mut log = Chronicle::keyed();
    log.invite("dan", Role::Member);
    log.join("dan").unwrap();
    log.change(&["ada", "ben", "cyd", "dan"], 2, session(2));
    log.replace_keys("ben", "new").unwrap();
    let change = proposes(&mut log, "ada", "ben").unwrap();
    log.approves("cyd", change).unwrap();
    log.begin(session(3), 1).unwrap();
    log.says("ada", Body::AccountSuspended { account: name("dan") }).unwrap();
    let reason = AbortReason::RosterChanged { account: name("dan") };
    assert_eq!(group(&log).past.last().unwrap().reason, reason);
    log.begin(session(4), 2).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    log.certifies("ben").unwrap();
    assert_eq!(group(&log).unable(&name("dan")), Some(Unable::Suspended));
    assert_eq!(group(&log).unable(&name("ben")), None);
}

#[test]
fn only_the_recipient_certifies_and_only_what_the_messages_come_to() {
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    let stranger = Invalid::NotAMember { account: name("ada"), group: board() };
    assert_eq!(log.certifies("ada"), Err(stranger));
    let (transcript, _) = log.certificate();
    let other =
        Body::CeremonyCertified { session: session(2), transcript, public_key_package: transcript };
    log.says("ben", other).unwrap();
    let dissent = AbortReason::Dissent { dissenters: some(&["ben"]) };
    let body = Body::CeremonyAborted { session: session(2), reason: dissent.clone() };
    log.coordinator_says(body).unwrap();
    assert_eq!(group(&log).past_changes.last().unwrap().end, ChangeEnd::Failed(dissent));
    assert_eq!(group(&log).unable(&name("ben")), Some(Unable::Replaced));
}

#[test]
fn restarts_cost_a_repair_only_what_it_needs() {
    // A helper that dealt, and has not sent its sum.
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    log.start_node("ada", 2);
    assert!(log.certifies("ben").is_ok(), "helpers are not needed any more");

    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    log.start_node("ben", 2);
    assert_eq!(log.certifies("ben"), Err(Invalid::SessionStep), "its share was in memory only");
    let reason = AbortReason::Restarted { nodes: some(&["ben"]) };
    let body = Body::CeremonyAborted { session: session(2), reason };
    log.coordinator_says(body).unwrap();
    log.begin(session(3), 2).unwrap();
}

#[test]
fn no_record_activates_a_repaired_share() {
    let (mut log, _) = approved();
    log.begin(session(2), 1).unwrap();
    log.wait(1);
    log.repair(&["ada", "ben", "cyd"]);
    assert!(group(&log).activation(log.state.ivn()).is_none());
    let signature = crate::encoding::Base64(vec![0; 64]);
    let body = Body::EpochStarted { session: session(2), signature };
    assert_eq!(log.coordinator_says(body), Err(Invalid::SessionStep));
}

#[test]
fn new_shares_give_way_to_a_repair() {
    let mut log = Chronicle::keyed();
    let refresh = log.proposes("cyd", group(&log).definition.clone()).unwrap();
    log.wait(1);
    let repair = proposes(&mut log, "ada", "ben").unwrap();
    let past = group(&log).past_changes.last().unwrap();
    assert_eq!((past.id, &past.end), (refresh, &ChangeEnd::Replaced { by: repair }));
}

#[test]
fn a_helper_that_holds_a_repair_up_is_done_without_while_others_can_help() {
    let mut log = Chronicle::keyed();
    log.invite("dan", Role::Member);
    log.join("dan").unwrap();
    log.change(&["ada", "ben", "cyd", "dan"], 2, session(2));
    let change = proposes(&mut log, "ada", "ben").unwrap();
    log.approves("cyd", change).unwrap();
    let helpers = |log: &Chronicle| {
        let terms = &group(log).ceremony.as_ref().unwrap().terms;
        terms.dealers().cloned().collect::<BTreeSet<_>>()
    };
    for (number, left) in [(3, ["cyd", "dan"]), (4, ["ada", "cyd"])] {
        log.begin(session(number), u32::from(number) - 2).unwrap();
        if number == 4 {
            assert_eq!(helpers(&log), some(&left));
            break;
        }
        assert_eq!(helpers(&log), some(&["ada", "cyd", "dan"]));
        // Dan announces first, and says nothing more.
        log.announces("dan");
        log.announces("ada");
        log.announces("ben");
        let missing = group(&log).missing();
        assert_eq!(missing, some(&["ada", "dan"]));
        log.start_node("dan", 2);
        let reason = AbortReason::Restarted { nodes: some(&["dan"]) };
        let body = Body::CeremonyAborted { session: session(number), reason };
        log.coordinator_says(body).unwrap();
    }
}

#[test]
fn a_repair_ends_when_those_who_did_not_cheat_are_too_few() {
    let mut log = Chronicle::keyed();
    let change = proposes(&mut log, "ada", "ben").unwrap();
    log.approves("ada", change).unwrap_err();
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
    log.announces("cyd");
    log.posts("cyd", vec![9]).unwrap();
    let reason = AbortReason::Fault { culprits: some(&["cyd"]) };
    let body = Body::CeremonyAborted { session: session(2), reason: reason.clone() };
    log.coordinator_says(body).unwrap();
    assert_eq!(group(&log).past_changes.last().unwrap().end, ChangeEnd::Failed(reason));
}

#[test]
fn what_too_few_could_consent_to_is_not_even_proposed() {
    let mut definition = Chronicle::peopled().board_of_three();
    definition.policy.requester_may_approve = false;
    let mut log = Chronicle::keyed_with(definition);
    // Neither ada, who proposes, nor ben, who gets the share.
    let few = Invalid::TooFewVoters { group: board(), able: 1, needed: 2 };
    assert_eq!(proposes(&mut log, "ada", "ben").unwrap_err(), few);
    let change = proposes(&mut log, "ben", "ben").unwrap();
    log.approves("ada", change).unwrap();
    log.approves("cyd", change).unwrap();
    log.begin(session(2), 1).unwrap();
}
