//! The roster: who belongs to the IVN, with which keys and roles, and how accounts get in.

use std::collections::BTreeSet;

use super::{Event, Invalid, IvnState};
use crate::entry::Entry;
use crate::identity::AccountKeys;
use crate::names::{AccountName, Digest, EntryId, Timestamp};
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
    // A cosigner's key name, `<deployment>/ivn/<64 digits>/<account>`, has at most 255 bytes.
    if deployment.is_empty() || deployment.len() > 120 || !printable {
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
        entry: &Entry,
        author: &AccountName,
        invitation: &Invitation,
        now: Timestamp,
    ) -> Result<Vec<Event>, Invalid> {
        self.check_admin(author)?;
        self.check_unsaid(entry.id(), author)?;
        let at = entry.statement().at;
        if self.accounts.contains_key(&invitation.name) {
            return Err(Invalid::AccountExists { account: invitation.name.clone() });
        }
        if invitation.expires_at <= now {
            return Err(Invalid::InvitationExpired);
        }
        // One that was held back must not bring back what the author has replaced since.
        if self.invited_at.get(&invitation.name).is_some_and(|latest| at < *latest) {
            return Err(Invalid::Outdated { name: invitation.name.to_string() });
        }
        self.invited_at.insert(invitation.name.clone(), at);
        self.invitations.insert(invitation.name.clone(), invitation.clone());
        self.said.insert(entry.id());
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
        self.check_new_keys(keys)?;
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

    /// Every key is one account's: a cosignature does not commit to its cosigner's name, so the copy of somebody's key
    /// would count for two.
    fn check_new_keys(&self, keys: &AccountKeys) -> Result<(), Invalid> {
        let new = [keys.identity, keys.cosigner];
        let taken = self.accounts.iter().find(|(_, account)| {
            new.contains(&account.keys.identity) || new.contains(&account.keys.cosigner)
        });
        match taken {
            Some((account, _)) => Err(Invalid::KeysTaken { account: account.clone() }),
            None => Ok(()),
        }
    }

    /// A new process of an account's node: its part in unfinished DKG sessions is lost.
    pub(super) fn node_started(
        &mut self,
        id: EntryId,
        author: &AccountName,
        incarnation: Digest,
    ) -> Result<Vec<Event>, Invalid> {
        self.check_unsaid(id, author)?;
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
        self.said.insert(id);
        Ok(vec![Event::NodeStarted(author.clone())])
    }
}
