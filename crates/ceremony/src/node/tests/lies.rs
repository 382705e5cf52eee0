//! What a node keeps of lies, and what it believes in spite of them.

use super::*;
use crate::entry::{Entry, Role};
use crate::state::refusal::{Entries, Requests};
use crate::state::{Refusal, Status};

/// Another history of the same length.
fn board_again(bench: &mut Bench, other: &str) -> TestLog {
    let mut log = TestLog::keyed();
    log.requests("ada", log.request()).unwrap();
    log.wait(1);
    log.approves(other, *log.state.requests().keys().next().unwrap()).unwrap();
    log.start_node(other, 7);
    assert_eq!(log.state.size(), bench.log.state.size());
    log
}

fn log_message(first: usize, entries: &[Vec<u8>], checkpoint: String) -> FromCoordinator {
    FromCoordinator::Log {
        first: u64::try_from(first).unwrap(),
        entries: entries.iter().cloned().map(Base64).collect(),
        checkpoint: Some(checkpoint),
    }
}

#[test]
fn a_smaller_checkpoint_of_another_history_is_proved_by_the_nodes_own_tree() {
    let (mut bench, _) = Bench::approved();
    let origin = bench.log.state.origin();
    for size in [1, 5, bench.log.entries.len() - 1] {
        let (mut bench, _) = Bench::approved();
        let mut other = bench.log.entries[..size].to_vec();
        other.last_mut().unwrap().push(b' ');
        let effects = bench.receive(log_message(size, &[], checkpoint(&other, &origin)));
        let proof = proof_in(&effects).unwrap();
        let (older, newer) = (u64::try_from(size).unwrap(), bench.log.state.size());
        assert_eq!(bench.judge(&proof), Ok(Proved::Fork { older, newer }));
    }
    // Its own history at an earlier size says nothing.
    let old = checkpoint(&bench.log.entries[..5], &origin);
    let effects = bench.receive(log_message(5, &[], old));
    assert_eq!((proof_in(&effects), bench.node.trouble()), (None, None));
}

#[test]
fn a_larger_checkpoint_that_does_not_fit_is_kept_and_is_proof_once_the_tree_is_so_large() {
    let (mut bench, request) = Bench::approved();
    let mut other = board_again(&mut bench, "cyd");
    other.wait(1);
    other.requests("cyd", other.request()).unwrap();
    let theirs = checkpoint(&other.entries, &other.state.origin());
    let shown = log_message(bench.shown, &other.entries[bench.shown..], theirs.clone());
    let effects = bench.receive(shown);
    let kept = |e: &NodeEffect| matches!(e, NodeEffect::Persist(NodeChange::Unexplained(note)) if *note == theirs);
    assert!(effects.iter().any(kept));
    assert!(effects.iter().any(|effect| matches!(effect, NodeEffect::Disconnect)));
    assert!(
        matches!(bench.node.trouble(), Some(Contradiction::Unexplained { theirs: t, .. }) if *t == theirs)
    );
    assert_eq!(bench.node.state().size(), bench.log.state.size(), "nothing was believed");

    // Over a restart, and although the coordinator goes on as if nothing had been.
    let saved = Saved { unexplained: vec![theirs], ..saved(&bench.log) };
    let mut bench = Bench::with(bench.log, saved);
    bench.show();
    let effects = bench.invite(session(8), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Frozen));
    bench.log.wait(2);
    bench.log.requests("ada", bench.log.request()).unwrap();
    let effects = bench.show();
    let size = bench.log.state.size();
    let proved = bench.judge(&proof_in(&effects).unwrap());
    assert_eq!(proved, Ok(Proved::Fork { older: size, newer: size }));
    assert!(!effects.iter().any(|e| matches!(e, NodeEffect::Send(FromNode::Cosign { .. }))));
}

