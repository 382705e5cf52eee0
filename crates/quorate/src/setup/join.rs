//! Joins an IVN with an invitation.

use std::path::Path;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::{Author, Entry, Statement};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::names::{AccountName, IvnId, Timestamp};
use quorate_ceremony::state::{Invalid, IvnState};
use quorate_ceremony::statement::Body as StatementBody;
use quorate_network::ca::NodeCertificate;
use quorate_network::client::{Body, ClientOptions, HubClient};
use quorate_network::dialler::{DialOptions, Dialler};
use rand_core::CryptoRngCore;
use sha2::{Digest as _, Sha256};

use super::error::SetupError;
use super::keys::make_or_open;
use super::link::JoinLink;
use super::undo::Undo;
use super::wire::{
    JOIN_ROUTE, JoinRefusal, JoinRequest, JoinResponse, MAX_JOIN_BODY, certificate_request_hash,
};
use crate::home::{Limits, NodeConfig, NodeHome};
use crate::keystore::KeyProtector;

/// What the account's holder decides beforehand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Choices {
    /// Accept group definitions that name this account without asking.
    pub auto_accept: bool,
    /// Approve requests without asking, where the group's policy says so too.
    pub auto_approve: bool,
}

/// A new member of an IVN.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Joined {
    /// Its name.
    pub account: AccountName,
    /// The IVN.
    pub ivn: IvnId,
    /// What people call the IVN.
    pub ivn_name: String,
    /// Index of the admission in the log.
    pub index: u64,
}

/// Makes keys and a home at `path`, and has the hub put the account on the roster.
///
/// # Errors
///
/// [`SetupError`]. If the answer was lost, the home keeps its keys, and the same join can be tried again.
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
    let result: Result<Joined, SetupError> = async {
        let mut home = NodeHome::create(path)?;
        let (keys, tls) = make_or_open(&home.keys(), protector, rng)?;
        let ivn = IvnId::new(*link.token.ivn().as_bytes());
        let statement = Statement {
            ivn: Some(ivn),
            author: Author::Account(link.account.clone()),
            at: now,
            body: StatementBody::AccountAdmitted { keys: keys.account().public() },
        };
        let invitation = SecretKey::from_seed(link.token.seed());
        let entry = Entry::sign(statement, &[&invitation, &keys.account().identity])?;
        let csr = tls.certificate_request()?;
        let proof = certificate_request_hash(entry.id(), &csr);
        let request = JoinRequest {
            entry: Base64(entry.to_bytes()),
            proof: Base64(keys.account().identity.sign(proof.as_bytes()).to_vec()),
            csr: Base64(csr),
        };
        let response = ask(link, &request).await?;
        let (config, ivn_name) = check(link, ivn, &response, choices)?;
        home.save(config)?;
        Ok(Joined { account: link.account.clone(), ivn, ivn_name, index: response.index })
    }
    .await;
    match &result {
        Ok(_) => undo.keep(),
        Err(error) if error.may_have_succeeded() => undo.keep(),
        Err(_) => drop(undo),
    }
    result
}

async fn ask(link: &JoinLink, request: &JoinRequest) -> Result<JoinResponse, SetupError> {
    let dialler = Dialler::new(
        link.token.hub().clone(),
        link.token.ivn(),
        link.token.authority(),
        None,
        DialOptions::default(),
    )?;
    let options = ClientOptions { max_answer: MAX_JOIN_BODY, ..ClientOptions::default() };
    let body = serde_json::to_vec(request).map_err(|_| SetupError::Answer)?;
    let client = HubClient::new(dialler, options);
    let answer = client.request(Method::POST, JOIN_ROUTE, Body::Json(body)).await?;
    if answer.status.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|_| SetupError::Answer);
    }
    let status = answer.status.as_u16();
    Err(match serde_json::from_slice::<JoinRefusal>(&answer.body) {
        Ok(JoinRefusal { invalid: Some(Invalid::AccountExists { account }), .. }) => {
            SetupError::Used { account: account.into() }
        }
        Ok(JoinRefusal { invalid: Some(invalid), .. }) => SetupError::Refused(invalid),
        Ok(refusal) => {
            SetupError::HubRefused { status, detail: refusal.detail.chars().take(200).collect() }
        }
        Err(_) => SetupError::HubRefused { status, detail: "it does not say why".to_owned() },
    })
}

/// Believes the hub only what the invitation vouches for.
fn check(
    link: &JoinLink,
    ivn: IvnId,
    response: &JoinResponse,
    choices: Choices,
) -> Result<(NodeConfig, String), SetupError> {
    let genesis = Entry::from_bytes(&response.genesis.0).map_err(|_| SetupError::Answer)?;
    let state = IvnState::found(&genesis).map_err(|_| SetupError::OtherIvn)?;
    let authority = link.token.authority();
    let same_authority = state.genesis().ca.as_bytes() == authority.as_bytes()
        && fingerprint(&response.authority)? == *authority.as_bytes();
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
        auto_accept: choices.auto_accept,
        auto_approve: choices.auto_approve,
        limits: Limits::default(),
    };
    Ok((config, state.genesis().name.clone()))
}

/// SHA-256 of the DER of a certificate in PEM.
fn fingerprint(pem: &str) -> Result<[u8; 32], SetupError> {
    let base64: String =
        pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(base64).map_err(|_| SetupError::Answer)?;
    Ok(Sha256::digest(der).into())
}
