//! Partitions and lost packets between hosts: each node has its own network namespace.

use std::time::Duration;

use quorate_testkit::cluster::lab::{Packets, heal, isolated, spoil};
use quorate_testkit::cluster::shuffle::Shuffle;

use crate::board::Board;

/// Starts a cluster whose nodes are separate hosts.
fn board() -> Board {
    Board::new(|plan| plan.lab = true)
}

#[test]
fn a_partitioned_host_delays_nobody_and_recovers() {
    isolated("lab::a_partitioned_host_delays_nobody_and_recovers", || {
        let board = board();
        let partitions = [Packets::Partitioned, Packets::Unheard, Packets::Deaf];
        for packets in partitions {
            let waiting = board.ask("ada");
            spoil("ben", packets);
            let approving = board.cluster.begin("ben", &format!("approve {waiting} --yes"));
            board.signs("ada", "carol");
            board.is_online("ben", false);
            heal();
            approving.end();
            board.approve("ben", &waiting);
            board.is_signed("ben", &waiting);
        }
        board.audits_clean(2 * partitions.len());
    });
}

#[test]
fn everybody_cut_off_at_once_signs_when_the_network_is_back() {
    isolated("lab::everybody_cut_off_at_once_signs_when_the_network_is_back", || {
        let board = board();
        let waiting = board.ask("ada");
        board.define("late", 2);
        for name in ["ada", "ben", "carol"] {
            spoil(name, Packets::Partitioned);
        }
        let approving = board.cluster.begin("ben", &format!("approve {waiting} --yes"));
        for name in ["ada", "ben", "carol"] {
            board.notices_the_outage(name);
        }
        heal();
        approving.end();
        board.has_key("late");
        board.approve("ben", &waiting);
        board.is_signed("ben", &waiting);
        board.audits_clean(1);
    });
}

#[test]
fn losing_every_tenth_packet_fails_nothing() {
    isolated("lab::losing_every_tenth_packet_fails_nothing", || {
        let board = board();
        for name in ["ada", "ben", "carol"] {
            spoil(name, Packets::Lossy(10));
        }
        board.group("lossy", 3);
        board.signs("ada", "ben");
        board.signs("carol", "ben");
        heal();
        board.signs("ben", "ada");
        board.audits_clean(3);
    });
}

#[test]
fn late_and_reordered_packets_fail_nothing() {
    const NAME: &str = "lab::late_and_reordered_packets_fail_nothing";
    isolated(NAME, || {
        let shuffle = match Shuffle::start(Duration::from_millis(40)) {
            Ok(shuffle) => shuffle,
            Err(reason) => {
                return eprintln!(
                    "SKIPPED: {NAME}: this kernel has no queues of packets: {reason}"
                );
            }
        };
        let board = board();
        for name in ["ada", "ben", "carol"] {
            shuffle.host(name);
        }
        board.group("shuffled", 3);
        board.signs("ada", "ben");
        let epoch = board.refresh("board");
        board.signs("carol", "ben");
        board.is_refreshed("board", epoch);
        drop(shuffle);
        board.signs("ben", "ada");
        board.audits_clean(3);
    });
}
