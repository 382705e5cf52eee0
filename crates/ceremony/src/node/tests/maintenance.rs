//! The periodic tasks of a node, and its reaction to copies of itself.

use super::*;
use crate::entry::GroupChange;
use crate::node::maintenance::{PAUSE, PROVE_AFTER, RETRY, TURN};
use crate::policy::SHORTEST_REFRESH;
use crate::state::refusal::Entries;
use crate::state::{Event, Refusal};

/// When the node is to be woken up for maintenance.
fn wakes(effects: &[NodeEffect]) -> Option<Timestamp> {
    let wakes = effects.iter().filter_map(|effect| match effect {
        NodeEffect::SetDeadline(NodeDeadline::Upkeep, at) => Some(*at),
        _ => None,
    });
    wakes.last()
}

fn woken(bench: &mut Bench, at: Timestamp) -> Vec<NodeEffect> {
    bench.log.now = at;
    bench.tell(Input::Deadline(NodeDeadline::Upkeep))
}

/// Ben's node, announced in a group with this definition, and its effects at the start.
fn started(log: TestLog) -> (Bench, Vec<NodeEffect>) {
    let mut bench = Bench::new(log);
    let effects = bench.announce();
    (bench, effects)
}

fn activated(log: &TestLog) -> Timestamp {
    log.state.group(&board()).unwrap().key.as_ref().unwrap().activated
}

