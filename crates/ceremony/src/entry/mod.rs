//! Log entries: DSSE envelopes around JSON statements, signed by their authors.
//!
//! The payload's bytes are signed as they are ([DSSE] v1), so nothing depends on a JSON
//! canonicalisation. The bytes of an entry in the log are the one compact JSON form that
//! [`Entry::to_bytes`] writes. Any other spelling of the same envelope is malformed, so an entry
//! has one leaf hash.
//!
//! [DSSE]: https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md

mod abort;
mod account;
mod body;
mod group;
mod replacement;
mod request;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::dsse::{EntryError, Envelope, MAX_ENTRY};
use crate::identity::{PublicKey, SecretKey};
use crate::names::{AccountName, COORDINATOR, EntryId, IvnId, NameError, Timestamp};

pub use abort::AbortReason;
pub use account::{CoordinatorKeys, Genesis, Invitation, Role};
pub use body::{Authors, Body, Class, Cost};
pub use group::{GroupChange, GroupDefinition};
pub use replacement::{LogTree, Replacement};
pub use request::{MOST_SIGNATURES, Request, SignerRecord};

#[expect(missing_docs, reason = "the names say it")]
pub const PAYLOAD_TYPE: &str = "application/vnd.quorate.statement+json";
/// The most signatures on one envelope. An admission has two: the invitation's and the account's.
const MAX_SIGNATURES: usize = 4;

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Author {
    /// An account on the roster or, in an admission, one that joins it.
    Account(AccountName),
    /// The coordinator, for the few statements that anyone can check without trusting it.
    Coordinator,
}

#[expect(missing_docs, reason = "the names say it")]
impl Author {
    pub fn account(&self) -> Option<&AccountName> {
        match self {
            Self::Account(name) => Some(name),
            Self::Coordinator => None,
        }
    }

    /// Whether this author may make statements of that kind after the genesis.
    pub fn may_state(&self, body: &Body) -> bool {
        match body.class().author {
            Authors::Founder => false,
            Authors::Account => matches!(self, Self::Account(_)),
            Authors::Coordinator => matches!(self, Self::Coordinator),
            Authors::Either => true,
        }
    }
}

impl TryFrom<String> for Author {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text == COORDINATOR { Ok(Self::Coordinator) } else { text.parse().map(Self::Account) }
    }
}

impl From<Author> for String {
    fn from(author: Author) -> Self {
        match author {
            Author::Account(name) => name.into(),
            Author::Coordinator => COORDINATOR.to_owned(),
        }
    }
}

impl std::fmt::Display for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(name) => name.fmt(f),
            Self::Coordinator => f.write_str(COORDINATOR),
        }
    }
}

#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Statement {
    /// The IVN of the statement. Only the genesis has none: its hash is the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ivn: Option<IvnId>,
    pub author: Author,
    /// By the author's clock.
    pub at: Timestamp,
    /// How many entries of the log the author had seen. Statements that replace earlier ones are
    /// ordered by it, because clocks can be wrong. Zero for authors that do not follow the log.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seen: u64,
    pub body: Body,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(seen: &u64) -> bool {
    *seen == 0
}

/// A well-formed entry of the log, whose signatures are not yet checked.
///
/// The required signers depend on the roster at that point of the log, so
/// [`crate::state::IvnState::apply`] checks the signatures.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    envelope: Envelope,
    statement: Statement,
    id: EntryId,
}

#[expect(missing_docs, reason = "the names say it")]
impl Entry {
    /// Makes and signs an entry with `keys`, in the order that the statement's kind requires.
    ///
    /// # Errors
    ///
    /// [`EntryError::TooLong`] if it does not fit the log.
    pub fn sign(statement: Statement, keys: &[&SecretKey]) -> Result<Self, EntryError> {
        let payload = serde_json::to_vec(&statement).map_err(|_| EntryError::Json)?;
        let envelope = Envelope::sign(PAYLOAD_TYPE, payload, keys);
        let entry = Self { id: EntryId::new(envelope.digest()), envelope, statement };
        if entry.to_bytes().len() > MAX_ENTRY {
            return Err(EntryError::TooLong);
        }
        Ok(entry)
    }

