//! The accounts of the IVN, their keys and roles, and how accounts join, change, and leave.
//!
//! An event in the life of an account can only reduce the effect of its earlier votes. A member
//! whose keys an admin replaced has no vote in its groups until their members give it a share
//! again. Otherwise an admin could vote in other members' names.

use crate::entry::{Entry, Invitation, Role};
use crate::identity::{AccountKeys, PublicKey};
use crate::names::{AccountName, Digest, EntryId, Timestamp};
use crate::state::clock::MAX_CLOCK_LEAD;
use crate::state::model::key::Unable;
use crate::state::model::roster::Decision;
use crate::state::model::roster::{Account, Invited};
use crate::state::model::turn::Turn;
use crate::state::refusal::{Accounts, Entries, Refusal, Sessions};
use crate::state::{Event, IvnState};

/// The longest address of a coordinator, in bytes: a DNS name with a port.
const MAX_HUB: usize = 259;

#[expect(missing_docs, reason = "the names say it")]
impl IvnState {
    pub(in crate::state) fn check_admin(&self, name: &AccountName) -> Result<(), Refusal> {
        if self.account(name)?.roles.contains(&Role::Admin) {
            Ok(())
        } else {
            Err(Accounts::NotAdmin { account: name.clone() }.into())
        }
    }

    pub(in crate::state) fn active(&self, name: &AccountName) -> Result<&Account, Refusal> {
        let account = self.account(name)?;
        if account.suspended {
            return Err(Accounts::Suspended { account: name.clone() }.into());
        }
        Ok(account)
    }

    /// Checks that this account may connect: it is on the roster and not suspended, and these are
    /// its keys.
    ///
    /// # Errors
    ///
    /// Fails with the reason if it may not.
    pub fn check_connection(
        &self,
        name: &AccountName,
        identity: Option<PublicKey>,
    ) -> Result<(), Refusal> {
        let account = self.active(name)?;
        if identity.is_some_and(|identity| identity != account.keys.identity) {
            return Err(Accounts::KeysReplaced { account: name.clone() }.into());
        }
        Ok(())
    }

    /// A second invitation of the same name replaces the first.
    pub(in crate::state) fn invite(
        &mut self,
        id: EntryId,
        author: &AccountName,
        invitation: &Invitation,
        turn: Turn,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        self.check_unsaid(id, author)?;
        match (self.accounts.get(&invitation.name), invitation.replaces) {
            (None, None) => self.check_unused(&invitation.name)?,
            (None, Some(_)) => {
                self.account(&invitation.name)?;
            }
            // It names the keys that its author saw. So the coordinator cannot hold it back and log
            // it after the keys have changed.
            (Some(account), Some(replaced)) if account.keys.identity == replaced => {
                if account.roles != invitation.roles {
                    return Err(Accounts::OtherRoles { account: invitation.name.clone() }.into());
                }
            }
            (Some(_), _) => {
                return Err(Accounts::AccountExists { account: invitation.name.clone() }.into());
            }
        }
        if invitation.expires_at <= turn.at {
            return Err(Accounts::InvitationExpired.into());
        }
        // The coordinator must not restore what the author has replaced by logging an old entry
        // late.
        if self.invited.get(&invitation.name).is_some_and(|latest| turn < latest.turn) {
            return Err(Entries::Outdated { name: invitation.name.to_string() }.into());
        }
        self.invited.insert(invitation.name.clone(), Invited { by: author.clone(), turn });
        self.invitations.insert(invitation.name.clone(), invitation.clone());
        Ok(vec![Event::Invited(invitation.name.clone())])
    }

    /// Returns the address that an admin announced last for the coordinator. It decides nothing:
    /// nodes recognise the coordinator by its certificate, wherever they find it.
    pub fn hub(&self) -> Option<&str> {
        self.hub.as_ref().map(|(hub, _)| hub.as_str())
    }

    pub(in crate::state) fn hub_moved(
        &mut self,
        id: EntryId,
        author: &AccountName,
        hub: &str,
        turn: Turn,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        self.check_unsaid(id, author)?;
        let is_address = hub.contains(':') && hub.bytes().all(|byte| byte.is_ascii_graphic());
        if hub.len() > MAX_HUB || !is_address {
            return Err(Entries::Malformed.into());
        }
        if self.hub.as_ref().is_some_and(|(_, latest)| turn < *latest) {
            return Err(Entries::Outdated { name: hub.to_owned() }.into());
        }
        self.hub = Some((hub.to_owned(), turn));
        Ok(Vec::new())
    }

