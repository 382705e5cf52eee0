//! One signer in a session: what it keeps from round to round, and the sealing of its messages.

use std::collections::{BTreeMap, BTreeSet};

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::EcdsaCurve;
use super::dkls::{
    Begun, Curve, Fault, Holding, Letters, Multiplied, Rank, Seeds, Session, SetUp, rank,
};
use super::message::Contents;
use crate::Identifier;
use crate::keys::KeyPackage;
use crate::session::sealing::SecretKey;
use crate::signing::error::Error;
use crate::signing::secrets::{Addressed, Message, Next, Opening, Secrets, Turn};
use crate::transcript::Transcript;

/// A signer between two rounds.
struct Signer<C: Curve> {
    channel: Channel,
    stage: Stage<C>,
}

enum Stage<C: Curve> {
    Committed(Seeds),
    SetUp(SetUp<C>),
    Begun(Begun<C>),
    Multiplied(Multiplied<C>),
}

/// What a signer needs to exchange sealed messages with the others.
struct Channel {
    session: Session,
    /// In the order of their numbers.
    signers: Vec<Identifier>,
    sealing: SecretKey,
    /// Sealed messages of the present round, to be opened when the round is complete.
    received: BTreeMap<Identifier, Vec<u8>>,
}

/// Round 1.
pub(in crate::signing) fn start(
    curve: EcdsaCurve,
    key: &KeyPackage,
    opening: &Opening<'_>,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Box<dyn Secrets>, Vec<u8>), Error> {
    match curve {
        EcdsaCurve::P256 => begin::<dkls_p256::NistP256>(key, opening, rng),
        EcdsaCurve::Secp256k1 => begin::<dkls_k256::Secp256k1>(key, opening, rng),
    }
}

fn begin<C: Curve>(
    key: &KeyPackage,
    opening: &Opening<'_>,
    rng: &mut dyn CryptoRngCore,
) -> Result<(Box<dyn Secrets>, Vec<u8>), Error> {
    let (signers, message) =
        (opening.signers.ok_or(Error::Signers)?, opening.message.ok_or(Error::NoMessage)?);
    let (count, needed) = (signers.len(), key.min_signers());
    if count < usize::from(needed) || count < 2 {
        return Err(Error::TooFewSigners { signers: count, min_signers: needed.max(2) });
    }
    let signers: Vec<Identifier> = signers.iter().copied().collect();
    let mut id = Transcript::new("quorate/ecdsa/session/v1")
        .field(key.suite().name().as_bytes())
        .field(&opening.session.0)
        .field(key.verifying_key().as_bytes());
    for signer in &signers {
        id = id.field(&signer.to_bytes());
    }
    let numbers = signers.iter().zip(1..).map(|(signer, number)| Some((*signer, rank(number)?)));
    let ranks: Vec<(Identifier, Rank)> = numbers.collect::<Option<_>>().ok_or(Error::Signers)?;
    let is_me = |signer: Identifier| signer == key.identifier();
    let me = ranks.iter().find(|(signer, _)| is_me(*signer)).ok_or(Error::NotASigner)?.1;
    let others = ranks.iter().filter(|(signer, _)| !is_me(*signer)).map(|(_, rank)| *rank);
    let session = Session {
        id: id.digest(),
        me,
        others: others.collect(),
        digest: Sha256::digest(message).into(),
    };
    let sealing = SecretKey::random(rng);
    let (seeds, commitments) = Seeds::new(&session);
    let greeting = [sealing.public()].into_iter().chain(commitments.into_values());
    let greeting: Vec<u8> = greeting.flatten().collect();
    let channel = Channel { session, signers, sealing, received: BTreeMap::new() };
    let signer = Signer::<C> { channel, stage: Stage::Committed(seeds) };
    Ok((Box::new(signer), greeting))
}

impl Channel {
    fn identifier(&self, rank: Rank) -> Option<Identifier> {
        self.signers.get(usize::from(rank.as_u8()).checked_sub(1)?).copied()
    }

    fn error(&self, fault: Fault) -> Error {
        match fault {
            Fault::Of(other) => match self.identifier(other) {
                Some(from) => Error::Refused { from },
                None => Error::Bug,
            },
            Fault::OfSomebody => Error::InvalidSignature,
            Fault::Bug => Error::Bug,
        }
    }

    fn my_identifier(&self) -> Result<Identifier, Error> {
        self.identifier(self.session.me).ok_or(Error::Bug)
    }

