//! Makes the home of a new coordinator, which waits for the members' votes.

use std::path::Path;

use quorate_ceremony::coordinator::CoordinatorSecrets;
use quorate_ceremony::entry::{CoordinatorKeys, Replacement};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::names::Digest;
use quorate_network::ca::NewAuthority;
use quorate_network::ivn::HubAddress;
use rand_core::CryptoRngCore;

use super::history::Source;
use super::{FORMAT, Kind, ReplacementFile};
use crate::home::{CoordinatorConfig, CoordinatorHome};
use crate::setup::SetupError;
use crate::setup::create_ivn::write_coordinator;
use crate::setup::undo::Undo;

/// The coordinator that is to replace the present one.
#[derive(Clone, Debug)]
pub struct NewCoordinator {
    pub hub: HubAddress,
    /// Where its hub listens, `address:port`.
    pub listen: String,
    /// Why the present one is replaced, for members and auditors.
    pub reason: String,
    /// The log that counts.
    pub from: Source,
    /// How many of its entries count, if not all.
    pub size: Option<u64>,
}

/// Makes new keys, and a home at `path` with them and the log.
///
/// # Errors
///
/// [`SetupError`]; then everything new is removed again.
pub async fn propose(
    plan: &NewCoordinator,
    path: &Path,
    rng: &mut impl CryptoRngCore,
) -> Result<ReplacementFile, SetupError> {
    let history = plan.from.read(None, plan.size).await?;
    let mut undo = Undo::default();
    undo.note(path);
    let mut home = CoordinatorHome::create(path)?;
    let authority = NewAuthority::generate()?;
    let secrets =
        CoordinatorSecrets { log: SecretKey::generate(rng), identity: SecretKey::generate(rng) };
    let state = &history.state;
    let file = ReplacementFile {
        quorate: Kind::Replacement,
        format: FORMAT,
        ivn: state.ivn(),
        name: state.genesis().name.clone(),
        hub: plan.hub.to_string(),
        ca_certificate: String::new(),
        replacement: Replacement {
            history: state.tree(),
            keys: CoordinatorKeys {
                log_key: secrets.log.public(),
                coordinator_key: secrets.identity.public(),
                ca: Digest::new(*authority.fingerprint().as_bytes()),
            },
            reason: plan.reason.clone(),
        },
        votes: Vec::new(),
    };
    let authority = authority.for_ivn(quorate_network::ivn::IvnId::new(*state.ivn().as_bytes()));
    let file = ReplacementFile { ca_certificate: authority.certificate_pem(), ..file };
    let directory = home.ivn(state.ivn());
    write_coordinator(&directory, &authority, secrets, history.entries).await?;
    file.save(&directory)?;
    home.save(CoordinatorConfig::new(
        state.genesis().deployment.clone(),
        plan.listen.clone(),
        plan.hub.to_string(),
    ))?;
    undo.keep();
    Ok(file)
}
