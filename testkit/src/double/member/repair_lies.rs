//! What a double says in each round of a repair.

use std::collections::BTreeMap;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use rand_chacha::ChaCha20Rng;

use super::random;
use super::repair_rounds::{DEAL, RepairRounds, SUM, VERDICT};
use super::repairer::{self, Dealing, Repairer};
use super::repairing::RepairMischief as Mischief;
use super::sealing;

/// A double's part in one session.
pub(super) struct Liar {
    mischief: Mischief,
    repairer: Repairer,
    /// What it kept of what it dealt.
    kept: Scalar,
    /// The share that was made again for it.
    pub(super) repaired: Option<Scalar>,
}

impl Liar {
    pub(super) fn new(mischief: Mischief, rounds: &RepairRounds, rng: &mut ChaCha20Rng) -> Self {
        let repairer = Repairer::new(rounds.parameters(), rounds.me, rng);
        Self { mischief, repairer, kept: Scalar::ZERO, repaired: None }
    }

    pub(super) fn announces(
        &self,
        rounds: &RepairRounds,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<Vec<u8>>> {
        let mut messages = vec![match self.mischief {
            Mischief::GarbageAnnouncement => vec![1, 2, 3],
            Mischief::IdentityAsKey => repairer::announcement(&[0; 32]),
            Mischief::AnothersEncryptionKey => rounds.anothers_announcement()?.clone(),
            _ => repairer::announcement(&self.repairer.key()),
        }];
        match self.mischief {
            Mischief::TwoAnnouncements => {
                let other = Repairer::new(rounds.parameters(), rounds.me, rng);
                messages.push(repairer::announcement(&other.key()));
            }
            Mischief::AnothersRound if rounds.is_recipient() => {
                messages.push([&[DEAL][..], &random(rng)].concat());
            }
            _ => {}
        }
        Some(messages)
    }

    pub(super) fn deals(
        &mut self,
        rounds: &RepairRounds,
        share: Scalar,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<Vec<u8>>> {
        let (me, helpers, victim) = (rounds.me, rounds.helpers(), rounds.victim()?);
        if self.mischief == Mischief::AnothersDealing {
            return Some(vec![rounds.message(DEAL, victim)?.clone()]);
        }
        let value = match self.mischief {
            Mischief::OtherShare => Scalar::random(rng),
            Mischief::OtherWeight => repairer::weight(me, &helpers, u16::MAX) * share,
            _ => repairer::weight(me, &helpers, rounds.recipient()) * share,
        };
        let mut row = repairer::split(value, me, &helpers, rng);
        if self.mischief == Mischief::ZeroSummand {
            let moved = row.insert(victim, Scalar::ZERO)?;
            *row.get_mut(&me)? += moved;
        }
        let mut points: BTreeMap<u16, EdwardsPoint> =
            row.iter().map(|(to, summand)| (*to, EdwardsPoint::mul_base(summand))).collect();
        if self.mischief == Mischief::Torsion {
            let torsion = EIGHT_TORSION.get(1)?;
            *points.get_mut(&victim)? += torsion;
            *points.get_mut(&me)? -= torsion;
        }
        let dealing = Dealing {
            view: match self.mischief {
                Mischief::OtherView => random(rng),
                _ => *rounds.view(DEAL)?,
            },
            ephemeral: match self.mischief {
                Mischief::AnothersEphemeralKey => rounds.dealing(victim)?.ephemeral,
                Mischief::IdentityAsEphemeralKey => [0; 32],
                _ => self.repairer.ephemeral_key(),
            },
            commitments: points.values().flat_map(|point| point.compress().0).collect(),
        };
        self.kept = row.remove(&me)?;
        let others: Vec<u16> = row.keys().copied().collect();
        let wrong: &[u16] = match self.mischief {
            Mischief::WrongSummandToOne => &[victim],
            Mischief::WrongSummandToAll => &others,
            _ => &[],
        };
        let mut sealed = self.sealed(rounds, &dealing, &row, wrong)?;
        if self.mischief == Mischief::GarbageSummand {
            sealed.get_mut(&victim)?.fill(0xAB);
        }
        let mut message = self.repairer.deals(&dealing, &sealed, rng);
        if self.mischief == Mischief::WrongProof {
            *message.get_mut(128)? ^= 1;
        }
        let mut messages = vec![message];
        if self.mischief == Mischief::TwoDealings {
            let other = self.sealed(rounds, &dealing, &row, &[victim])?;
            messages.push(self.repairer.deals(&dealing, &other, rng));
        }
        Some(messages)
    }

    /// The sealed summands of a row; these helpers get others than those.
    fn sealed(
        &self,
        rounds: &RepairRounds,
        dealing: &Dealing,
        row: &BTreeMap<u16, Scalar>,
        wrong: &[u16],
    ) -> Option<BTreeMap<u16, Vec<u8>>> {
        row.iter()
            .map(|(to, summand)| {
                let summand = summand + Scalar::from(u8::from(wrong.contains(to)));
                let key = rounds.key(*to)?;
                Some((*to, self.repairer.seal_summand(dealing, *to, &key, &summand)))
            })
            .collect()
    }

    pub(super) fn adds_up(
        &self,
        rounds: &RepairRounds,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<Vec<u8>>> {
        let view = rounds.view(SUM)?;
        let complaints = self.complaints(rounds, rng)?;
        if !complaints.is_empty() {
            return Some(vec![sealing::answer(SUM, view, &complaints)]);
        }
        let others = rounds.helpers().into_iter().filter(|helper| *helper != rounds.me);
        let opened: Option<Vec<Scalar>> = others
            .map(|helper| {
                let (dealing, sealed) = (rounds.dealing(helper)?, rounds.summand_of(helper)?);
                self.repairer.open_summand(helper, &dealing, sealed)
            })
            .collect();
        let sum = match (self.mischief, opened) {
            // All that it can do is guess.
            (Mischief::AnothersEncryptionKey, None) => Scalar::random(rng),
            (Mischief::WrongSum, opened) => {
                self.kept + opened?.iter().sum::<Scalar>() + Scalar::ONE
            }
            (_, opened) => self.kept + opened?.iter().sum::<Scalar>(),
        };
        let key = rounds.key(rounds.recipient())?;
        let mut sealed = self.repairer.seal_sum(view, &key, &sum);
        match self.mischief {
            Mischief::GarbageSum => sealed.fill(0xAB),
            Mischief::AnothersSum => sealed = rounds.sum_of(rounds.victim()?)?.to_vec(),
            _ => {}
        }
        let named = if self.mischief == Mischief::OtherViewInSum { random(rng) } else { *view };
        let mut messages = vec![[sealing::answer(SUM, &named, &[]), sealed].concat()];
        match self.mischief {
            Mischief::TwoSums => {
                let other = self.repairer.seal_sum(view, &key, &(sum + Scalar::ONE));
                messages.push([sealing::answer(SUM, view, &[]), other].concat());
            }
            Mischief::AnothersRound => messages.push(sealing::answer(VERDICT, view, &[])),
            _ => {}
        }
        Some(messages)
    }

    pub(super) fn judges(
        &mut self,
        rounds: &RepairRounds,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<Vec<u8>>> {
        let view = rounds.view(VERDICT)?;
        let complaints = self.complaints(rounds, rng)?;
        let approval = sealing::answer(VERDICT, view, &[]);
        let complaint = sealing::answer(VERDICT, view, &complaints);
        match self.mischief {
            Mischief::OtherView => return Some(vec![sealing::answer(VERDICT, &random(rng), &[])]),
            Mischief::TwoVerdicts => {}
            _ if !complaints.is_empty() => return Some(vec![complaint]),
            _ => {}
        }
        // Of round 3: what the sums had to fit.
        let fits = rounds.view(SUM)?;
        let opened: Option<Vec<Scalar>> = rounds
            .helpers()
            .into_iter()
            .map(|helper| {
                let (ephemeral, sealed) =
                    (rounds.dealing(helper)?.ephemeral, rounds.sum_of(helper)?);
                self.repairer.open_sum(helper, &ephemeral, fits, sealed)
            })
            .collect();
        // What the others help it to is the lost share, or it says nothing.
        let share = opened?.iter().sum::<Scalar>();
        if rounds.lost()? != EdwardsPoint::mul_base(&share).compress().as_bytes() {
            return None;
        }
        self.repaired = Some(share);
        Some(match self.mischief {
            Mischief::TwoVerdicts => vec![approval, complaint],
            _ => vec![approval],
        })
    }

    /// What it complains about, and how.
    fn complaints(&self, rounds: &RepairRounds, rng: &mut ChaCha20Rng) -> Option<Vec<Vec<u8>>> {
        let victim = rounds.victim()?;
        let ephemeral = rounds.dealing(victim)?.ephemeral;
        Some(match self.mischief {
            Mischief::FalseComplaint | Mischief::TwoVerdicts => {
                vec![self.repairer.complaint(victim, &ephemeral, rng)]
            }
            Mischief::ForgedComplaint => {
                let mut complaint = self.repairer.complaint(victim, &ephemeral, rng);
                // Another shared point, with the proof of the right one.
                complaint.get_mut(2..34)?.copy_from_slice(&self.repairer.ephemeral_key());
                vec![complaint]
            }
            Mischief::ComplaintAboutNobody => {
                vec![self.repairer.complaint(u16::MAX, &ephemeral, rng)]
            }
            Mischief::ComplaintAboutItself => {
                let own = self.repairer.ephemeral_key();
                vec![self.repairer.complaint(rounds.me, &own, rng)]
            }
            // A helper may guess; the recipient has nothing to guess with, and nothing to prove what is wrong.
            Mischief::AnothersEncryptionKey if rounds.is_recipient() => {
                vec![self.repairer.complaint(victim, &ephemeral, rng)]
            }
            _ => Vec::new(),
        })
    }
}