#[test]
fn what_does_not_fit_is_kept_once_and_not_without_end() {
    let (mut bench, _) = Bench::approved();
    let origin = bench.log.state.origin();
    let kept = |bench: &mut Bench, number: u8| {
        let other = [bench.log.entries.clone(), vec![vec![number]]].concat();
        let theirs = checkpoint(&other, &origin);
        let effects = bench.receive(log_message(bench.shown, &[b"another".to_vec()], theirs));
        effects
            .iter()
            .filter(|e| matches!(e, NodeEffect::Persist(NodeChange::Unexplained(_))))
            .count()
    };
    assert_eq!([1, 1, 2, 1].map(|number| kept(&mut bench, number)), [1, 0, 1, 0]);
    let more: usize = (3..=20).map(|number| kept(&mut bench, number)).sum();
    assert_eq!(more, 14);
}

#[test]
fn a_stored_proof_is_none_for_a_node_that_went_on_after_it() {
    let (mut bench, _) = Bench::approved();
    let origin = bench.log.state.origin();
    let garbage = b"no entry".to_vec();
    let all = [bench.log.entries.clone(), vec![garbage.clone()]].concat();
    let effects = bench.receive(log_message(bench.shown, &[garbage], checkpoint(&all, &origin)));
    let proof = proof_in(&effects).unwrap();
    assert_eq!(bench.node.misbehaviour(), Some(&proof));
    bench.log.wait(1);
    bench.log.requests("ada", bench.log.request()).unwrap();
    let saved = Saved { misbehaviour: vec![proof.to_json()], ..saved(&bench.log) };
    assert_eq!(Bench::with(bench.log, saved).node.trouble(), None);
}

#[test]
fn a_stored_log_that_is_not_the_cosigned_one_is_not_started_from() {
    let (bench, _) = Bench::approved();
    let (entries, origin) = (&bench.log.entries, bench.log.state.origin());
    let mut other = entries.clone();
    other.last_mut().unwrap().push(b' ');
    let longer = [entries.clone(), vec![b"lost".to_vec()]].concat();
    let restored = |cosigned: &[Vec<u8>]| {
        let cosigned = Some(checkpoint(cosigned, &origin));
        let saved = Saved { cosigned, ..saved(&bench.log) };
        let config = Config { auto_accept: false, auto_approve: false };
        let (ivn, mut rng) = (bench.log.state.ivn(), ChaCha20Rng::seed_from_u64(1));
        Node::restore(name("ben"), secrets("ben"), config, ivn, saved, &mut rng).err()
    };
    assert_eq!([&entries[..], &entries[..5]].map(restored), [None, None]);
    let damage = Some(crate::node::RestoreError::Cosigned);
    assert_eq!([&other[..], &longer[..]].map(restored), [damage, damage]);
}

#[test]
fn a_checkpoint_that_turns_out_right_is_forgiven() {
    let (mut bench, request) = Bench::approved();
    bench.log.wait(1);
    bench.log.requests("ada", bench.log.request()).unwrap();
    let right = checkpoint(&bench.log.entries, &bench.log.state.origin());
    // Right, but with another entry than it is of.
    let wrong = vec![bench.log.entries[3].clone()];
    bench.receive(log_message(bench.shown, &wrong, right.clone()));
    assert!(matches!(bench.node.trouble(), Some(Contradiction::Unexplained { .. })));
    bench.tell(Input::Disconnected);
    bench.tell(Input::Connected);
    let effects = bench.show();
    let explained = |e: &NodeEffect| matches!(e, NodeEffect::Persist(NodeChange::Explained(note)) if *note == right);
    assert!(effects.iter().any(explained));
    assert_eq!(bench.node.trouble(), None);
    bench.give_document(request);
    assert!(commits(&bench.invite(session(8), request)));
}

