//! The roster: who belongs to the IVN, with which keys and roles; how accounts get in, change, and leave.
//!
//! What happens to an account can only take something from what its consents did so far, never add to it: whose keys an
//! admin replaced has no say in its groups until their members give it a share again, so an admin can not vote in other
//! people's names.

use std::collections::BTreeSet;

use super::health::Unable;
use super::{Event, IvnState, Refusal};
use crate::entry::Entry;
use crate::identity::{AccountKeys, PublicKey};
use crate::names::{AccountName, Digest, Timestamp};
use crate::state::clock::MAX_CLOCK_LEAD;
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
    /// Index of the entry with its present keys.
    pub keyed: u64,
    /// Index of the entry by which it last got keys from an admin in place of its own.
    pub replaced: Option<u64>,
    /// Its node's latest process, once it started one.
    pub incarnation: Option<Digest>,
    /// When it started, by the account's clock.
    pub started: Timestamp,
    /// An admin suspended it.
    pub suspended: bool,
    /// Two copies of its node ran at the same time, and none has started anew since.
    pub duplicated: bool,
    /// When its roles or its suspension were last decided, by that admin's clock.
    decided: Timestamp,
}

impl Account {
    /// An account that was just admitted.
    pub(super) fn new(roles: BTreeSet<Role>, keys: AccountKeys, admitted: u64) -> Self {
        Self {
            roles,
            keys,
            admitted,
            keyed: admitted,
            replaced: None,
            incarnation: None,
            started: Timestamp(0),
            suspended: false,
            duplicated: false,
            decided: Timestamp(0),
        }
    }
}

/// An open invitation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Invited {
    pub(super) by: AccountName,
    /// By its author's clock.
    pub(super) at: Timestamp,
}

/// What an admin decides about an account on the roster.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decision<'a> {
    Suspend,
    Resume,
    Remove,
    Roles(&'a BTreeSet<Role>),
}

/// Whether `deployment` can be the first part of a signed note's origin (C2SP tlog-checkpoint: no spaces, no plus).
pub(super) fn check_deployment(deployment: &str) -> Result<(), Refusal> {
    let printable = deployment.chars().all(|c| c.is_ascii_graphic() && c != '+');
    // A cosigner's key name, `<deployment>/ivn/<64 digits>/<account>`, has at most 255 bytes.
    if deployment.is_empty() || deployment.len() > 120 || !printable {
        return Err(Refusal::Deployment);
    }
    Ok(())
}

impl IvnState {
    pub(super) fn check_admin(&self, name: &AccountName) -> Result<(), Refusal> {
        if self.account(name)?.roles.contains(&Role::Admin) {
            Ok(())
        } else {
            Err(Refusal::NotAdmin { account: name.clone() })
        }
    }

    /// An admin invites. A second invitation of one name replaces the first.
    pub(super) fn invite(
        &mut self,
        entry: &Entry,
        author: &AccountName,
        invitation: &Invitation,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        self.check_unsaid(entry.id(), author)?;
        let at = entry.statement().at;
        match (self.accounts.get(&invitation.name), invitation.replaces) {
            (None, None) => self.check_unused(&invitation.name)?,
            (None, Some(_)) => {
                self.account(&invitation.name)?;
            }
            // Against the keys that its author looked at: one that was held back is of no use after another.
            (Some(account), Some(replaced)) if account.keys.identity == replaced => {
                if account.roles != invitation.roles {
                    return Err(Refusal::OtherRoles { account: invitation.name.clone() });
                }
            }
            (Some(_), _) => {
                return Err(Refusal::AccountExists { account: invitation.name.clone() });
            }
        }
        if invitation.expires_at <= now {
            return Err(Refusal::InvitationExpired);
        }
        // One that was held back must not bring back what the author has replaced since.
        if self.invited.get(&invitation.name).is_some_and(|latest| at < latest.at) {
            return Err(Refusal::Outdated { name: invitation.name.to_string() });
        }
        self.invited.insert(invitation.name.clone(), Invited { by: author.clone(), at });
        self.invitations.insert(invitation.name.clone(), invitation.clone());
        self.said.insert(entry.id());
        Ok(vec![Event::Invited(invitation.name.clone())])
    }

    /// What an admin says at `now` to withdraw the open invitation of this name: another one in its place, which nobody can
    /// accept. It is said as soon as it is in the log, so it lapses soon; not so soon that somebody's fast clock makes it late.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotInvited`], if none is open.
    pub fn withdrawal(&self, name: &AccountName, now: Timestamp) -> Result<Invitation, Refusal> {
        let (_, open) = self
            .open_invitations(now)
            .find(|(invited, _)| *invited == name)
            .ok_or(Refusal::NotInvited)?;
        let expires_at = now.max(self.time).plus(MAX_CLOCK_LEAD);
        Ok(Invitation { key: PublicKey::NOBODYS, expires_at, ..open.clone() })
    }