    /// The cipher for the one message from a signer to another in this round.
    fn cipher(
        &self,
        contents: &Contents,
        round: u8,
        (from, to): (Identifier, Identifier),
    ) -> Result<ChaCha20Poly1305, Error> {
        let key_of = |signer| {
            contents.greetings.get(&signer).map(|greeting| &greeting.key).ok_or(Error::Bug)
        };
        let other = if from == self.my_identifier()? { to } else { from };
        let shared = self.sealing.agree(key_of(other)?);
        let info = Transcript::new("quorate/ecdsa/v1/seal")
            .field(&[round])
            .field(&from.to_bytes())
            .field(&to.to_bytes())
            .field(key_of(from)?.bytes())
            .field(key_of(to)?.bytes())
            .digest();
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(&self.session.id), shared.bytes())
            .expand(&info, key.as_mut())
            .map_err(|_| Error::Bug)?;
        Ok(ChaCha20Poly1305::new((&*key).into()))
    }

    /// Seals the messages of a round.
    fn seal(&self, contents: &Contents, round: u8, letters: Letters) -> Result<Addressed, Error> {
        let me = self.my_identifier()?;
        let mut sealed = Addressed::new();
        for (to, letter) in letters {
            let to = self.identifier(to).ok_or(Error::Bug)?;
            let mut bytes = letter.to_vec();
            self.cipher(contents, round, (me, to))?
                .encrypt_in_place(&NONCE.into(), b"", &mut bytes)
                .map_err(|_| Error::Bug)?;
            sealed.insert(to, bytes);
        }
        Ok(sealed)
    }

    /// Opens the messages of the round that is complete. Their senders signed what cannot be
    /// opened.
    fn open(&mut self, contents: &Contents, round: u8) -> Result<Letters, Error> {
        let me = self.my_identifier()?;
        let mut letters = Letters::new();
        for other in self.session.others.clone() {
            let from = self.identifier(other).ok_or(Error::Bug)?;
            let bytes = self.received.remove(&from);
            let mut bytes = bytes.ok_or(Error::MissingMessage { from })?;
            self.cipher(contents, round, (from, me))?
                .decrypt_in_place(&NONCE.into(), b"", &mut bytes)
                .map_err(|_| Error::Refused { from })?;
            letters.insert(other, Zeroizing::new(bytes));
        }
        Ok(letters)
    }

    /// The commitments that the others made to this signer.
    fn commitments(&self, contents: &Contents) -> Result<BTreeMap<Rank, [u8; 32]>, Error> {
        let me = self.my_identifier()?;
        let of = |other: &Rank| {
            let greeting = contents.greetings.get(&self.identifier(*other)?)?;
            Some((*other, *greeting.commitments.get(&me)?))
        };
        self.session.others.iter().map(of).collect::<Option<_>>().ok_or(Error::Bug)
    }
}

/// Every key encrypts one message, so the nonce may be constant.
const NONCE: [u8; 12] = [0; 12];

impl Channel {
    /// Checks that the share is one of the key, and that everything belongs to this session.
    fn check(&self, turn: &Turn<'_>, contents: &Contents) -> Result<(), Error> {
        turn.key.check(turn.public)?;
        let ours = contents.greetings.get(&self.my_identifier()?).ok_or(Error::NotASigner)?;
        if *ours.key.bytes() != self.sealing.public() {
            return Err(Error::OtherCommitments);
        }
        let digest = turn.message.map(|message| <[u8; 32]>::from(Sha256::digest(message)));
        if digest.is_some_and(|digest| digest != self.session.digest) {
            return Err(Error::OtherMessage);
        }
        let is_stranger = |signer: &&Identifier| turn.public.verifying_share(**signer).is_none();
        let strangers: BTreeSet<Identifier> =
            self.signers.iter().filter(is_stranger).copied().collect();
        if strangers.is_empty() { Ok(()) } else { Err(Error::Strangers { strangers }) }
    }
}

impl<C: Curve> Secrets for Signer<C> {
    fn receive(&mut self, from: Identifier, message: &[u8]) -> Result<(), Error> {
        self.channel.received.insert(from, message.to_vec());
        Ok(())
    }

    fn advance(self: Box<Self>, turn: &Turn<'_>, _: &mut dyn CryptoRngCore) -> Result<Next, Error> {
        let Self { mut channel, stage } = *self;
        let contents = turn.contents.ecdsa().ok_or(Error::OtherSuite)?;
        channel.check(turn, contents)?;
        let (stage, round, letters) = match stage {
            Stage::Committed(seeds) => {
                let opened = seeds.open(&channel.session);
                let (next, letters) = opened.map_err(|fault| channel.error(fault))?;
                (Stage::SetUp(next), 2, letters)
            }
            Stage::SetUp(set_up) => {
                let theirs = channel.open(contents, 2)?;
                let commitments = channel.commitments(contents)?;
                let at = |signer: &Identifier| signer.get();
                let is_other = |signer: &&Identifier| **signer != turn.key.identifier();
                let share = Holding {
                    signing_share: turn.key.signing_share().expose(),
                    verifying_key: turn.public.verifying_key().as_bytes(),
                    at: at(&turn.key.identifier()),
                    others_at: channel.signers.iter().filter(is_other).map(at).collect(),
                };
                let begun = set_up.begin(&channel.session, &commitments, &theirs, &share);
                let (next, letters) = begun.map_err(|fault| channel.error(fault))?;
                (Stage::Begun(next), 3, letters)
            }
            Stage::Begun(begun) => {
                let theirs = channel.open(contents, 3)?;
                let multiplied = begun.multiply(&channel.session, &theirs);
                let (next, letters) = multiplied.map_err(|fault| channel.error(fault))?;
                (Stage::Multiplied(next), 4, letters)
            }
            Stage::Multiplied(multiplied) => {
                let theirs = channel.open(contents, 4)?;
                let share = multiplied.share(&channel.session, &theirs);
                let pieces = share.map_err(|fault| channel.error(fault))?;
                return Ok(Next::Share(pieces.concat()));
            }
        };
        let addressed = channel.seal(contents, round, letters)?;
        Ok(Next::Send(Box::new(Self { channel, stage }), Message::ToEach(addressed)))
    }
}
