//! `quorate ssh-agent`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use quorate_documents::{Output, VerifyingKey, keys, prepare};
use serde::Serialize;

use super::super::context::Context;
use super::super::daemon::until_stopped;
use super::super::request_once::asked_before;
use super::super::sign::{decided, signature_file};
use super::super::terminal::Terminal;
use super::super::{Failure, Run};
use super::group_with;
use crate::api::{Answer, Code, GroupStage, GroupView, Problem, Query, RequestView, SignAsk};
use crate::control::socket;
use crate::launch::{Client, unexpected};
use crate::render::request_sentence;
use crate::shell_quote::quoted;
use crate::ssh_agent::{self, Identity, Keys, SignQuestion};

/// Run an SSH agent whose keys are those of groups, until Ctrl-C
///
/// Offers the keys of all groups that sign in the format ssh-agent to every program that speaks to
/// SSH agents. What a program wants signed becomes a request of the group, and the program waits
/// until enough members have approved it; it is never approved automatically. A group signs logins
/// to SSH servers, and SSH signatures; for those, the members see only the hash of the document, so
/// prefer `quorate sign` and `quorate ssh-sign`.
///
/// Needs the running node of this home. Only this account's programs can use the socket. To add,
/// remove or lock keys fails.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  quorate group create ops --members ada,ben,carol --min-signers 2 --format ssh-agent
  quorate ssh-agent                 prints SSH_AUTH_SOCK=…; export SSH_AUTH_SOCK;
  quorate ssh-agent --socket ~/.quorate-agent.sock
  quorate ssh-agent --json")]
pub(crate) struct SshAgent {
    /// The socket, in a directory that only you can write to [default: ssh-agent.sock in the home]
    #[arg(long, short = 'a', value_name = "FILE")]
    socket: Option<PathBuf>,
}

#[derive(Serialize)]
struct AgentView {
    socket: PathBuf,
    pid: u32,
}

impl Run for SshAgent {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let home = context.node_home()?;
        let desk = Desk { home, terminal: context.terminal.clone() };
        let path = match self.socket {
            Some(path) => std::path::absolute(&path).unwrap_or(path),
            None => socket::path(&desk.home, SOCKET),
        };
        context.wait_for(async {
            // Fails now rather than at the first question.
            desk.report(&desk.groups().await?);
            let listener = socket::bind_unused(&path).await?;
            let stop = until_stopped()?;
            let view = AgentView { socket: path.clone(), pid: std::process::id() };
            show(context, &view)?;
            ssh_agent::serve(listener, Arc::new(desk), stop).await;
            drop(std::fs::remove_file(&path));
            Ok::<(), Problem>(())
        })?;
        Ok(())
    }
}

/// The name of the socket in a node's home.
const SOCKET: &str = "ssh-agent.sock";

/// As ssh-agent does, in a form for `eval`.
fn show(context: &Context, view: &AgentView) -> Result<(), Problem> {
    if context.terminal.is_json() {
        return context.terminal.object("ssh-agent", view);
    }
    let socket = quoted(&view.socket.display().to_string());
    let line = format!("SSH_AUTH_SOCK={socket}; export SSH_AUTH_SOCK;\n");
    context.terminal.bytes(line.as_bytes())
}

/// Answers the questions of programs by asking the home's node. The node may be restarted
/// meanwhile.
struct Desk {
    home: PathBuf,
    terminal: Terminal,
}

impl Keys for Desk {
    async fn identities(&self) -> Vec<Identity> {
        match self.groups().await {
            Ok(groups) => {
                groups.iter().filter(|group| serves(group)).filter_map(identity).collect()
            }
            Err(problem) => {
                self.terminal.problem(&problem);
                Vec::new()
            }
        }
    }

    async fn sign(&self, question: SignQuestion) -> Option<Vec<u8>> {
        match self.signature(&question).await {
            Ok(signature) => Some(signature),
            Err(problem) => {
                self.terminal.problem(&problem);
                None
            }
        }
    }
}

impl Desk {
    async fn client(&self) -> Result<Client, Problem> {
        let not_running = || {
            Problem::new(Code::NodeStopped, "this account's node is not running")
                .hint("start it: quorate node run")
        };
        Client::open(&self.home, || Err(not_running())).await
    }

    async fn groups(&self) -> Result<Vec<GroupView>, Problem> {
        match self.client().await?.ask(Query::Groups).await? {
            Answer::Groups { groups } => Ok(groups),
            other => Err(unexpected(&other)),
        }
    }

