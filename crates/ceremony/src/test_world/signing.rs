//! Signatures in a [`TestLog`]: real shares of real keys, with the records of the signers.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::Identifier;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::SessionId as ProtocolSession;
use quorate_protocol::signing::{Board, Needed, Opening, Run, Signers, Step};
use rand_core::CryptoRngCore;

use super::log::{TestLog, name, session};
use crate::encoding::Base64;
use crate::entry::{Body, SignerRecord};
use crate::names::{AccountName, EntryId, SessionId};
use crate::signing::{Place, SignedPart, SigningSession, Subject};
use crate::state::{Event, Refusal};

/// The place of a message in the first round, which any signer may join.
pub const FIRST: Place = Place { round: 1, after: None };

/// Begins a session. Returns the signer's nonces and its commitments.
pub fn start(package: &KeyPackage, rng: &mut dyn CryptoRngCore) -> (Run, Vec<u8>) {
    let opening = Opening { session: ProtocolSession([0; 32]), signers: None, message: None };
    let (run, message) = Run::start(package, &opening, rng).unwrap();
    (run, message.posted().0)
}

/// Makes the signature share of a signer for the first messages on this board.
pub fn share(
    run: Run,
    package: &KeyPackage,
    public: &PublicKeyPackage,
    board: &Board,
    message: &[u8],
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    match run.advance(package, public, board, Some(message), rng).unwrap() {
        Step::Share(share) => share,
        Step::Send(..) => panic!("FROST has two rounds"),
    }
}

/// Lets these signers sign, by the plan of their suite. Returns the board at the end, and before
/// each round.
pub fn play<'a>(
    signers: impl Iterator<Item = &'a KeyPackage>,
    public: &PublicKeyPackage,
    message: &[u8],
    rng: &mut dyn CryptoRngCore,
) -> (Board, Vec<Board>) {
    let packages: Vec<&KeyPackage> = signers.collect();
    let plan = public.suite().signing_plan().unwrap();
    let identifiers: BTreeSet<Identifier> = packages.iter().map(|it| it.identifier()).collect();
    let fixed = (plan.signers == Signers::BeforeFirstRound).then_some(&identifiers);
    let message = Some(message);
    let early = message.filter(|_| plan.message == Needed::FromFirstRound);
    let opening = Opening { session: ProtocolSession([0; 32]), signers: fixed, message: early };
    let mut board = Board::new(public.suite(), fixed.cloned()).unwrap();
    let (mut before, mut runs, mut sent) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for package in &packages {
        let (run, message) = Run::start(package, &opening, rng).unwrap();
        runs.insert(package.identifier(), run);
        sent.insert(package.identifier(), message.posted());
    }
    for round in 1..=plan.last() {
        before.push(board.clone());
        for (from, (posted, _)) in &sent {
            board.post(round, *from, posted).unwrap();
        }
        board.fix_signers();
        for (from, (_, addressed)) in std::mem::take(&mut sent) {
            for (to, sealed) in addressed {
                runs.get_mut(&to).unwrap().receive(&board, from, &sealed).unwrap();
            }
        }
        for package in packages.iter().filter(|_| round < plan.last()) {
            let me = package.identifier();
            let run = runs.remove(&me).unwrap();
            match run.advance(package, public, &board, message, rng).unwrap() {
                Step::Send(run, message) => {
                    runs.insert(me, run);
                    sent.insert(me, message.posted());
                }
                Step::Share(share) => drop(sent.insert(me, (share, BTreeMap::new()))),
            }
        }
    }
    (board, before)
}

impl TestLog {
    pub fn activation_signature(&mut self) -> Base64 {
        self.activation_signed_by(&["ada", "ben"])
    }

    pub fn activation_signed_by(&mut self, signers: &[&str]) -> Base64 {
        let (record, _) = self.group().activation(self.state.ivn()).unwrap();
        self.signed_by(signers, &record.to_be_signed())
    }

    pub fn signed_by(&mut self, signers: &[&str], message: &[u8]) -> Base64 {
        let public = self.ceremony().board.outcome().unwrap().clone();
        let signers: Vec<AccountName> = signers.iter().copied().map(name).collect();
        let packages = signers.iter().map(|signer| &self.packages[signer]);
        let (board, _) = play(packages, &public, message, &mut self.rng);
        Base64(board.combine(&public, message).unwrap().as_bytes().to_vec())
    }

    pub fn package_of(&self, account: &str) -> KeyPackage {
        KeyPackage::from_bytes(&self.packages[&name(account)].to_bytes()).unwrap()
    }

    /// An account's first message in a session.
    pub fn first_part_of(
        &mut self,
        account: &str,
        session: SessionId,
        subject: Subject,
    ) -> SignedPart {
        let context = self.context(session, subject);
        let (_, message) = start(&self.packages[&name(account)], &mut self.rng);
        let key = self.secrets(account).identity;
        context.sign(&name(account), &key, FIRST, message)
    }

    fn context(&self, session: SessionId, subject: Subject) -> SigningSession {
        let epoch = self.state.epoch_of(subject).unwrap_or(1);
        let number = self.state.number_of(subject);
        SigningSession { ivn: self.state.ivn(), session, epoch, subject, number }
    }

    /// The records of these signers when they sign b"document" in this session.
    pub fn records(
        &mut self,
        signers: &[&str],
        session: SessionId,
        subject: Subject,
    ) -> Vec<SignerRecord> {
        self.records_over(signers, session, subject, b"document")
    }

    /// The same for any message.
    pub fn records_over(
        &mut self,
        signers: &[&str],
        session: SessionId,
        subject: Subject,
        message: &[u8],
    ) -> Vec<SignerRecord> {
        let context = self.context(session, subject);
        let public = self.group().key.as_ref().unwrap().public.clone();
        let packages = signers.iter().map(|signer| &self.packages[&name(signer)]);
        let (board, places) = play(packages, &public, message, &mut self.rng);
        let places: Vec<Place> = places.iter().map(|board| context.place(board)).collect();
        let mut records = Vec::new();
        for signer in signers {
            let key = self.secrets(signer).identity;
            let from = self.packages[&name(signer)].identifier();
            let sent = places.iter().zip(board.rounds());
            let parts = sent.map(|(place, sent)| {
                context.sign(&name(signer), &key, *place, sent[&from].clone())
            });
            records.push(SignerRecord { account: name(signer), parts: parts.collect() });
        }
        let signature = board.combine(&public, message);
        self.signature = signature.map(|s| s.as_bytes().to_vec()).unwrap_or_default();
        records
    }

    pub fn signs(
        &mut self,
        request: EntryId,
        by: &[&str],
        number: u8,
    ) -> Result<Vec<Event>, Refusal> {
        let signers = self.records(by, session(number), Subject::Request { request });
        let (signature, session) = (self.signature(), session(number));
        self.coordinator_says(Body::Signature { request, session, signature, signers })
    }

    /// The signature that the latest [`Self::records`] make.
    pub fn signature(&self) -> Base64 {
        Base64(self.signature.clone())
    }

    /// The same with a different point, which only a reader with the document can distinguish.
    pub fn false_signature(&self) -> Base64 {
        let mut signature = self.signature();
        signature.0[0] ^= 1;
        signature
    }
}