#[test]
fn a_node_proves_its_share_a_day_after_the_last_proof() {
    let (mut bench, _) = started(TestLog::keyed());
    let due = activated(&bench.log).plus(PROVE_AFTER);
    let effects = woken(&mut bench, Timestamp(due.0 - 1));
    assert!(stated(&effects).is_empty());
    assert_eq!(wakes(&effects), Some(due));
    let effects = woken(&mut bench, due);
    let [proof] = stated(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(bench.log.enter(proof), Ok(vec![Event::ShareProved(board())]));
    assert!(stated(&woken(&mut bench, due.plus(HOUR))).is_empty(), "it is on its way");
    bench.show();
    let next = due.plus(PROVE_AFTER);
    assert_eq!(wakes(&woken(&mut bench, Timestamp(next.0 - 1))), Some(next));
}

#[test]
fn a_corrected_clock_delays_no_task() {
    let (mut bench, _) = started(TestLog::keyed());
    let due = activated(&bench.log).plus(PROVE_AFTER);
    // A machine without a battery-backed clock before it has the time, and clocks that are wrong.
    for wrong in [Timestamp(0), Timestamp(due.0 - PROVE_AFTER), due.plus(30 * PROVE_AFTER)] {
        let before = wrong < due;
        let effects = woken(&mut bench, wrong);
        assert_eq!(wakes(&effects), Some(wrong.plus(PAUSE)), "whatever is due, an hour later");
        assert_eq!(stated(&effects).is_empty(), before);
        // The statements with the wrong time are rejected and forgotten.
        for entry in stated(&effects) {
            let (entry, reason) =
                (entry.id(), Refusal::Entries(Entries::ClockSkew { seconds: 99 }));
            bench.tell(Input::Received(FromCoordinator::Rejected { entry, reason }));
        }
        // An hour later the clock is right.
        let effects = woken(&mut bench, Timestamp(due.0 - 1));
        assert!(stated(&effects).is_empty());
        assert_eq!(wakes(&effects), Some(due));
    }
    assert_eq!(stated(&woken(&mut bench, due)).len(), 1);
}

#[test]
fn a_node_corrects_what_it_stated_with_a_wrong_clock() {
    let mut log = TestLog::keyed();
    log.follows = true;
    let right = log.now;
    log.wait(20 * PROVE_AFTER);
    let (mut bench, effects) = started(log);
    let [proof] = stated(&effects)[..] else { panic!("{effects:?}") };
    bench.log.enter(proof).unwrap();
    bench.show();
    bench.log.now = right.plus(1);
    let now = bench.log.now;
    assert!(stated(&woken(&mut bench, now)).is_empty(), "which of the two was wrong?");
    bench.receive(FromCoordinator::Presence { online: vec![], clock: now });
    let effects = woken(&mut bench, now);
    let [again] = stated(&effects)[..] else { panic!("{effects:?}") };
    bench.log.enter(again).unwrap();
    bench.show();
    assert_eq!(bench.log.state.account(&name("ben")).unwrap().stated, now);
    assert_eq!(wakes(&woken(&mut bench, now)), Some(now.plus(PAUSE)));
}

#[test]
fn a_node_that_was_off_for_long_proves_its_share_on_return() {
    let mut log = TestLog::keyed();
    log.wait(9 * PROVE_AFTER);
    let (mut bench, effects) = started(log);
    let [proof] = stated(&effects)[..] else { panic!("{effects:?}") };
    bench.log.enter(proof).unwrap();
}

#[test]
fn a_node_without_its_share_proves_nothing() {
    let mut log = TestLog::keyed();
    log.wait(9 * PROVE_AFTER);
    let disk = NodeDisk { packages: BTreeMap::new(), ..disk_after(&log) };
    let mut bench = Bench::on(disk, log);
    bench.announce();
    let now = bench.log.now;
    assert!(stated(&woken(&mut bench, now)).is_empty());
}

#[test]
fn members_propose_refreshes_in_turn_as_the_policy_requires() {
    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.governance.refresh_every = Some(SHORTEST_REFRESH);
    let (mut bench, _) = started(TestLog::keyed_with(definition.clone()));
    let due = activated(&bench.log).plus(SHORTEST_REFRESH).plus(TURN);
    let effects = woken(&mut bench, Timestamp(due.0 - 1));
    assert!(stated(&effects).is_empty());
    assert_eq!(wakes(&effects), Some(due));
    let effects = woken(&mut bench, due);
    let [refresh] = stated(&effects)[..] else { panic!("{effects:?}") };
    let expires_at = due.plus(definition.policy.rule.expiry);
    let proposal = GroupChange { epoch: 1, definition, expires_at, repairs: None, retires: false };
    assert_eq!(refresh.statement().body, Body::GroupChange(proposal));
    bench.log.enter(refresh).unwrap();
    bench.show();
    assert!(stated(&woken(&mut bench, due.plus(1))).is_empty(), "it is asked for");
    // A withdrawn refresh delays nothing.
    let change = bench.log.state.group(&board()).unwrap().change.as_ref().unwrap().id;
    bench.log.says("ben", Body::GroupChangeWithdrawn { change }).unwrap();
    bench.show();
    let effects = woken(&mut bench, due.plus(2));
    let [refresh] = stated(&effects)[..] else { panic!("{effects:?}") };
    bench.log.enter(refresh).unwrap();
    bench.show();
    // A refresh that expires because a member was absent is proposed again a day later.
    let lapses = bench.log.state.group(&board()).unwrap().change.as_ref().unwrap();
    let lapses = lapses.proposal.expires_at;
    let asks = |effects: &[NodeEffect]| {
        let is_change = |entry: &&Entry| matches!(entry.statement().body, Body::GroupChange(_));
        stated(effects).into_iter().filter(is_change).count()
    };
    bench.log.now = lapses.plus(1);
    bench.log.requests("cyd", bench.log.request()).unwrap();
    bench.show();
    assert_eq!(asks(&woken(&mut bench, lapses.plus(2))), 0);
    assert_eq!(asks(&woken(&mut bench, lapses.plus(RETRY))), 1);
}

#[test]
fn nobody_proposes_a_refresh_without_a_policy_that_requires_it() {
    let (mut bench, _) = started(TestLog::keyed());
    let late = activated(&bench.log).plus(99 * PROVE_AFTER);
    let effects = woken(&mut bench, late);
    assert!(!stated(&effects).iter().any(|e| matches!(e.statement().body, Body::GroupChange(_))));
}

#[test]
fn a_node_with_a_copy_states_that_and_signs_nothing() {
    let (mut bench, request) = Bench::approved();
    bench.log.follows = true;
    bench.give_document(request);
    bench.log.wait(1);
    bench.log.start_node("ben", 9);
    let effects = bench.show();
    assert!(bench.node.superseded());
    let [said] = stated(&effects)[..] else { panic!("{effects:?}") };
    bench.log.enter(said).unwrap();
    assert!(bench.log.state.account(&name("ben")).unwrap().duplicated);
    let effects = bench.invite(session(8), request);
    assert_eq!(declined(&effects), Some(DeclineReason::NotAnnounced));
    bench.show();
    // A second start of the copy is reported once.
    bench.log.wait(1);
    bench.log.start_node("ben", 10);
    assert_eq!(stated(&bench.show()).len(), 1);
    bench.log.wait(1);
    bench.log.requests("cyd", bench.log.request()).unwrap();
    assert!(stated(&bench.show()).is_empty());
}

#[test]
fn the_copy_stops_too_when_the_log_shows_that_there_are_two() {
    let (mut bench, request) = Bench::approved();
    bench.give_document(request);
    assert!(commits(&bench.invite(session(7), request)));
    let other = bench.log.state.account(&name("ben")).unwrap().incarnation.unwrap();
    let incarnation = TestLog::incarnation("ben", 1);
    bench.log.says("ben", Body::NodeDuplicated { incarnation, other }).unwrap();
    bench.show();
    assert!(!bench.node.superseded());
    let effects = bench.invite(session(8), request);
    assert_eq!(declined(&effects), Some(DeclineReason::NotAnnounced));
}

#[test]
fn a_late_start_of_an_earlier_process_of_this_disk_is_no_copy() {
    let mut log = TestLog::keyed();
    log.follows = true;
    // The earlier start was stated while this machine's clock was ahead.
    let now = log.now;
    log.wait(1_000);
    let earlier = Body::NodeStarted { incarnation: TestLog::incarnation("ben", 5) };
    let earlier = log.entry("ben", earlier);
    log.now = now;
    let disk = NodeDisk { outbox: vec![earlier.to_bytes()], ..disk_after(&log) };
    let mut bench = Bench::on(disk, log);
    bench.announce();
    bench.log.enter(&earlier).unwrap();
    let effects = bench.show();
    assert!(!bench.node.superseded());
    // This process is still the latest, and states so again.
    let [again] = stated(&effects)[..] else { panic!("{effects:?}") };
    bench.log.enter(again).unwrap();
    let incarnation = bench.log.state.account(&name("ben")).unwrap().incarnation;
    assert_eq!(again.statement().body, Body::NodeStarted { incarnation: incarnation.unwrap() });
}

#[test]
fn a_node_signs_nothing_before_its_start_is_logged() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let mut bench = Bench::new(log);
    bench.show();
    bench.give_document(request);
    let effects = bench.invite(session(7), request);
    assert_eq!(declined(&effects), Some(DeclineReason::NotAnnounced));
    bench.announce();
    bench.give_document(request);
    assert!(commits(&bench.invite(session(8), request)));
}

