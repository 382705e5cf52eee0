//! Entries of the log for people.

use quorate_ceremony::entry::{Body, GroupChange, Invitation};
use quorate_ceremony::names::EntryId;

use super::list;
use crate::api::EntryView;

/// Describes an entry as a sentence without its subject, which is the author.
pub(crate) fn entry_sentence(view: &EntryView) -> String {
    let group = view.group.as_ref().map_or("an unknown group", |group| group.as_str());
    let what = |id: EntryId| {
        let kind = if view.is_on_change { "the change" } else { "request" };
        format!("{kind} {}", id.short())
    };
    match view.body.as_ref() {
        Body::Genesis(genesis) => format!("creates the IVN \"{}\"", genesis.name),
        Body::Invitation(invitation) if invitation.is_withdrawal() => {
            format!("withdraws the invitation of {}", invitation.name)
        }
        Body::Invitation(Invitation { name, replaces: None, .. }) => format!("invites {name}"),
        Body::Invitation(Invitation { name, replaces: Some(_), .. }) => {
            format!("lets {name} replace its lost keys")
        }
        Body::AccountAdmitted { .. } => "joins".to_owned(),
        Body::KeysRotated { .. } => "replaces its own keys".to_owned(),
        Body::AccountSuspended { account } => format!("suspends {account}"),
        Body::HubMoved { hub } => format!("announces that the coordinator is at {hub} from now on"),
        Body::AccountResumed { account } => format!("resumes {account}"),
        Body::AccountRemoved { account } => format!("removes {account}"),
        Body::AccountRoles { account, roles } => {
            let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
            format!("gives {account} the roles {}", roles.join(", "))
        }
        Body::NodeStarted { .. } => "starts its node".to_owned(),
        Body::NodeDuplicated { .. } => "reports that two copies of its node run".to_owned(),
        Body::ShareProved { group, epoch, .. } => {
            format!("proves its share of {group}, epoch {epoch}")
        }
        Body::GroupDefined(definition) => format!(
            "defines group {}: any {} of {} can sign",
            definition.name,
            definition.min_signers,
            list(&definition.members)
        ),
        Body::GroupAccepted { group, .. } => format!("accepts membership of {group}"),
        Body::GroupChange(GroupChange { definition, retires: true, .. }) => {
            format!("proposes to retire {}: change {}", definition.name, view.id.short())
        }
        Body::GroupChange(GroupChange { definition, repairs: Some(member), .. }) => {
            let id = view.id.short();
            format!(
                "proposes to restore the lost share of {member} in {}: change {id}",
                definition.name
            )
        }
        Body::GroupChange(GroupChange { definition, repairs: None, .. }) => format!(
            "proposes that {} be: any {} of {} can sign: change {}",
            definition.name,
            definition.min_signers,
            list(&definition.members),
            view.id.short()
        ),
        Body::GroupChangeWithdrawn { change } => {
            format!("withdraws the change {}", change.short())
        }
        Body::ShareDestroyed { group, epoch } => {
            format!("has destroyed its share of {group}, epoch {epoch}")
        }
        Body::CeremonyStarted { group, attempt, .. } => {
            format!("starts session {attempt} of {group}")
        }
        Body::CeremonyMessage { message, .. } => {
            let what = quorate_protocol::message_name(&message.0).unwrap_or("message");
            format!("posts its {what} for {}", group)
        }
        Body::CeremonyCertified { .. } => {
            format!("certifies the result of the session of {}", group)
        }
        Body::CeremonyAborted { reason, .. } => {
            format!("ends a session of {}: {reason}", group)
        }
        Body::EpochStarted { .. } => {
            format!("puts the new shares of the key of {} into use", group)
        }
        Body::ChangeConfirmed { group, epoch, .. } => format!(
            "records that the previous members of {group} have cosigned its change to epoch {epoch}"
        ),
        Body::Request(request) => format!(
            "asks {} for a signature ({}): request {}",
            request.group,
            request.output.format(),
            view.id.short()
        ),
        Body::RequestWithdrawn { request } => format!("withdraws request {}", request.short()),
        Body::Approval { request } => format!("approves {}", what(*request)),
        Body::Refusal { request, reason } => {
            format!("rejects {}: {reason}", what(*request))
        }
        Body::Signature { request, signers, .. } => format!(
            "logs the signature of request {}, made by {}",
            request.short(),
            list(signers.iter().map(|record| &record.account))
        ),
        Body::CoordinatorReplaced { replacement, abandoned } => {
            let history = format!(
                "votes for a new coordinator after entry {}",
                replacement.history.size.saturating_sub(1)
            );
            match abandoned {
                Some(tree) => format!(
                    "{history}, and abandons a history of {} entries: {}",
                    tree.size, replacement.reason
                ),
                None => format!("{history}: {}", replacement.reason),
            }
        }
    }
}
