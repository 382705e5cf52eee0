//! A group changes while a process dies: the coordinator, a member that stays, or one that joins and leaves.
//!
//! In [`super::fail_points`] a process dies at each kind of thing it does, once. Here it does so anywhere in one change:
//! before the first thing, a while later, and so on until the change is made without it getting that far.

use quorate_testkit::cluster::{COORDINATOR, until};

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

/// Dan joins and the threshold becomes 3, then he leaves and it becomes 2, again and again. From one of these changes to the
/// next, the victim gets `stride` things further.
fn changes(victim: &str, kind: &str, stride: usize) {
    let board = Board::new(|plan| plan.names.push("dan".to_owned()));
    let cluster = &board.cluster;
    let key = || cluster.run("ada", "key export --group board --format pem").succeeds().stdout;
    let before = key();
    let (mut deaths, mut signatures) = (0, 0);
    for step in 0.. {
        let joins = step % 2 == 0;
        cluster.kill(victim);
        let armed = format!("{kind}.*:{}", 1 + step * stride);
        // It may die before it is ready.
        drop(cluster.try_start_process(victim, &[("QUORATE_CRASH_AT", &armed)]));
        let died = change(&board, victim, joins);
        // It may still be about to die.
        cluster.kill(victim);
        cluster.start_process(victim);
        let request = board.ask("ada");
        board.approve("ben", &request);
        if joins {
            board.approve("dan", &request);
        }
        board.is_signed("carol", &request);
        signatures += 1;
        deaths += usize::from(died);
        // There is less to do when he leaves.
        if joins && !died {
            break;
        }
    }
    // How often depends on how much it gets done at a time: what comes at once is written at once.
    assert!(deaths >= 2, "{victim} died only {deaths} times");
    assert_eq!(key(), before);
    board.audits_clean(signatures);
}

/// Has everybody do what it takes until the change is made and the earlier shares are destroyed; whether the victim died.
fn change(board: &Board, victim: &str, joins: bool) -> bool {
    let cluster = &board.cluster;
    let line = match joins {
        true => "group change board --add dan --min-signers 3",
        false => "group change board --remove dan --min-signers 2",
    };
    let (members, mut died) = (if joins { 4 } else { 3 }, false);
    let mut insistence = Insistence::new(cluster);
    until(&format!("{line} to be carried out although {victim} dies"), || {
        if cluster.has_ended(victim) {
            died = true;
            cluster.start_process(victim);
        }
        let shown = cluster.run("carol", "group show board --json");
        if shown.exit != 0 {
            return None;
        }
        let shown = shown.json();
        if shown["members"].as_array()?.len() == members && shown["change"].is_null() {
            return Some(());
        }
        match shown["change"]["id"].as_str() {
            Some(id) => ["ben", "carol", "dan"]
                .iter()
                .for_each(|who| insistence.says(who, &format!("approve {id}"))),
            None => insistence.says("ada", line),
        }
        None
    });
    died
}
