//! The beginning of a run: accounts, keys, the genesis, and empty disks.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::names::{AccountName, Digest, Timestamp};
use quorate_ceremony::node::Config;
use quorate_ceremony::test_world::{
    CoordinatorDisk, NodeDisk, admission, genesis_entry, invitation,
};

use super::hub::Hub;
use super::network::Network;
use super::station::Station;
use super::{Outcome, Simulation};
use crate::double::member::Adversary;
use crate::invariants::{Invariant, Invariants, Violation};
use crate::reference::{Reference, START};
use crate::rng::Chance;
use crate::scenario::Scenario;
use crate::users::Plan;
use crate::world::{Secrets, World};

const NAMES: [&str; 10] = ["ada", "ben", "cyd", "dot", "eve", "fay", "gus", "hal", "ida", "jon"];

impl Simulation {
    pub(super) fn found(scenario: Scenario, seed: u64) -> Result<Self, Violation> {
        let mut chance = Chance::from_seed(seed);
        let names = names(scenario.accounts())?;
        let secrets: BTreeMap<AccountName, Secrets> = names
            .iter()
            .map(|name| {
                let (identity, cosigner) = (chance.bytes(), chance.bytes());
                (name.clone(), Secrets { identity, cosigner, invitation: chance.bytes() })
            })
            .collect();
        let hub = Hub::new(chance.bytes(), chance.bytes());
        let broken = || Invariant::Simulator.broken("there is no admin");
        let admin = names.first().ok_or_else(broken)?.clone();
        let admin_secrets = secrets.get(&admin).ok_or_else(broken)?.account();
        let (nonce, at) = (Digest::new(chance.bytes()), Timestamp(START));
        let genesis = genesis_entry(&admin, &admin_secrets, &hub.secrets(), nonce, at);
        let ivn = genesis.ivn_id_as_genesis();
        let mut log = vec![genesis.to_bytes()];
        let mut reference = Reference::new(&genesis)
            .map_err(|invalid| Invariant::Simulator.broken(format!("the genesis: {invalid}")))?;

        if scenario.admitted {
            for (index, name) in names.iter().enumerate().skip(1) {
                let role = scenario.role(index);
                let Some(joining) = secrets.get(name) else { continue };
                let token = joining.invitation();
                let statement = Statement {
                    ivn: Some(ivn),
                    author: Author::Account(admin.clone()),
                    at,
                    seen: 0,
                    body: Body::Invitation(invitation(name, role, &token, at)),
                };
                let invited = Entry::sign(statement, &[&admin_secrets.identity])
                    .map_err(|_| Invariant::Simulator.broken("an invitation cannot be made"))?;
                for entry in [invited, admission(name, &joining.account(), &token, ivn, at)] {
                    log.push(entry.to_bytes());
                    reference.append(&entry).map_err(|refusal| {
                        Invariant::Simulator.broken(format!("the admission of {name}: {refusal}"))
                    })?;
                }
            }
        }

        let mut stations = BTreeMap::new();
        let mut disks = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            let automatic = scenario.automatic.get(index).copied().unwrap_or(false);
            let config = Config { auto_accept: automatic, auto_approve: automatic, log_key: None };
            let skew = chance.up_to(scenario.faults.skew);
            let is_on_roster = index == 0 || scenario.admitted;
            let attacks = scenario.attacks.get(&index).cloned();
            let double = attacks.map(|attacks| Adversary::new(attacks, chance.split()));
            stations
                .insert(name.clone(), Station::new(index, ivn, config, skew, is_on_roster, double));
            disks.insert(name.clone(), NodeDisk::new(genesis.to_bytes()));
        }
        let malicious = names.iter().enumerate();
        let malicious = malicious.filter(|(index, _)| scenario.is_malicious(*index));
        let malicious = malicious.map(|(_, name)| name.clone()).collect();
        let group = "board".parse().map_err(|_| Invariant::Simulator.broken("the group's name"))?;
        let faults = scenario.faults.clone();
        let plan = Plan { scenario, group };
        let documents = (0..plan.scenario.requests.len())
            .map(|k| (plan.document(k), format!("document {k} of run {seed}").into_bytes()))
            .collect();
        let coordinator = CoordinatorDisk::new(log);
        Ok(Self {
            now: 0,
            next_event: 0,
            queue: BTreeMap::new(),
            chance,
            faults,
            plan,
            network: Network::default(),
            stations,
            hub,
            world: World {
                names,
                secrets,
                disks,
                coordinator,
                reference,
                documents,
                rejected: BTreeSet::new(),
                volatile: BTreeSet::new(),
                subjects: BTreeMap::new(),
                packages: BTreeMap::new(),
                lost: BTreeSet::new(),
                malicious,
            },
            invariants: Invariants::default(),
            sabotage: None,
            processes: 0,
            commands: 0,
            outcome: Outcome::default(),
            audit: None,
            record: None,
        })
    }
}

fn names(count: usize) -> Result<Vec<AccountName>, Violation> {
    let numbered = (NAMES.len()..count).map(|number| format!("m{number}"));
    let all = NAMES.iter().map(|name| (*name).to_owned()).chain(numbered);
    all.take(count)
        .map(|name| name.parse().map_err(|_| Invariant::Simulator.broken("an account's name")))
        .collect()
}