    /// Returns the statement that withdraws the open invitation of this name at `now`: an
    /// invitation in its place that nobody can accept. It takes effect when it is logged and may
    /// therefore expire soon.
    ///
    /// # Errors
    ///
    /// [`Accounts::NotInvited`], if none is open.
    pub fn withdrawal(&self, name: &AccountName, now: Timestamp) -> Result<Invitation, Refusal> {
        let (_, open) = self
            .open_invitations(now)
            .find(|(invited, _)| *invited == name)
            .ok_or(Accounts::NotInvited)?;
        let expires_at = now.plus(MAX_CLOCK_LEAD);
        Ok(Invitation { key: PublicKey::NOBODYS, expires_at, ..open.clone() })
    }

    pub fn open_invitations(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&AccountName, &Invitation)> {
        self.invitations.iter().filter(move |(_, invitation)| {
            invitation.expires_at > now && !invitation.is_withdrawal()
        })
    }

    /// Checks that the holder of the secret of `key` can join as `name` at `at`.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the invitation was used, replaced or withdrawn, or has expired.
    pub fn check_invitation(
        &self,
        name: &AccountName,
        key: PublicKey,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        self.usable_invitation(name, at, |invitation| invitation.key == key).map(drop)
    }

    fn usable_invitation(
        &self,
        name: &AccountName,
        at: Timestamp,
        is_holders: impl FnOnce(&Invitation) -> bool,
    ) -> Result<&Invitation, Refusal> {
        let present = self.accounts.get(name).map(|account| account.keys.identity);
        let Some(invitation) = self.invitations.get(name) else {
            return Err(match present {
                Some(_) => Refusal::Accounts(Accounts::AccountExists { account: name.clone() }),
                None => Refusal::Accounts(Accounts::NotInvited),
            });
        };
        // `replaces` differs if the keys were replaced or the account was removed since then.
        if !is_holders(invitation) || invitation.replaces != present {
            return Err(Accounts::NotInvited.into());
        }
        // Nobody gets around the end by an old time: the invitation's author has the say.
        let author = self.invited.get(name).and_then(|invited| self.accounts.get(&invited.by));
        let now = author.map_or(at, |author| at.max(author.stated));
        match invitation.expires_at < now {
            true => Err(Accounts::InvitationExpired.into()),
            false => Ok(invitation),
        }
    }

