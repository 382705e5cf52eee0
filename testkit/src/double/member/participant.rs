//! A participant of key generations and reshares that can break every rule.
//!
//! It is written from `docs/protocols/keyshare.md` alone and shares nothing with the engine, so
//! that it neither repeats the engine's mistakes nor is limited by its types.

use std::collections::{BTreeMap, BTreeSet};

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use quorate_protocol::Identifier;
use quorate_protocol::keyshare::Parameters;
use rand_core::CryptoRngCore;

use super::sealing::{self, Complainer, Envelope, View, challenge, digest, public};

/// What a dealer commits to in the first round and reveals in the second.
#[derive(Clone, Debug)]
pub(super) struct Dealing {
    pub(super) ephemeral: [u8; 32],
    pub(super) coefficients: Vec<u8>,
    pub(super) proof: Vec<u8>,
}

impl Dealing {
    /// Reads the dealing in a second message with `min_signers` coefficients.
    pub(super) fn of_message(message: &[u8], min_signers: u16) -> Option<Self> {
        let coefficients = coefficients(message, min_signers);
        Some(Self {
            ephemeral: message.get(33..65)?.try_into().ok()?,
            proof: message.get(coefficients.end..coefficients.end + 64)?.to_vec(),
            coefficients: message.get(coefficients)?.to_vec(),
        })
    }

    pub(super) fn points(&self) -> Vec<EdwardsPoint> {
        let decode = |bytes| CompressedEdwardsY::from_slice(bytes).ok()?.decompress();
        self.coefficients.chunks(32).filter_map(decode).collect()
    }
}

/// Returns where the coefficients are in a dealing. In a reshare, a proof of possession precedes
/// them.
fn coefficients(message: &[u8], min_signers: u16) -> std::ops::Range<usize> {
    let start = if message.first() == Some(&9) { 131 } else { 67 };
    start..start + 32 * usize::from(min_signers)
}

/// Returns the sealed sub-share at this place in a dealing.
pub(super) fn sealed(message: &[u8], min_signers: u16, place: usize) -> Option<&[u8]> {
    let start = coefficients(message, min_signers).end + 64 + 2 + 48 * place;
    message.get(start..start + 48)
}

/// Returns the encryption key in a commit or an announcement.
pub(super) fn encryption_key(message: &[u8]) -> Option<[u8; 32]> {
    let place = if message.first() == Some(&4) { 33..65 } else { 65..97 };
    message.get(place)?.try_into().ok()
}

fn list(identifiers: &BTreeSet<Identifier>) -> Vec<u8> {
    identifiers.iter().flat_map(|id| id.get().to_be_bytes()).collect()
}

/// Returns P, the hash of the parameters with what a reshare adds to them.
fn binding(label: &str, parameters: &Parameters, more: &[&[u8]]) -> [u8; 32] {
    let (participants, min_signers) =
        (list(parameters.participants()), parameters.min_signers().to_be_bytes());
    let fields: [&[u8]; 5] = [
        parameters.suite().name().as_bytes(),
        &parameters.session().0,
        parameters.context(),
        &min_signers,
        &participants,
    ];
    digest(label, &[&fields, more].concat())
}

/// One participant's secrets in one session.
pub(super) struct Participant {
    /// P, the hash of the parameters, which begins every other hash.
    binding: [u8; 32],
    me: u16,
    is_reshare: bool,
    polynomial: Vec<Scalar>,
    ephemeral: Scalar,
    decryption: Scalar,
    pub(super) dealing: Dealing,
}

impl Participant {
    /// Deals a polynomial with this many coefficients. Everything else follows the protocol.
    pub(super) fn deal(
        parameters: &Parameters,
        me: u16,
        coefficients: u16,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let binding = binding("quorate/keyshare/v1/dkg", parameters, &[]);
        Self::with_binding(binding, me, false, coefficients, rng)
    }

    /// Deals a polynomial of a reshare with this many coefficients and this constant term. `old` is
    /// the public key package of the key that is reshared.
    pub(super) fn deal_again(
        parameters: &Parameters,
        old: &[u8],
        me: u16,
        constant: Option<Scalar>,
        coefficients: u16,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let dealers = list(parameters.dealers());
        let binding = binding("quorate/keyshare/v1/reshare", parameters, &[old, &dealers]);
        let mut made = Self::with_binding(binding, me, true, coefficients, rng);
        if let Some(constant) = constant {
            made.choose(0, constant, rng);
        }
        made
    }

    /// Chooses one coefficient, and makes a new proof.
    pub(super) fn choose(&mut self, k: usize, value: Scalar, rng: &mut dyn CryptoRngCore) {
        if let Some(coefficient) = self.polynomial.get_mut(k) {
            *coefficient = value;
        }
        let points = self.polynomial.iter().map(EdwardsPoint::mul_base).collect::<Vec<_>>();
        self.commit_to(&points, rng);
    }

    /// Commits to these coefficients, even if they differ from its polynomial, and makes a new
    /// proof of knowledge of its constant term.
    pub(super) fn commit_to(&mut self, points: &[EdwardsPoint], rng: &mut dyn CryptoRngCore) {
        let bytes = points.iter().flat_map(|point| point.compress().0);
        self.dealing.coefficients = bytes.collect();
        self.dealing.proof = self.prove(rng);
    }