/// How often the holder of these keys states destroyed shares when it starts after `log`.
fn says_it_destroyed(log: &TestLog, keys: &str) -> usize {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut disk = disk_after(log);
    disk.packages = disk.packages.into_values().map(|package| (session(2), package)).collect();
    let node = restored(keys, BY_HAND, log, &disk, &mut rng);
    let effects = node.unwrap().start(log.now, &mut rng);
    let destroyed = |entry: &&&Entry| matches!(entry.statement().body, Body::ShareDestroyed { .. });
    stated(&effects).iter().filter(destroyed).count()
}

#[test]
fn a_retired_groups_share_is_destroyed_before_that_is_stated() {
    let mut log = TestLog::keyed();
    let definition = log.group().definition.clone();
    let expires_at = log.now.plus(HOUR);
    let proposal = GroupChange { epoch: 1, definition, expires_at, repairs: None, retires: true };
    let entry = log.entry("ada", Body::GroupChange(proposal));
    log.enter(&entry).unwrap();
    let mut bench = Bench::new(log);
    bench.show();
    assert!(bench.node.holds_share(&board()));
    bench.log.approves("cyd", entry.id()).unwrap();
    let effects = bench.show();
    let destroyed =
        |effect: &NodeEffect| matches!(effect, NodeEffect::Persist(NodeChange::ShareDestroyed(_)));
    let said = |effect: &NodeEffect| matches!(effect, NodeEffect::Send(FromNode::Submit { .. }));
    let position = |wanted: &dyn Fn(&NodeEffect) -> bool| effects.iter().position(wanted);
    assert!(position(&destroyed).unwrap() < position(&said).unwrap());
    assert!(matches!(stated(&effects)[0].statement().body, Body::ShareDestroyed { epoch: 1, .. }));
    assert!(!bench.node.holds_share(&board()));
}

#[test]
fn a_node_states_no_destruction_of_shares_under_former_keys() {
    let mut log = TestLog::keyed();
    log.change(&["ada", "ben", "cyd"], 2, session(2));
    assert_eq!(says_it_destroyed(&log, "ben"), 1);
    let mut log = TestLog::keyed();
    log.replace_keys("ben", "new").unwrap();
    log.change(&["ada", "ben", "cyd"], 2, session(2));
    assert_eq!(says_it_destroyed(&log, "new"), 0);
}

#[test]
fn a_doubled_node_neither_cosigns_nor_approves_automatically() {
    let mut definition = TestLog::peopled().board_of_three();
    definition.policy.rule.auto_approve = true;
    let mut log = TestLog::keyed_with(definition);
    log.follows = true;
    log.wait(1);
    let config = Config { auto_accept: false, auto_approve: true, log_key: None };
    let mut bench = Bench::with_config(config, disk_after(&log), log);
    bench.announce();
    let asks = |bench: &mut Bench| {
        bench.log.wait(1);
        let request = bench.log.requests("ada", bench.log.request()).unwrap();
        let mut effects = bench.show();
        effects.extend(bench.give_document(request));
        effects
    };
    let approves = |effects: &[NodeEffect]| {
        let is_one = |entry: &&Entry| matches!(entry.statement().body, Body::Approval { .. });
        stated(effects).into_iter().filter(|entry| is_one(entry)).count()
    };
    let effects = asks(&mut bench);
    assert_eq!((cosigns(&effects), approves(&effects)), (true, 1));
    bench.log.wait(1);
    bench.log.start_node("ben", 9);
    bench.show();
    let effects = asks(&mut bench);
    assert_eq!((cosigns(&effects), approves(&effects)), (false, 0));
}
