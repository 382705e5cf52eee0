//! What an id, or the beginning of one, names.
//!
//! Authors can choose how their entries' ids begin, by trying. So the beginning of an id selects an
//! entry only if no other entry that can be named begins like it: no request and no change, open or
//! past, and no definition. Otherwise a proposed change could take the place of a request in
//! somebody's approval.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use quorate_ceremony::names::EntryId;
use quorate_ceremony::state::{IvnState, RequestState};

use crate::api::{Code, Named, Problem};

/// The fewest hex digits that select an entry.
const SHORTEST: usize = 4;
/// The number of hex digits of a whole id.
const WHOLE: usize = 64;
/// The most entries that a message about an ambiguous beginning lists.
const LISTED: usize = 5;

/// Finds the only entry whose id begins with `beginning`, among all that can be named.
pub(crate) fn find(state: &IvnState, beginning: &str) -> Result<Named, Problem> {
    let mut found = named(state, &range(beginning)?);
    match (found.pop(), found.as_slice()) {
        (None, _) => {
            let message = format!("no request and no change has an id that begins {beginning}");
            Err(Problem::new(Code::NoSuchId, message))
        }
        (Some(only), []) => Ok(only),
        (Some(last), others) => Err(ambiguous(beginning, others, &last)),
    }
}

/// Finds the request whose id begins with `beginning`, if no other entry's does.
pub(crate) fn find_request<'a>(
    state: &'a IvnState,
    beginning: &str,
) -> Result<&'a RequestState, Problem> {
    let named = find(state, beginning)?;
    state.requests().get(&named.id()).ok_or_else(|| {
        let message = format!("{} is not a request, but {named}", named.id().short());
        Problem::new(Code::OtherKind, message)
    })
}

fn ambiguous(beginning: &str, others: &[Named], last: &Named) -> Problem {
    let all = others.iter().chain([last]);
    let mut listed: Vec<String> =
        all.take(LISTED).map(|it| format!("{} ({it})", it.id().short())).collect();
    if others.len() + 1 > LISTED {
        listed.push("…".to_owned());
    }
    let message = format!("several ids begin with {beginning}: {}", listed.join(", "));
    Problem::new(Code::AmbiguousId, message)
}

/// Returns everything whose id is in this range.
fn named(state: &IvnState, range: &RangeInclusive<EntryId>) -> Vec<Named> {
    let requests = state.requests().range(range.clone());
    let mut found: Vec<Named> = requests.map(|(id, _)| Named::Request { id: *id }).collect();
    let changes: BTreeMap<_, _> = state.changes().range(range.clone()).collect();
    for (id, group) in changes {
        let Ok(group) = state.group(group) else { continue };
        let past = group.past_changes.iter().find(|past| past.id == *id);
        found.push(match past {
            Some(past) => Named::PastChange(Box::new(past.clone())),
            None => Named::Change { id: *id, group: group.definition.name.clone() },
        });
    }
    // A change that is carried out becomes the definition, and keeps its id.
    let definitions = state.groups().iter().filter(|(_, group)| {
        range.contains(&group.defined) && !state.changes().contains_key(&group.defined)
    });
    found.extend(
        definitions
            .map(|(name, group)| Named::Definition { id: group.defined, group: name.clone() }),
    );
    found
}

/// Returns the ids that begin with these hex digits.
fn range(beginning: &str) -> Result<RangeInclusive<EntryId>, Problem> {
    let wanted = beginning.to_ascii_lowercase();
    let malformed = |why: &str| Problem::new(Code::MalformedId, format!("\"{beginning}\" {why}"));
    if wanted.is_empty() || !wanted.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(malformed("is not an id: ids consist of hexadecimal digits"));
    }
    if wanted.len() < SHORTEST {
        let why = format!("is too short: give at least {SHORTEST} digits of the id");
        return Err(malformed(&why));
    }
    let filled = |digit: char| {
        let text: String = wanted.chars().chain(std::iter::repeat(digit)).take(WHOLE).collect();
        text.parse::<EntryId>().ok().filter(|_| wanted.len() <= WHOLE)
    };
    let bounds = filled('0').zip(filled('f'));
    let (first, last) =
        bounds.ok_or_else(|| malformed(&format!("is too long: an id has {WHOLE} digits")))?;
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use quorate_ceremony::entry::{Body, GroupChange};
    use quorate_ceremony::test_world::{HOUR, TestLog, session};

    use super::*;

    /// Lets cyd propose a change whose id begins like the id of a request, by trying expiry times.
    fn proposes_like(log: &mut TestLog, request: EntryId) -> EntryId {
        let definition = log.board_of(&["ben", "cyd"], 2);
        let epoch = log.group().key.as_ref().unwrap().epoch;
        let wanted = &request.as_bytes()[..2];
        let proposals = (0..).map(|tried| {
            let (definition, expires_at) = (definition.clone(), log.now.plus(HOUR + tried));
            let change =
                GroupChange { epoch, definition, expires_at, repairs: None, retires: false };
            log.entry("cyd", Body::GroupChange(change))
        });
        let mut proposals = proposals.filter(|entry| entry.id().as_bytes().starts_with(wanted));
        let entry = proposals.next().unwrap();
        log.enter(&entry).unwrap();
        entry.id()
    }

    #[test]
    fn a_change_cannot_take_the_place_of_a_request() {
        let mut log = TestLog::keyed();
        let request = log.requests("ada", log.request()).unwrap();
        let text = request.to_string();
        assert_eq!(find(&log.state, &text[..4]).unwrap().id(), request);
        let change = proposes_like(&mut log, request);
        let is_ambiguous = |log: &TestLog, what: &str| {
            for problem in
                [find(&log.state, &text[..4]).err(), find_request(&log.state, &text[..4]).err()]
            {
                let problem = problem.unwrap();
                assert_eq!(problem.code, Code::AmbiguousId);
                for part in ["a request", what, &request.short(), &change.short()] {
                    assert!(problem.message.contains(part), "{part}: {}", problem.message);
                }
            }
        };
        is_ambiguous(&log, "a proposed change of board");
        assert_eq!(find_request(&log.state, &text[..20]).unwrap().id, request);
        let Err(other) = find_request(&log.state, &change.to_string()) else { panic!() };
        assert_eq!(other.code, Code::OtherKind);
        log.says("cyd", Body::GroupChangeWithdrawn { change }).unwrap();
        is_ambiguous(&log, "a past change of board");
    }

    #[test]
    fn a_change_that_became_the_definition_has_one_name() {
        let mut log = TestLog::keyed();
        log.change(&["ada", "ben"], 2, session(2));
        let id = log.group().defined;
        let found = find(&log.state, &id.to_string()).unwrap();
        assert!(matches!(found, Named::PastChange(past) if past.id == id));
    }

    #[test]
    fn what_cannot_be_an_id_is_rejected_with_a_reason() {
        let log = TestLog::keyed();
        for (id, why) in [
            ("", "is not an id"),
            ("12", "is too short: give at least 4 digits"),
            ("12zz", "ids consist of hexadecimal digits"),
            (&"0".repeat(65), "is too long: an id has 64 digits"),
        ] {
            let problem = find(&log.state, id).unwrap_err();
            assert_eq!(problem.code, Code::MalformedId);
            assert!(problem.message.contains(why), "{}", problem.message);
        }
        let defined = log.group().defined;
        let found = find(&log.state, &defined.to_string().to_uppercase()).unwrap();
        assert!(matches!(found, Named::Definition { id, .. } if id == defined));
        assert_eq!(find(&log.state, &"0".repeat(64)).unwrap_err().code, Code::NoSuchId);
    }
}
