//! Founds an IVN: genesis, certificate authority, log key, the coordinator's home and the first
//! admin's.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use quorate_ceremony::coordinator::CoordinatorSecrets;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body, Entry, Genesis, Role, Statement};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::names::{AccountName, Digest, IvnId, Timestamp};
use quorate_ceremony::state::IvnState;
use quorate_network::ca::{CertificateAuthority, NewAuthority, NodeKey};
use quorate_network::ivn::HubAddress;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::error::SetupError;
use super::join::Choices;
use super::keys::make_or_open;
use super::undo::Undo;
use crate::home::{CoordinatorConfig, CoordinatorHome, IvnDirectory, Limits, NodeConfig, NodeHome};
use crate::keystore::{CoordinatorKeys, KeyProtector};
use crate::store::coordinator::{CoordinatorStore, CoordinatorWrite};
use crate::store::durable;

#[derive(Clone, Debug)]
pub struct Plan {
    /// Its display name.
    pub name: String,
    pub admin: AccountName,
    /// The first admin's roles, including [`Role::Admin`].
    pub roles: BTreeSet<Role>,
    /// First part of the log's origin: a host name or another schema-less URL.
    pub deployment: String,
    pub hub: HubAddress,
    /// Where the hub listens, `address:port`.
    pub listen: String,
    pub choices: Choices,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Founded {
    pub ivn: IvnId,
    /// Its log's verifier key, C2SP signed-note: the trust anchor of auditors.
    pub log_key: String,
}

/// Founds an IVN and creates both homes. An existing coordinator home gets one more IVN.
///
/// # Errors
///
/// [`SetupError`]; then everything new is removed again.
pub async fn found(
    plan: &Plan,
    node_path: &Path,
    coordinator_path: &Path,
    protector: &dyn KeyProtector,
    now: Timestamp,
    rng: &mut impl CryptoRngCore,
) -> Result<Founded, SetupError> {
    if is_same(node_path, coordinator_path) {
        return Err(SetupError::OneHome);
    }
    let mut undo = Undo::default();
    undo.note(node_path);
    undo.note(coordinator_path);
    let mut node = NodeHome::create(node_path)?;
    let mut coordinator = open_coordinator(plan, coordinator_path)?;
    let (keys, tls) = make_or_open(&node.keys(), protector, rng)?;

    let authority = NewAuthority::generate()?;
    let secrets =
        CoordinatorSecrets { log: SecretKey::generate(rng), identity: SecretKey::generate(rng) };
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    let genesis = Genesis {
        deployment: plan.deployment.clone(),
        name: plan.name.clone(),
        admin: keys.account().public(),
        roles: plan.roles.clone(),
        log_key: secrets.log.public(),
        coordinator_key: secrets.identity.public(),
        ca: Digest::new(*authority.fingerprint().as_bytes()),
        nonce: Digest::new(nonce),
    };
    let statement = Statement {
        ivn: None,
        author: Author::Account(plan.admin.clone()),
        at: now,
        seen: 0,
        body: Body::Genesis(genesis),
    };
    let entry = Entry::sign(statement, &[&keys.account().identity, &secrets.identity])?;
    let state = IvnState::found(&entry).map_err(SetupError::Genesis)?;
    let authority = authority.for_ivn(quorate_network::ivn::IvnId::new(*state.ivn().as_bytes()));

    let directory = coordinator.ivn(state.ivn());
    undo.note(directory.path());
    let log_key = log_key(&state, &secrets)?;
    write_coordinator(&directory, &authority, secrets, vec![entry.to_bytes()]).await?;
    let time = UNIX_EPOCH + Duration::from_millis(now.0);
    let config = node_config(plan, &state, &entry, &authority, &tls, time)?;
    if coordinator.config().is_none() {
        coordinator.save(coordinator_config(plan))?;
    }
    // Last, because it makes the node's directory a home. A failure before this is undone.
    node.save(config)?;
    undo.keep();
    Ok(Founded { ivn: state.ivn(), log_key })
}

fn open_coordinator(plan: &Plan, path: &Path) -> Result<CoordinatorHome, SetupError> {
    let home = match CoordinatorHome::create(path) {
        Err(crate::home::HomeError::Exists(_)) => CoordinatorHome::open(path)?,
        other => return Ok(other?),
    };
    let asked = coordinator_config(plan);
    let differs = |what, found: &str, asked: &str| SetupError::OtherCoordinator {
        path: path.to_owned(),
        what,
        found: found.to_owned(),
        asked: asked.to_owned(),
    };
    match home.config() {
        Some(found) if found.hub != asked.hub => Err(differs("the hub", &found.hub, &asked.hub)),
        Some(found) if found.deployment != asked.deployment => {
            Err(differs("the deployment", &found.deployment, &asked.deployment))
        }
        Some(found) if found.listen != asked.listen => {
            Err(differs("the listen address", &found.listen, &asked.listen))
        }
        _ => Ok(home),
    }
}

/// Writes what a coordinator has of one IVN: its keys, and the log.
pub(super) async fn write_coordinator(
    directory: &IvnDirectory,
    authority: &CertificateAuthority,
    secrets: CoordinatorSecrets,
    entries: Vec<Vec<u8>>,
) -> Result<(), SetupError> {
    directory.create()?;
    let ca = Zeroizing::new(authority.key_pem().as_bytes().to_vec());
    CoordinatorKeys { secrets, ca }.create(&directory.keys())?;
    let path = directory.ca_certificate();
    durable::create(&path, authority.certificate_pem().as_bytes())
        .map_err(|source| SetupError::NotWritten { path, source })?;
    let mut store = CoordinatorStore::open(directory).await?;
    let writes = (0..).zip(entries).map(|(index, entry)| CoordinatorWrite::Append { index, entry });
    store.commit(writes.collect()).await?;
    Ok(())
}

fn coordinator_config(plan: &Plan) -> CoordinatorConfig {
    CoordinatorConfig::new(plan.deployment.clone(), plan.listen.clone(), plan.hub.to_string())
}

fn node_config(
    plan: &Plan,
    state: &IvnState,
    genesis: &Entry,
    authority: &CertificateAuthority,
    tls: &NodeKey,
    time: std::time::SystemTime,
) -> Result<NodeConfig, SetupError> {
    let account = quorate_network::ivn::AccountName::new(plan.admin.as_str())?;
    let request = tls.certificate_request()?;
    let certificate = authority.issue_node_certificate(
        &account,
        &state.genesis().admin.identity.0,
        &request,
        time,
    )?;
    Ok(NodeConfig {
        ivn: state.ivn(),
        account: plan.admin.clone(),
        hub: plan.hub.to_string(),
        server_name: authority.ivn().server_name(),
        ca_certificate: authority.certificate_pem(),
        client_certificate: certificate.to_pem(),
        genesis: Base64(genesis.to_bytes()),
        log_key: None,
        auto_accept: plan.choices.auto_accept,
        auto_approve: plan.choices.auto_approve,
        limits: Limits::default(),
    })
}

fn log_key(state: &IvnState, secrets: &CoordinatorSecrets) -> Result<String, SetupError> {
    let origin = state.origin().parse().map_err(|_| {
        SetupError::Genesis(quorate_ceremony::state::refusal::Entries::Deployment.into())
    })?;
    let verifier =
        quorate_log::key::LogVerifier::new(origin, &secrets.log.public().0).map_err(|_| {
            SetupError::Genesis(quorate_ceremony::state::refusal::Entries::Malformed.into())
        })?;
    Ok(verifier.to_string())
}

/// Whether two paths are the same directory, as far as known before they are created.
fn is_same(one: &Path, other: &Path) -> bool {
    let absolute = |path: &Path| {
        std::path::absolute(path).map(|path| path.canonicalize().unwrap_or(path)).ok()
    };
    one == other || absolute(one) == absolute(other)
}