#[test]
fn an_inadmissible_entry_under_a_checkpoint_is_proof_and_what_came_before_it_stays() {
    let (mut bench, request) = Bench::approved();
    let before = bench.log.state.size();
    bench.log.wait(1);
    bench.log.requests("cyd", bench.log.request()).unwrap();
    let forged = bench.log.entry("out", Body::Approval { request });
    let after = bench.log.entry("ada", Body::Approval { request });
    let mut shown = bench.log.entries[bench.shown..].to_vec();
    shown.extend([forged.to_bytes(), after.to_bytes()]);
    let all = [bench.log.entries[..bench.shown].to_vec(), shown.clone()].concat();
    let origin = bench.log.state.origin();
    let effects = bench.receive(log_message(bench.shown, &shown, checkpoint(&all, &origin)));

    assert_eq!(bench.node.state().size(), before + 1);
    let stored = effects.iter().find_map(|effect| match effect {
        NodeEffect::Persist(NodeChange::Entries { first, entries }) => {
            Some((*first, entries.len()))
        }
        _ => None,
    });
    assert_eq!(stored, Some((before, 1)));
    assert!(!effects.iter().any(|e| matches!(e, NodeEffect::Send(FromNode::Cosign { .. }))));
    let proof = proof_in(&effects).unwrap();
    let Ok(Proved::Inadmissible { index, .. }) = bench.judge(&proof) else { panic!() };
    assert_eq!(index, before + 1);

    let invited = bench.invite(session(8), request);
    assert_eq!(declined(&invited), Some(DeclineReason::Frozen));
    let saved = Saved { misbehaviour: vec![proof.to_json()], ..saved(&bench.log) };
    let mut bench = Bench::with(bench.log, saved);
    let invited = bench.invite(session(8), request);
    assert_eq!(declined(&invited), Some(DeclineReason::Frozen));

    // Without the entries before it, or with others, it proves nothing.
    let key = bench.log.state.genesis().log_key.0;
    let key = LogVerifier::new(origin.parse().unwrap(), &key).unwrap();
    let judge = |entries: Vec<Vec<u8>>| proof.verify(&key, entries, &mut Contract);
    let whole = bench.log.entries.clone();
    assert_eq!(judge(whole[..3].to_vec()), Err(NotProved::NeedsLog { index }));
    let other = board_again(&mut Bench::approved().0, "cyd");
    let swapped = [other.entries, vec![whole.last().unwrap().clone()]].concat();
    assert_eq!(judge(swapped), Err(NotProved::OtherLog));
}

#[test]
fn what_is_no_entry_at_all_is_proof_under_a_checkpoint_and_nothing_without() {
    let (mut bench, _) = Bench::approved();
    let origin = bench.log.state.origin();
    let garbage = b"no entry".to_vec();
    let all = [bench.log.entries.clone(), vec![garbage.clone()]].concat();
    let effects = bench.receive(log_message(bench.shown, &[garbage], checkpoint(&all, &origin)));
    let proved = bench.judge(&proof_in(&effects).unwrap());
    let index = bench.log.state.size();
    assert_eq!(
        proved,
        Ok(Proved::Inadmissible { index, reason: Refusal::Entries(Entries::Malformed) })
    );
}

#[test]
fn a_signature_that_does_not_verify_is_proof_for_whoever_has_the_document() {
    let (mut bench, request) = Bench::approved();
    bench.give_document(request);
    let subject = Subject::Request { request };
    let records = bench.log.records(&["ada", "ben"], session(7), subject);
    let signature = bench.log.false_signature();
    bench.log.wait(1);
    let body = Body::Signature { request, session: session(7), signature, signers: records };
    let before = bench.log.entries.clone();
    bench.log.coordinator_says(body).unwrap();
    let effects = bench.show();
    let proof = proof_in(&effects).unwrap();
    let index = u64::try_from(before.len()).unwrap();
    assert_eq!(bench.judge(&proof), Ok(Proved::FalseSignature { index, request }));
    assert_eq!(bench.node.state().request(request).unwrap().status, Status::Approved);

    // It stays proof over a restart, where the document is not at hand.
    bench.log = TestLog::keyed();
    bench.log.requests("ada", bench.log.request()).unwrap();
    bench.log.approves("ben", request).unwrap();
    bench.log.enter(&Entry::from_bytes(before.last().unwrap()).unwrap()).unwrap();
    let saved = Saved { misbehaviour: vec![proof.to_json()], ..saved(&bench.log) };
    let bench = Bench::with(bench.log, saved);
    let false_signature = Contradiction::Misbehaviour(Proved::FalseSignature { index, request });
    assert_eq!(bench.node.trouble(), Some(&false_signature));
}

