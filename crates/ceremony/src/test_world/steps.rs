//! Several steps of a [`TestLog`] in one call.

use super::log::{TestLog, name};
use crate::entry::{Author, Body, Entry, GroupDefinition, Request, Role};
use crate::identity::AccountKeys;
use crate::names::{COORDINATOR, Digest, EntryId, SessionId};
use crate::signing::Subject;

/// Each step must be admissible, and takes a millisecond.
impl TestLog {
    /// The members ada, ben and cyd with running nodes.
    pub fn of_three() -> Self {
        Self::founded().with_newcomers()
    }

    /// The same in [a different IVN](Self::founded_elsewhere).
    pub fn of_three_elsewhere() -> Self {
        Self::founded_elsewhere().with_newcomers()
    }

    fn with_newcomers(mut self) -> Self {
        self.runs_node("ada");
        self.newcomer("ben");
        self.newcomer("cyd");
        self
    }

    /// [`Self::of_three`] with their group, in which two sign, and its key.
    pub fn with_key() -> Self {
        let mut log = Self::of_three();
        log.makes_key(&["ada", "ben", "cyd"]);
        log
    }

    /// [`Self::with_key`] with a request of ada to sign `message` that ben approves and both sign.
    /// Returns the request.
    pub fn with_signature(document: Digest, message: &[u8]) -> (Self, EntryId) {
        let mut log = Self::with_key();
        let request = log.asks("ada", document);
        log.by("ben", Body::Approval { request });
        let signature = log.signature_over(request, &["ada", "ben"], message);
        log.by(COORDINATOR, signature);
        (log, request)
    }

    /// Signs a statement of an account or of the coordinator, without entering it.
    pub fn signed(&mut self, author: &str, body: Body) -> Entry {
        self.wait(1);
        if author != COORDINATOR {
            return self.entry(author, body);
        }
        let statement = self.statement(Author::Coordinator, body);
        Entry::sign(statement, &[&self.coordinator]).unwrap()
    }

    pub fn by(&mut self, author: &str, body: Body) -> EntryId {
        let entry = self.signed(author, body);
        self.enter(&entry).unwrap();
        entry.id()
    }

    pub fn newcomer(&mut self, account: &str) {
        let keys = self.secrets(account).public();
        self.newcomer_with(account, keys);
    }

    /// The same with these keys.
    pub fn newcomer_with(&mut self, account: &str, keys: AccountKeys) {
        self.wait(1);
        self.invite(account, Role::Member);
        let author = Author::Account(name(account));
        let statement = self.statement(author, Body::AccountAdmitted { keys });
        let signers = [&Self::invitation_key(account), &self.secrets(account).identity];
        self.enter(&Entry::sign(statement, &signers).unwrap()).unwrap();
        self.runs_node(account);
    }

    pub fn establishes(&mut self, definition: GroupDefinition) {
        let (group, members) = (definition.name.clone(), definition.members.clone());
        let definition = self.by("ada", Body::GroupDefined(definition));
        for member in members {
            self.by(member.as_str(), Body::GroupAccepted { group: group.clone(), definition });
        }
    }

    pub fn begins(&mut self, group: &str, attempt: u32) -> SessionId {
        let session = SessionId::new(*self.random().as_bytes());
        let group = group.parse().unwrap();
        self.by(COORDINATOR, Body::CeremonyStarted { group, session, attempt });
        session
    }

    /// Defines the group `board` of these members, two of whom sign, and makes its key.
    pub fn makes_key(&mut self, members: &[&str]) {
        self.establishes(self.board_of(members, 2));
        let session = self.begins("board", 1);
        self.generate_by(members);
        self.certify_all();
        let signature = self.activation_signed_by(members);
        self.by(COORDINATOR, Body::EpochStarted { session, signature });
    }

    pub fn asks(&mut self, requester: &str, document: Digest) -> EntryId {
        let request = Request { document, ..self.request() };
        self.by(requester, Body::Request(request))
    }

    /// Signs `message` for a request. Returns the statement that logs the signature.
    pub fn signature_over(&mut self, request: EntryId, signers: &[&str], message: &[u8]) -> Body {
        let session = SessionId::new(*self.random().as_bytes());
        let subject = Subject::Request { request };
        let signers = self.records_over(signers, session, subject, message);
        Body::Signature { request, session, signature: self.signature(), signers }
    }
}
