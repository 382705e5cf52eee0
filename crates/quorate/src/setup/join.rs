//! Joins an IVN with an invitation.

use std::path::Path;

use axum::http::Method;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Body as StatementBody, Entry, Statement};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::state::refusal::{Accounts, Entries};
use quorate_ceremony::state::{IvnState, Refusal};
use quorate_network::ca::{CaFingerprint, NodeCertificate};
use quorate_network::client::{Body, ClientOptions, HubClient};
use quorate_network::dialler::{DialOptions, Dialler};
use rand_core::CryptoRngCore;

use super::error::SetupError;
use super::keys::make_or_open;
use super::link::JoinLink;
use super::undo::Undo;
use super::wire::{
    CHECK_ROUTE, CheckRequest, JOIN_ROUTE, JoinRequest, JoinResponse, MAX_JOIN_BODY,
    certificate_request_hash,
};
use crate::api::{Code, Problem};
use crate::home::{Limits, NodeConfig, NodeHome};
use crate::keystore::KeyProtector;
use crate::store::durable;

/// Decisions that the account's holder makes beforehand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Choices {
    /// Whether to accept group definitions that name this account without asking.
    pub auto_accept: bool,
    /// Whether to approve requests without asking, where the group's policy permits that too.
    pub auto_approve: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Joined {
    pub account: AccountName,
    pub ivn: IvnId,
    /// The display name of the IVN.
    pub ivn_name: String,
    pub index: u64,
}

/// Asks the hub whether an invitation can be used, so that nobody chooses a passphrase in vain.
/// Does not ask if an earlier attempt in the home at `path` may have used it.
///
/// # Errors
///
/// [`SetupError`], as for [`join`].
pub async fn check_invitation(link: &JoinLink, path: &Path) -> Result<(), SetupError> {
    if path.join(ADMISSION).exists() {
        return Ok(());
    }
    let key = SecretKey::from_seed(link.token.seed()).public();
    let check = CheckRequest { account: link.account.clone(), key };
    let body = serde_json::to_vec(&check).map_err(|_| SetupError::Answer)?;
    post(dialler(link)?, CHECK_ROUTE, body).await.map(drop)
}

/// Creates keys and a home at `path`, and asks the hub to admit the account.
///
/// # Errors
///
/// [`SetupError`]. If the answer was lost, the home keeps its keys, and the same join can be tried
/// again.
pub async fn join(
    link: &JoinLink,
    path: &Path,
    protector: &dyn KeyProtector,
    choices: Choices,
    now: Timestamp,
    rng: &mut impl CryptoRngCore,
) -> Result<Joined, SetupError> {
    let mut undo = Undo::default();
    undo.note(path);
    let result = admit(link, path, protector, choices, now, rng).await;
    match &result {
        Ok(_) => undo.keep(),
        Err(error) if error.may_have_succeeded() => undo.keep(),
        Err(_) => drop(undo),
    }
    result
}

async fn admit(
    link: &JoinLink,
    path: &Path,
    protector: &dyn KeyProtector,
    choices: Choices,
    now: Timestamp,
    rng: &mut impl CryptoRngCore,
) -> Result<Joined, SetupError> {
    let mut home = NodeHome::create(path)?;
    let (keys, tls) = make_or_open(&home.keys(), protector, rng)?;
    let account = keys.account();
    let csr = tls.certificate_request()?;
    let kept = path.join(ADMISSION);
    let repeated = read_admission(&kept, link, account)?;
    let is_repeated = repeated.is_some();
    let entry = match repeated {
        Some(entry) => entry,
        None => write_admission(&kept, link, account, now)?,
    };
    let dialler = dialler(link)?;
    let response = match ask(dialler.clone(), &request(account, &entry, &csr)).await {
        // The hub has never seen the stored admission, which is too old by now.
        Err(SetupError::Refused(Refusal::Entries(Entries::ClockSkew { .. }))) if is_repeated => {
            let entry = write_admission(&kept, link, account, now)?;
            ask(dialler, &request(account, &entry, &csr)).await
        }
        answered => answered,
    }?;
    let (config, ivn_name) = check(link, &response, choices)?;
    let ivn = config.ivn;
    home.save(config).map_err(SetupError::NotSaved)?;
    Ok(Joined { account: link.account.clone(), ivn, ivn_name, index: response.index })
}