#[test]
fn a_stored_proof_that_proves_nothing_is_damage_and_no_accusation() {
    let (mut bench, _) = Bench::approved();
    let origin = bench.log.state.origin();
    let garbage = b"no entry".to_vec();
    let all = [bench.log.entries.clone(), vec![garbage.clone()]].concat();
    let effects = bench.receive(log_message(bench.shown, &[garbage], checkpoint(&all, &origin)));
    let text = proof_in(&effects).unwrap().to_json();
    let index = bench.log.entries.len();
    let moved = text.replace(&format!("\"index\":{index}"), &format!("\"index\":{}", index - 1));
    assert_ne!(text, moved);
    let misbehaviour = vec![moved];
    // The node that stored it has that many entries and no more.
    let mut entries = bench.log.entries.clone();
    entries.pop();
    let saved = Saved { misbehaviour, entries, ..saved(&bench.log) };
    let config = Config { auto_accept: false, auto_approve: false };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let ivn = bench.log.state.ivn();
    let restored = Node::restore(name("ben"), secrets("ben"), config, ivn, saved, &mut rng);
    assert_eq!(restored.err(), Some(crate::node::RestoreError::Misbehaviour));
}

/// An approval of ben for a new request of ada, which the coordinator says it does not take.
fn disputed() -> (Bench, EntryId, Entry, Vec<NodeEffect>) {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let saved = saved(&log);
    let mut bench = Bench::with(log, saved);
    bench.announce();
    bench.tell(Input::Command(CommandId(1), Command::Approve(request)));
    let stated = bench.give_document(request);
    let approval = stated
        .iter()
        .find_map(|effect| match effect {
            NodeEffect::Persist(NodeChange::OutboxAdd(entry)) => Some(entry.clone()),
            _ => None,
        })
        .unwrap();
    let reason = Refusal::Requests(Requests::RequestOver { request });
    let effects = bench.receive(FromCoordinator::Rejected { entry: approval.id(), reason });
    (bench, request, approval, effects)
}

fn removes(effects: &[NodeEffect], id: EntryId) -> bool {
    effects.iter().any(
        |e| matches!(e, NodeEffect::Persist(NodeChange::OutboxRemove(removed)) if *removed == id),
    )
}

#[test]
fn a_statement_lives_until_the_log_itself_shows_that_it_can_not_come() {
    let (mut bench, request, approval, effects) = disputed();
    assert!(!removes(&effects, approval.id()));
    assert!(
        effects.iter().any(|e| matches!(e, NodeEffect::Respond(_, Err(CommandError::NotTaken(_)))))
    );
    assert_eq!(bench.node.disputed().map(Entry::id).collect::<Vec<_>>(), [approval.id()]);
    // Said again, it is the same statement.
    let again = bench.tell(Input::Command(CommandId(2), Command::Approve(request)));
    assert!(!again.iter().any(|e| matches!(e, NodeEffect::Persist(_))), "{again:?}");

    // The request is decided without it: now it is void, by ben's own reading.
    bench.log.approves("cyd", request).unwrap();
    let records = bench.log.records(&["ada", "cyd"], session(7), Subject::Request { request });
    let signature = bench.log.signature();
    let body = Body::Signature { request, session: session(7), signature, signers: records };
    bench.log.coordinator_says(body).unwrap();
    let effects = bench.show();
    assert_eq!(proof_in(&effects), None);
    assert!(removes(&effects, approval.id()));
    assert_eq!(bench.node.disputed().count(), 0);
}

