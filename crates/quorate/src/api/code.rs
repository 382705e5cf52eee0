//! The codes by which programs recognise a problem. Messages are only for people.

use quorate_ceremony::state::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Exit codes. They are stable.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Something else went wrong.
    Error = 1,
    /// The command was not understood.
    Usage = 2,
    /// A signature, proof or log does not verify.
    Verification = 3,
    /// Still waiting when the time was over.
    Waiting = 4,
    /// Rejected or expired.
    Rejected = 5,
    /// Not allowed.
    NotAllowed = 6,
    /// The coordinator cannot be reached.
    Unreachable = 7,
    /// Too few nodes are online.
    TooFewNodes = 8,
    /// Signed by a key that is not trusted.
    UntrustedKey = 9,
    /// Ctrl-C while the command waited: 128 plus the number of the signal, as in shells.
    Interrupted = 130,
}

/// Declares the codes that are not rules of the log: name, exit code of the command, HTTP status.
macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $code:ident = $name:literal, $exit:ident, $status:literal;)+) => {
        /// The kind of a problem.
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub enum Code {
            $($(#[doc = $meaning])+ $code,)+
            /// The rules of the log reject the statement. The code and the parameters are those of
            /// the refusal.
            Refused(Refusal),
            /// The coordinator rejects a statement, and this node's log does not show why.
            NotTaken(Refusal),
            /// The coordinator does not let this account's node connect.
            Blocked(Refusal),
        }

        impl Code {
            /// The codes without parameters.
            const PLAIN: &[Self] = &[$(Self::$code,)+];

            /// The name on the wire, the exit code and the HTTP status of a code without
            /// parameters.
            fn plain(&self) -> Option<(&'static str, Exit, u16)> {
                match self {
                    $(Self::$code => Some(($name, Exit::$exit, $status)),)+
                    Self::Refused(_) | Self::NotTaken(_) | Self::Blocked(_) => None,
                }
            }
        }
    };
}

codes! {
    /// Something else went wrong.
    Failed = "failed", Error, 500;
    /// The command or request was not understood.
    Usage = "usage", Usage, 400;
    /// A signature, proof or log does not verify.
    Verification = "verification-failed", Verification, 422;
    /// The time to wait is over, or there is no answer yet.
    Waiting = "still-waiting", Waiting, 409;
    /// Rejected or expired.
    Rejected = "rejected", Rejected, 409;
    /// The account may not do this.
    NotAllowed = "not-allowed", NotAllowed, 403;
    /// The coordinator cannot be reached.
    Unreachable = "unreachable", Unreachable, 503;
    /// The coordinator's log is shorter than the log that the node has verified.
    Behind = "behind", Unreachable, 503;
    /// The coordinator rejects the node, for a reason that the node's log does not show.
    Unwanted = "unwanted", NotAllowed, 403;
    /// Two copies of the node run, and neither signs.
    Duplicated = "duplicated", NotAllowed, 409;
    /// Too few nodes are online.
    TooFewNodes = "too-few-nodes", TooFewNodes, 503;
    /// Signed or issued with a key that is not trusted.
    UntrustedKey = "untrusted-key", UntrustedKey, 502;
    /// Ctrl-C while the command waited.
    Interrupted = "interrupted", Interrupted, 500;
    /// The node holds proof that the coordinator broke the rules of the log, and signs nothing.
    Frozen = "frozen", Error, 409;
    /// The statement does not fit an entry of the log.
    TooLong = "too-long", Error, 413;
    /// The node no longer runs.
    NodeStopped = "node-stopped", Error, 503;
    /// The node's process exists and does not answer.
    NodeSilent = "node-silent", Unreachable, 504;
    /// The node and the program that asks are of different versions.
    Version = "version", Error, 400;
    /// The text cannot be the beginning of an id.
    MalformedId = "malformed-id", Error, 400;
    /// No request or change has an id that begins like this.
    NoSuchId = "no-such-id", Error, 404;
    /// Several requests or changes have an id that begins like this.
    AmbiguousId = "ambiguous-id", Error, 409;
    /// The id names something of another kind.
    OtherKind = "other-kind", Error, 409;
    /// The document of a request is not available.
    NoDocument = "no-document", Error, 404;
    /// Only the requester and the group's members receive a document.
    NoReader = "no-reader", NotAllowed, 403;
    /// The document exceeds the coordinator's limit.
    DocumentTooLarge = "document-too-large", Error, 413;
    /// The document does not match its commitment.
    OtherDocument = "other-document", Error, 422;
    /// A different document is stored under this commitment.
    DocumentTaken = "document-taken", Error, 409;
    /// The account has too many bytes of documents that are not signed yet.
    AccountStorage = "account-storage", Error, 507;
    /// The documents of the IVN take too much of the coordinator's disk.
    IvnStorage = "ivn-storage", Error, 507;
    /// A request took too long.
    TooSlow = "too-slow", Error, 408;
    /// The coordinator's disk is full.
    DiskFull = "disk-full", Error, 507;
    /// The coordinator is not ready.
    NotReady = "not-ready", Unreachable, 503;
    /// The account has as many connections as the coordinator allows.
    TooManyConnections = "too-many-connections", Unreachable, 429;
    /// The group does not sign in the format that is asked for.
    FormatNotServed = "format-not-served", NotAllowed, 403;
    /// The route requires a certificate of the IVN.
    NoCertificate = "no-certificate", NotAllowed, 401;
}

/// The codes of rules about who may do something. Their exit code is 6.
const NOT_ALLOWED: &[&str] = &[
    "not-admin",
    "not-a-member",
    "wrong-author",
    "not-invited",
    "invitation-expired",
    "requester-may-not-approve",
    "not-requester",
    "own-repair",
    "removes-itself",
    "suspended",
    "keys-replaced",
    "last-admin",
    "own-account",
    "still-member",
    "member-role",
    "no-share",
    "no-vote",
    "coordinator-running",
];

/// The codes of rules about something that has ended. Their exit code is 5.
const OVER: &[&str] = &["request-over"];

/// The member of a refusal's JSON that contains its code.
const TAG: &str = "why";

impl Code {
    /// Returns the exit code of a command that fails with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(why) | Self::NotTaken(why) => exit_of_rule(why.code()),
            Self::Blocked(_) => Exit::NotAllowed,
            plain => plain.plain().map_or(Exit::Error, |(_, exit, _)| exit),
        }
    }

    /// Returns the HTTP status of an answer with it.
    pub fn status(&self) -> u16 {
        match (self.plain(), self.exit()) {
            (Some((_, _, status)), _) => status,
            (None, Exit::NotAllowed) => 403,
            (None, _) => 409,
        }
    }

    /// Returns the rule of the log behind it.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(why) | Self::NotTaken(why) | Self::Blocked(why) => Some(why),
            _ => None,
        }
    }

    /// Returns the name and the parameters on the wire.
    pub(super) fn to_wire(&self) -> (String, Map<String, Value>) {
        let whole = |name: &str, why| (name.to_owned(), object(why));
        match self {
            Self::Refused(why) => {
                let mut params = object(why);
                params.remove(TAG);
                (why.code().to_owned(), params)
            }
            Self::NotTaken(why) => whole("not-taken", why),
            Self::Blocked(why) => whole("blocked", why),
            plain => {
                let name = plain.plain().map_or("failed", |(name, ..)| name);
                (name.to_owned(), Map::new())
            }
        }
    }

    /// Reads what [`Code::to_wire`] wrote; `None` for a code that this version does not know.
    pub(super) fn from_wire(name: &str, mut params: Map<String, Value>) -> Option<Self> {
        let is_named = |code: &&Self| code.plain().is_some_and(|(known, ..)| known == name);
        if let Some(plain) = Self::PLAIN.iter().find(is_named) {
            return Some(plain.clone());
        }
        let wrapped: fn(Refusal) -> Self = match name {
            "not-taken" => Self::NotTaken,
            "blocked" => Self::Blocked,
            rule => {
                params.insert(TAG.to_owned(), rule.into());
                Self::Refused
            }
        };
        serde_json::from_value(Value::Object(params)).ok().map(wrapped)
    }

    /// Returns the first code without parameters that has this exit code.
    pub(super) fn general(exit: Exit) -> Self {
        let ends_so = |code: &&Self| code.plain().is_some_and(|(_, of, _)| of == exit);
        Self::PLAIN.iter().find(ends_so).cloned().unwrap_or(Self::Failed)
    }
}

