//! Who belongs to the IVN, with which keys and roles; how accounts join, change, and leave.
//!
//! What happens to an account can only take something from the effect of its votes so far, never add to it. A member
//! whose keys an admin replaced has no vote in its groups until their members give it a share again; otherwise an admin
//! could vote in other people's names.

use crate::entry::{Entry, Invitation, Role};
use crate::identity::{AccountKeys, PublicKey};
use crate::names::{AccountName, Digest, EntryId, Timestamp};
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::model::key::Unable;
use crate::state::model::roster::Decision;
use crate::state::model::roster::{Account, Invited};
use crate::state::refusal::{Accounts, Entries, Refusal, Sessions};
use crate::state::{Event, IvnState};

impl IvnState {
    pub(in crate::state) fn check_admin(&self, name: &AccountName) -> Result<(), Refusal> {
        if self.account(name)?.roles.contains(&Role::Admin) {
            Ok(())
        } else {
            Err(Refusal::Accounts(Accounts::NotAdmin { account: name.clone() }))
        }
    }

    /// The account, if it may do anything now.
    pub(in crate::state) fn active(&self, name: &AccountName) -> Result<&Account, Refusal> {
        let account = self.account(name)?;
        if account.suspended {
            return Err(Refusal::Accounts(Accounts::Suspended { account: name.clone() }));
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
            return Err(Refusal::Accounts(Accounts::KeysReplaced { account: name.clone() }));
        }
        Ok(())
    }

    /// An admin invites. A second invitation of one name replaces the first.
    pub(in crate::state) fn invite(
        &mut self,
        id: EntryId,
        author: &AccountName,
        invitation: &Invitation,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        self.check_unsaid(id, author)?;
        match (self.accounts.get(&invitation.name), invitation.replaces) {
            (None, None) => self.check_unused(&invitation.name)?,
            (None, Some(_)) => {
                self.account(&invitation.name)?;
            }
            // Against the keys that its author looked at: one that was held back is of no use after another.
            (Some(account), Some(replaced)) if account.keys.identity == replaced => {
                if account.roles != invitation.roles {
                    return Err(Refusal::Accounts(Accounts::OtherRoles {
                        account: invitation.name.clone(),
                    }));
                }
            }
            (Some(_), _) => {
                return Err(Refusal::Accounts(Accounts::AccountExists {
                    account: invitation.name.clone(),
                }));
            }
        }
        if invitation.expires_at <= now {
            return Err(Refusal::Accounts(Accounts::InvitationExpired));
        }
        // One that was held back must not bring back what the author has replaced since.
        if self.invited.get(&invitation.name).is_some_and(|latest| at < latest.at) {
            return Err(Refusal::Entries(Entries::Outdated { name: invitation.name.to_string() }));
        }
        self.invited.insert(invitation.name.clone(), Invited { by: author.clone(), at });
        self.invitations.insert(invitation.name.clone(), invitation.clone());
        Ok(vec![Event::Invited(invitation.name.clone())])
    }