#[test]
fn a_statement_that_the_log_does_not_admit_either_is_let_go_at_once() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("cyd", request).unwrap();
    let saved = saved(&log);
    let mut bench = Bench::with(log, saved);
    bench.show();
    let reject = Command::Reject { request, reason: "no".to_owned() };
    let effects = bench.tell(Input::Command(CommandId(1), reject));
    let refusal = effects.iter().find_map(|effect| match effect {
        NodeEffect::Persist(NodeChange::OutboxAdd(entry)) => Some(entry.id()),
        _ => None,
    });
    let entry = refusal.unwrap();
    let reason = Refusal::Requests(Requests::RequestOver { request });
    let effects = bench.receive(FromCoordinator::Rejected { entry, reason: reason.clone() });
    assert!(removes(&effects, entry));
    let told = |e: &NodeEffect| matches!(e, NodeEffect::Respond(_, Err(CommandError::Refusal(r))) if *r == reason);
    assert!(effects.iter().any(told));
}

#[test]
fn after_its_holders_no_a_node_releases_no_share_whatever_the_log_shows() {
    let (mut bench, request, approval, _) = disputed();
    let reject = Command::Reject { request, reason: "no".to_owned() };
    let effects = bench.tell(Input::Command(CommandId(2), reject));
    let durable = |e: &NodeEffect| matches!(e, NodeEffect::Persist(NodeChange::Refused(id)) if *id == request);
    assert!(effects.iter().any(durable));
    assert!(removes(&effects, approval.id()), "the approval is not said any more");

    // The coordinator holds back the refusal and logs the approval that it claimed not to take.
    bench.log.enter(&approval).unwrap();
    bench.show();
    assert_eq!(bench.node.state().request(request).unwrap().status, Status::Approved);
    let effects = bench.invite(session(8), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Refused));

    // Over a restart, too.
    let refused = std::collections::BTreeSet::from([request]);
    let saved = Saved { refused, ..saved(&bench.log) };
    let mut bench = Bench::with(bench.log, saved);
    bench.show();
    bench.give_document(request);
    let effects = bench.invite(session(9), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Refused));
}

#[test]
fn a_refusal_that_comes_too_late_for_the_log_binds_the_node_and_drops_its_nonces() {
    let (mut bench, request, ours) = Bench::committed();
    let reject = Command::Reject { request, reason: "no".to_owned() };
    let effects = bench.tell(Input::Command(CommandId(2), reject));
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, NodeEffect::Respond(_, Err(CommandError::RefusedHere(_)))))
    );
    let theirs = bench.commitments_of_ada(session(7), request);
    let effects = bench.package(session(7), vec![(name("ada"), theirs), (name("ben"), ours)]);
    assert_eq!((shares(&effects), declined(&effects)), (0, Some(DeclineReason::Session)));
}

/// Ada and cyd are the group, and have cosigned another log, in which dan came to them just as he
/// does here.
#[test]
fn a_checkpoint_of_another_log_in_an_entry_is_proof_of_a_fork() {
    let changed = |pause| {
        let mut log = TestLog::keyed();
        log.invite("dan", Role::Member);
        log.join("dan").unwrap();
        log.change(&["ada", "cyd"], 2, session(2));
        log.change(&["ada", "cyd", "dan"], 2, session(3));
        log.wait(pause);
        log.invite("fay", Role::Member);
        log
    };
    for (pause, is_other) in [(0, false), (7, true)] {
        let shown = changed(pause).checkpoint(&["ada", "cyd"]);
        // All at once, or when the node has verified a log of that size.
        for known in [5, changed(0).entries.len()] {
            let mut log = changed(0);
            let saved = Saved { entries: log.entries[..known].to_vec(), ..Saved::default() };
            let checkpoint = shown.to_string();
            log.coordinator_says(Body::HandedOver { group: board(), epoch: 3, checkpoint })
                .unwrap();
            let mut bench = Bench::with(log, saved);
            bench.shown = known;
            let effects = bench.show();
            let proof = proof_in(&effects);
            assert_eq!(proof.is_some(), is_other, "{known}: {effects:?}");
            if let Some(proof) = proof {
                assert!(matches!(bench.judge(&proof), Ok(Proved::Fork { .. })));
                let cosigns =
                    |it: &NodeEffect| matches!(it, NodeEffect::Send(FromNode::Cosign { .. }));
                assert!(!effects.iter().any(cosigns));
            }
        }
    }
}
