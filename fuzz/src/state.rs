//! The fold over the log and the audit, with statements that their authors really signed.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use quorate_ceremony::audit::{Anchor, Verdict, replay};
use quorate_ceremony::document::{Documents, NotChecked, ToSign};
use quorate_ceremony::entry::{Author, Body, Entry, Statement};
use quorate_ceremony::identity::SecretKey;
use quorate_ceremony::names::{EntryId, Timestamp};
use quorate_ceremony::policy::Output;
use quorate_ceremony::state::IvnState;
use quorate_ceremony::test_world::signed_checkpoint;

use super::script::Script;
use super::story as told;
use super::story::{self, coordinator_secrets};

/// Returns the state after each entry of the story.
fn states() -> &'static [IvnState] {
    static STATES: OnceLock<Vec<IvnState>> = OnceLock::new();
    STATES.get_or_init(|| {
        let mut entries = super::story().entries();
        let mut state = IvnState::found(&entries.next().unwrap()).unwrap();
        let mut states = vec![state.clone()];
        for entry in entries {
            state.apply(&entry).unwrap();
            states.push(state.clone());
        }
        states
    })
}

/// Signs a statement as its author would, so that only the fold can reject the entry.
pub fn signed(statement: Statement) -> Option<Entry> {
    let coordinator = coordinator_secrets().identity;
    let identity = |name: &_| story::secrets(name).identity;
    let keys: Vec<SecretKey> = match (&statement.author, &statement.body) {
        (Author::Coordinator, _) => vec![coordinator],
        (Author::Account(name), Body::Genesis(_)) => vec![identity(name), coordinator],
        (Author::Account(name), Body::AccountAdmitted { .. }) => {
            vec![invitation_key(name.as_str())?, identity(name)]
        }
        (Author::Account(name), _) if name.as_str().len() < 32 => vec![identity(name)],
        (Author::Account(_), _) => return None,
    };
    Entry::sign(statement, &keys.iter().collect::<Vec<_>>()).ok()
}

fn invitation_key(name: &str) -> Option<SecretKey> {
    (name.len() < 32).then(|| story::key(name, 5))
}

/// Returns a changed genuine statement that is still a statement.
fn harmed(script: &mut Script<'_>) -> Option<Entry> {
    let log = &super::story().log;
    let genuine = Entry::from_bytes(&log[script.index(log.len())]).unwrap();
    let mut json = serde_json::to_vec(genuine.statement()).unwrap();
    if script.byte() % 2 == 1 {
        json = script.harm(&json);
    }
    let mut statement: Statement = serde_json::from_slice(&json).ok()?;
    // Statements for other IVNs are not tested here.
    statement.ivn = genuine.statement().ivn;
    signed(statement)
}

/// Applies statements at some point of the story. The input is a script.
///
/// A rejected statement leaves no trace. An accepted one counts as one entry.
pub fn fold(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let states = states();
    let mut state = states[script.index(states.len())].clone();
    let mut accepted = false;
    while !script.is_over() {
        let Some(entry) = harmed(&mut script) else { continue };
        let read = Entry::from_bytes(&entry.to_bytes()).expect("what is signed can be read");
        assert_eq!(read, entry);
        let before = state.clone();
        match state.apply(&entry) {
            Ok(_) => {
                assert_eq!(state.size(), before.size() + 1);
                accepted = true;
            }
            Err(_) => {
                assert_eq!(
                    format!("{before:?}"),
                    format!("{state:?}"),
                    "a refused entry left a trace"
                );
            }
        }
    }
    accepted
}

/// Returns the inputs with which a fuzzer begins.
pub fn fold_seeds() -> Vec<Vec<u8>> {
    let count = super::story().log.len();
    let next = |index: usize| {
        let number = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
        [&number(index - 1)[..], &number(index), &[0]].concat()
    };
    (1..count).step_by(4).map(next).collect()
}

struct Story;

impl Documents for Story {
    fn to_be_signed(&mut self, _: EntryId, wanted: &ToSign) -> Result<Vec<u8>, NotChecked> {
        let document = told::document();
        if wanted.request.document == document.commitment
            && wanted.request.output == Output::default()
        {
            Ok(document.to_be_signed)
        } else {
            Err(NotChecked::NoDocument)
        }
    }
}

/// Audits the story's log after a coordinator and authors changed it. The input is a script.
///
/// The log's key signs a checkpoint of the changed entries. A log that passes contains only entries
/// that the fold admits.
pub fn audit(bytes: &[u8]) -> bool {
    let mut script = Script::new(bytes);
    let mut entries = super::story().log.clone();
    while !script.is_over() {
        let at = script.index(entries.len());
        match script.byte() % 5 {
            0 => drop(entries.remove(at)),
            1 => entries.insert(at, entries[script.index(entries.len())].clone()),
            2 => entries[at] = script.harm(&entries[at]),
            3 => entries.truncate(at + 1),
            _ => {
                if let Some(entry) = harmed(&mut script) {
                    entries[at] = entry.to_bytes();
                }
            }
        }
        if entries.is_empty() {
            return false;
        }
    }
    let checkpoint = signed_checkpoint(&super::log::log_signer(), &entries);
    let unchanged = entries == super::story().log;
    let report = replay(entries.clone(), checkpoint.as_signed(), &Anchor::default(), &mut Story);
    let Ok(report) = report else { return false };
    serde_json::to_string(&report).unwrap();
    assert!(!quorate::render::audit::lines(&report).is_empty());
    assert_eq!(report.verdict == Verdict::Failed, !report.faults.is_empty());
    if report.faults.is_empty() {
        let entries: Vec<Entry> =
            entries.iter().map(|bytes| Entry::from_bytes(bytes).unwrap()).collect();
        let (genesis, rest) = entries.split_first().unwrap();
        let mut state = IvnState::found(genesis).unwrap();
        rest.iter().for_each(|entry| drop(state.apply(entry).unwrap()));
    }
    assert!(!unchanged || report.faults.is_empty(), "{:?}", report.faults);
    report.faults.is_empty()
}

/// Returns the inputs with which a fuzzer begins.
pub fn audit_seeds() -> Vec<Vec<u8>> {
    vec![
        vec![],
        vec![0, 30, 0],
        vec![0, 3, 1, 0, 4],
        vec![0, 9, 2, 1, 0, 3, 1, 1, 65],
        vec![0, 20, 3],
    ]
}

/// Returns a time after the end of the story.
pub fn after() -> Timestamp {
    let accounts = states().last().unwrap().accounts();
    accounts.values().map(|account| account.stated).max().unwrap()
}

pub fn names() -> Vec<quorate_ceremony::names::AccountName> {
    let accounts: BTreeMap<_, _> = states().last().unwrap().accounts().clone();
    accounts.into_keys().collect()
}