    /// The invitations that somebody can accept at `now`.
    pub fn open_invitations(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&AccountName, &Invitation)> {
        self.invitations.iter().filter(move |(_, invitation)| {
            invitation.expires_at > now && !invitation.is_withdrawal()
        })
    }

    /// An invited person's node joins: the invitation's key and the account's new key both sign.
    pub(super) fn admit(
        &mut self,
        entry: &Entry,
        name: &AccountName,
        keys: &AccountKeys,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let present = self.accounts.get(name).map(|account| account.keys.identity);
        let Some(invitation) = self.invitations.get(name) else {
            return Err(match present {
                Some(_) => Refusal::AccountExists { account: name.clone() },
                None => Refusal::NotInvited,
            });
        };
        entry.verify(&[invitation.key, keys.identity]).map_err(|_| Refusal::NotInvited)?;
        // The keys were replaced, or the account is gone, since it was invited.
        if invitation.replaces != present {
            return Err(Refusal::NotInvited);
        }
        if invitation.expires_at < now {
            return Err(Refusal::InvitationExpired);
        }
        self.check_new_keys(keys)?;
        let roles = invitation.roles.clone();
        self.keys.extend([keys.identity, keys.cosigner]);
        self.invitations.remove(name);
        let Some(account) = self.accounts.get_mut(name) else {
            self.accounts.insert(name.clone(), Account::new(roles, keys.clone(), self.size));
            return Ok(vec![Event::Admitted(name.clone())]);
        };
        account.keys = keys.clone();
        account.incarnation = None;
        account.duplicated = false;
        account.keyed = self.size;
        account.replaced = Some(self.size);
        self.void_invitations(name);
        let mut events = vec![Event::Dismissed(name.clone())];
        events.extend(self.disable(name, Unable::Replaced));
        Ok(events)
    }

    /// An account replaces its own keys.
    pub(super) fn rotate_keys(
        &mut self,
        entry: &Entry,
        author: &AccountName,
        keys: &AccountKeys,
    ) -> Result<Vec<Event>, Refusal> {
        let former = self.active(author)?.keys.clone();
        entry.verify(&[former.identity, keys.identity])?;
        self.check_new_keys(keys)?;
        if let Some(account) = self.accounts.get_mut(author) {
            account.keys = keys.clone();
            account.keyed = self.size;
        }
        self.void_invitations(author);
        self.hand_over_with(author, former.cosigner, keys.cosigner);
        self.keys.extend([keys.identity, keys.cosigner]);
        // Whoever still has the earlier ones may not act any more.
        Ok(vec![Event::Dismissed(author.clone()), Event::Account(author.clone())])
    }

    /// An admin decides about an account.
    pub(super) fn decide(
        &mut self,
        entry: &Entry,
        author: &AccountName,
        name: &AccountName,
        decision: Decision<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        let at = entry.statement().at;
        let account = self.account(name)?;
        // One that was held back must not undo what was decided since.
        if at < account.decided {
            return Err(Refusal::Outdated { name: name.to_string() });
        }
        let said = match decision {
            Decision::Suspend => account.suspended,
            Decision::Resume => !account.suspended,
            Decision::Remove => false,
            Decision::Roles(roles) => account.roles == *roles,
        };
        if said {
            return Err(Refusal::AlreadySo { account: name.clone() });
        }
        self.check_unsaid(entry.id(), author)?;
        let stays_admin = match decision {
            Decision::Resume => true,
            Decision::Suspend | Decision::Remove => false,
            Decision::Roles(roles) => roles.contains(&Role::Admin),
        };
        let is_admin = account.roles.contains(&Role::Admin);
        if is_admin && !stays_admin {
            let others = self.accounts.iter().filter(|(other, account)| {
                *other != name && account.roles.contains(&Role::Admin) && !account.suspended
            });
            if others.count() == 0 {
                return Err(Refusal::LastAdmin { account: name.clone() });
            }
        }
        if author == name && !matches!(decision, Decision::Roles(_)) {
            return Err(Refusal::OwnAccount { account: author.clone() });
        }
        if let Decision::Roles(roles) = decision
            && !roles.contains(&Role::Member)
            && let Some(group) = self.groups_of(name).chain(self.groups_to_be_of(name)).next()
        {
            return Err(Refusal::StillMember { account: name.clone(), group: group.clone() });
        }
        // What an admin handed out is worth as much as the admin.
        if is_admin && !stays_admin {
            self.void_invitations(name);
        }
        let mut events = vec![match decision {
            Decision::Suspend | Decision::Remove => Event::Dismissed(name.clone()),
            Decision::Resume | Decision::Roles(_) => Event::Account(name.clone()),
        }];
        if let Some(account) = self.accounts.get_mut(name) {
            account.decided = at;
            match decision {
                Decision::Suspend => account.suspended = true,
                Decision::Resume => account.suspended = false,
                Decision::Remove => {}
                Decision::Roles(roles) => account.roles = roles.clone(),
            }
        }
        match decision {
            Decision::Suspend => events.extend(self.disable(name, Unable::Suspended)),
            Decision::Resume => self.enable(name),
            Decision::Remove => {
                self.accounts.remove(name);
                self.invitations.remove(name);
                self.former.insert(name.clone(), self.size);
                events.extend(self.disable(name, Unable::Removed));
            }
            Decision::Roles(_) => {}
        }
        self.said.insert(entry.id());
        Ok(events)
    }

