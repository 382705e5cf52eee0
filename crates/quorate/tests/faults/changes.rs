//! Changes and repairs during which a process dies: the coordinator, or a member in any of its
//! parts.
//!
//! In [`super::fail_points`] a process dies once at each kind of effect. Here it dies at every
//! place within one change: before the first effect, some effects later, and so on, until the
//! change completes before the process gets that far.

use quorate_testkit::cluster::{COORDINATOR, until};
use serde_json::Value;

use crate::board::{Board, Insistence};

#[test]
fn a_change_is_made_wherever_the_coordinator_dies() {
    changes(COORDINATOR, "coordinator", 61);
}

#[test]
fn a_change_is_made_wherever_a_member_that_stays_dies() {
    changes("ben", "node", 11);
}

#[test]
fn a_change_is_made_wherever_a_member_that_joins_or_leaves_dies() {
    changes("dan", "node", 9);
}

#[test]
fn a_share_is_repaired_wherever_the_coordinator_dies() {
    repairs(COORDINATOR, "coordinator", 61);
}

#[test]
fn a_share_is_repaired_wherever_a_helper_dies() {
    repairs("ben", "node", 9);
}

#[test]
fn a_share_is_repaired_wherever_its_holder_dies() {
    repairs("carol", "node", 9);
}

#[test]
fn cancel_lists_members_with_unused_new_shares() {
    let board = Board::new(|_| {});
    let cluster = &board.cluster;
    // Carol's node stores its new share and dies before it can certify. The others have certified.
    cluster.kill("carol");
    let point = ("QUORATE_CRASH_AT", "node.persist.key-package.after");
    cluster.try_start_process("carol", &[point]).unwrap();
    board.is_online("carol", true);
    board.refresh("board");
    let unused = || {
        let shown = cluster.run("ada", "group show board --json").succeeds().json();
        shown["unused"].clone()
    };
    until("carol's node to die", || cluster.has_ended("carol").then_some(()));
    until("the others to certify", || {
        let group = cluster.run("ada", "group show board").succeeds().stdout;
        (group.contains("certifications of carol") || !unused().is_null()).then_some(())
    });
    let told = cluster.run("ada", "group cancel board --yes").succeeds().stdout;
    for said in ["2 of 3 certified that they have new shares (ada, ben)", "group refresh board"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert_eq!(unused()["certified"], serde_json::json!(["ada", "ben"]));
    // The suggested command ends the exposure.
    cluster.start_process("carol");
    let before = board.refresh("board");
    board.is_refreshed("board", before);
    assert!(unused().is_null());
    board.signs("ada", "carol");
    board.audits_clean(1);
}

/// Dan joins and min_signers becomes 3, then he leaves and it becomes 2, repeatedly.
fn changes(victim: &str, kind: &str, stride: usize) {
    let board = Board::new(|plan| plan.names.push("dan".to_owned()));
    let cycle = [
        Change {
            line: "group change board --add dan --min-signers 3",
            asked: &["ben", "carol", "dan"],
            is_made: |shown| shown["members"].as_array().is_some_and(|all| all.len() == 4),
            signers: &["ben", "dan"],
        },
        // There are fewer effects when he leaves.
        Change {
            line: "group change board --remove dan --min-signers 2",
            asked: &["ben", "carol", "dan"],
            is_made: |shown| shown["members"].as_array().is_some_and(|all| all.len() == 3),
            signers: &["ben"],
        },
    ];
    wherever_it_dies(&board, victim, kind, stride, &cycle);
}

/// Carol gets back the share that the others believe lost, repeatedly.
fn repairs(victim: &str, kind: &str, stride: usize) {
    let board = Board::new(|_| {});
    let repair = Change {
        line: "group repair board carol",
        asked: &["ben"],
        is_made: |shown| shown["past_change"]["done"] == true,
        signers: &["carol"],
    };
    wherever_it_dies(&board, victim, kind, stride, &[repair]);
}

/// A change of the group.
struct Change {
    /// The command by which ada proposes it.
    line: &'static str,
    /// The members that approve it.
    asked: &'static [&'static str],
    /// Whether the group is in the intended state when no change is pending.
    is_made: fn(&Value) -> bool,
    /// The member that must sign together with ada afterwards.
    signers: &'static [&'static str],
}

/// Makes these changes in turn. From one to the next, the victim executes `stride` more effects
/// before it dies, until it survives the first of the changes.
fn wherever_it_dies(board: &Board, victim: &str, kind: &str, stride: usize, cycle: &[Change]) {
    let cluster = &board.cluster;
    let key = || cluster.run("ada", "key export --group board --format pem").succeeds().stdout;
    let before = key();
    let (mut deaths, mut signatures) = (0, 0);
    for (step, change) in cycle.iter().cycle().enumerate() {
        cluster.kill(victim);
        let armed = format!("{kind}.*:{}", 1 + step * stride);
        // The process may die before it is ready.
        drop(cluster.try_start_process(victim, &[("QUORATE_CRASH_AT", &armed)]));
        let died = change.is_made_although(board, victim);
        // The process may still be about to die.
        cluster.kill(victim);
        cluster.start_process(victim);
        let request = board.ask("ada");
        for signer in change.signers {
            board.approve(signer, &request);
        }
        board.is_signed("carol", &request);
        signatures += 1;
        deaths += usize::from(died);
        if step % cycle.len() == 0 && !died {
            break;
        }
    }
    // How often depends on how much it handles at a time, because it writes in batches.
    assert!(deaths >= 2, "{victim} died only {deaths} times");
    assert_eq!(key(), before);
    board.audits_clean(signatures);
}

impl Change {
    /// Runs the necessary commands until the change is complete. Returns whether the victim died.
    fn is_made_although(&self, board: &Board, victim: &str) -> bool {
        let cluster = &board.cluster;
        let (line, mut died) = (self.line, false);
        let mut insistence = Insistence::new(cluster);
        // The previous change may be of the same kind.
        let mut earlier = None;
        until(&format!("{line} to be carried out although {victim} dies"), || {
            if cluster.has_ended(victim) {
                died = true;
                cluster.start_process(victim);
            }
            let shown = cluster.run("ada", "group show board --json");
            if shown.exit != 0 {
                return None;
            }
            let shown = shown.json();
            let last = shown["past_change"]["id"].clone();
            let is_new = *earlier.get_or_insert_with(|| last.clone()) != last;
            if shown["change"].is_null() && is_new && (self.is_made)(&shown) {
                return Some(());
            }
            match shown["change"]["id"].as_str() {
                Some(id) => self
                    .asked
                    .iter()
                    .for_each(|who| insistence.says(who, &format!("group approve {id} --yes"))),
                None => insistence.says("ada", line),
            }
            None
        });
        died
    }
}
