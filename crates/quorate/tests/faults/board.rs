//! A cluster with the group `board`, 2 of ada, ben and carol, and commands that are repeated until
//! they succeed.

use std::collections::BTreeMap;
use std::fs;

use quorate_testkit::cluster::process::Pending;
use quorate_testkit::cluster::{Cluster, Plan, until};

/// Divides all periods: a heartbeat twice a second, and a peer is dead after two silent seconds.
const HASTE: u32 = 4;

pub(crate) struct Board {
    pub(crate) cluster: Cluster,
}

impl Board {
    /// Starts the cluster. `change` adapts its plan.
    pub(crate) fn new(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::new(env!("CARGO_BIN_EXE_quorate"), &["ada", "ben", "carol"]);
        plan.haste = HASTE;
        change(&mut plan);
        let cluster = Cluster::start(plan);
        cluster.write("contract", b"a contract");
        let board = Self { cluster };
        board.group("board", 2);
        board
    }

    /// Generates the key of a group.
    pub(crate) fn group(&self, name: &str, min_signers: u16) {
        self.define(name, min_signers);
        self.has_key(name);
    }

    /// Defines a group, unless it exists. The key is generated in the background.
    pub(crate) fn define(&self, name: &str, min_signers: u16) {
        self.define_for("releases", name, min_signers);
    }

    /// The same for a group that signs releases or documents.
    pub(crate) fn define_for(&self, purpose: &str, name: &str, min_signers: u16) {
        let line = format!(
            "group create {name} --members ada,ben,carol --min-signers {min_signers} \
             --for {purpose} --no-wait"
        );
        until("a group's definition in the log", || {
            let known = self.cluster.run("ada", &format!("group show {name}")).exit == 0;
            (known || self.cluster.run("ada", &line).exit == 0).then_some(())
        });
    }

    /// Requests new shares of a group's key and returns the previous epoch. The shares are made in
    /// the background.
    pub(crate) fn refresh(&self, name: &str) -> u64 {
        until("new shares to be asked for", || {
            let shown = self.cluster.run("ada", &format!("group show {name} --json"));
            let epoch = shown.json()["epoch"].as_u64()?;
            (self.cluster.run("ada", &format!("group refresh {name}")).exit == 0).then_some(epoch)
        })
    }

    /// Waits until all members sign with shares of a later epoch and have destroyed those of the
    /// previous one.
    pub(crate) fn is_refreshed(&self, name: &str, before: u64) {
        for member in self.cluster.names() {
            until("new shares in use", || {
                let shown = self.cluster.run(member, &format!("group show {name} --json"));
                (shown.exit == 0 && shown.json()["epoch"].as_u64() > Some(before)).then_some(())
            });
        }
    }

    /// Waits until a group has a key.
    pub(crate) fn has_key(&self, name: &str) {
        until("a group's key", || {
            let shown = self.cluster.run("ada", &format!("group show {name} --json"));
            (shown.exit == 0 && shown.json()["state"] == "ready").then_some(())
        });
    }

    /// Requests a signature from a group.
    pub(crate) fn ask_group(&self, group: &str, requester: &str) -> String {
        let line = format!("sign contract --group {group} --json");
        until("a request in the log", || {
            let asked = self.cluster.run(requester, &line);
            (asked.exit == 0).then(|| asked.json()["id"].as_str().unwrap().to_owned())
        })
    }

    pub(crate) fn ask(&self, requester: &str) -> String {
        self.ask_group("board", requester)
    }

    /// Approves as a member.
    pub(crate) fn approve(&self, approver: &str, id: &str) {
        until("an approval in the log", || {
            (self.cluster.run(approver, &format!("approve {id} --yes")).exit == 0).then_some(())
        });
    }

    /// Waits until an account's node has the signature.
    pub(crate) fn is_signed(&self, name: &str, id: &str) {
        until("a signature", || {
            let shown = self.cluster.run(name, &format!("request show {id} --json"));
            (shown.exit == 0 && shown.json()["state"] == "signed").then_some(())
        });
    }

    /// Gets one signature: the first account requests it, and the second approves.
    pub(crate) fn signs(&self, requester: &str, approver: &str) {
        let id = self.ask(requester);
        self.approve(approver, &id);
        self.is_signed(requester, &id);
    }

    /// Waits until the coordinator reports a node as connected, or as disconnected.
    pub(crate) fn is_online(&self, name: &str, wanted: bool) {
        let asker = if name == "ada" { "carol" } else { "ada" };
        until("the coordinator to notice who is connected", || {
            let status = self.cluster.run(asker, "status --json");
            let online = || status.json()["online"].as_array().unwrap().contains(&name.into());
            // 8: a group cannot sign while that member is away.
            (matches!(status.exit, 0 | 8) && online() == wanted).then_some(())
        });
    }

    /// Waits until a node reports that it has no connection.
    pub(crate) fn notices_the_outage(&self, name: &str) {
        until("a node to notice that it is cut off", || {
            (self.cluster.run(name, "status").exit == 7).then_some(())
        });
    }

    /// Ends everything, and checks that the log audits clean and contains at least this many
    /// signatures.
    pub(crate) fn audits_clean(&self, signatures: usize) {
        let report = self.cluster.audit().unwrap();
        assert_eq!(report["faults"].as_array().unwrap().len(), 0, "{report}");
        assert!(report["signatures"].as_array().unwrap().len() >= signatures, "{report}");
        for name in self.cluster.names() {
            let said = fs::read_to_string(self.cluster.path(&format!("{name}.log"))).unwrap();
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

/// Commands in the background that may wait for processes that have died.
pub(crate) struct Insistence<'a> {
    cluster: &'a Cluster,
    waiting: BTreeMap<(String, String), Pending>,
}

impl<'a> Insistence<'a> {
    pub(crate) fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, waiting: BTreeMap::new() }
    }

    /// Runs a command again, unless the previous one is still running.
    pub(crate) fn says(&mut self, who: &str, line: &str) {
        let command = (who.to_owned(), line.to_owned());
        if self.waiting.get_mut(&command).is_none_or(Pending::has_ended) {
            self.waiting.insert(command, self.cluster.begin(who, line));
        }
    }
}
