//! Following the log for a node that is to be restored: in memory, and without a word to the log.

use std::sync::Arc;
use std::time::Duration;

use quorate_ceremony::effect::{NodeChange, NodeEffect};
use quorate_ceremony::identity::{AccountSecrets, SecretKey};
use quorate_ceremony::message::{FromCoordinator, FromNode};
use quorate_ceremony::misbehaviour::Misbehaviour;
use quorate_ceremony::node::{Config, Input, Node, Saved, Trouble};
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_network::ca::NodeKey;
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::renewal::Renewal;
use super::task::Event;
use super::{QUEUE, authority, damaged, dialler, hub, problem};
use crate::backup::Backup;
use crate::control::{Exit, Problem};
use crate::deadlines::now;
use crate::home::NodeConfig;

/// What the log of the coordinator says, after all of it was verified.
pub(crate) struct Followed {
    /// A machine that was never started, with the log's state.
    pub(crate) machine: Node,
    /// The log.
    pub(crate) entries: Vec<Vec<u8>>,
    /// The node's configuration, with a certificate that is good for a while.
    pub(crate) config: NodeConfig,
}

/// Why the log was not followed to its end.
#[derive(Debug)]
pub(crate) enum NotFollowed {
    /// Something else.
    Problem(Problem),
    /// The log is not the one whose checkpoint the node cosigned.
    Misbehaviour(Box<Misbehaviour>),
}