fn exit_of_rule(code: &str) -> Exit {
    match code {
        code if NOT_ALLOWED.contains(&code) => Exit::NotAllowed,
        code if OVER.contains(&code) => Exit::Rejected,
        _ => Exit::Error,
    }
}

fn object(why: &Refusal) -> Map<String, Value> {
    match serde_json::to_value(why) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use quorate_ceremony::state::refusal::{
        Accounts, Changes, Confirmations, Entries, Groups, Possession, Replacements, Requests,
        Sessions,
    };
    use std::collections::BTreeMap;

    use super::*;

    fn rules() -> Vec<String> {
        let families = [
            Entries::CODES,
            Accounts::CODES,
            Groups::CODES,
            Changes::CODES,
            Sessions::CODES,
            Requests::CODES,
            Possession::CODES,
            Confirmations::CODES,
            Replacements::CODES,
        ];
        families.concat().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_page_lists_every_code_with_its_exit_code() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/codes.md");
        let page = std::fs::read_to_string(page).unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let listed: BTreeMap<String, String> = rows
            .map(|row| {
                let (code, rest) = row.split_once("` | ").unwrap();
                (code.to_owned(), rest.split(" |").next().unwrap().to_owned())
            })
            .collect();
        let plain = Code::PLAIN.iter().filter_map(Code::plain);
        let plain = plain.map(|(name, exit, _)| (name.to_owned(), (exit as u8).to_string()));
        let rules = rules();
        let of_rules = rules.iter().map(|code| {
            let exit = exit_of_rule(code) as u8;
            (code.clone(), exit.to_string())
        });
        let wrapped = [("not-taken", "as the rule"), ("blocked", "6")].into_iter();
        let wrapped = wrapped.map(|(code, exit)| (code.to_owned(), exit.to_owned()));
        let known: BTreeMap<String, String> = plain.chain(of_rules).chain(wrapped).collect();
        assert_eq!(listed, known);
        for code in NOT_ALLOWED.iter().chain(OVER) {
            assert!(rules.iter().any(|rule| rule == code), "{code}");
        }
    }

    #[test]
    fn every_code_survives_the_wire() {
        let suspended = Refusal::Accounts(Accounts::Suspended { account: "ben".parse().unwrap() });
        let with_rule = [Code::Refused, Code::NotTaken, Code::Blocked];
        let with_rule = with_rule.map(|code| code(suspended.clone()));
        for code in Code::PLAIN.iter().chain(&with_rule) {
            let (name, params) = code.to_wire();
            assert_eq!(Code::from_wire(&name, params).as_ref(), Some(code));
        }
        assert_eq!(Code::Refused(suspended).to_wire().0, "suspended");
        assert_eq!(Code::from_wire("of-a-later-version", Map::new()), None);
        assert_eq!(Code::general(Exit::NotAllowed), Code::NotAllowed);
    }
}
