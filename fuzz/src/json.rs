//! The JSON formats: entries, messages between nodes and coordinator, signing messages, the control
//! socket, and joining.

use quorate::api::{Answer, Ask, HttpProblem};
use quorate::setup::wire::{CheckRequest, JoinRequest, JoinResponse};
use quorate_ceremony::dsse::Envelope;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Entry;
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::names::{Digest, SessionId};
use quorate_ceremony::signing::{Place, SignedPart, SigningSession, Subject};
use quorate_ceremony::state::IvnState;
use quorate_network::link::Control;
use quorate_protocol::signing::Board;
use quorate_protocol::{Identifier, Suite};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::story;
use super::story::{Said, name, secrets};

/// Reads bytes as an entry of the log.
pub fn entry(bytes: &[u8]) -> bool {
    let Ok(entry) = Entry::from_bytes(bytes) else { return signing(bytes) };
    assert_eq!(entry.to_bytes(), bytes, "read, and written differently");
    let statement = serde_json::to_vec(entry.statement()).unwrap();
    assert_eq!(
        &serde_json::from_slice::<quorate_ceremony::entry::Statement>(&statement).unwrap(),
        entry.statement()
    );
    let _ = IvnState::found(&entry);
    true
}

/// Opens a properly signed signing message with any contents, so that only the contents can be
/// wrong.
fn signing(bytes: &[u8]) -> bool {
    let ada = secrets(&name("ada"));
    let (ivn, request) = (story().ivn, story().request);
    let session = SessionId::new([1; 32]);
    let value = serde_json::to_string(&Base64(bytes.to_vec())).unwrap();
    let signed = |place: &str| {
        let payload = format!(
            r#"{{"ivn":"{ivn}","session":"{session}","epoch":1,"subject":{{"of":"request","request":"{request}"}},"number":0,"signer":"ada",{place},"message":{value}}}"#
        );
        let payload_type = "application/vnd.quorate.signing+json";
        let covered =
            format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len());
        let sig = Base64(ada.identity.sign(covered.as_bytes()).to_vec());
        let sig = serde_json::to_string(&sig).unwrap();
        let json = format!(r#"{{"value":{value},"sig":{sig}}}"#);
        serde_json::from_str::<SignedPart>(&json).unwrap()
    };
    let context =
        SigningSession { ivn, session, epoch: 1, subject: Subject::Request { request }, number: 0 };
    let key = ada.identity.public();

    let hash = Digest::new([0; 32]);
    let first = Place { round: 1, after: None };
    let second = Place { round: 2, after: Some(hash) };
    let theirs = [signed(r#""round":1"#), signed(&format!(r#""round":2,"after":"{hash}""#))];
    let opened = [first, second].map(|place| {
        theirs.each_ref().map(|part| context.open(&name("ada"), key, place, part).ok())
    });
    let right = [[Some(bytes), None], [None, Some(bytes)]];
    assert_eq!(opened, right, "a message is signed for another place, or for two");
    let suite = Suite::FrostEd25519Sha512;
    let mut board = Board::new(suite, None).unwrap();
    let from = Identifier::try_from(1).unwrap();
    let posted = board.post(1, from, bytes);
    if let Err(error) = &posted {
        assert_eq!(error.culprits(), [from].into());
    }
    posted.is_ok()
}

/// Returns the inputs with which a fuzzer begins.
pub fn entry_seeds() -> Vec<Vec<u8>> {
    let mut seeds = story().log.clone();
    for (_, message) in story().by_nodes() {
        if let FromNode::Part { part, .. } | FromNode::Share { share: part, .. } = message {
            seeds.push(part.value_unverified().to_vec());
        }
    }
    seeds
}

/// Reads a JSON text as a value, writes the value, and reads it again.
fn stable<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return false };
    let once = serde_json::to_vec(&value).unwrap();
    let again: T = serde_json::from_slice(&once).expect("what is written can be read");
    assert_eq!(serde_json::to_vec(&again).unwrap(), once);
    true
}

pub fn messages(bytes: &[u8]) -> bool {
    [
        stable::<FromNode>(bytes),
        stable::<FromCoordinator>(bytes),
        stable::<Envelope>(bytes),
        stable::<Control>(bytes),
        stable::<Ask>(bytes),
        stable::<Answer>(bytes),
        stable::<CheckRequest>(bytes),
        stable::<JoinRequest>(bytes),
        stable::<JoinResponse>(bytes),
        stable::<HttpProblem>(bytes),
    ]
    .contains(&true)
}

/// Returns the inputs with which a fuzzer begins.
pub fn messages_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = ["{\"ask\":\"status\"}", "{\"type\":\"hello\",\"version\":1}"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
    // One message of each kind, because messages of the same kind are alike.
    let mut kinds = std::collections::BTreeSet::new();
    for said in &story().said {
        let json = match said {
            Said::ByNode(_, message) => serde_json::to_value(message).unwrap(),
            Said::ToNode(_, message) => serde_json::to_value(message).unwrap(),
        };
        if kinds.insert(json["is"].to_string()) {
            seeds.push(serde_json::to_vec(&json).unwrap());
        }
    }
    seeds
}