    /// Names the groups whose keys are offered.
    fn report(&self, groups: &[GroupView]) {
        let offered: Vec<&str> =
            groups.iter().filter(|group| serves(group)).map(|group| group.name.as_str()).collect();
        self.terminal.note(|page| match offered.as_slice() {
            [] => {
                page.sentence("No group signs in the format ssh-agent yet. To propose it:");
                page.copyable("quorate group change GROUP --format FORMATS,ssh-agent");
            }
            offered => page.sentence(format!("Offers the keys of {}.", offered.join(", "))),
        });
    }

    async fn signature(&self, question: &SignQuestion) -> Result<Vec<u8>, Problem> {
        let group = self.group(&question.key).await?;
        if question.flags != 0 {
            let message = "a program wants another signature algorithm than ssh-ed25519";
            return Err(Problem::new(Code::NotAllowed, message));
        }
        let client = self.client().await?;
        let request = match self.request(&client, &group, &question.data).await? {
            request if request.state.is_final() => request,
            request => self.wait(&client, request).await?,
        };
        signature_file(&decided(request)?, &question.data)
    }

    /// Returns the group with a key in SSH's own form.
    async fn group(&self, blob: &[u8]) -> Result<GroupView, Problem> {
        let groups = self.groups().await?;
        let named = |group: &&GroupView| identity(group).is_some_and(|it| it.key == blob);
        let key = groups.iter().find(named).and_then(key_of);
        key.and_then(|key| group_with(&key, groups)).ok_or_else(|| {
            Problem::new(Code::Failed, "a program wants a signature by a key that no group has")
        })
    }

    /// Makes a request, or finds the one that was made before.
    async fn request(
        &self,
        client: &Client,
        group: &GroupView,
        data: &[u8],
    ) -> Result<RequestView, Problem> {
        let (output, kind) = readable(group, data)?;
        if let Answer::Requests { requests } = client.ask(Query::Requests).await?
            && let Some(request) = asked_before(requests, group, &output, data)
        {
            return Ok(request);
        }
        let ask = SignAsk {
            group: group.name.clone(),
            document_type: None,
            output: output.to_string(),
            name: kind.replace(' ', "-"),
            note: None,
            document: data.to_vec(),
            expires_in: None,
        };
        let (id, _) = client.order(ask).await?;
        let ask = Query::Request { id: id.to_string(), watch: false };
        let Answer::Request(request) = client.ask(ask).await? else {
            return Err(Problem::new(Code::Failed, "the node does not have the new request"));
        };
        self.terminal.note(|page| {
            let id = request.id.short();
            page.sentence(format!(
                "Request {id} sent to {}: {kind}. {}",
                request.group,
                request_sentence(&request)
            ));
            page.copyable(format!("quorate approve {id}"));
        });
        Ok(*request)
    }

    async fn wait(&self, client: &Client, request: RequestView) -> Result<RequestView, Problem> {
        let mut latest = request;
        let ask = Query::Request { id: latest.id.to_string(), watch: true };
        let mut other = None;
        client
            .watch(ask, |answer| match answer {
                Answer::Request(view) => {
                    latest = *view;
                    match latest.state.is_final() {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                }
                answer => {
                    other = Some(unexpected(&answer));
                    ControlFlow::Break(())
                }
            })
            .await?;
        other.map_or(Ok(latest), Err)
    }
}

const FORMAT: &str = "ssh-agent";

/// Reads what a program wants signed. Returns the output, and what kind of thing it is.
fn readable(group: &GroupView, data: &[u8]) -> Result<(Output, String), Problem> {
    let refused = |error: &dyn std::error::Error| {
        Problem::new(Code::NotAllowed, crate::error_chain::chain(error))
    };
    let key = key_of(group).ok_or_else(|| Problem::new(Code::Failed, "the group has no key"))?;
    let output: Output = FORMAT.parse().map_err(|error| refused(&error))?;
    let preview = prepare(data, &output, &key).map_err(|error| refused(&error))?.preview();
    Ok((output, preview.map(|preview| preview.kind).unwrap_or_default()))
}

/// Whether the group signs what an agent is asked for.
fn serves(group: &GroupView) -> bool {
    let is_served = group.policy.formats.iter().any(|format| format.name() == FORMAT);
    is_served && group.state != GroupStage::Retired
}

fn key_of(group: &GroupView) -> Option<VerifyingKey> {
    VerifyingKey::from_hex(group.verifying_key.as_deref()?)
}

fn identity(group: &GroupView) -> Option<Identity> {
    Some(Identity { key: keys::to_ssh_blob(&key_of(group)?), comment: group.name.to_string() })
}
