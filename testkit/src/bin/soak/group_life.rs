//! Changes of the group: new shares, members that leave and return, a suspended member, a lost
//! machine.

use std::time::Instant;

use quorate_testkit::cluster::{Cluster, until};

use crate::faults::start_ended;
use crate::users::PATIENCE;
use crate::{NAMES, SMALL_DISKS};

const GUEST: &str = SMALL_DISKS[1];
/// The member that is suspended, and that loses its machine.
const UNLUCKY: &str = "dan";

/// One change of the group. In the order of [`Turn::ALL`], each leaves the group as the next one
/// needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Turn {
    NewShares,
    Leave,
    Return,
    Suspend,
    LoseMachine,
}

impl Turn {
    pub(crate) const ALL: [Self; 5] =
        [Self::NewShares, Self::Leave, Self::Return, Self::Suspend, Self::LoseMachine];

    /// The command that begins the change, unless it is done already.
    fn line(self) -> String {
        match self {
            Self::NewShares => "group refresh board".to_owned(),
            Self::Leave => format!("group change board --remove {GUEST} --min-signers 2"),
            Self::Return => format!("group change board --add {GUEST} --min-signers 3"),
            Self::Suspend => format!("account resume {UNLUCKY}"),
            Self::LoseMachine => format!("group repair board {UNLUCKY}"),
        }
    }

    /// The name under which the verdict counts it.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::NewShares => "new shares",
            Self::Leave => "member left",
            Self::Return => "member came back",
            Self::Suspend => "member suspended",
            Self::LoseMachine => "share repaired",
        }
    }

    /// Begins the change after all faults have ended. A member that was cut off may notice that
    /// only now.
    pub(crate) fn begin(self, cluster: &Cluster) -> Begun {
        let epoch = until("the group to be shown", || shown(cluster)?["epoch"].as_u64());
        match self {
            Self::NewShares | Self::Leave | Self::Return => {
                // If the command does not get through, it is repeated later.
                let _ = cluster.run(NAMES[0], &self.line());
            }
            Self::Suspend => until("the suspension to get through", || {
                let line = format!("account suspend {UNLUCKY} --yes");
                (cluster.run(NAMES[0], &line).exit == 0).then_some(())
            }),
            Self::LoseMachine => cluster.replace_machine(UNLUCKY),
        }
        Begun { turn: self, epoch }
    }
}

/// The group as the first member's node reports it.
fn shown(cluster: &Cluster) -> Option<serde_json::Value> {
    let shown = cluster.run(NAMES[0], "group show board --json");
    (shown.exit == 0).then(|| shown.json())
}

/// A change that was begun in this epoch.
pub(crate) struct Begun {
    turn: Turn,
    epoch: u64,
}

impl Begun {
    /// Whether the change is complete.
    fn is_done(&self, cluster: &Cluster, group: &serde_json::Value) -> bool {
        if !group["change"].is_null() {
            return false;
        }
        match self.turn {
            Turn::NewShares | Turn::Leave | Turn::Return => {
                group["epoch"].as_u64() > Some(self.epoch)
            }
            Turn::Suspend => {
                let account = cluster.run(NAMES[0], &format!("account show {UNLUCKY} --json"));
                account.exit == 0 && account.json()["standing"] == "active"
            }
            Turn::LoseMachine => {
                let members = group["members"].as_array().unwrap();
                let unlucky = members.iter().find(|member| member["account"] == UNLUCKY);
                unlucky.is_some_and(|member| member["share"]["state"] == "healthy")
            }
        }
    }

    /// Runs the commands that complete the change, after all faults have ended.
    pub(crate) fn finish(&self, cluster: &Cluster) -> Result<(), String> {
        let began = Instant::now();
        let mut started = Ok(());
        while began.elapsed() < PATIENCE {
            started = start_ended(cluster);
            let Some(group) = shown(cluster) else { continue };
            if self.is_done(cluster, &group) {
                return Ok(());
            }
            match group["change"]["id"].as_str() {
                // Members that have approved already get an error, which does not matter.
                Some(id) => {
                    NAMES.iter().for_each(|name| {
                        drop(cluster.run(name, &format!("group approve {id} --yes")))
                    });
                }
                None => drop(cluster.run(NAMES[0], &self.turn.line())),
            }
        }
        started?;
        let (turn, seconds) = (self.turn, PATIENCE.as_secs());
        Err(format!("{turn:?} is not done {seconds} s after all faults were over"))
    }
}
