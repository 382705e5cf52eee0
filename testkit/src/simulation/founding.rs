//! How a run begins: accounts, keys, the genesis, and empty disks.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::{Author, Entry, Statement};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::names::{AccountName, Digest, IvnId, Timestamp};
use quorate_ceremony::node::Config;
use quorate_ceremony::statement::{Body, Genesis, Invitation, Role};

use super::coordinator::Hub;
use super::network::Network;
use super::node::Station;
use super::world::{Secrets, World};
use super::{Outcome, START, Simulation};
use crate::disk::{CoordinatorDisk, NodeDisk};
use crate::double::member::Adversary;
use crate::invariants::{Invariant, Invariants, Violation};
use crate::reference::Reference;
use crate::rng::Chance;
use crate::scenario::Scenario;
use crate::users::{INVITATION, Plan};

const NAMES: [&str; 10] = ["ada", "ben", "cyd", "dot", "eve", "fay", "gus", "hal", "ida", "jon"];

pub(super) fn found(scenario: Scenario, seed: u64) -> Result<Simulation, Violation> {
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
    let genesis = genesis(&names, &secrets, &hub, &mut chance)?;
    let ivn = genesis.ivn_id_as_genesis();
    let mut log = vec![genesis.to_bytes()];
    let mut reference = Reference::new(&genesis)
        .map_err(|invalid| Invariant::Simulator.broken(format!("the genesis: {invalid}")))?;

    if scenario.admitted {
        for (index, name) in names.iter().enumerate().skip(1) {
            let role = scenario.role(index);
            for entry in admission(&names, &secrets, name, role, ivn)? {
                log.push(entry.to_bytes());
                reference.append(&entry).map_err(|invalid| {
                    Invariant::Simulator.broken(format!("the admission of {name}: {invalid}"))
                })?;
            }
        }
    }

    let mut stations = BTreeMap::new();
    let mut disks = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        let automatic = scenario.automatic.get(index).copied().unwrap_or(false);
        let config = Config { auto_accept: automatic, auto_approve: automatic };
        let skew = chance.up_to(scenario.faults.skew);
        let is_on_roster = index == 0 || scenario.admitted;
        let attacks = scenario.attacks.get(&index).cloned();
        let double = attacks.map(|attacks| Adversary::new(attacks, chance.split()));
        stations.insert(name.clone(), Station::new(index, ivn, config, skew, is_on_roster, double));
        let disk = NodeDisk { entries: vec![genesis.to_bytes()], ..NodeDisk::default() };
        disks.insert(name.clone(), disk);
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
    let coordinator = CoordinatorDisk { entries: log, ..CoordinatorDisk::default() };
    Ok(Simulation {
        seed,
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
        trace: None,
    })
}

fn names(count: usize) -> Result<Vec<AccountName>, Violation> {
    let numbered = (NAMES.len()..count).map(|number| format!("m{number}"));
    let all = NAMES.iter().map(|name| (*name).to_owned()).chain(numbered);
    all.take(count)
        .map(|name| name.parse().map_err(|_| Invariant::Simulator.broken("an account's name")))
        .collect()
}

fn genesis(
    names: &[AccountName],
    secrets: &BTreeMap<AccountName, Secrets>,
    hub: &Hub,
    chance: &mut Chance,
) -> Result<Entry, Violation> {
    let failed = || Invariant::Simulator.broken("the genesis can not be made");
    let admin = names.first().ok_or_else(failed)?;
    let keys = secrets.get(admin).ok_or_else(failed)?.account();
    let coordinator = hub.secrets();
    let statement = Statement {
        ivn: None,
        author: Author::Account(admin.clone()),
        at: Timestamp(START),
        body: Body::Genesis(Genesis {
            deployment: "sim.test".to_owned(),
            name: "simulated".to_owned(),
            admin: keys.public(),
            roles: BTreeSet::from([Role::Admin, Role::Member]),
            log_key: coordinator.log.public(),
            coordinator_key: coordinator.identity.public(),
            ca: Digest::new([0xCA; 32]),
            nonce: Digest::new(chance.bytes()),
        }),
    };
    let signers: [&SecretKey; 2] = [&keys.identity, &coordinator.identity];
    Entry::sign(statement, &signers).map_err(|_| failed())
}

/// The invitation of an account, and its admission.
fn admission(
    names: &[AccountName],
    secrets: &BTreeMap<AccountName, Secrets>,
    name: &AccountName,
    role: Role,
    ivn: IvnId,
) -> Result<[Entry; 2], Violation> {
    let failed = || Invariant::Simulator.broken("an admission can not be made");
    let admin = names.first().ok_or_else(failed)?;
    let (inviting, joining) =
        (secrets.get(admin).ok_or_else(failed)?, secrets.get(name).ok_or_else(failed)?);
    let token = joining.invitation();
    let keys = joining.account();
    let at = Timestamp(START);
    let invitation = Statement {
        ivn: Some(ivn),
        author: Author::Account(admin.clone()),
        at,
        body: Body::Invitation(Invitation {
            name: name.clone(),
            roles: BTreeSet::from([role]),
            key: token.public(),
            expires_at: at.plus(INVITATION),
            replaces: None,
        }),
    };
    let admitted = Statement {
        ivn: Some(ivn),
        author: Author::Account(name.clone()),
        at,
        body: Body::AccountAdmitted { keys: keys.public() },
    };
    let invitation =
        Entry::sign(invitation, &[&inviting.account().identity]).map_err(|_| failed())?;
    let admitted = Entry::sign(admitted, &[&token, &keys.identity]).map_err(|_| failed())?;
    Ok([invitation, admitted])
}