    fn with_binding(
        binding: [u8; 32],
        me: u16,
        is_reshare: bool,
        coefficients: u16,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let polynomial: Vec<Scalar> = (0..coefficients).map(|_| Scalar::random(rng)).collect();
        let ephemeral = Scalar::random(rng);
        let dealing = Dealing {
            ephemeral: public(&ephemeral),
            coefficients: polynomial
                .iter()
                .flat_map(|a| EdwardsPoint::mul_base(a).compress().0)
                .collect(),
            proof: Vec::new(),
        };
        let decryption = Scalar::random(rng);
        let mut made = Self { binding, me, is_reshare, polynomial, ephemeral, decryption, dealing };
        made.dealing.proof = made.prove(rng);
        made
    }

    /// Proves knowledge of the constant term, for the current dealing.
    pub(super) fn prove(&self, rng: &mut dyn CryptoRngCore) -> Vec<u8> {
        let nonce = Scalar::random(rng);
        let commitment = EdwardsPoint::mul_base(&nonce).compress().0;
        let Dealing { ephemeral, coefficients, .. } = &self.dealing;
        let fields: [&[u8]; 5] =
            [&self.binding, &self.me.to_be_bytes(), ephemeral, coefficients, &commitment];
        let secret = self.polynomial.first().copied().unwrap_or_default();
        let response = nonce + challenge("quorate/keyshare/v1/knowledge", &fields) * secret;
        [commitment, response.to_bytes()].concat()
    }

    /// Returns the hash of a dealing that is published in the first round.
    pub(super) fn opening(&self, dealing: &Dealing) -> [u8; 32] {
        self.opening_of(self.me, dealing)
    }

    fn opening_of(&self, dealer: u16, dealing: &Dealing) -> [u8; 32] {
        let Dealing { ephemeral, coefficients, proof } = dealing;
        let fields: [&[u8]; 5] =
            [&self.binding, &dealer.to_be_bytes(), ephemeral, coefficients, proof];
        digest("quorate/keyshare/v1/opening", &fields)
    }

    /// Returns the first message: an announcement in a reshare, otherwise a commitment to the
    /// dealing.
    pub(super) fn first_message(&self) -> Vec<u8> {
        self.first_message_for(&self.first_view())
    }

    /// Returns the view that stands for the session's parameters alone.
    fn first_view(&self) -> [u8; 32] {
        digest("quorate/keyshare/v1/transcript", &[&self.binding])
    }

    /// Returns the first message, as if it were for the session of this view.
    pub(super) fn first_message_for(&self, view: &[u8; 32]) -> Vec<u8> {
        let key = public(&self.decryption);
        match self.is_reshare {
            true => [&[4][..], view, &key].concat(),
            false => [&[1][..], view, &self.opening(&self.dealing), &key].concat(),
        }
    }

    /// Returns the polynomial's value for a recipient.
    pub(super) fn sub_share(&self, recipient: u16) -> Scalar {
        let x = Scalar::from(recipient);
        self.polynomial.iter().rev().fold(Scalar::ZERO, |value, a| value * x + a)
    }

    /// Seals any value as the sub-share of a recipient with this encryption key.
    pub(super) fn seal(&self, recipient: u16, key: &[u8; 32], sub_share: &[u8; 32]) -> Vec<u8> {
        let fits = self.opening(&self.dealing);
        self.envelope(self.me, &self.dealing, recipient, key, &fits)
            .seal(&self.ephemeral, sub_share)
    }

    /// Opens the sub-share that the dealer of this message sealed to this participant.
    pub(super) fn open(&self, dealer: u16, dealing: &Dealing, sealed: &[u8]) -> Option<Scalar> {
        let (key, fits) = (public(&self.decryption), self.opening_of(dealer, dealing));
        self.envelope(dealer, dealing, self.me, &key, &fits).open(&self.decryption, sealed)
    }

    fn envelope<'a>(
        &'a self,
        from: u16,
        dealing: &'a Dealing,
        to: u16,
        key: &'a [u8; 32],
        fits: &'a [u8; 32],
    ) -> Envelope<'a> {
        let (label, ephemeral) = ("quorate/keyshare/v1/seal", &dealing.ephemeral);
        Envelope { label, binding: &self.binding, from, to, ephemeral, key, fits }
    }

    /// Returns the second message: its dealing with these sealed sub-shares. In a reshare it
    /// contains a proof of possession of the ephemeral key. If the dealing contains a different
    /// key, the proof is wrong.
    pub(super) fn deals(
        &self,
        view: &View,
        sealed: &BTreeMap<u16, Vec<u8>>,
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<u8> {
        let (me, opening) = (self.me.to_be_bytes(), self.opening(&self.dealing));
        let about: [&[u8]; 4] = [&self.binding, view, &me, &opening];
        let label = "quorate/keyshare/v1/possession";
        let (tag, possession) = match self.is_reshare {
            true => (9, sealing::possession(label, &about, &self.ephemeral, rng)),
            false => (2, Vec::new()),
        };
        let coefficients = u16::try_from(self.dealing.coefficients.len() / 32).unwrap_or_default();
        let recipients = u16::try_from(sealed.len()).unwrap_or_default();
        let mut message = [
            &[tag][..],
            view,
            &self.dealing.ephemeral,
            &possession,
            &coefficients.to_be_bytes(),
            &self.dealing.coefficients,
            &self.dealing.proof,
            &recipients.to_be_bytes(),
        ]
        .concat();
        sealed.values().for_each(|sealed| message.extend_from_slice(sealed));
        message
    }

    pub(super) fn complainer(&self) -> Complainer<'_> {
        let (label, binding) = ("quorate/keyshare/v1/complaint", &self.binding);
        Complainer { label, binding, me: self.me, secret: &self.decryption }
    }
}

/// Returns the third message with these complaints. Without complaints, it approves.
pub(super) fn verdict(view: &View, complaints: &[Vec<u8>]) -> Vec<u8> {
    sealing::answer(3, view, complaints)
}
