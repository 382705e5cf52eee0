//! Sets a stage: founds an IVN honestly, up to a group with a key.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a stage that cannot be set up fails the test that asked for it"
)]

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::coordinator as hub;
use quorate_ceremony::effect::JoinId;
use quorate_ceremony::entry::{GroupDefinition, Role};
use quorate_ceremony::names::{AccountName, Digest, Timestamp};
use quorate_ceremony::node::Command;
use quorate_ceremony::policy::Policy;
use quorate_ceremony::test_world::{admission, board, genesis_entry, invitation, name};
use quorate_protocol::Suite;

use super::attack_world::{Stage, Trouble};
use super::attacker_knowledge::AttackerKnowledge;
use super::coordinator::{Liar, ViewId, secrets as coordinator_secrets};
use crate::reference::START;
use crate::rng::Chance;
use crate::world::Secrets;

const NAMES: [&str; 5] = ["ada", "ben", "cyd", "dot", "eve"];

impl Stage {
    /// Founds an IVN of `members` admitted accounts, with a group whose key needs `min_signers`.
    pub fn new(min_signers: u16, members: usize, seed: u64) -> Self {
        let mut stage = Self::founded(members, seed);
        let names = stage.names.clone();
        let admin = names[0].clone();
        stage.start(&admin);
        stage.settle();
        for account in &names[1..] {
            let token = stage.secrets[account].invitation();
            let invitation = invitation(account, Role::Member, &token, stage.clock());
            stage.orders(&admin, Command::Invite(invitation)).expect("an invitation");
            let keys = stage.secrets[account].account();
            let entry = admission(account, &keys, &token, stage.ivn, stage.clock());
            stage.tell_view(ViewId(0), hub::Input::Join(JoinId(0), entry.to_bytes()));
            stage.start(account);
        }
        let definition = stage.definition(min_signers);
        stage.truth.defined.push(definition.clone());
        stage.orders(&admin, Command::DefineGroup(definition)).expect("a group");
        stage.settle();
        let state = stage.node(&admin).state();
        assert!(state.group(&board()).is_ok_and(|group| group.key.is_some()), "there is a key");
        stage
    }

    pub fn definition(&self, min_signers: u16) -> GroupDefinition {
        GroupDefinition {
            name: board(),
            suite: Suite::FrostEd25519Sha512,
            min_signers,
            members: self.names.clone(),
            document_types: BTreeSet::new(),
            policy: Policy::for_min_signers(min_signers),
        }
    }

    fn founded(members: usize, seed: u64) -> Self {
        let mut chance = Chance::from_seed(seed);
        let names: Vec<AccountName> = NAMES.iter().take(members).map(|text| name(text)).collect();
        let secrets: BTreeMap<_, _> = names
            .iter()
            .map(|account| {
                let (identity, cosigner) = (chance.bytes(), chance.bytes());
                (account.clone(), Secrets { identity, cosigner, invitation: chance.bytes() })
            })
            .collect();
        let (log, identity) = (chance.bytes(), chance.bytes());
        let founder = secrets[&names[0]].account();
        let hub = coordinator_secrets(&log, &identity);
        let nonce = Digest::new(chance.bytes());
        let genesis = genesis_entry(&names[0], &founder, &hub, nonce, Timestamp(START));
        let liar = Liar::new(log, identity, &genesis).expect("a coordinator");
        Self {
            now: 0,
            rng: chance.split(),
            chance,
            commands: 0,
            ivn: genesis.ivn_id_as_genesis(),
            names,
            secrets,
            stations: BTreeMap::new(),
            documents: BTreeMap::new(),
            truth: AttackerKnowledge::default(),
            liar,
            violations: Vec::new(),
            trouble: Trouble::default(),
            faults: 0,
            hurt: false,
        }
    }
}