    /// An invited account joins. The invitation's key and the account's new key both sign.
    pub(in crate::state) fn admit(
        &mut self,
        entry: &Entry,
        name: &AccountName,
        keys: &AccountKeys,
        at: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let invitation = self.usable_invitation(name, at, |invitation| {
            entry.verify(&[invitation.key, keys.identity]).is_ok()
        })?;
        self.check_new_keys(keys)?;
        let roles = invitation.roles.clone();
        self.keys.extend([keys.identity, keys.cosigner]);
        self.invitations.remove(name);
        let Some(account) = self.accounts.get_mut(name) else {
            self.accounts.insert(name.clone(), Account::new(roles, keys.clone(), self.size(), at));
            return Ok(vec![Event::Admitted(name.clone())]);
        };
        account.keys = keys.clone();
        account.incarnation = None;
        account.duplicated = false;
        account.keyed = self.frontier.size();
        account.replaced = Some(self.frontier.size());
        self.void_invitations(name);
        let mut events = vec![Event::Dismissed(name.clone())];
        events.extend(self.disable(name, Unable::Replaced));
        Ok(events)
    }

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
            account.keyed = self.frontier.size();
        }
        self.void_invitations(author);
        self.add_cosigner_key(author, former.cosigner, keys.cosigner);
        self.keys.extend([keys.identity, keys.cosigner]);
        // A connection with the earlier keys may not act any more.
        Ok(vec![Event::Dismissed(author.clone()), Event::Account(author.clone())])
    }

    pub(in crate::state) fn decide(
        &mut self,
        id: EntryId,
        author: &AccountName,
        name: &AccountName,
        decision: Decision<'_>,
        turn: Turn,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_admin(author)?;
        let account = self.account(name)?;
        // The coordinator must not undo a later decision by logging this one late.
        if turn < account.decided {
            return Err(Entries::Outdated { name: name.to_string() }.into());
        }
        let said = match decision {
            Decision::Suspend => account.suspended,
            Decision::Resume => !account.suspended,
            Decision::Remove => false,
            Decision::Roles(roles) => account.roles == *roles,
        };
        if said {
            return Err(Accounts::AlreadySo { account: name.clone() }.into());
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
                return Err(Accounts::LastAdmin { account: name.clone() }.into());
            }
        }
        if author == name && !matches!(decision, Decision::Roles(_)) {
            return Err(Accounts::OwnAccount { account: author.clone() }.into());
        }
        if let Decision::Roles(roles) = decision
            && !roles.contains(&Role::Member)
            && let Some(group) = self.groups_of(name).chain(self.groups_to_be_of(name)).next()
        {
            return Err(
                Accounts::StillMember { account: name.clone(), group: group.clone() }.into()
            );
        }
        // Open invitations end with the admin's role.
        if is_admin && !stays_admin {
            self.void_invitations(name);
        }
        let mut events = vec![match decision {
            Decision::Suspend | Decision::Remove => Event::Dismissed(name.clone()),
            Decision::Resume | Decision::Roles(_) => Event::Account(name.clone()),
        }];
        if let Some(account) = self.accounts.get_mut(name) {
            account.decided = turn;
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
                self.former.insert(name.clone(), self.size());
                events.extend(self.disable(name, Unable::Removed));
            }
            Decision::Roles(_) => {}
        }
        Ok(events)
    }

    /// Withdraws this account's invitations, because an earlier user of its keys may have made some
    /// of them.
    fn void_invitations(&mut self, by: &AccountName) {
        let open = self.invited.iter().filter(|(_, invited)| invited.by == *by);
        let open: Vec<AccountName> = open.map(|(name, _)| name.clone()).collect();
        for invited in open {
            self.invitations.remove(&invited);
        }
    }

    /// A new process of an account's node started. Its part in unfinished sessions is lost.
    pub(in crate::state) fn node_started(
        &mut self,
        id: EntryId,
        author: &AccountName,
        incarnation: Digest,
        turn: Turn,
    ) -> Result<Vec<Event>, Refusal> {
        self.check_unsaid(id, author)?;
        let account = self.accounts.get_mut(author).ok_or_else(|| {
            Refusal::Accounts(Accounts::UnknownAccount { account: author.clone() })
        })?;
        if account.incarnation == Some(incarnation) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        // An old start that is logged late would make the running process look like a copy.
        if turn < account.started {
            return Err(Entries::Outdated { name: author.to_string() }.into());
        }
        account.incarnation = Some(incarnation);
        account.started = turn;
        account.duplicated = false;
        for group in self.groups.values_mut() {
            group.note_restart(author);
        }
        Ok(vec![Event::NodeStarted(author.clone())])
    }

    pub(in crate::state) fn node_duplicated(
        &mut self,
        author: &AccountName,
        incarnation: Digest,
        other: Digest,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(account) = self.accounts.get_mut(author) else {
            return Err(Accounts::UnknownAccount { account: author.clone() }.into());
        };
        if account.incarnation != Some(other) || incarnation == other {
            return Err(Sessions::StaleIncarnation.into());
        }
        if std::mem::replace(&mut account.duplicated, true) {
            return Err(Entries::AlreadySaid { account: author.clone() }.into());
        }
        self.void_invitations(author);
        Ok(vec![Event::Account(author.clone())])
    }

    /// A name belongs to one account, even after it was removed, because entries name accounts.
    fn check_unused(&self, name: &AccountName) -> Result<(), Refusal> {
        match self.former.get(name) {
            Some(_) => Err(Accounts::Removed { account: name.clone() }.into()),
            None => Ok(()),
        }
    }

    /// Every key belongs to one account. A cosignature does not commit to its cosigner's name, so a
    /// copied key would count twice. An account cannot return to an earlier key, because statements
    /// under that key could be repeated.
    fn check_new_keys(&self, keys: &AccountKeys) -> Result<(), Refusal> {
        let new = [keys.identity, keys.cosigner];
        let taken = self.accounts.iter().find(|(_, account)| {
            new.contains(&account.keys.identity) || new.contains(&account.keys.cosigner)
        });
        match taken {
            Some((account, _)) => Err(Accounts::KeysTaken { account: account.clone() }.into()),
            None if new.iter().any(|key| self.keys.contains(key)) => Err(Accounts::KeysUsed.into()),
            None => Ok(()),
        }
    }
}
