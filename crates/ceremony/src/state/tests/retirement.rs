//! The retirement of a group: who decides on it, and what it ends.

use std::collections::BTreeSet;

use crate::entry::{Body, GroupChange, GroupDefinition};
use crate::names::EntryId;
use crate::state::refusal::{Changes, Groups, Requests};
use crate::state::{ChangeEnd, Event, Refusal, Status};
use crate::test_world::{HOUR, TestLog, board, name, refused, session, some};

/// Proposes to retire the group, whose definition is claimed to be this.
fn proposes(
    log: &mut TestLog,
    account: &str,
    definition: GroupDefinition,
) -> Result<EntryId, Refusal> {
    let epoch = log.group().key.as_ref().map_or(0, |key| key.epoch);
    let expires_at = log.now.plus(HOUR);
    let proposal = GroupChange { epoch, definition, expires_at, repairs: None, retires: true };
    let entry = log.entry(account, Body::GroupChange(proposal));
    log.enter(&entry).map(|_| entry.id())
}

#[test]
fn a_retired_group_signs_nothing_and_its_shares_are_owed() {
    let mut log = TestLog::keyed();
    let signed = log.requests("ada", log.request()).unwrap();
    log.approves("ben", signed).unwrap();
    log.signs(signed, &["ada", "ben"], 9).unwrap();
    log.wait(1);
    let approved = log.requests("ada", log.request()).unwrap();
    log.approves("ben", approved).unwrap();
    let open = log.requests("cyd", log.request()).unwrap();
    let key = log.group().key.as_ref().unwrap().public.clone();
    let definition = log.group().definition.clone();
    let retired = proposes(&mut log, "ada", definition.clone()).unwrap();
    assert_eq!(log.group().retirement().map(|it| it.id), None, "one of two is not enough");
    let events = log.approves("ben", retired).unwrap();
    let over = BTreeSet::from([approved, open]).into_iter().map(Event::RequestRejected);
    let last = [Event::GroupRetired(board())];
    let expected: Vec<_> = [Event::Change(board())].into_iter().chain(over).chain(last).collect();
    assert_eq!(events, expected);

    let group = log.group();
    assert_eq!(group.retirement().map(|it| it.id), Some(retired));
    assert_eq!(group.key.as_ref().unwrap().public, key, "what it signed can still be verified");
    assert_eq!(group.past_epochs[0].holders, some(&["ada", "ben", "cyd"]));
    let status = |id| log.state.request(id).unwrap().status.clone();
    assert!(matches!(status(signed), Status::Signed));
    assert_eq!((status(approved), status(open)), (Status::GroupRetired, Status::GroupRetired));

    log.wait(1);
    let gone = refused(Groups::Retired { group: board() });
    assert_eq!(log.requests("ada", log.request()), gone);
    assert_eq!(log.proposes("ada", log.board_of(&["ada", "ben"], 2)), gone);
    assert_eq!(proposes(&mut log, "ada", definition), gone);
    let late = refused(Requests::NotApproved { request: approved });
    assert_eq!(log.signs(approved, &["ada", "ben"], 10), late);
    let no_share = refused(Groups::NoShare { account: name("ben"), group: board() });
    assert_eq!(log.approves("ben", open), no_share);
    assert_eq!(log.approves("cyd", retired), refused(Requests::RequestOver { request: retired }));
    log.says("cyd", Body::ShareDestroyed { group: board(), epoch: 1 }).unwrap();
    let owed: Vec<_> = log.group().past_epochs[0].owed_by().cloned().collect();
    assert_eq!(owed, [name("ada"), name("ben")]);
}

#[test]
fn nobody_retires_a_group_alone() {
    let mut log = TestLog::keyed();
    log.admits("dan", crate::entry::Role::Admin);
    let definition = log.group().definition.clone();
    let stranger = proposes(&mut log, "dan", definition.clone()).unwrap();
    log.approves("ada", stranger).unwrap();
    assert!(log.group().retirement().is_none(), "an admin has no vote");
    log.refuses("ben", stranger).unwrap();
    log.refuses("cyd", stranger).unwrap();
    assert_eq!(log.group().past_changes[0].end, ChangeEnd::Rejected);
    assert!(log.group().retirement().is_none());

    let other = log.board_of(&["ada", "ben"], 2);
    assert_eq!(proposes(&mut log, "ada", other), refused(Changes::Retirement));
    log.change(&["ada", "ben", "cyd"], 3, session(2));
    let definition = log.group().definition.clone();
    let retired = proposes(&mut log, "ada", definition).unwrap();
    log.approves("ben", retired).unwrap();
    assert!(log.group().retirement().is_none(), "three have to approve now");
    log.approves("cyd", retired).unwrap();
    assert!(log.group().retirement().is_some());
}
