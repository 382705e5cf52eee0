//! A participant of repairs that can break every rule.
//!
//! It is written from `docs/protocols/repair.md` alone and shares nothing with the engine, like
//! [`Participant`](super::participant) for key generations and reshares.

use std::collections::BTreeMap;

use curve25519_dalek::scalar::Scalar;
use quorate_protocol::Identifier;
use quorate_protocol::repair::Parameters;
use rand_core::CryptoRngCore;

use super::sealing::{self, Complainer, Envelope, View, digest, public};

/// What a helper publishes about the summands of its share.
#[derive(Clone, Debug)]
pub(super) struct Dealing {
    pub(super) view: View,
    pub(super) ephemeral: [u8; 32],
    /// A point for each helper, in ascending order.
    pub(super) commitments: Vec<u8>,
}

impl Dealing {
    /// Reads the dealing in a second message, among this many helpers.
    pub(super) fn of_message(message: &[u8], helpers: usize) -> Option<Self> {
        Some(Self {
            view: message.get(1..33)?.try_into().ok()?,
            ephemeral: message.get(33..65)?.try_into().ok()?,
            commitments: message.get(129..129 + 32 * helpers)?.to_vec(),
        })
    }
}

pub(super) const SUM: u8 = 7;
pub(super) const VERDICT: u8 = 8;

/// Returns the sealed summand at this place in a dealing among this many helpers.
pub(super) fn sealed_summand(message: &[u8], helpers: usize, place: usize) -> Option<&[u8]> {
    let start = 129 + 32 * helpers + 48 * place;
    message.get(start..start + 48)
}

pub(super) fn sealed_sum(message: &[u8]) -> Option<&[u8]> {
    message.get(35..83)
}

pub(super) fn encryption_key(message: &[u8]) -> Option<[u8; 32]> {
    message.get(33..65)?.try_into().ok()
}

pub(super) fn announcement(view: &[u8; 32], key: &[u8; 32]) -> Vec<u8> {
    [&[5][..], view, key].concat()
}

/// Returns the Lagrange coefficient at `at` of one of these helpers.
pub(super) fn weight(of: u16, helpers: &[u16], at: u16) -> Scalar {
    let x = Scalar::from;
    let others = helpers.iter().filter(|other| **other != of);
    others.map(|other| (x(at) - x(*other)) * (x(of) - x(*other)).invert()).product()
}

/// Splits a value into summands, one for each helper. All are random except the splitter's own.
pub(super) fn split(
    value: Scalar,
    me: u16,
    helpers: &[u16],
    rng: &mut dyn CryptoRngCore,
) -> BTreeMap<u16, Scalar> {
    let others = helpers.iter().filter(|other| **other != me);
    let mut row: BTreeMap<u16, Scalar> =
        others.map(|other| (*other, Scalar::random(&mut *rng))).collect();
    row.insert(me, value - row.values().sum::<Scalar>());
    row
}

/// One participant's secrets in one repair.
pub(super) struct Repairer {
    /// P, the hash of the parameters, which begins every other hash.
    binding: [u8; 32],
    me: u16,
    recipient: u16,
    decryption: Scalar,
    ephemeral: Scalar,
}

impl Repairer {
    pub(super) fn new(parameters: &Parameters, me: u16, rng: &mut dyn CryptoRngCore) -> Self {
        let candidates = parameters.candidates().iter();
        let candidates: Vec<u8> =
            candidates.flat_map(|id: &Identifier| id.get().to_be_bytes()).collect();
        let (public, recipient) = (parameters.public().to_bytes(), parameters.recipient().get());
        let fields: [&[u8]; 6] = [
            parameters.suite().name().as_bytes(),
            &parameters.session().0,
            parameters.context(),
            &public,
            &candidates,
            &recipient.to_be_bytes(),
        ];
        let binding = digest("quorate/repair/v1/parameters", &fields);
        let (decryption, ephemeral) = (Scalar::random(rng), Scalar::random(rng));
        Self { binding, me, recipient, decryption, ephemeral }
    }

    /// Returns the view of the first message, which stands for the session's parameters alone.
    pub(super) fn first_view(&self) -> [u8; 32] {
        digest("quorate/repair/v1/transcript", &[&self.binding])
    }

