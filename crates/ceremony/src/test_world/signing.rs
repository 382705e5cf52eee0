//! Signatures in a [`TestLog`]: real shares of real keys, with the records of the signers.

use std::collections::BTreeMap;

use quorate_protocol::keys::KeyPackage;
use quorate_protocol::{Identifier, sign};

use super::log::{TestLog, name, session};
use crate::encoding::Base64;
use crate::entry::{Body, SignerRecord};
use crate::names::{EntryId, SessionId};
use crate::signing::{SignedPart, SigningSession, Subject};
use crate::state::{Event, Refusal};

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
        let (mut nonces, mut commitments, mut shares) =
            (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for member in signers {
            let package = &self.packages[&name(member)];
            let (ours, announced) = sign::commit(package, &mut self.rng).unwrap();
            commitments.insert(package.identifier(), announced);
            nonces.push((package, ours));
        }
        for (package, ours) in nonces {
            let share = sign::sign(ours, package, &public, &commitments, message).unwrap();
            shares.insert(package.identifier(), share);
        }
        let signature = sign::aggregate(&public, &commitments, &shares, message).unwrap();
        Base64(signature.to_bytes().to_vec())
    }

    pub fn package_of(&self, account: &str) -> KeyPackage {
        KeyPackage::from_bytes(&self.packages[&name(account)].to_bytes()).unwrap()
    }

    pub fn commitments_of(
        &mut self,
        account: &str,
        session: SessionId,
        subject: Subject,
    ) -> SignedPart {
        let context = SigningSession {
            ivn: self.state.ivn(),
            session,
            epoch: self.state.epoch_of(subject).unwrap_or(1),
            subject,
            number: self.state.number_of(subject),
        };
        let (_, commitments) = sign::commit(&self.packages[&name(account)], &mut self.rng).unwrap();
        context.sign_commitments(&name(account), &self.secrets(account).identity, &commitments)
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
        let context = SigningSession {
            ivn: self.state.ivn(),
            session,
            epoch: self.state.epoch_of(subject).unwrap_or(1),
            subject,
            number: self.state.number_of(subject),
        };
        let public = self.group().key.as_ref().unwrap().public.clone();
        let (mut nonces, mut commitments) = (Vec::new(), BTreeMap::<Identifier, _>::new());
        for signer in signers {
            let package = &self.packages[&name(signer)];
            let (ours, announced) = sign::commit(package, &mut self.rng).unwrap();
            commitments.insert(package.identifier(), announced);
            nonces.push((*signer, package, ours));
        }
        let digest = context.package(&commitments);
        let (mut records, mut shares) = (Vec::new(), BTreeMap::new());
        for (signer, package, ours) in nonces {
            let key = self.secrets(signer).identity;
            let share = sign::sign(ours, package, &public, &commitments, message).unwrap();
            let announced = &commitments[&package.identifier()];
            records.push(SignerRecord {
                account: name(signer),
                commitments: context.sign_commitments(&name(signer), &key, announced),
                share: context.sign_share(&name(signer), &key, digest, &share),
            });
            shares.insert(package.identifier(), share);
        }
        let signature = sign::aggregate(&public, &commitments, &shares, message);
        self.signature = signature.map(|s| s.to_bytes().to_vec()).unwrap_or_default();
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
