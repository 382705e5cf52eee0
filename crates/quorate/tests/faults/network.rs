//! Bad networks between a node and the coordinator.

use std::time::Duration;

use quorate_testkit::cluster::proxy::Weather;

use crate::board::Board;

/// The others sign while ben's connections are disturbed. Afterwards ben signs, too.
fn endures(weather: &[Weather]) {
    let board = Board::new(|plan| plan.proxies = true);
    for weather in weather {
        let waiting = board.ask("ada");
        board.cluster.proxy("ben").set(*weather);
        // The command may get through or not.
        let approving = board.cluster.begin("ben", &format!("approve {waiting} --yes"));
        board.signs("ada", "carol");
        board.is_online("ben", false);
        board.signs("carol", "ada");
        board.cluster.proxy("ben").set(Weather::Fair);
        approving.end();
        board.approve("ben", &waiting);
        board.is_signed("ben", &waiting);
        board.signs("ben", "ada");
    }
    board.audits_clean(4 * weather.len());
}

#[test]
fn a_one_way_connection_is_abandoned_and_redialled() {
    endures(&[Weather::NodeUnheard, Weather::NodeDeaf]);
}

#[test]
fn a_half_open_connection_is_noticed_by_both_ends() {
    endures(&[Weather::HalfOpen]);
}

#[test]
fn a_node_that_is_cut_off_comes_back() {
    endures(&[Weather::Cut, Weather::Cut]);
}

#[test]
fn a_whole_group_behind_slow_or_dying_connections_signs() {
    let board = Board::new(|plan| plan.proxies = true);
    let everywhere = |weather| {
        for name in ["ada", "ben", "carol"] {
            board.cluster.proxy(name).set(weather);
        }
    };
    everywhere(Weather::Slow(Duration::from_millis(80)));
    board.signs("ada", "ben");
    board.group("slow", 2);
    everywhere(Weather::HalfOpen);
    for name in ["ada", "ben", "carol"] {
        board.notices_the_outage(name);
    }
    everywhere(Weather::Fair);
    board.signs("carol", "ben");
    board.audits_clean(2);
}