    /// Takes back what this account handed out. Whoever used its keys before may have handed out something, too.
    fn void_invitations(&mut self, by: &AccountName) {
        let open = self.invited.iter().filter(|(_, invited)| invited.by == *by);
        let open: Vec<AccountName> = open.map(|(name, _)| name.clone()).collect();
        for invited in open {
            self.invitations.remove(&invited);
        }
    }

    /// Two copies of the author's node run.
    pub(super) fn node_duplicated(
        &mut self,
        author: &AccountName,
        incarnation: Digest,
        other: Digest,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(account) = self.accounts.get_mut(author) else {
            return Err(Refusal::UnknownAccount { account: author.clone() });
        };
        if account.incarnation != Some(other) || incarnation == other {
            return Err(Refusal::StaleIncarnation);
        }
        if std::mem::replace(&mut account.duplicated, true) {
            return Err(Refusal::AlreadySaid { account: author.clone() });
        }
        self.void_invitations(author);
        Ok(vec![Event::Account(author.clone())])
    }

    /// The account, if it may do anything now.
    pub(super) fn active(&self, name: &AccountName) -> Result<&Account, Refusal> {
        let account = self.account(name)?;
        if account.suspended {
            return Err(Refusal::Suspended { account: name.clone() });
        }
        Ok(account)
    }

    /// Whether this account may connect: it is on the roster and not suspended, and these are its keys.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check_connection(
        &self,
        name: &AccountName,
        identity: Option<PublicKey>,
    ) -> Result<(), Refusal> {
        let account = self.active(name)?;
        if identity.is_some_and(|identity| identity != account.keys.identity) {
            return Err(Refusal::KeysReplaced { account: name.clone() });
        }
        Ok(())
    }

    /// A name is one account's, also when that is gone: entries name people.
    fn check_unused(&self, name: &AccountName) -> Result<(), Refusal> {
        match self.former.get(name) {
            Some(_) => Err(Refusal::Removed { account: name.clone() }),
            None => Ok(()),
        }
    }

    /// Every key is one account's: a cosignature does not commit to its cosigner's name, so the copy of somebody's key
    /// would count for two. And it is so once: with keys that come back, what was said with them before could be said again.
    fn check_new_keys(&self, keys: &AccountKeys) -> Result<(), Refusal> {
        let new = [keys.identity, keys.cosigner];
        let taken = self.accounts.iter().find(|(_, account)| {
            new.contains(&account.keys.identity) || new.contains(&account.keys.cosigner)
        });
        match taken {
            Some((account, _)) => Err(Refusal::KeysTaken { account: account.clone() }),
            None if new.iter().any(|key| self.keys.contains(key)) => Err(Refusal::KeysUsed),
            None => Ok(()),
        }
    }

    /// A new process of an account's node: its part in unfinished DKG sessions is lost.
    pub(super) fn node_started(
        &mut self,
        entry: &Entry,
        author: &AccountName,
        incarnation: Digest,
    ) -> Result<Vec<Event>, Refusal> {
        let (id, at) = (entry.id(), entry.statement().at);
        self.check_unsaid(id, author)?;
        let account = self
            .accounts
            .get_mut(author)
            .ok_or_else(|| Refusal::UnknownAccount { account: author.clone() })?;
        if account.incarnation == Some(incarnation) {
            return Err(Refusal::AlreadySaid { account: author.clone() });
        }
        // One that was held back would make the process that runs look like a copy.
        if at < account.started {
            return Err(Refusal::Outdated { name: author.to_string() });
        }
        account.incarnation = Some(incarnation);
        account.started = at;
        account.duplicated = false;
        for group in self.groups.values_mut() {
            group.note_restart(author);
        }
        self.said.insert(id);
        Ok(vec![Event::NodeStarted(author.clone())])
    }
}