/// Returns the admission that an earlier attempt with this invitation and these keys may have sent.
/// The hub recognises it and answers again.
fn read_admission(
    path: &Path,
    link: &JoinLink,
    account: &AccountSecrets,
) -> Result<Option<Entry>, SetupError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SetupError::NotWritten { path: path.to_owned(), source }),
    };
    let invitation = SecretKey::from_seed(link.token.seed());
    let is_ours = |entry: &Entry| {
        entry.statement().author == Author::Account(link.account.clone())
            && entry.verify(&[invitation.public(), account.identity.public()]).is_ok()
    };
    Ok(Entry::from_bytes(&bytes).ok().filter(is_ours))
}

fn write_admission(
    path: &Path,
    link: &JoinLink,
    account: &AccountSecrets,
    now: Timestamp,
) -> Result<Entry, SetupError> {
    let statement = Statement {
        ivn: Some(IvnId::new(*link.token.ivn().as_bytes())),
        author: Author::Account(link.account.clone()),
        at: now,
        seen: 0,
        body: StatementBody::AccountAdmitted { keys: account.public() },
    };
    let invitation = SecretKey::from_seed(link.token.seed());
    let entry = Entry::sign(statement, &[&invitation, &account.identity])?;
    durable::replace(path, &entry.to_bytes())
        .map_err(|source| SetupError::NotWritten { path: path.to_owned(), source })?;
    Ok(entry)
}

fn request(account: &AccountSecrets, admission: &Entry, csr: &[u8]) -> JoinRequest {
    let proof = certificate_request_hash(admission.id(), csr);
    JoinRequest {
        entry: Base64(admission.to_bytes()),
        csr: Base64(csr.to_vec()),
        proof: Base64(account.identity.sign(proof.as_bytes()).to_vec()),
    }
}

fn dialler(link: &JoinLink) -> Result<Dialler, SetupError> {
    let token = &link.token;
    let options = DialOptions::default();
    let proxy = crate::proxy::from_environment(token.hub())?;
    let hub = token.hub().clone();
    let dialler = Dialler::new(hub, token.ivn(), token.authority(), None, options)?;
    Ok(dialler.through(proxy))
}

pub(super) async fn ask(
    dialler: Dialler,
    request: &JoinRequest,
) -> Result<JoinResponse, SetupError> {
    let body = serde_json::to_vec(request).map_err(|_| SetupError::Answer)?;
    let answer = post(dialler, JOIN_ROUTE, body).await?;
    serde_json::from_slice(&answer).map_err(|_| SetupError::Answer)
}

/// Posts to a route for strangers, and returns the body of the answer if that is no problem.
async fn post(dialler: Dialler, route: &str, body: Vec<u8>) -> Result<Vec<u8>, SetupError> {
    let options = ClientOptions { max_answer: MAX_JOIN_BODY, ..ClientOptions::default() };
    let client = HubClient::new(dialler, options);
    let answer = client.request(Method::POST, route, Body::Json(body)).await?;
    if answer.status.is_success() {
        return Ok(answer.body);
    }
    let status = answer.status.as_u16();
    let problem = Problem::from_http(status, &answer.body);
    Err(match problem.code {
        Code::Refused(Refusal::Accounts(Accounts::AccountExists { account })) => {
            SetupError::Used { account: account.into() }
        }
        Code::Refused(why) => SetupError::Refused(why),
        _ => SetupError::HubRefused { status, detail: problem.message },
    })
}

/// Checks the hub's answer against the invitation.
fn check(
    link: &JoinLink,
    response: &JoinResponse,
    choices: Choices,
) -> Result<(NodeConfig, String), SetupError> {
    let genesis = Entry::from_bytes(&response.genesis.0).map_err(|_| SetupError::Answer)?;
    let state = IvnState::found(&genesis).map_err(|_| SetupError::OtherIvn)?;
    let ivn = IvnId::new(*link.token.ivn().as_bytes());
    let authority = link.token.authority();
    // Another authority than the first belongs to a coordinator that replaced the first. What the
    // hub says about that one's log key is not believed before the log itself says it.
    let is_first = state.genesis().ca.as_bytes() == authority.as_bytes();
    let same_authority = is_first == response.log_key.is_none()
        && CaFingerprint::of_pem(&response.authority).map_err(|_| SetupError::Answer)? == authority;
    if state.ivn() != ivn || !same_authority {
        return Err(SetupError::OtherIvn);
    }
    NodeCertificate::from_pem(&response.certificate).map_err(|_| SetupError::Answer)?;
    let config = NodeConfig {
        ivn,
        account: link.account.clone(),
        hub: link.token.hub().to_string(),
        server_name: link.token.ivn().server_name(),
        ca_certificate: response.authority.clone(),
        client_certificate: response.certificate.clone(),
        genesis: response.genesis.clone(),
        log_key: response.log_key,
        auto_accept: choices.auto_accept,
        auto_approve: choices.auto_approve,
        limits: Limits::default(),
    };
    Ok((config, state.genesis().name.clone()))
}

