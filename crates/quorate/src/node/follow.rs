//! Follows the log in memory for a node that is being restored, without adding to it.

use quorate_ceremony::effect::{NodeChange, NodeEffect};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::message::FromCoordinator;
use quorate_ceremony::misbehaviour::Misbehaviour;
use quorate_ceremony::node::{Config, Contradiction, Input, Node, Saved};
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_network::ca::NodeKey;
use rand_core::OsRng;
use tokio::sync::watch;

use super::hub;
use super::opening::{authority, damaged, dialler, problem};
use super::renewal::Renewal;
use crate::api::{Code, Problem};
use crate::backup::Backup;
use crate::home::NodeConfig;
use crate::timers::now;

/// The coordinator's log, all of it verified.
pub(crate) struct Followed {
    /// A machine that was never started, with the log's state.
    pub(crate) machine: Node,
    pub(crate) entries: Vec<Vec<u8>>,
    /// The node's configuration, with a new certificate.
    pub(crate) config: NodeConfig,
}

/// Why the log was not followed to its end.
#[derive(Debug)]
pub(crate) enum NotFollowed {
    Problem(Problem),
    /// The log is not the one whose checkpoint the node cosigned.
    Misbehaviour(Box<Misbehaviour>),
}

impl From<Problem> for NotFollowed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Verifies the coordinator's whole log from the genesis on. It has to contain the checkpoint that
/// the node cosigned last.
pub(crate) async fn follow(backup: &Backup) -> Result<Followed, NotFollowed> {
    let authority = authority(&backup.config)?;
    let key = std::str::from_utf8(backup.keys.tls()).ok();
    let key = key.and_then(|pem| NodeKey::from_pem(pem).ok());
    let key = key.ok_or_else(|| damaged("the TLS key"))?;
    let mut config = backup.config.clone();
    if Renewal::is_due(&config)
        && let Some(entry) = &backup.keyed
    {
        let identity = SecretKey::from_seed(backup.keys.account().identity.seed());
        let (_, admission) = watch::channel(None);
        let renewal = Renewal { identity, key, authority, admission };
        config = renewal.renew(&config, &entry.to_bytes()).await?;
        return follow_as(backup, config, authority, &renewal.key).await;
    }
    follow_as(backup, config, authority, &key).await
}

async fn follow_as(
    backup: &Backup,
    config: NodeConfig,
    authority: quorate_network::ca::CaFingerprint,
    key: &NodeKey,
) -> Result<Followed, NotFollowed> {
    let (_keep, diallers) = watch::channel(dialler(&config, authority, Some(key))?);
    // Not over a link: the node to be replaced may still run, and would lose its link even if
    // nothing is restored.
    let hub = hub::Hub::new(diallers, config.limits.document_bytes);
    let mut following = Following::new(backup, &config)?;
    loop {
        let read = following.read;
        let is_whole = following.take(hub.log(read).await?)?;
        if is_whole && following.is_at_the_end(&hub.checkpoint().await?) {
            let Following { machine, entries, .. } = following;
            check(&machine)?;
            if !machine.names_coordinator() {
                return Err(Problem::new(
                    Code::Verification,
                    "the log does not name the coordinator that this node trusts",
                )
                .hint("nothing was restored; ask the other members which coordinator they follow")
                .into());
            }
            return Ok(Followed { machine, entries, config });
        }
        if following.read == read {
            return Err(silent().into());
        }
    }
}

struct Following {
    machine: Node,
    entries: Vec<Vec<u8>>,
    /// The number of entries that the coordinator has shown.
    read: u64,
}

impl Following {
    fn new(backup: &Backup, config: &NodeConfig) -> Result<Self, Problem> {
        let account = backup.keys.account();
        let secrets = AccountSecrets {
            identity: SecretKey::from_seed(account.identity.seed()),
            cosigner: SecretKey::from_seed(account.cosigner.seed()),
        };
        let entries = vec![config.genesis.0.clone()];
        // The cosigned checkpoint is of a log that the machine does not have yet. Nothing is
        // certain until it has as many entries. If the log then does not contain it, two
        // checkpoints prove misbehaviour.
        let unexplained = backup.unexplained.iter().chain(&backup.cosigned).cloned().collect();
        let saved = Saved { entries: entries.clone(), unexplained, ..Saved::default() };
        let settings = Config { auto_accept: false, auto_approve: false, log_key: config.log_key };
        let machine =
            Node::restore(config.account.clone(), secrets, settings, config.ivn, saved, &mut OsRng)
                .map_err(|error| problem(&error))?;
        Ok(Self { machine, entries, read: 1 })
    }

    /// Reads a part of the log, and sends nothing. Returns whether all parts so far were verified.
    fn take(&mut self, part: FromCoordinator) -> Result<bool, NotFollowed> {
        let FromCoordinator::Log { first, entries, checkpoint } = &part else {
            return Err(silent().into());
        };
        let is_whole = checkpoint.is_some();
        if *first == self.read {
            self.read = self.read.saturating_add(entries.len() as u64);
        }
        for effect in self.machine.handle(Input::Received(part), now(), &mut OsRng) {
            match effect {
                NodeEffect::Persist(NodeChange::Entries { entries, .. }) => {
                    self.entries.extend(entries);
                }
                NodeEffect::Persist(NodeChange::Misbehaviour(proof)) => {
                    return Err(NotFollowed::Misbehaviour(Box::new(proof)));
                }
                // The coordinator's entries and checkpoint contradict each other.
                NodeEffect::Disconnect => {
                    check(&self.machine)?;
                    return Err(unfit().into());
                }
                _ => {}
            }
        }
        Ok(is_whole)
    }

    /// Whether this is all that the coordinator has, according to its checkpoint.
    fn is_at_the_end(&self, checkpoint: &str) -> bool {
        let latest = checkpoint.parse::<SignedCheckpoint>();
        latest.is_ok_and(|latest| latest.unverified().size() <= self.machine.state().size())
    }
}

/// Checks that a node may continue from this log.
fn check(machine: &Node) -> Result<(), Problem> {
    if let Some(invalid) = machine.dismissal() {
        let message = invalid.to_string();
        return Err(Problem::new(Code::Blocked(invalid), message)
            .hint("ask an admin what to do; a backup from before new keys does not work"));
    }
    let size = machine.state().size();
    match machine.trouble() {
        None => Ok(()),
        Some(Contradiction::Unexplained { theirs, .. }) => {
            let kept = theirs.parse::<SignedCheckpoint>().ok();
            let kept = kept.map_or(0, |kept| kept.unverified().size());
            Err(Problem::new(
                Code::Verification,
                format!(
                    "the coordinator shows a log of {size} entries, and this node had verified {kept} of it: it was restored from an old copy, or hides the rest"
                ),
            )
            .hint("nothing was restored; ask the other members how long their log is (quorate status), and who runs the coordinator"))
        }
        Some(_) => Err(Problem::new(
            Code::Verification,
            "the log that the coordinator shows is not the one that this node knew",
        )
        .hint("nothing was restored; find out who runs the coordinator")),
    }
}

fn unfit() -> Problem {
    Problem::new(
        Code::Verification,
        "the coordinator shows entries and a checkpoint that do not fit each other",
    )
    .hint("nothing was restored; find out who runs the coordinator")
}

fn silent() -> Problem {
    Problem::new(Code::Unreachable, "the coordinator does not show its log")
        .hint("nothing was restored; try again later")
}
