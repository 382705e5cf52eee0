//! The rounds of ceremonies in a [`TestLog`], with real messages of real runs.

use std::collections::BTreeMap;

use quorate_protocol::keyshare::{Run, Step};
use quorate_protocol::repair;

use super::log::{TestLog, name};
use crate::names::AccountName;
use crate::state::refusal::Sessions;

impl TestLog {
    pub fn first_message(&mut self, account: &str) -> (Run, Vec<u8>) {
        let group = self.group();
        let me = group.identifier(&name(account)).unwrap();
        let parameters = self.ceremony().board.keyshare().unwrap().parameters().clone();
        Run::start(&parameters, me, &mut self.rng).unwrap()
    }

    /// All members complete the three rounds and hold their packages.
    pub fn generate(&mut self) {
        self.generate_by(&["ada", "ben", "cyd"]);
    }

    /// These members complete the three rounds of key generation.
    pub fn generate_by(&mut self, members: &[&str]) {
        let mut runs = BTreeMap::new();
        for member in members {
            if self.state.account(&name(member)).unwrap().incarnation.is_none() {
                self.start_node(member, 1);
            }
            let (run, message) = self.first_message(member);
            runs.insert(name(member), run);
            self.posts(member, message).unwrap();
        }
        self.finish_rounds(runs);
    }

    /// The first message of a recipient in a reshare. Its later messages are omitted.
    pub fn joins_reshare(&mut self, member: &str) -> Run {
        self.runs_node(member);
        let me = self.ceremony().terms.identifiers[&name(member)];
        let parameters = self.ceremony().board.keyshare().unwrap().parameters().clone();
        let old = self.packages.get(&name(member));
        let (run, first) = Run::reshare(&parameters, me, old, &mut self.rng).unwrap();
        if let Some(message) = first {
            self.posts(member, message).unwrap();
        }
        run
    }

    /// These participants complete the rounds of a reshare, and the recipients hold their new
    /// packages.
    pub fn reshare(&mut self, participants: &[&str]) {
        let mut runs = BTreeMap::new();
        for member in participants {
            let run = self.joins_reshare(member);
            runs.insert(name(member), run);
        }
        self.finish_rounds(runs);
    }

    /// An announcement in a repair. Later messages are omitted.
    pub fn announces(&mut self, member: &str) {
        self.runs_node(member);
        let (_, message) = self.joins_repair(member);
        self.posts(member, message).unwrap();
    }

    fn joins_repair(&mut self, member: &str) -> (repair::Run, Vec<u8>) {
        let parameters = self.ceremony().board.repair().unwrap().parameters().clone();
        let me = self.ceremony().terms.identifiers[&name(member)];
        if parameters.recipient() == me {
            return repair::Run::recover(&parameters, me, &mut self.rng).unwrap();
        }
        repair::Run::help(&parameters, me, &self.packages[&name(member)], &mut self.rng).unwrap()
    }

    /// These participants complete the rounds of a repair, and the recipient holds its share again.
    pub fn repair(&mut self, participants: &[&str]) {
        self.repair_until(participants, |_| false);
    }

    /// These participants send the messages of a repair until `stands` is true, which is checked
    /// before each message.
    pub fn repair_until(&mut self, participants: &[&str], stands: impl Fn(&repair::Board) -> bool) {
        let mut runs = BTreeMap::new();
        for member in participants {
            self.runs_node(member);
            let (run, message) = self.joins_repair(member);
            runs.insert(name(member), run);
            // Enough others may have announced already.
            let posted = self.posts(member, message);
            assert!(posted.is_ok() || posted == Err(Sessions::Protocol.into()), "{posted:?}");
        }
        while !runs.is_empty() {
            for member in runs.keys().cloned().collect::<Vec<_>>() {
                let Some(run) = runs.remove(&member) else { continue };
                let ceremony = self.ceremony();
                let board_now = ceremony.board.repair().unwrap().clone();
                if stands(&board_now) {
                    return;
                }
                match run.advance(&board_now, &mut self.rng).unwrap() {
                    Step::Wait(run) => drop(runs.insert(member, run)),
                    Step::Send(run, message) => {
                        self.posts(member.as_str(), message).unwrap();
                        runs.insert(member, run);
                    }
                    Step::Done(package) => drop(self.packages.insert(member, package)),
                    Step::Left => {}
                }
            }
        }
    }

    fn finish_rounds(&mut self, mut runs: BTreeMap<AccountName, Run>) {
        while !runs.is_empty() {
            for member in runs.keys().cloned().collect::<Vec<_>>() {
                let Some(run) = runs.remove(&member) else { continue };
                let board_now = self.ceremony().board.keyshare().unwrap().clone();
                match run.advance(&board_now, &mut self.rng).unwrap() {
                    Step::Wait(run) => {
                        runs.insert(member, run);
                    }
                    Step::Send(run, message) => {
                        let posted = self.posts(member.as_str(), message);
                        // In a reshare, enough others may have dealt already.
                        if posted != Err(Sessions::Protocol.into()) {
                            posted.unwrap();
                        }
                        runs.insert(member, run);
                    }
                    Step::Done(package) => {
                        let former = self.packages.insert(member.clone(), package);
                        self.former_packages.extend(former.map(|package| (member, package)));
                    }
                    Step::Left => {
                        let former = self.packages.remove(&member);
                        self.former_packages.extend(former.map(|package| (member, package)));
                    }
                }
            }
        }
    }
}