/// The admission's entry, stored next to the keys. It is public, and identifies a repeated request
/// to the hub.
pub(super) const ADMISSION: &str = "admission.json";

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;
    use crate::keystore::{Cost, Passphrase, PassphraseProtector};
    use crate::setup::create_ivn::{Plan, found};
    use crate::setup::invitation::invite;

    const CHOICES: Choices = Choices { auto_accept: true, auto_approve: false };

    /// An invitation into a new IVN, and the answer of its hub.
    async fn invited() -> (JoinLink, JoinResponse) {
        let directory = tempfile::tempdir().unwrap();
        let (node, coordinator) = (directory.path().join("n"), directory.path().join("c"));
        let plan = Plan {
            name: "test".to_owned(),
            admin: "ada".parse().unwrap(),
            roles: [quorate_ceremony::entry::Role::Admin].into(),
            deployment: "example.com".to_owned(),
            hub: "127.0.0.1:1".parse().unwrap(),
            listen: "127.0.0.1:1".to_owned(),
            choices: CHOICES,
        };
        let passphrase = Passphrase::new(b"horse".to_vec().into()).unwrap();
        let protector = PassphraseProtector::new(passphrase, Cost::INSECURE);
        let now = crate::timers::now();
        found(&plan, &node, &coordinator, &protector, now, &mut OsRng).await.unwrap();
        let admin = NodeHome::read(&node).unwrap();
        let roles = [quorate_ceremony::entry::Role::Member].into();
        let (_, link) = invite(&admin, "ben".parse().unwrap(), roles, now, &mut OsRng).unwrap();
        let response = JoinResponse {
            genesis: admin.genesis,
            authority: admin.ca_certificate,
            certificate: admin.client_certificate,
            log_key: None,
            index: 1,
        };
        (link, response)
    }

    #[tokio::test]
    async fn the_hub_is_trusted_only_as_far_as_the_invitation_vouches() {
        let (link, response) = invited().await;
        let (_, other) = invited().await;
        let (config, name) = check(&link, &response, CHOICES).unwrap();
        assert_eq!((config.account.as_str(), name.as_str()), ("ben", "test"));
        assert_eq!(config.ivn.as_bytes(), link.token.ivn().as_bytes());

        let with_genesis = JoinResponse { genesis: other.genesis, ..response.clone() };
        assert!(matches!(check(&link, &with_genesis, CHOICES), Err(SetupError::OtherIvn)));
        let with_authority = JoinResponse { authority: other.authority, ..response.clone() };
        assert!(matches!(check(&link, &with_authority, CHOICES), Err(SetupError::OtherIvn)));
        let log_key = Some(SecretKey::generate(&mut OsRng).public());
        let with_log_key = JoinResponse { log_key, ..response.clone() };
        assert!(matches!(check(&link, &with_log_key, CHOICES), Err(SetupError::OtherIvn)));
        let without = JoinResponse { certificate: String::new(), ..response };
        assert!(matches!(check(&link, &without, CHOICES), Err(SetupError::Answer)));
    }

    #[tokio::test]
    async fn an_admission_is_repeated_only_with_its_invitation_and_keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(ADMISSION);
        let (link, _) = invited().await;
        let (other_link, _) = invited().await;
        let account = AccountSecrets::generate(&mut OsRng);
        assert!(read_admission(&path, &link, &account).unwrap().is_none());
        let entry = write_admission(&path, &link, &account, Timestamp(5)).unwrap();
        assert_eq!(read_admission(&path, &link, &account).unwrap(), Some(entry));
        assert!(read_admission(&path, &other_link, &account).unwrap().is_none());
        let other_account = AccountSecrets::generate(&mut OsRng);
        assert!(read_admission(&path, &link, &other_account).unwrap().is_none());
        std::fs::write(&path, "damaged").unwrap();
        assert!(read_admission(&path, &link, &account).unwrap().is_none());
    }
}
