//! Replaces an account's keys at its holder's request: identity, cosigner, and the key of its
//! certificate.
//!
//! ```text
//! keys.next      the next keys, sealed under the key of the present ones: shares stay usable
//! rotation.json  the statement, signed with the present and the next identity key
//!    ▼ the hub's answer: the entry is in the log, here is a certificate for the next keys
//! home.json      contains that certificate
//!    ▼ a node with the next keys follows the log until it contains the statement
//! keys.sealed    is replaced by keys.next
//! ```
//!
//! While `keys.next` exists, the rotation is unfinished and can only be continued: the hub may have
//! logged the statement although its answer was lost, or although it claims otherwise. Repeating a
//! step has the same result.

use std::collections::HashSet;
use std::path::Path;

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::identity::{AccountKeys, AccountSecrets};
use quorate_ceremony::names::Timestamp;
use quorate_ceremony::state::Refusal;
use quorate_ceremony::state::refusal::Entries;
use quorate_network::ca::{NodeCertificate, NodeKey};
use quorate_network::client::RequestError;
use quorate_network::dialler::{self, DialError, DialOptions, Dialler};
use quorate_network::ivn::IvnId;
use rand_core::CryptoRngCore;

use super::error::SetupError;
use super::join::{ADMISSION, ask};
use super::keys::new_tls_key;
use super::wire::{JoinRequest, JoinResponse, certificate_request_hash};
use crate::fail_points;
use crate::home::{NodeConfig, NodeHome};
use crate::keystore::{KeyProtector, NodeKeys};
use crate::store::durable;
use crate::store::node::NodeStore;

/// The hub's answer to a rotation. The present keys are still in place.
#[derive(Debug)]
pub struct Stated {
    /// The keys that the account now has in the log, according to the hub.
    pub next: NodeKeys,
    pub index: u64,
    pub resumed: bool,
}

/// Whether a rotation of this home's keys is unfinished.
pub fn is_begun(home: &NodeHome) -> bool {
    // A file that cannot be examined should not be used, either.
    std::fs::exists(home.next_keys()).unwrap_or(true)
}

/// Creates the next keys or opens those of an earlier attempt, states them in the log, and saves
/// their certificate.
///
/// # Errors
///
/// [`SetupError`]. If nothing was sent, everything is unchanged; otherwise the rotation has to be
/// continued.
pub async fn state(
    home: &mut NodeHome,
    protector: &dyn KeyProtector,
    now: Timestamp,
    rng: &mut dyn CryptoRngCore,
) -> Result<Stated, SetupError> {
    let config = home.config().cloned().ok_or(SetupError::Answer)?;
    let present = NodeKeys::open(&home.keys(), protector)?;
    let resumed = is_begun(home);
    if !resumed {
        check_said(home, &config, &present).await?;
    }
    let asked = prepare_and_ask(home, &config, &present, protector, now, rng).await;
    let (next, response) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            if !resumed && was_never_sent(&error) {
                forget(&home.next_keys())?;
                forget(&home.rotation())?;
            }
            return Err(error);
        }
    };
    if response.genesis != config.genesis {
        return Err(SetupError::OtherIvn);
    }
    NodeCertificate::from_pem(&response.certificate).map_err(|_| SetupError::Answer)?;
    let reached = fail_points::before(["rotation.certificate"]);
    home.save(NodeConfig { client_certificate: response.certificate, ..config })
        .map_err(SetupError::NotSaved)?;
    fail_points::after(reached);
    Ok(Stated { next, index: response.index, resumed })
}

/// Permanently replaces the present keys with the next ones. For use when the log contains them.
///
/// # Errors
///
/// When the disk fails. Then the rotation has to be continued.
pub fn finish(home: &NodeHome) -> Result<(), SetupError> {
    let path = home.next_keys();
    let reached = fail_points::before(["rotation.swap"]);
    durable::rename(&path, &home.keys())
        .map_err(|source| SetupError::NotWritten { path, source })?;
    fail_points::after(reached);
    // Neither file is needed any longer, and neither is secret.
    forget(&home.rotation())?;
    forget(&home.path().join(ADMISSION))
}

/// Checks that all statements of this node are logged, because the rotation replaces the keys that
/// signed them.
async fn check_said(
    home: &NodeHome,
    config: &NodeConfig,
    present: &NodeKeys,
) -> Result<(), SetupError> {
    let sealer = present.sealer(config.ivn, config.account.clone());
    let saved = NodeStore::open(&home.database(), sealer).await?.load().await?;
    if !saved.misbehaviour.is_empty() {
        return Err(SetupError::Frozen);
    }
    let logged: HashSet<&Vec<u8>> = saved.entries.iter().collect();
    let waits = |bytes: &&Vec<u8>| {
        let dies = Entry::from_bytes(bytes)
            .is_ok_and(|entry| entry.statement().body.class().of_one_process);
        !dies && !logged.contains(bytes)
    };
    match saved.outbox.iter().filter(waits).count() {
        0 => Ok(()),
        count => Err(SetupError::Unsent { count }),
    }
}

