//! The demonstration's second group, which changes its members and min_signers, and signs under the
//! same key.

use std::path::PathBuf;

use quorate_ceremony::names::{AccountName, GroupName};
use serde::Serialize;

use super::checks::Signed;
use super::cluster::Cluster;
use super::stage::{Check, Show, Step, definition, hears, join, settled, signed, write};
use crate::api::{Answer, Code, Command, Motion, Problem, Proposal, Query};
use crate::launch::Client;

const GROUP: &str = "desk";

/// The result of the second group's change.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reshare {
    pub(crate) min_signers: u16,
    pub(crate) max_signers: u16,
    /// The verifying key in hex, unchanged by the reshare.
    pub(crate) verifying_key: String,
    /// From the beginning of the reshare to the new shares in use, in milliseconds.
    pub(crate) reshare_ms: u64,
    /// A raw signature made with the new shares, 64 bytes.
    pub(crate) signature_file: PathBuf,
}

impl<T: FnMut(Step)> Show<'_, T> {
    /// Changes a group from 2 of 3 members to 3 of all members.
    pub(super) async fn reshare(
        &mut self,
        cluster: &Cluster,
        client: &Client,
        document: &(String, Vec<u8>),
    ) -> Result<Reshare, Problem> {
        let few: Vec<AccountName> = self.names.iter().take(3).cloned().collect();
        let before = definition(GROUP, &few, 2)?;
        let group = self.generate_key(client, before.clone()).await?;
        let key = group.verifying_key.clone().unwrap_or_default();
        let epoch = group.epoch.unwrap_or_default();
        let more = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        let after = definition(GROUP, self.names, more.min(3))?;
        let (min_signers, max_signers) = (after.min_signers, more);
        // In a cluster of two members, the change only replaces the shares, which nobody has to
        // approve.
        let decided = after == before;
        let command = Command::ChangeGroup(Proposal::new(after, epoch));
        client.order(command).await?;
        if !decided {
            approve(cluster, &before.name, self.names).await?;
        }
        let group = settled(client, &before.name).await?;
        if group.epoch <= Some(epoch) {
            return Err(Problem::new(Code::Failed, crate::render::group_sentence(&group)));
        }
        let reshare_ms = group.dkg_ms.unwrap_or_default();
        let now = group.verifying_key.unwrap_or_default();
        self.done(
            "reshare",
            format!(
                "{GROUP}: 2 of {} became {min_signers} of {max_signers}, same key ({reshare_ms} ms)",
                few.len()
            ),
        );
        let request = self.request(client, document, GROUP, "raw").await?;
        self.approve(cluster, request, min_signers).await?;
        let view = signed(client, request).await?;
        let signature = view.signatures.first().cloned().unwrap_or_default();
        let signature_file = self.plan.directory.join(format!("{}.{GROUP}.sig", document.0));
        let bytes = hex::decode(&signature)
            .map_err(|error| Problem::new(Code::Failed, error.to_string()))?;
        write(&signature_file, &bytes)?;
        let check = match now == key && Signed::new(&key, &view)?.is_of(&document.1) {
            true => Check::Passed,
            false => {
                Check::Failed { why: "the key changed, or the signature is not valid".to_owned() }
            }
        };
        let text = format!("signed by {}; the key from before verifies it", join(&view.signers));
        self.checked("reshare", check, text);
        Ok(Reshare { min_signers, max_signers, verifying_key: now, reshare_ms, signature_file })
    }
}

/// Approves the change as the second member, as soon as its node has received it.
pub(super) async fn approve(
    cluster: &Cluster,
    name: &GroupName,
    names: &[AccountName],
) -> Result<(), Problem> {
    let second = names.get(1).ok_or_else(|| Problem::new(Code::Usage, "there is one member"))?;
    let approver = cluster.client(second).await?;
    let id = hears("the change", || async {
        match approver.ask(Query::Group { name: name.clone(), watch: false }).await {
            Ok(Answer::Group(view)) => view.change.map(|change| change.id),
            _ => None,
        }
    })
    .await?;
    approver.order(Command::Approve(Motion::Change(id))).await.map(drop)
}