    /// Returns the key to which others seal values for this participant.
    pub(super) fn key(&self) -> [u8; 32] {
        public(&self.decryption)
    }

    /// Returns the key with which this participant seals.
    pub(super) fn ephemeral_key(&self) -> [u8; 32] {
        public(&self.ephemeral)
    }

    /// Returns the second message: a dealing with these sealed summands, and a proof that this
    /// participant knows the secret of its ephemeral key. If the dealing contains a different
    /// ephemeral key, the proof is wrong.
    pub(super) fn deals(
        &self,
        dealing: &Dealing,
        sealed: &BTreeMap<u16, Vec<u8>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<u8> {
        let stands_for = self.stands_for(self.me, dealing);
        let label = "quorate/repair/v1/possession";
        let proof = sealing::possession(label, &[&stands_for], &self.ephemeral, rng);
        let Dealing { view, ephemeral, commitments } = dealing;
        let mut message = [&[6][..], view, ephemeral, &proof, commitments].concat();
        sealed.values().for_each(|sealed| message.extend_from_slice(sealed));
        message
    }

    /// Returns d, the hash that represents a helper's dealing elsewhere.
    fn stands_for(&self, helper: u16, dealing: &Dealing) -> [u8; 32] {
        let Dealing { view, ephemeral, commitments } = dealing;
        let fields: [&[u8]; 5] =
            [&self.binding, view, &helper.to_be_bytes(), ephemeral, commitments];
        digest("quorate/repair/v1/dealing", &fields)
    }

    /// Seals any summand to a helper with this encryption key.
    pub(super) fn seal_summand(
        &self,
        dealing: &Dealing,
        to: u16,
        key: &[u8; 32],
        summand: &Scalar,
    ) -> Vec<u8> {
        let fits = self.stands_for(self.me, dealing);
        let (label, ephemeral) = ("quorate/repair/v1/summand/seal", &dealing.ephemeral);
        Envelope { label, binding: &self.binding, from: self.me, to, ephemeral, key, fits: &fits }
            .seal(&self.ephemeral, summand.as_bytes())
    }

    /// Opens a summand that another helper sealed to this one.
    pub(super) fn open_summand(
        &self,
        from: u16,
        dealing: &Dealing,
        sealed: &[u8],
    ) -> Option<Scalar> {
        let (key, fits) = (self.key(), self.stands_for(from, dealing));
        let (label, ephemeral) = ("quorate/repair/v1/summand/seal", &dealing.ephemeral);
        let (binding, to) = (&self.binding, self.me);
        Envelope { label, binding, from, to, ephemeral, key: &key, fits: &fits }
            .open(&self.decryption, sealed)
    }

    /// Seals a sum to the recipient with this encryption key. `view` is the view of the third
    /// round, even if the message contains a different one.
    pub(super) fn seal_sum(&self, view: &View, key: &[u8; 32], sum: &Scalar) -> Vec<u8> {
        let ephemeral = self.ephemeral_key();
        self.sum(self.me, &ephemeral, key, view).seal(&self.ephemeral, sum.as_bytes())
    }

    /// Opens a sum that a helper with this ephemeral key sealed to this recipient.
    pub(super) fn open_sum(
        &self,
        from: u16,
        ephemeral: &[u8; 32],
        view: &View,
        sealed: &[u8],
    ) -> Option<Scalar> {
        self.sum(from, ephemeral, &self.key(), view).open(&self.decryption, sealed)
    }

    fn sum<'a>(
        &'a self,
        from: u16,
        ephemeral: &'a [u8; 32],
        key: &'a [u8; 32],
        view: &'a View,
    ) -> Envelope<'a> {
        let (label, to) = ("quorate/repair/v1/sum/seal", self.recipient);
        Envelope { label, binding: &self.binding, from, to, ephemeral, key, fits: view }
    }

    /// Returns the means to complain: a helper complains about summands, the recipient about sums.
    pub(super) fn complainer(&self) -> Complainer<'_> {
        let label = match self.me == self.recipient {
            true => "quorate/repair/v1/sum/complaint",
            false => "quorate/repair/v1/summand/complaint",
        };
        Complainer { label, binding: &self.binding, me: self.me, secret: &self.decryption }
    }
}