async fn prepare_and_ask(
    home: &NodeHome,
    config: &NodeConfig,
    present: &NodeKeys,
    protector: &dyn KeyProtector,
    now: Timestamp,
    rng: &mut dyn CryptoRngCore,
) -> Result<(NodeKeys, JoinResponse), SetupError> {
    let reached = fail_points::before(["rotation.keys"]);
    let next = open_or_make(&home.next_keys(), present, protector, rng)?;
    fail_points::after(reached);
    let tls = std::str::from_utf8(next.tls()).map_err(|_| SetupError::TlsKey)?;
    let csr = NodeKey::from_pem(tls)?.certificate_request()?;
    let kept = home.rotation();
    let reached = fail_points::before(["rotation.statement"]);
    let repeated = read(&kept, present.account(), next.account())?;
    let is_repeated = repeated.is_some();
    let entry = match repeated {
        Some(entry) => entry,
        None => write(&kept, config, present.account(), next.account(), now)?,
    };
    fail_points::after(reached);
    let dialler = dialler(config)?;
    let reached = fail_points::before(["rotation.ask"]);
    let response = match ask(dialler.clone(), &request(&next, &entry, &csr)).await {
        // The hub has never seen the stored statement, which is too old by now. A new one has the
        // same keys.
        Err(SetupError::Refused(Refusal::Entries(Entries::ClockSkew { .. }))) if is_repeated => {
            let entry = write(&kept, config, present.account(), next.account(), now)?;
            ask(dialler, &request(&next, &entry, &csr)).await
        }
        answered => answered,
    }?;
    fail_points::after(reached);
    Ok((next, response))
}

/// Dials the hub's route for joining, which requires no certificate.
fn dialler(config: &NodeConfig) -> Result<Dialler, SetupError> {
    let authority = config.authority()?;
    let ivn = IvnId::new(*config.ivn.as_bytes());
    let hub = config.hub.parse().map_err(SetupError::HubAddress)?;
    let proxy = crate::proxy::from_environment(&hub)?;
    let dialler = Dialler::new(hub, ivn, authority, None, DialOptions::default())?;
    Ok(dialler.through(proxy))
}

fn open_or_make(
    path: &Path,
    present: &NodeKeys,
    protector: &dyn KeyProtector,
    rng: &mut dyn CryptoRngCore,
) -> Result<NodeKeys, SetupError> {
    if std::fs::exists(path).unwrap_or(true) {
        let next = NodeKeys::open(path, protector)?;
        // With different keys, the shares in the database would be permanently unreadable.
        return match present.seals_like(&next) {
            true => Ok(next),
            false => Err(SetupError::OtherKeys { path: path.to_owned() }),
        };
    }
    let account = AccountSecrets::generate(rng);
    let (_, tls) = new_tls_key()?;
    Ok(present.create_next(path, account, tls, protector, rng)?)
}

fn read(
    path: &Path,
    present: &AccountSecrets,
    next: &AccountSecrets,
) -> Result<Option<Entry>, SetupError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SetupError::NotWritten { path: path.to_owned(), source }),
    };
    let signers = [present.identity.public(), next.identity.public()];
    Ok(Entry::from_bytes(&bytes).ok().filter(|entry| entry.verify(&signers).is_ok()))
}

fn write(
    path: &Path,
    config: &NodeConfig,
    present: &AccountSecrets,
    next: &AccountSecrets,
    now: Timestamp,
) -> Result<Entry, SetupError> {
    let keys: AccountKeys = next.public();
    let statement = Statement {
        ivn: Some(config.ivn),
        author: Author::Account(config.account.clone()),
        at: now,
        seen: 0,
        body: Body::KeysRotated { keys },
    };
    let entry = Entry::sign(statement, &[&present.identity, &next.identity])?;
    durable::replace(path, &entry.to_bytes())
        .map_err(|source| SetupError::NotWritten { path: path.to_owned(), source })?;
    Ok(entry)
}

fn request(next: &NodeKeys, entry: &Entry, csr: &[u8]) -> JoinRequest {
    let proof = certificate_request_hash(entry.id(), csr);
    JoinRequest {
        entry: Base64(entry.to_bytes()),
        csr: Base64(csr.to_vec()),
        proof: Base64(next.account().identity.sign(proof.as_bytes()).to_vec()),
    }
}

/// Whether the statement never left this machine. No answer of the hub is a reason to delete the
/// keys, because the hub could log the statement later.
fn was_never_sent(error: &SetupError) -> bool {
    match error {
        SetupError::Hub(RequestError::Dial(error)) => {
            !matches!(error, DialError::Refused(dialler::Refusal::Closed))
        }
        SetupError::Hub(_)
        | SetupError::Answer
        | SetupError::Refused(_)
        | SetupError::Used { .. }
        | SetupError::HubRefused { .. } => false,
        _ => true,
    }
}

fn forget(path: &Path) -> Result<(), SetupError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(SetupError::NotWritten { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