impl From<Problem> for NotFollowed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// How long the hub may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Verifies the whole log that the coordinator shows, from the genesis on. It has to contain what the node cosigned last.
pub(crate) async fn follow(backup: &Backup) -> Result<Followed, NotFollowed> {
    let authority = authority(&backup.config)?;
    let key = std::str::from_utf8(backup.keys.tls()).ok();
    let key = key.and_then(|pem| NodeKey::from_pem(pem).ok());
    let key = key.ok_or_else(|| damaged("the TLS key"))?;
    let mut config = backup.config.clone();
    if Renewal::is_due(&config)
        && let Some(entry) = &backup.keyed
    {
        let identity = SecretKey::from_seed(&backup.keys.account().identity.seed());
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
    let hub = Arc::new(hub::Hub::new(diallers.clone()));
    let mut outage = hub.outage.subscribe();
    let (events, mut received) = mpsc::channel(QUEUE);
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    tokio::spawn(hub::keep_linked(diallers, hub.clone(), events, stop));
    let mut following = Following::new(backup, &config)?;
    let mut last = None;
    loop {
        let event = tokio::select! {
            event = tokio::time::timeout(PATIENCE, received.recv()) => event.ok().flatten(),
            outage = outage.wait_for(Option::is_some) => {
                return Err(outage.ok().and_then(|it| it.clone()).unwrap_or_else(silent).into());
            }
        };
        let Some(event) = event else { return Err(last.unwrap_or_else(silent).into()) };
        if !following.take(event)? {
            continue;
        }
        match hub.checkpoint().await {
            Ok(latest) if following.is_at_the_end(&latest) => {
                let Following { machine, entries, .. } = following;
                check(&machine)?;
                return Ok(Followed { machine, entries, config });
            }
            Ok(_) => {}
            // Where the node that is to be replaced still runs, each takes the other's connection, and the next one
            // begins with the log again.
            Err(problem) => last = Some(problem),
        }
    }
}

struct Following {
    machine: Node,
    entries: Vec<Vec<u8>>,
    link: Option<hub::Outgoing>,
}

impl Following {
    fn new(backup: &Backup, config: &NodeConfig) -> Result<Self, Problem> {
        let account = backup.keys.account();
        let secrets = AccountSecrets {
            identity: SecretKey::from_seed(&account.identity.seed()),
            cosigner: SecretKey::from_seed(&account.cosigner.seed()),
        };
        let entries = vec![config.genesis.0.clone()];
        // What it cosigned is a signed checkpoint of a log that it does not have yet. Until it has as much, nothing is
        // sure; if it is not in there then, two checkpoints prove it.
        let unexplained = backup.unexplained.iter().chain(&backup.cosigned).cloned().collect();
        let saved = Saved { entries: entries.clone(), unexplained, ..Saved::default() };
        let settings = Config { auto_accept: false, auto_approve: false };
        let machine =
            Node::restore(config.account.clone(), secrets, settings, config.ivn, saved, &mut OsRng)
                .map_err(|error| problem(&error))?;
        Ok(Self { machine, entries, link: None })
    }

    /// Takes in what happened; of what the machine wants then, only its greeting is said. Says whether it was the end of
    /// what the coordinator sends for now.
    fn take(&mut self, event: Event) -> Result<bool, NotFollowed> {
        let (input, whole) = match event {
            Event::Connected(link) => {
                self.link = Some(link);
                (Input::Connected, false)
            }
            Event::Disconnected => {
                self.link = None;
                (Input::Disconnected, false)
            }
            Event::Received(message) => {
                let whole = matches!(&*message, FromCoordinator::Log { checkpoint: Some(_), .. });
                // Everything else is for a node that runs.
                if !matches!(&*message, FromCoordinator::Log { .. }) {
                    return Ok(false);
                }
                (Input::Received(*message), whole)
            }
            _ => return Ok(false),
        };
        for effect in self.machine.handle(input, now(), &mut OsRng) {
            match effect {
                NodeEffect::Persist(NodeChange::Entries { entries, .. }) => {
                    self.entries.extend(entries);
                }
                NodeEffect::Persist(NodeChange::Misbehaviour(proof)) => {
                    return Err(NotFollowed::Misbehaviour(Box::new(proof)));
                }
                NodeEffect::Send(hello @ FromNode::Hello { .. }) => {
                    if let Some(link) = &self.link {
                        // Serialising to memory has no way to fail, and the hub refuses an empty frame.
                        let _ = link.link.try_send(serde_json::to_vec(&hello).unwrap_or_default());
                    }
                }
                NodeEffect::Disconnect => {
                    if let Some(link) = &self.link {
                        link.close.cancel();
                    }
                }
                _ => {}
            }
        }
        Ok(whole)
    }

    /// Whether this is all that the coordinator has, by its own word.
    fn is_at_the_end(&self, checkpoint: &str) -> bool {
        let latest = checkpoint.parse::<SignedCheckpoint>();
        latest.is_ok_and(|latest| latest.unverified().size() <= self.machine.state().size())
    }
}

/// Whether a node that has this log may go on from it.
fn check(machine: &Node) -> Result<(), Problem> {
    if let Some(invalid) = machine.dismissal() {
        return Err(Problem::new(Exit::NotAllowed, invalid.to_string())
            .hint("what to do is an admin's to say; a backup from before new keys is of no use"));
    }
    let size = machine.state().size();
    match machine.trouble() {
        None => Ok(()),
        Some(Trouble::Unexplained { theirs, .. }) => {
            let kept = theirs.parse::<SignedCheckpoint>().ok();
            let kept = kept.map_or(0, |kept| kept.unverified().size());
            Err(Problem::new(
                Exit::Verification,
                format!(
                    "the coordinator shows a log of {size} entries, and this node had verified {kept} of it: it was restored from an old copy, or hides the rest"
                ),
            )
            .hint("nothing was restored; ask the other members how long their log is (quorate status), and who runs the coordinator"))
        }
        Some(_) => Err(Problem::new(
            Exit::Verification,
            "the log that the coordinator shows is not the one that this node knew",
        )
        .hint("nothing was restored; find out who runs the coordinator")),
    }
}

fn silent() -> Problem {
    Problem::new(Exit::Unreachable, "the coordinator does not show its log")
        .hint("nothing was restored; try again later")
}
