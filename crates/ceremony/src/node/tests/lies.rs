//! The lies that a node keeps, and what it believes in spite of them.

use super::*;
use crate::entry::Role;
use crate::state::refusal::{Entries, Requests};
use crate::state::{Refusal, Status};

/// A different history of the same length.
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
fn the_nodes_tree_disproves_a_smaller_checkpoint() {
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
    // Its own history at an earlier size proves nothing.
    let old = checkpoint(&bench.log.entries[..5], &origin);
    let effects = bench.receive(log_message(5, &[], old));
    assert_eq!((proof_in(&effects), bench.node.trouble()), (None, None));
}

#[test]
fn a_larger_contradiction_is_proof_once_the_tree_has_its_size() {
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

    // After a restart, even if the coordinator continues normally.
    let mut bench = bench.restarted();
    bench.show();
    let effects = bench.invite(session(8), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Frozen));
    bench.log.wait(2);
    bench.log.requests("ada", bench.log.request()).unwrap();
    let effects = bench.show();
    let size = bench.log.state.size();
    let proved = bench.judge(&proof_in(&effects).unwrap());
    assert_eq!(proved, Ok(Proved::Fork { older: size, newer: size }));
    assert!(!cosigns(&effects));
}

#[test]
fn contradictions_are_kept_once_and_up_to_a_limit() {
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
fn a_stored_proof_is_damage_for_a_node_that_followed_on() {
    let (mut bench, _) = Bench::approved();
    let origin = bench.log.state.origin();
    let garbage = b"no entry".to_vec();
    let all = [bench.log.entries.clone(), vec![garbage.clone()]].concat();
    let effects = bench.receive(log_message(bench.shown, &[garbage], checkpoint(&all, &origin)));
    let proof = proof_in(&effects).unwrap();
    assert_eq!(bench.node.misbehaviour(), Some(&proof));
    bench.log.wait(1);
    bench.log.requests("ada", bench.log.request()).unwrap();
    bench.disk.entries.clone_from(&bench.log.entries);
    assert_eq!(bench.restarted().node.trouble(), None);
}

#[test]
fn a_node_does_not_start_from_a_log_that_it_did_not_cosign() {
    let (bench, _) = Bench::approved();
    let (entries, origin) = (&bench.log.entries, bench.log.state.origin());
    let mut other = entries.clone();
    other.last_mut().unwrap().push(b' ');
    let longer = [entries.clone(), vec![b"lost".to_vec()]].concat();
    let restored = |cosigned: &[Vec<u8>]| {
        let cosigned = Some(checkpoint(cosigned, &origin));
        let disk = NodeDisk { cosigned, ..disk_after(&bench.log) };
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        restored("ben", BY_HAND, &bench.log, &disk, rng).err()
    };
    assert_eq!([&entries[..], &entries[..5]].map(restored), [None, None]);
    let damage = Some(RestoreError::Cosigned);
    assert_eq!([&other[..], &longer[..]].map(restored), [damage, damage]);
}

#[test]
fn a_checkpoint_that_turns_out_right_is_forgiven() {
    let (mut bench, request) = Bench::approved();
    bench.log.wait(1);
    bench.log.requests("ada", bench.log.request()).unwrap();
    let right = checkpoint(&bench.log.entries, &bench.log.state.origin());
    // A valid proof for a different entry.
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
fn an_inadmissible_entry_is_proof_and_earlier_entries_stay() {
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
    assert!(!cosigns(&effects));
    let proof = proof_in(&effects).unwrap();
    let Ok(Proved::Inadmissible { index, .. }) = bench.judge(&proof) else { panic!() };
    assert_eq!(index, before + 1);

    let invited = bench.invite(session(8), request);
    assert_eq!(declined(&invited), Some(DeclineReason::Frozen));
    let mut bench = bench.restarted();
    let invited = bench.invite(session(8), request);
    assert_eq!(declined(&invited), Some(DeclineReason::Frozen));

    // Without the preceding entries, or with different ones, it proves nothing.
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
fn a_malformed_entry_is_proof_only_under_a_checkpoint() {
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
fn a_false_signature_is_proof_for_holders_of_the_document() {
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

    // It stays proof after a restart, when the document is unavailable.
    let bench = bench.restarted();
    let false_signature = Contradiction::Misbehaviour(Proved::FalseSignature { index, request });
    assert_eq!(bench.node.trouble(), Some(&false_signature));
}

#[test]
fn a_stored_proof_that_proves_nothing_is_reported_as_damage() {
    let (mut bench, _) = Bench::approved();
    let origin = bench.log.state.origin();
    let garbage = b"no entry".to_vec();
    let all = [bench.log.entries.clone(), vec![garbage.clone()]].concat();
    let effects = bench.receive(log_message(bench.shown, &[garbage], checkpoint(&all, &origin)));
    let text = proof_in(&effects).unwrap().to_json();
    let index = bench.log.entries.len();
    let moved = text.replace(&format!("\"index\":{index}"), &format!("\"index\":{}", index - 1));
    assert_ne!(text, moved);
    let mut disk = NodeDisk { misbehaviour: vec![moved], ..disk_after(&bench.log) };
    // The node that stored it has exactly that many entries.
    disk.entries.pop();
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    let restored = restored("ben", BY_HAND, &bench.log, &disk, rng);
    assert_eq!(restored.err(), Some(RestoreError::Misbehaviour));
}

/// An approval of ben for a new request of ada that the coordinator claims to reject.
fn disputed() -> (Bench, EntryId, Entry, Vec<NodeEffect>) {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let mut bench = Bench::announced(log);
    bench.tell(Input::Command(CommandId(1), Command::Approve(Motion::Request(request))));
    let approval = stated(&bench.give_document(request))[0].clone();
    let reason = Refusal::Requests(Requests::RequestOver { request });
    let effects = bench.receive(FromCoordinator::Rejected { entry: approval.id(), reason });
    (bench, request, approval, effects)
}

#[test]
fn a_statement_is_kept_until_the_log_itself_excludes_it() {
    let (mut bench, request, approval, effects) = disputed();
    assert!(!forgets(&effects, approval.id()));
    assert!(
        effects.iter().any(|e| matches!(e, NodeEffect::Respond(_, Err(CommandError::NotTaken(_)))))
    );
    assert_eq!(bench.node.disputed().map(Entry::id).collect::<Vec<_>>(), [approval.id()]);
    // The repeated command yields the same statement.
    let again =
        bench.tell(Input::Command(CommandId(2), Command::Approve(Motion::Request(request))));
    assert!(!again.iter().any(|e| matches!(e, NodeEffect::Persist(_))), "{again:?}");

    // The request is decided without the approval, which is then void by ben's own log.
    bench.log.approves("cyd", request).unwrap();
    let records = bench.log.records(&["ada", "cyd"], session(7), Subject::Request { request });
    let signature = bench.log.signature();
    let body = Body::Signature { request, session: session(7), signature, signers: records };
    bench.log.coordinator_says(body).unwrap();
    let effects = bench.show();
    assert_eq!(proof_in(&effects), None);
    assert!(forgets(&effects, approval.id()));
    assert_eq!(bench.node.disputed().count(), 0);
}

#[test]
fn a_statement_that_the_log_excludes_is_forgotten_immediately() {
    let mut log = TestLog::keyed();
    let request = log.requests("ada", log.request()).unwrap();
    let mut bench = Bench::new(log);
    bench.show();
    let reject = Command::Reject { motion: Motion::Request(request), reason: "no".to_owned() };
    let effects = bench.tell(Input::Command(CommandId(1), reject));
    let entry = stated(&effects)[0].id();
    bench.log.approves("cyd", request).unwrap();
    bench.show();
    let reason = Refusal::Requests(Requests::RequestOver { request });
    let effects = bench.receive(FromCoordinator::Rejected { entry, reason: reason.clone() });
    assert!(forgets(&effects, entry));
    let told = |e: &NodeEffect| matches!(e, NodeEffect::Respond(_, Err(CommandError::Refusal(r))) if *r == reason);
    assert!(effects.iter().any(told));
}

#[test]
fn after_a_rejection_no_share_leaves_whatever_the_log_shows() {
    let (mut bench, request, approval, _) = disputed();
    let reject = Command::Reject { motion: Motion::Request(request), reason: "no".to_owned() };
    let effects = bench.tell(Input::Command(CommandId(2), reject));
    let durable = |e: &NodeEffect| matches!(e, NodeEffect::Persist(NodeChange::Refused(id)) if *id == request);
    assert!(effects.iter().any(durable));
    assert!(forgets(&effects, approval.id()), "the approval is not said any more");

    // The coordinator holds back the rejection and logs the approval that it claimed to reject.
    bench.log.enter(&approval).unwrap();
    bench.show();
    assert_eq!(bench.node.state().request(request).unwrap().status, Status::Approved);
    let effects = bench.invite(session(8), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Refused));

    // Also after a restart.
    let mut bench = bench.restarted();
    bench.show();
    bench.give_document(request);
    let effects = bench.invite(session(9), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Refused));
}

#[test]
fn a_late_rejection_is_stated_and_drops_the_nonces() {
    let (mut bench, request, ours) = Bench::committed();
    let withdraws = Command::WithdrawRequest(request);
    let effects = bench.tell(Input::Command(CommandId(2), withdraws));
    let not_ours = Refusal::Requests(Requests::NotRequester { requester: name("ada") });
    assert_eq!(answer(&effects), Some(Err(CommandError::Refusal(not_ours))));
    let reject = Command::Reject { motion: Motion::Request(request), reason: "no".to_owned() };
    let effects = bench.tell(Input::Command(CommandId(3), reject));
    let refusal = stated(&effects)[0].clone();
    assert!(matches!(refusal.statement().body, Body::Refusal { .. }));
    let theirs = bench.commitments_of_ada(session(7), request);
    let effects = bench.package(session(7), vec![(name("ada"), theirs), (name("ben"), ours)]);
    assert_eq!((shares(&effects), declined(&effects)), (0, Some(DeclineReason::Session)));
    // Everybody sees who rejects, and that the approval is void.
    bench.log.enter(&refusal).unwrap();
    bench.show();
    assert_eq!(bench.node.state().request(request).unwrap().status, Status::Open);
}

#[test]
fn a_withdrawal_that_is_held_back_binds_the_requesters_node() {
    let mut log = TestLog::keyed();
    let request = log.requests("ben", log.request()).unwrap();
    log.approves("ada", request).unwrap();
    let mut bench = Bench::announced(log);
    bench.give_document(request);
    let effects = bench.tell(Input::Command(CommandId(1), Command::WithdrawRequest(request)));
    let withdrawal = stated(&effects)[0].clone();
    assert_eq!(withdrawal.statement().body, Body::RequestWithdrawn { request });
    let durable = |e: &NodeEffect| matches!(e, NodeEffect::Persist(NodeChange::Refused(id)) if *id == request);
    assert!(effects.iter().any(durable));
    let effects = bench.invite(session(8), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Refused));
    let mut bench = bench.restarted();
    bench.show();
    let effects = bench.invite(session(9), request);
    assert_eq!(declined(&effects), Some(DeclineReason::Refused));
    // In the log, it stops the other members' nodes as well.
    bench.log.enter(&withdrawal).unwrap();
    let effects = bench.show();
    assert!(forgets(&effects, withdrawal.id()));
    let effects = bench.invite(session(10), request);
    assert_eq!(declined(&effects), Some(DeclineReason::NotApproved));
}

/// Ada and cyd are the group, and have cosigned a different log, in which dan joined them just as
/// he does here.
#[test]
fn a_checkpoint_of_a_different_log_in_an_entry_proves_a_fork() {
    let changed = |pause| {
        let mut log = TestLog::keyed();
        log.admits("dan", Role::Member);
        log.change(&["ada", "cyd"], 2, session(2));
        log.change(&["ada", "cyd", "dan"], 2, session(3));
        log.wait(pause);
        log.invite("fay", Role::Member);
        log
    };
    for (pause, is_other) in [(0, false), (7, true)] {
        let shown = changed(pause).checkpoint(&["ada", "cyd"]);
        // In one step, or once the node has verified a log of that size.
        for known in [5, changed(0).entries.len()] {
            let mut log = changed(0);
            let entries = log.entries[..known].to_vec();
            let checkpoint = shown.to_string();
            log.coordinator_says(Body::ChangeConfirmed { group: board(), epoch: 3, checkpoint })
                .unwrap();
            let mut bench = Bench::on(NodeDisk { entries, ..NodeDisk::default() }, log);
            let effects = bench.show();
            let proof = proof_in(&effects);
            assert_eq!(proof.is_some(), is_other, "{known}: {effects:?}");
            if let Some(proof) = proof {
                assert!(matches!(bench.judge(&proof), Ok(Proved::Fork { .. })));
                assert!(!cosigns(&effects));
            }
        }
    }
}
