//! Problems: a code for programs and a message for people.

use quorate_ceremony::state::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Code, Exit};

/// The media type of an [`HttpProblem`] (RFC 9457).
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// The most characters of a peer's message that are displayed.
const LONGEST_DETAIL: usize = 300;

/// Why something failed.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct Problem {
    /// The basis of all decisions.
    pub code: Code,
    /// What happened and why, as a sentence without a full stop.
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    /// Makes a problem without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the exit code of a command that fails with it.
    pub fn exit(&self) -> Exit {
        self.code.exit()
    }

    /// Reads a peer's answer with this HTTP status. The peer's message is used only if its code has
    /// no message.
    pub fn from_http(status: u16, body: &[u8]) -> Self {
        let general = || match status {
            401 | 403 => Code::NotAllowed,
            429 | 503 => Code::Unreachable,
            _ => Code::Failed,
        };
        let Ok(HttpProblem { code, params, detail, .. }) = serde_json::from_slice(body) else {
            return Self::new(general(), format!("no reason given (status {status})"));
        };
        let code = Code::from_wire(&code, params).unwrap_or_else(general);
        let detail = || detail.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect();
        let message = code.refusal().map_or_else(detail, ToString::to_string);
        Self::new(code, message)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        let message = why.to_string();
        Self::new(Code::Refused(why), message)
    }
}

/// A [`Problem`] as JSON.
#[derive(Deserialize, Serialize)]
struct Wire {
    code: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    params: Map<String, Value>,
    exit: Exit,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl From<Problem> for Wire {
    fn from(problem: Problem) -> Self {
        let exit = problem.exit();
        let (code, params) = problem.code.to_wire();
        Self { code, params, exit, message: problem.message, hint: problem.hint }
    }
}

impl From<Wire> for Problem {
    fn from(wire: Wire) -> Self {
        let Wire { code, params, exit, message, hint } = wire;
        // For a code of a later version, the exit code decides.
        let code = Code::from_wire(&code, params).unwrap_or_else(|| Code::general(exit));
        Self { code, message, hint }
    }
}

/// A [`Problem`] as an HTTP answer (RFC 9457).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct HttpProblem {
    /// A URI reference for the kind of problem. Programs use `code`.
    #[serde(rename = "type")]
    pub kind: String,
    pub status: u16,
    /// The code, as listed in `docs/codes.md`.
    pub code: String,
    /// The code's parameters.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    pub detail: String,
}

impl From<Problem> for HttpProblem {
    fn from(problem: Problem) -> Self {
        let status = problem.code.status();
        let (code, params) = problem.code.to_wire();
        Self { kind: "about:blank".to_owned(), status, code, params, detail: problem.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_ceremony::state::refusal::Accounts;

    fn suspended() -> Refusal {
        Refusal::Accounts(Accounts::Suspended { account: "ben".parse().unwrap() })
    }

    #[test]
    fn a_refusal_crosses_the_network_whatever_its_words_are() {
        let blocked = Problem::new(Code::Blocked(suspended()), suspended().to_string());
        let mut answer = HttpProblem::from(blocked.clone());
        assert_eq!(answer.status, 403);
        answer.detail = "words of another version".to_owned();
        let body = serde_json::to_vec(&answer).unwrap();
        assert_eq!(Problem::from_http(403, &body), blocked);
    }

    #[test]
    fn a_refusal_without_a_known_code_is_judged_by_its_status() {
        for (status, code) in
            [(403, Code::NotAllowed), (503, Code::Unreachable), (500, Code::Failed)]
        {
            assert_eq!(Problem::from_http(status, b"account \"ben\" is suspended\n").code, code);
            let later = format!(
                r#"{{"type":"about:blank","status":{status},"code":"later","detail":"no\n"}}"#
            );
            assert_eq!(Problem::from_http(status, later.as_bytes()), Problem::new(code, "no"));
        }
    }

    #[test]
    fn a_problem_crosses_the_socket_with_its_code() {
        let problem = Problem::from(suspended()).hint("wait");
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.contains(r#""code":"suspended","params":{"account":"ben"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
        let later = text.replace("suspended", "later");
        assert_eq!(serde_json::from_str::<Problem>(&later).unwrap().code, Code::NotAllowed);
    }
}
