//! The roster: who belongs to the IVN, with which keys and roles, and how accounts get in.

use std::collections::BTreeSet;

use super::{Event, Invalid, IvnState};
use crate::entry::Entry;
use crate::identity::AccountKeys;
use crate::names::{AccountName, Digest, Timestamp};
use crate::statement::{Invitation, Role};

/// An account on the roster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Its keys.
    pub keys: AccountKeys,
    /// Index of the entry that admitted it.
    pub admitted: u64,
    /// Its node's latest process, once it started one.
    pub incarnation: Option<Digest>,
}

/// Whether `deployment` can be the first part of a signed note's origin (C2SP tlog-checkpoint: no spaces, no plus).
pub(super) fn check_deployment(deployment: &str) -> Result<(), Invalid> {
    let printable = deployment.chars().all(|c| c.is_ascii_graphic() && c != '+');
    if deployment.is_empty() || deployment.len() > 200 || !printable {
        return Err(Invalid::Deployment);
    }
    Ok(())
}

impl IvnState {
    pub(super) fn check_admin(&self, name: &AccountName) -> Result<(), Invalid> {
        if self.account(name)?.roles.contains(&Role::Admin) {
            Ok(())
        } else {
            Err(Invalid::NotAdmin { account: name.clone() })
        }
    }

    /// An admin invites. A second invitation of one name replaces the first.
    pub(super) fn invite(
        &mut self,
        author: &AccountName,
        invitation: &Invitation,
        now: Timestamp,
    ) -> Result<Vec<Event>, Invalid> {
        self.check_admin(author)?;
        if self.accounts.contains_key(&invitation.name) {
            return Err(Invalid::AccountExists { account: invitation.name.clone() });
        }
        if invitation.expires_at <= now {
            return Err(Invalid::InvitationExpired);
        }
        self.invitations.insert(invitation.name.clone(), invitation.clone());
        Ok(vec![Event::Invited(invitation.name.clone())])
    }

    /// An invited person's node joins: the invitation's key and the account's new key both sign.
    pub(super) fn admit(
        &mut self,
        entry: &Entry,
        name: &AccountName,
        keys: &AccountKeys,
        now: Timestamp,
    ) -> Result<Vec<Event>, Invalid> {
        if self.accounts.contains_key(name) {
            return Err(Invalid::AccountExists { account: name.clone() });
        }
        let invitation = self.invitations.get(name).ok_or(Invalid::NotInvited)?;
        entry.verify(&[invitation.key, keys.identity]).map_err(|_| Invalid::NotInvited)?;
        if invitation.expires_at < now {
            return Err(Invalid::InvitationExpired);
        }
        let account = Account {
            roles: invitation.roles.clone(),
            keys: keys.clone(),
            admitted: self.size,
            incarnation: None,
        };
        self.invitations.remove(name);
        self.accounts.insert(name.clone(), account);
        Ok(vec![Event::Admitted(name.clone())])
    }

    /// A new process of an account's node: its part in unfinished DKG sessions is lost.
    pub(super) fn node_started(
        &mut self,
        author: &AccountName,
        incarnation: Digest,
    ) -> Result<Vec<Event>, Invalid> {
        let account = self
            .accounts
            .get_mut(author)
            .ok_or_else(|| Invalid::UnknownAccount { account: author.clone() })?;
        if account.incarnation == Some(incarnation) {
            return Err(Invalid::AlreadySaid { account: author.clone() });
        }
        account.incarnation = Some(incarnation);
        for group in self.groups.values_mut() {
            group.note_restart(author);
        }
        Ok(vec![Event::NodeStarted(author.clone())])
    }
}