    /// What an admin says at `now` to withdraw the open invitation of this name: another one in its place, which nobody can
    /// accept. It is said as soon as it is in the log, so it lapses soon; not so soon that somebody's fast clock makes it late.
    ///
    /// # Errors
    ///
    /// [`Accounts::NotInvited`], if none is open.
    pub fn withdrawal(&self, name: &AccountName, now: Timestamp) -> Result<Invitation, Refusal> {
        let (_, open) = self
            .open_invitations(now)
            .find(|(invited, _)| *invited == name)
            .ok_or(Refusal::Accounts(Accounts::NotInvited))?;
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
    pub(in crate::state) fn admit(
        &mut self,
        entry: &Entry,
        name: &AccountName,
        keys: &AccountKeys,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let present = self.accounts.get(name).map(|account| account.keys.identity);
        let Some(invitation) = self.invitations.get(name) else {
            return Err(match present {
                Some(_) => Refusal::Accounts(Accounts::AccountExists { account: name.clone() }),
                None => Refusal::Accounts(Accounts::NotInvited),
            });
        };
        entry
            .verify(&[invitation.key, keys.identity])
            .map_err(|_| Refusal::Accounts(Accounts::NotInvited))?;
        // The keys were replaced, or the account is gone, since it was invited.
        if invitation.replaces != present {
            return Err(Refusal::Accounts(Accounts::NotInvited));
        }
        if invitation.expires_at < now {
            return Err(Refusal::Accounts(Accounts::InvitationExpired));
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
    pub(in crate::state) fn rotate_keys(
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
    pub(in crate::state) fn decide(
        &mut self,
        id: EntryId,
        author: &AccountName,
        name: &AccountName,
        decision: Decision<'_>,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        let account = self.account(name)?;
        // One that was held back must not undo what was decided since.
        if at < account.decided {
            return Err(Refusal::Entries(Entries::Outdated { name: name.to_string() }));
        }
        let said = match decision {
            Decision::Suspend => account.suspended,
            Decision::Resume => !account.suspended,
            Decision::Remove => false,
            Decision::Roles(roles) => account.roles == *roles,
        };
        if said {
            return Err(Refusal::Accounts(Accounts::AlreadySo { account: name.clone() }));
        }
        self.check_unsaid(id, author)?;
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
                return Err(Refusal::Accounts(Accounts::LastAdmin { account: name.clone() }));
            }
        }
        if author == name && !matches!(decision, Decision::Roles(_)) {
            return Err(Refusal::Accounts(Accounts::OwnAccount { account: author.clone() }));
        }
        if let Decision::Roles(roles) = decision
            && !roles.contains(&Role::Member)
            && let Some(group) = self.groups_of(name).chain(self.groups_to_be_of(name)).next()
        {
            return Err(Refusal::Accounts(Accounts::StillMember {
                account: name.clone(),
                group: group.clone(),
            }));
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

    /// A new process of an account's node: its part in unfinished DKG sessions is lost.
    pub(in crate::state) fn node_started(
        &mut self,
        id: EntryId,
        author: &AccountName,
        incarnation: Digest,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_unsaid(id, author)?;
        let account = self.accounts.get_mut(author).ok_or_else(|| {
            Refusal::Accounts(Accounts::UnknownAccount { account: author.clone() })
        })?;
        if account.incarnation == Some(incarnation) {
            return Err(Refusal::Entries(Entries::AlreadySaid { account: author.clone() }));
        }
        // One that was held back would make the process that runs look like a copy.
        if at < account.started {
            return Err(Refusal::Entries(Entries::Outdated { name: author.to_string() }));
        }
        account.incarnation = Some(incarnation);
        account.started = at;
        account.duplicated = false;
        for group in self.groups.values_mut() {
            group.note_restart(author);
        }
        Ok(vec![Event::NodeStarted(author.clone())])
    }

    /// Two copies of the author's node run.
    pub(in crate::state) fn node_duplicated(
        &mut self,
        author: &AccountName,
        incarnation: Digest,
        other: Digest,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(account) = self.accounts.get_mut(author) else {
            return Err(Refusal::Accounts(Accounts::UnknownAccount { account: author.clone() }));
        };
        if account.incarnation != Some(other) || incarnation == other {
            return Err(Refusal::Sessions(Sessions::StaleIncarnation));
        }
        if std::mem::replace(&mut account.duplicated, true) {
            return Err(Refusal::Entries(Entries::AlreadySaid { account: author.clone() }));
        }
        self.void_invitations(author);
        Ok(vec![Event::Account(author.clone())])
    }

    /// A name is one account's, also when that is gone: entries name people.
    fn check_unused(&self, name: &AccountName) -> Result<(), Refusal> {
        match self.former.get(name) {
            Some(_) => Err(Refusal::Accounts(Accounts::Removed { account: name.clone() })),
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
            Some((account, _)) => {
                Err(Refusal::Accounts(Accounts::KeysTaken { account: account.clone() }))
            }
            None if new.iter().any(|key| self.keys.contains(key)) => {
                Err(Refusal::Accounts(Accounts::KeysUsed))
            }
            None => Ok(()),
        }
    }
}
