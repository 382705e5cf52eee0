//! S1: nonces.

use std::collections::{BTreeMap, BTreeSet};

use quorate_ceremony::entry::MOST_SIGNATURES;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{AccountName, SessionId};
use quorate_ceremony::signing::{Place, SignedPart, SigningSession, Subject};
use quorate_ceremony::test_world::FIRST;
use quorate_protocol::Identifier;

use super::{Invariant, Seen, Violation};
use crate::world::{World, committed};

/// Every pair of nonces, identified by its commitments, and the share that was made from it.
#[derive(Default)]
pub(crate) struct NoncePairs {
    subjects: BTreeMap<SessionId, Subject>,
    announced: BTreeMap<(AccountName, SessionId), Vec<u8>>,
    /// All commitments ever announced.
    known: BTreeSet<Vec<u8>>,
    /// The sets of commitments that the coordinator sent in each session, and the places of shares
    /// for them.
    packages: BTreeMap<SessionId, Vec<Package>>,
    rosters: Vec<BTreeMap<AccountName, Identifier>>,
    /// The set that each node received.
    shown: BTreeMap<(AccountName, SessionId), BTreeSet<Place>>,
    shares: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A set of commitments, and the places of shares that are made for it.
struct Package {
    commitments: Vec<(AccountName, SignedPart)>,
    /// One place for each epoch whose shares these signers could hold.
    places: BTreeSet<Place>,
}

impl NoncePairs {
    /// S1: "no two signature shares ever come from one nonce pair, also after kill -9 between any
    /// two steps".
    ///
    /// Every share that a node sends belongs to the commitments that the node announced for that
    /// session. The node's disk records a session as committed before commitments leave, and as
    /// released before the share leaves.
    pub(crate) fn s1_no_two_shares_come_from_one_nonce_pair(
        &mut self,
        world: &World,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        match seen {
            Seen::CoordinatorSent(_, FromCoordinator::Invite { session, subject, .. }, _) => {
                self.subjects.insert(*session, *subject);
                Ok(())
            }
            Seen::CoordinatorSent(to, FromCoordinator::Package { session, parts, .. }, _) => {
                let packages = self.package(world, *session, parts)?;
                self.shown.entry(((*to).clone(), *session)).or_default().extend(packages);
                Ok(())
            }
            Seen::NodeSent(by, FromNode::Part { session, part, .. }, _) => {
                self.announced(world, by, *session, part)
            }
            Seen::NodeSent(by, FromNode::Share { session, share, .. }, _) => {
                self.released(world, by, *session, share)
            }
            _ => Ok(()),
        }
    }

    fn context(&self, world: &World, session: SessionId) -> Result<SigningSession, Violation> {
        let subject = self.subjects.get(&session).copied();
        let subject =
            subject.ok_or_else(|| Invariant::S1.broken("a session without an invitation"))?;
        let ivn = world.reference.state.ivn();
        Ok(SigningSession { ivn, session, epoch: 1, subject, number: 0 })
    }

    /// All accounts that hold a share now, or are about to.
    fn learn_rosters(&mut self, world: &World) {
        for group in world.reference.state.groups().values() {
            let key = group.key.as_ref().map(|key| &key.identifiers);
            let next = group.session.as_ref().map(|ceremony| &ceremony.terms.identifiers);
            for roster in key.into_iter().chain(next) {
                if !self.rosters.contains(roster) {
                    self.rosters.push(roster.clone());
                }
            }
        }
    }

    /// Returns the places of shares for this set of commitments.
    fn package(
        &mut self,
        world: &World,
        session: SessionId,
        shown: &[(AccountName, SignedPart)],
    ) -> Result<BTreeSet<Place>, Violation> {
        let context = self.context(world, session)?;
        self.learn_rosters(world);
        let known = self.packages.entry(session).or_default();
        if let Some(package) = known.iter().find(|package| package.commitments == shown) {
            return Ok(package.places.clone());
        }
        let mut opened = Vec::new();
        for (account, signed) in shown {
            opened.push((account, open(world, context, account, signed)?));
        }
        let named = |roster: &BTreeMap<AccountName, Identifier>| -> Option<Place> {
            let all = opened.iter().map(|(name, theirs)| Some((*roster.get(*name)?, *theirs)));
            Some(context.place(&committed(all.collect::<Option<Vec<_>>>()?)?))
        };
        let places: BTreeSet<Place> = self.rosters.iter().filter_map(named).collect();
        known.push(Package { commitments: shown.to_vec(), places: places.clone() });
        Ok(places)
    }

    fn announced(
        &mut self,
        world: &World,
        by: &AccountName,
        session: SessionId,
        signed: &SignedPart,
    ) -> Result<(), Violation> {
        let opened = open(world, self.context(world, session)?, by, signed)?;
        let durable = world.disk(by).is_some_and(|disk| disk.sessions.contains_key(&session));
        Invariant::S1.check(durable, || format!("{by} commits before it is on its disk"))?;
        let bytes = opened.to_vec();
        let fresh = self.known.insert(bytes.clone());
        Invariant::S1.check(fresh, || format!("{by} announces the same commitments twice"))?;
        let first = self.announced.insert((by.clone(), session), bytes).is_none();
        Invariant::S1.check(first, || format!("{by} commits twice in one session"))
    }

    fn released(
        &mut self,
        world: &World,
        by: &AccountName,
        session: SessionId,
        signed: &SignedPart,
    ) -> Result<(), Violation> {
        let context = self.context(world, session)?;
        let state = &world.reference.state;
        let durable = world.disk(by).is_some_and(|disk| disk.sessions.get(&session) == Some(&true));
        Invariant::S1
            .check(durable, || format!("{by} releases a share before it is on its disk"))?;
        let pair = (by.clone(), session);
        let nonces = self.announced.get(&pair).ok_or_else(|| {
            Invariant::S1.broken(format!("{by} releases a share without having committed"))
        })?;
        let key = state.identity_key(by).ok_or_else(|| Invariant::S1.broken("who is that?"))?;
        for package in self.shown.get(&pair).into_iter().flatten() {
            let mut opened = at_any_time(world, context)
                .filter_map(|context| context.open(by, key, *package, signed).ok());
            let Some(share) = opened.next() else { continue };
            let share = share.to_vec();
            let earlier = self.shares.insert(nonces.clone(), share.clone());
            return Invariant::S1.check(earlier.is_none_or(|earlier| earlier == share), || {
                format!("{by} releases two shares from one nonce pair")
            });
        }
        Err(Invariant::S1
            .broken(format!("{by} releases a share for commitments that it was not sent")))
    }
}

/// A signer names the epoch of its share and the number of the signature, and may not know the
/// latest of them yet.
fn at_any_time(
    world: &World,
    context: SigningSession,
) -> impl Iterator<Item = SigningSession> + use<> {
    let keys = world.reference.state.groups().values().filter_map(|group| group.key.as_ref());
    let latest = keys.map(|key| key.epoch).max().unwrap_or(0);
    (1..=latest + 1).flat_map(move |epoch| {
        (0..MOST_SIGNATURES).map(move |number| SigningSession { epoch, number, ..context })
    })
}

fn open<'a>(
    world: &World,
    context: SigningSession,
    by: &AccountName,
    signed: &'a SignedPart,
) -> Result<&'a [u8], Violation> {
    let key = world.reference.state.identity_key(by);
    let opened = key.and_then(|key| {
        at_any_time(world, context).find_map(|context| context.open(by, key, FIRST, signed).ok())
    });
    opened.ok_or_else(|| Invariant::S1.broken(format!("commitments that {by} did not sign")))
}
