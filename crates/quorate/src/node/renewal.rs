//! Keeps a node's settings: renews its certificate before it expires, and the address that it dials
//! when the coordinator moves.
//!
//! The node asks for it as for the first one: with the log entry that contains the account's keys
//! (usually its admission) and a proof by its identity key. It asks over a connection with its
//! present certificate, which the coordinator accepts for that even if it has expired. So strangers
//! who join cannot delay it, a node that was off until its certificate expired returns
//! automatically, and one whose account was removed does not.

use std::time::Duration;

use quorate_ceremony::encoding::Base64;
use quorate_ceremony::entry::Entry;
use quorate_ceremony::identity::SecretKey;
use quorate_network::ca::{self, CaFingerprint, NodeCertificate, NodeKey};
use quorate_network::client::{Body, ClientOptions, HubClient};
use quorate_network::dialler::Dialler;
use quorate_network::ivn::HubAddress;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::opening::{dialler, problem};
use super::task::Move;
use crate::api::{Answer, Code, Problem};
use crate::home::{NodeConfig, NodeHome};
use crate::setup::wire::{
    JOIN_ROUTE, JoinRequest, JoinResponse, MAX_JOIN_BODY, RENEW_ROUTE, certificate_request_hash,
};
use crate::timers::wall_clock;

/// How often the certificate is checked. A corrected clock, of this machine or the coordinator's,
/// may leave a node with an expired certificate until then.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Asks for new certificates.
pub(super) struct Renewal {
    pub(super) identity: SecretKey,
    pub(super) key: NodeKey,
    pub(super) authority: CaFingerprint,
    /// The entry with the account's present keys, once the node knows it.
    pub(super) admission: watch::Receiver<Option<Vec<u8>>>,
}

impl Renewal {
    /// Whether less than half of the certificate's time is left, or an earlier coordinator's
    /// authority issued it.
    pub(super) fn is_due(config: &NodeConfig) -> bool {
        let certificate = NodeCertificate::from_pem(&config.client_certificate)
            .ok()
            .filter(|certificate| certificate.is_issued_by(&config.ca_certificate));
        let end = certificate.and_then(|certificate| certificate.not_after().ok());
        let left = end.and_then(|end| end.duration_since(wall_clock()).ok());
        left.is_none_or(|left| left < ca::VALIDITY / 2)
    }

    /// Renews the certificate and adopts new addresses until `stop`, and publishes a dialler with
    /// each new one.
    pub(super) async fn keep(
        self,
        mut home: NodeHome,
        diallers: watch::Sender<Dialler>,
        mut moves: mpsc::Receiver<Move>,
        stop: CancellationToken,
    ) -> NodeHome {
        let mut admission = self.admission.clone();
        let mut look_at = tokio::time::Instant::now();
        loop {
            let due = home.config().filter(|config| Self::is_due(config)).cloned();
            let entry = async {
                tokio::time::sleep_until(look_at).await;
                match due {
                    Some(config) => {
                        let entry = admission.wait_for(Option::is_some).await;
                        entry.ok().and_then(|entry| entry.clone()).map(|entry| (config, entry))
                    }
                    None => None,
                }
            };
            let (config, entry) = tokio::select! {
                () = stop.cancelled() => return home,
                Some(moved) = moves.recv() => {
                    self.dial(&mut home, moved, &diallers);
                    continue;
                }
                entry = entry => {
                    look_at = tokio::time::Instant::now() + LOOK_EVERY;
                    let Some(entry) = entry else { continue };
                    entry
                }
            };
            let renewed = self.renew(&config, &entry).await;
            match renewed.and_then(|config| self.adopt(&mut home, config)) {
                Ok(dialler) => {
                    tracing::info!("this node has a new certificate");
                    diallers.send_replace(dialler);
                }
                Err(problem) => tracing::warn!("no new certificate yet: {problem}"),
            }
        }
    }

    /// Dials another address from now on.
    fn dial(&self, home: &mut NodeHome, moved: Move, diallers: &watch::Sender<Dialler>) {
        let Move { hub, reply } = moved;
        let Some(config) = home.config().cloned() else { return };
        let adopted = match hub.parse::<HubAddress>() {
            Ok(address) => self.adopt(home, NodeConfig { hub: address.to_string(), ..config }),
            Err(error) => Err(Problem::new(Code::Usage, error.to_string())),
        };
        let answer = match adopted {
            Ok(dialler) => {
                tracing::info!(%hub, "this node dials the coordinator at a new address");
                diallers.send_replace(dialler);
                Answer::Dials { hub }
            }
            Err(problem) => {
                tracing::warn!(%hub, "the new address of the coordinator is not used: {problem}");
                Answer::Problem(problem)
            }
        };
        if let Some(reply) = reply {
            drop(reply.try_send(answer));
        }
    }

    pub(super) async fn renew(
        &self,
        config: &NodeConfig,
        entry: &[u8],
    ) -> Result<NodeConfig, Problem> {
        let admission = Entry::from_bytes(entry)
            .map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
        let csr = self.key.certificate_request().map_err(|error| problem(&error))?;
        let proof = certificate_request_hash(admission.id(), &csr);
        let request = JoinRequest {
            entry: Base64(entry.to_vec()),
            proof: Base64(self.identity.sign(proof.as_bytes()).to_vec()),
            csr: Base64(csr),
        };
        let body = serde_json::to_vec(&request).map_err(|error| problem(&error))?;
        let options = ClientOptions { max_answer: MAX_JOIN_BODY, ..ClientOptions::default() };
        let ask = async |key: Option<&NodeKey>, route: &str| {
            let client = HubClient::new(dialler(config, self.authority, key)?, options);
            let answer = client.request(http::Method::POST, route, Body::Json(body.clone())).await;
            answer.map_err(|error| problem(&error))
        };
        let answer = match ask(Some(&self.key), RENEW_ROUTE).await {
            Ok(answer) if answer.status.is_success() => answer,
            // The certificate may be damaged, or of earlier keys.
            _ => ask(None, JOIN_ROUTE).await?,
        };
        if !answer.status.is_success() {
            let problem = Problem::from_http(answer.status.as_u16(), &answer.body);
            let message = format!("the hub rejected the request: {}", problem.message);
            let code = match problem.code {
                Code::Refused(why) => Code::Blocked(why),
                _ => Code::NotAllowed,
            };
            return Err(Problem::new(code, message));
        }
        let response: JoinResponse =
            serde_json::from_slice(&answer.body).map_err(|error| problem(&error))?;
        Ok(NodeConfig { client_certificate: response.certificate, ..config.clone() })
    }

    fn adopt(&self, home: &mut NodeHome, config: NodeConfig) -> Result<Dialler, Problem> {
        let dialler = dialler(&config, self.authority, Some(&self.key))?;
        home.save(config).map_err(|error| problem(&error))?;
        Ok(dialler)
    }
}