    /// The bytes in the log: compact JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Serialising strings and byte strings to memory cannot fail. Every reader would reject an
        // empty entry.
        serde_json::to_vec(&self.envelope).unwrap_or_default()
    }

    /// Parses an entry in the spelling that [`Self::to_bytes`] writes.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are malformed. Signatures are not checked here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY {
            return Err(EntryError::TooLong);
        }
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(|_| EntryError::Json)?;
        if envelope.payload_type() != PAYLOAD_TYPE {
            return Err(EntryError::PayloadType);
        }
        if envelope.signatures() > MAX_SIGNATURES {
            return Err(EntryError::Signature);
        }
        let statement =
            serde_json::from_slice(envelope.payload_unverified()).map_err(|_| EntryError::Json)?;
        let entry = Self { id: EntryId::new(envelope.digest()), envelope, statement };
        if entry.to_bytes() != bytes {
            return Err(EntryError::Spelling);
        }
        Ok(entry)
    }

    /// SHA-256 of the bytes that the author signed.
    pub fn id(&self) -> EntryId {
        self.id
    }

    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Checks that exactly `keys` signed, in that order.
    ///
    /// # Errors
    ///
    /// [`EntryError::Signature`].
    pub fn verify(&self, keys: &[PublicKey]) -> Result<(), EntryError> {
        self.envelope.verify(PAYLOAD_TYPE, keys).map(|_| ())
    }

    /// The id of the IVN that this entry founds if it is a genesis: SHA-256 of the payload.
    pub fn ivn_id_as_genesis(&self) -> IvnId {
        IvnId::new(Sha256::digest(self.envelope.payload_unverified()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::GroupName;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn entry() -> Entry {
        let statement = Statement {
            ivn: Some(IvnId::new([1; 32])),
            author: Author::Account("ada".parse().unwrap()),
            at: Timestamp(5),
            seen: 0,
            body: Body::GroupAccepted {
                group: "board".parse::<GroupName>().unwrap(),
                definition: EntryId::new([2; 32]),
            },
        };
        Entry::sign(statement, &[&key(1)]).unwrap()
    }

    #[test]
    fn an_entry_survives_its_own_bytes() {
        let entry = entry();
        assert_eq!(Entry::from_bytes(&entry.to_bytes()), Ok(entry.clone()));
        assert_eq!(entry.verify(&[key(1).public()]), Ok(()));
    }

    #[test]
    fn another_key_or_number_of_keys_does_not_verify() {
        let entry = entry();
        assert_eq!(entry.verify(&[key(2).public()]), Err(EntryError::Signature));
        assert_eq!(entry.verify(&[]), Err(EntryError::Signature));
        assert_eq!(entry.verify(&[key(1).public(), key(1).public()]), Err(EntryError::Signature));
    }

    #[test]
    fn an_entry_with_white_space_is_rejected() {
        let bytes = entry().to_bytes();
        let spaced = String::from_utf8(bytes).unwrap().replacen(":", ": ", 1);
        assert_eq!(Entry::from_bytes(spaced.as_bytes()), Err(EntryError::Spelling));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let entry = entry();
        let bytes = entry.to_bytes();
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            let accepted = Entry::from_bytes(&changed)
                .is_ok_and(|entry| entry.verify(&[key(1).public()]).is_ok());
            assert!(!accepted, "byte {position}");
        }
    }

    #[test]
    fn an_oversized_entry_is_rejected_before_it_is_parsed() {
        assert_eq!(Entry::from_bytes(&vec![b' '; MAX_ENTRY + 1]), Err(EntryError::TooLong));
        assert_eq!(Entry::from_bytes(&vec![b' '; MAX_ENTRY]), Err(EntryError::Json));
    }

    #[test]
    fn a_statement_that_does_not_fit_the_log_is_not_signed() {
        let refusal = |length| {
            let body = Body::Refusal { request: EntryId::new([2; 32]), reason: "x".repeat(length) };
            Entry::sign(Statement { body, ..entry().statement().clone() }, &[&key(1)])
        };
        assert!(refusal(40_000).is_ok_and(|entry| entry.to_bytes().len() <= MAX_ENTRY));
        assert_eq!(refusal(60_000), Err(EntryError::TooLong));
    }

    #[test]
    fn an_entry_has_at_most_four_signatures() {
        let signed = |count: u8| {
            let keys: Vec<_> = (1..=count).map(key).collect();
            let keys: Vec<_> = keys.iter().collect();
            Entry::sign(entry().statement().clone(), &keys).unwrap().to_bytes()
        };
        assert!(Entry::from_bytes(&signed(4)).is_ok());
        for count in [5, 6] {
            assert_eq!(Entry::from_bytes(&signed(count)), Err(EntryError::Signature));
        }
    }
}
