//! Reports what waits for the account holder's decision: by a line in the node's log, and by a
//! command that the account holder chose.
//!
//! The command never receives text that others wrote. Its environment contains ids and names, which
//! consist of letters, digits, dots, dashes and underscores. It cannot delay the node: a few run
//! at a time, each for a limited time, and the node drops further ones with a warning.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use quorate_ceremony::names::{AccountName, EntryId, GroupName};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::api::{Answer, InboxView, Query};
use crate::node::Asker;

/// The most commands that run at the same time.
const AT_ONCE: usize = 4;
/// How long a command may run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that waits for the account holder's decision.
struct Waiting<'a> {
    kind: &'static str,
    id: EntryId,
    group: &'a GroupName,
    /// The account that asks or proposes. A definition is by an admin, whom the view does not name.
    by: Option<&'a AccountName>,
    /// The command that decides.
    decide: &'static str,
}

/// Announces everything that waits, once, until the node ends.
pub(crate) async fn announce(asker: Asker, account: AccountName, command: Option<String>) {
    let Ok(mut answers) = asker.ask(Query::Inbox { watch: true }).await else { return };
    let running = Arc::new(Semaphore::new(AT_ONCE));
    let mut known = BTreeSet::new();
    while let Some(answer) = answers.recv().await {
        let Answer::Inbox(inbox) = answer else { continue };
        let waiting = waiting(&inbox);
        for new in waiting.iter().filter(|it| !known.contains(&it.id)) {
            let by = new.by.map_or("an admin", AccountName::as_str);
            tracing::info!(
                "{} {} by {by} for {} waits for your decision: quorate {} {}",
                new.kind,
                new.id.short(),
                new.group,
                new.decide,
                new.id.short()
            );
            if let Some(command) = &command {
                run(command, new, &account, &running);
            }
        }
        known = waiting.iter().map(|it| it.id).collect();
    }
}

fn waiting(inbox: &InboxView) -> Vec<Waiting<'_>> {
    let requests = inbox.requests.iter().map(|request| Waiting {
        kind: "request",
        id: request.id,
        group: &request.group,
        by: Some(&request.requester),
        decide: "approve",
    });
    let changes = inbox.changes.iter().map(|change| Waiting {
        kind: "change",
        id: change.id,
        group: &change.group,
        by: Some(&change.proposer),
        decide: "group approve",
    });
    let groups = inbox.groups.iter().map(|group| Waiting {
        kind: "definition",
        id: group.defined,
        group: &group.name,
        by: None,
        decide: "group approve",
    });
    requests.chain(changes).chain(groups).collect()
}

/// Starts the account holder's command, and does not wait for it.
fn run(command: &str, of: &Waiting<'_>, account: &AccountName, running: &Arc<Semaphore>) {
    let Ok(turn) = running.clone().try_acquire_owned() else {
        tracing::warn!(
            "the command of --on-request was not run for {}: {AT_ONCE} of them still run",
            of.id.short()
        );
        return;
    };
    let started = command_of(command)
        .env("QUORATE_KIND", of.kind)
        .env("QUORATE_ID", of.id.to_string())
        .env("QUORATE_GROUP", of.group.as_str())
        .env("QUORATE_BY", of.by.map_or("", AccountName::as_str))
        .env("QUORATE_ACCOUNT", account.as_str())
        .spawn();
    match started {
        Ok(child) => drop(tokio::spawn(async move {
            until_ended(child, PATIENCE).await;
            drop(turn);
        })),
        Err(error) => tracing::warn!(%error, "the command of --on-request cannot be started"),
    }
}

/// Returns a shell that runs `command`, in a process group of its own.
fn command_of(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    shell
}

/// Waits for a command. If it takes too long, ends it with everything that it has started.
async fn until_ended(mut child: Child, patience: Duration) {
    match tokio::time::timeout(patience, child.wait()).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => tracing::warn!("the command of --on-request failed: {status}"),
        Ok(Err(error)) => tracing::warn!(%error, "the command of --on-request is lost"),
        Err(_) => {
            // Its id still belongs to it, because nobody has waited for it.
            let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
            if let Some(group) = id {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let patience = patience.as_secs();
            tracing::warn!("the command of --on-request was ended after {patience} seconds");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> EntryId {
        EntryId::new([byte; 32])
    }

    fn waiting_for<'a>(byte: u8, group: &'a GroupName, by: &'a AccountName) -> Waiting<'a> {
        Waiting { kind: "request", id: id(byte), group, by: Some(by), decide: "approve" }
    }

    /// Lets all commands end.
    async fn all_ended(running: &Arc<Semaphore>) {
        let count = u32::try_from(AT_ONCE).unwrap();
        drop(running.acquire_many(count).await.unwrap());
    }

    #[tokio::test]
    async fn a_command_gets_ids_and_names_in_its_environment() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("told");
        let (group, by, account) =
            ("board".parse().unwrap(), "ada".parse().unwrap(), "ben".parse().unwrap());
        let running = Arc::new(Semaphore::new(AT_ONCE));
        let command = format!(
            "echo $QUORATE_KIND $QUORATE_ID $QUORATE_GROUP $QUORATE_BY $QUORATE_ACCOUNT > '{}'",
            file.display()
        );
        run(&command, &waiting_for(7, &group, &by), &account, &running);
        all_ended(&running).await;
        let told = std::fs::read_to_string(&file).unwrap();
        assert_eq!(told, format!("request {} board ada ben\n", id(7)));
    }

    #[tokio::test]
    async fn few_commands_run_at_a_time_and_the_rest_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let (group, by, account) =
            ("board".parse().unwrap(), "ada".parse().unwrap(), "ben".parse().unwrap());
        let running = Arc::new(Semaphore::new(AT_ONCE));
        let go = directory.path().join("go");
        let command = format!(
            "while [ ! -e '{}' ]; do sleep 0.01; done; touch '{}'/$QUORATE_ID",
            go.display(),
            directory.path().display()
        );
        for byte in 0..10 {
            run(&command, &waiting_for(byte, &group, &by), &account, &running);
        }
        std::fs::write(&go, "").unwrap();
        all_ended(&running).await;
        let ran = std::fs::read_dir(directory.path()).unwrap().count() - 1;
        assert_eq!(ran, AT_ONCE);
    }

    #[tokio::test]
    async fn what_a_late_command_started_ends_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let command = format!("sleep 1000 & echo $! > '{}'; wait", pid.display());
        let child = command_of(&command).spawn().unwrap();
        let pid = loop {
            match std::fs::read_to_string(&pid) {
                Ok(pid) if pid.ends_with('\n') => break pid,
                _ => tokio::task::yield_now().await,
            }
        };
        until_ended(child, Duration::ZERO).await;
        // A dead process remains as a zombie until its parent, or init, has noticed.
        let state = format!("/proc/{}/stat", pid.trim());
        while let Ok(stat) = std::fs::read_to_string(&state)
            && !stat.contains(") Z ")
        {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_command_that_fails_does_not_matter() {
        let (group, by, account) =
            ("board".parse().unwrap(), "ada".parse().unwrap(), "ben".parse().unwrap());
        let running = Arc::new(Semaphore::new(AT_ONCE));
        for command in ["exit 3", "/no/such/program"] {
            run(command, &waiting_for(7, &group, &by), &account, &running);
            all_ended(&running).await;
        }
    }
}
