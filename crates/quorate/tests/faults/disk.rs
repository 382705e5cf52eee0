//! Disks that are full for a while.

use quorate_testkit::cluster::lab::{fill_disk, free_disk, isolated};
use quorate_testkit::cluster::{COORDINATOR, until};

use crate::board::Board;

const SMALL: u64 = 8 << 20;

#[test]
fn a_coordinator_recovers_from_a_full_disk_unaided() {
    isolated("disk::a_coordinator_recovers_from_a_full_disk_unaided", || {
        let board = Board::new(|plan| plan.small_disks = [(COORDINATOR.to_owned(), SMALL)].into());
        let cluster = &board.cluster;
        let id = board.ask("ada");
        let home = cluster.path(COORDINATOR);
        fill_disk(&home);
        let refused = cluster.run("ada", "sign contract --group board");
        assert_ne!(refused.exit, 0);
        assert!(refused.stderr.contains("disk is full"), "{}", refused.stderr);
        let approving = cluster.begin("ben", &format!("approve {id} --yes"));
        until("the coordinator to say what is wrong", || {
            cluster.said(COORDINATOR).contains("full").then_some(())
        });
        free_disk(&home, SMALL);
        approving.end();
        board.approve("ben", &id);
        board.is_signed("carol", &id);
        board.signs("carol", "ben");
        assert!(!cluster.has_ended(COORDINATOR));
        board.audits_clean(2);
    });
}

#[test]
fn a_node_reports_a_full_disk_and_signs_after_a_restart() {
    isolated("disk::a_node_reports_a_full_disk_and_signs_after_a_restart", || {
        let board = Board::new(|plan| plan.small_disks = [("ben".to_owned(), SMALL)].into());
        let cluster = &board.cluster;
        let id = board.ask("ada");
        let home = cluster.path("ben");
        fill_disk(&home);
        let approving = cluster.begin("ben", &format!("approve {id} --yes"));
        board.signs("ada", "carol");
        until("ben's node to end", || cluster.has_ended("ben").then_some(()));
        assert!(cluster.said("ben").contains("full"), "{}", cluster.said("ben"));
        approving.end();
        free_disk(&home, SMALL);
        cluster.start_process("ben");
        board.approve("ben", &id);
        board.is_signed("ben", &id);
        board.audits_clean(2);
    });
}
