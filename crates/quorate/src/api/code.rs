//! The codes by which programs recognise a problem. Text is for people: nothing is decided by it.

use quorate_ceremony::state::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Exit codes; stable.
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
    /// Ctrl-C while the command waited: 128 and the number of the signal, as shells have it.
    Interrupted = 130,
}

/// Declares the codes that are not the log's: name, exit code of the command line, HTTP status.
macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $code:ident = $name:literal, $exit:ident, $status:literal;)+) => {
        /// What kind of problem it is.
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub enum Code {
            $($(#[doc = $meaning])+ $code,)+
            /// The rules of the log do not admit the statement: the code is the refusal's own, with
            /// its parameters.
            Refused(Refusal),
            /// The coordinator does not take a statement, and this node's log does not show why.
            NotTaken(Refusal),
            /// The log does not admit the rejection, which binds this node all the same.
            RejectedHere(Refusal),
            /// The coordinator does not let this account's node connect.
            Blocked(Refusal),
        }

        impl Code {
            /// The codes without parameters.
            const PLAIN: &[Self] = &[$(Self::$code,)+];

            /// The name on the wire, the exit code and the HTTP status of a code without parameters.
            fn plain(&self) -> Option<(&'static str, Exit, u16)> {
                match self {
                    $(Self::$code => Some(($name, Exit::$exit, $status)),)+
                    Self::Refused(_) | Self::NotTaken(_) | Self::RejectedHere(_)
                    | Self::Blocked(_) => None,
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
    /// The time to wait is over, or the answer is not there yet.
    Waiting = "still-waiting", Waiting, 409;
    /// Rejected or expired.
    Rejected = "rejected", Rejected, 409;
    /// The account may not do this.
    NotAllowed = "not-allowed", NotAllowed, 403;
    /// The coordinator cannot be reached.
    Unreachable = "unreachable", Unreachable, 503;
    /// The coordinator refuses the node, for a reason that the node's log does not show.
    Unwanted = "unwanted", NotAllowed, 403;
    /// Two copies of the node run, and neither signs.
    Duplicated = "duplicated", NotAllowed, 409;
    /// Too few nodes are online.
    TooFewNodes = "too-few-nodes", TooFewNodes, 503;
    /// Signed by, or issued under, a key that is not trusted.
    UntrustedKey = "untrusted-key", UntrustedKey, 502;
    /// Ctrl-C while the command waited.
    Interrupted = "interrupted", Interrupted, 500;
    /// The node holds proof that the coordinator broke the rules of the log, and signs nothing.
    Frozen = "frozen", Error, 409;
    /// The statement does not fit an entry of the log.
    TooLong = "too-long", Error, 413;
    /// The node does not run any more.
    NodeStopped = "node-stopped", Error, 503;
    /// The node and the program that asks are of different versions.
    Version = "version", Error, 400;
    /// The text is not the beginning of an id.
    MalformedId = "malformed-id", Error, 400;
    /// No request or change has such an id.
    NoSuchId = "no-such-id", Error, 404;
    /// Several requests have ids that begin like this.
    AmbiguousId = "ambiguous-id", Error, 409;
    /// The document of a request is not available.
    NoDocument = "no-document", Error, 404;
    /// Only the requester and the group's members receive a document.
    NoReader = "no-reader", NotAllowed, 403;
    /// The document is larger than the coordinator takes.
    DocumentTooLarge = "document-too-large", Error, 413;
    /// The document is not the one that its commitment is of.
    OtherDocument = "other-document", Error, 422;
    /// Another document is stored under this commitment.
    DocumentTaken = "document-taken", Error, 409;
    /// The coordinator's disk is full.
    DiskFull = "disk-full", Error, 507;
    /// The coordinator is not ready.
    NotReady = "not-ready", Unreachable, 503;
    /// The account has as many connections as the coordinator grants.
    TooManyConnections = "too-many-connections", Unreachable, 429;
    /// The route takes a certificate of the IVN.
    NoCertificate = "no-certificate", NotAllowed, 401;
}

/// The codes of the log's rules that say who may do something; their exit code is 6.
const NOT_ALLOWED: &[&str] = &[
    "not-admin",
    "not-a-member",
    "wrong-author",
    "not-invited",
    "invitation-expired",
    "requester-may-not-approve",
    "own-repair",
    "removes-itself",
    "suspended",
    "keys-replaced",
    "last-admin",
    "own-account",
    "still-member",
    "member-role",
    "no-share",
];

/// The codes of the log's rules that say that something is over; their exit code is 5.
const OVER: &[&str] = &["request-over"];

/// The member of a refusal's JSON form that is its code.
const TAG: &str = "why";

impl Code {
    /// How a command that ends with it exits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(why) | Self::NotTaken(why) | Self::RejectedHere(why) => {
                exit_of_rule(why.code())
            }
            Self::Blocked(_) => Exit::NotAllowed,
            plain => plain.plain().map_or(Exit::Error, |(_, exit, _)| exit),
        }
    }

    /// The HTTP status of an answer with it.
    pub fn status(&self) -> u16 {
        match (self.plain(), self.exit()) {
            (Some((_, _, status)), _) => status,
            (None, Exit::NotAllowed) => 403,
            (None, _) => 409,
        }
    }

    /// The rule of the log that is behind it.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(why)
            | Self::NotTaken(why)
            | Self::RejectedHere(why)
            | Self::Blocked(why) => Some(why),
            _ => None,
        }
    }

    /// The name and the parameters on the wire.
    pub(super) fn to_wire(&self) -> (String, Map<String, Value>) {
        let whole = |name: &str, why| (name.to_owned(), object(why));
        match self {
            Self::Refused(why) => {
                let mut params = object(why);
                params.remove(TAG);
                (why.code().to_owned(), params)
            }
            Self::NotTaken(why) => whole("not-taken", why),
            Self::RejectedHere(why) => whole("rejected-here", why),
            Self::Blocked(why) => whole("blocked", why),
            plain => {
                let name = plain.plain().map_or("failed", |(name, ..)| name);
                (name.to_owned(), Map::new())
            }
        }
    }

    /// What [`Code::to_wire`] wrote; `None` for a code that this version does not know.
    pub(super) fn from_wire(name: &str, mut params: Map<String, Value>) -> Option<Self> {
        let is_named = |code: &&Self| code.plain().is_some_and(|(known, ..)| known == name);
        if let Some(plain) = Self::PLAIN.iter().find(is_named) {
            return Some(plain.clone());
        }
        let wrapped: fn(Refusal) -> Self = match name {
            "not-taken" => Self::NotTaken,
            "rejected-here" => Self::RejectedHere,
            "blocked" => Self::Blocked,
            rule => {
                params.insert(TAG.to_owned(), rule.into());
                Self::Refused
            }
        };
        serde_json::from_value(Value::Object(params)).ok().map(wrapped)
    }

    /// The code without parameters that ends a command like this.
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
        Accounts, Changes, Confirmations, Entries, Groups, Possession, Requests, Sessions,
    };
    use std::collections::BTreeMap;

    use super::*;

    /// The codes of the log's rules, of all families of refusals.
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
        let wrapped = [("not-taken", "as the rule"), ("rejected-here", "as the rule")];
        let wrapped = wrapped.into_iter().chain([("blocked", "6")]);
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
        let with_rule = [Code::Refused, Code::NotTaken, Code::RejectedHere, Code::Blocked];
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
