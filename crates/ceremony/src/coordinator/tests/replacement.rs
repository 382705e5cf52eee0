//! A coordinator that replaces another one, and one that would be replaced.

use super::*;
use crate::coordinator::RestoreError;
use crate::entry::Replacement;
use crate::state::refusal::Replacements;

fn restored(log: &TestLog, seed: u8) -> Result<Coordinator, RestoreError> {
    let secrets = CoordinatorSecrets {
        log: SecretKey::from_seed(&[seed; 32]),
        identity: SecretKey::from_seed(&[seed + 1; 32]),
    };
    Coordinator::restore(secrets, Config::default(), log.entries.clone(), None)
}

#[test]
fn only_the_coordinator_that_the_log_names_can_continue_it() {
    let mut log = TestLog::keyed();
    assert!(restored(&log, 1).is_ok());
    assert_eq!(restored(&log, 90).err(), Some(RestoreError::Keys));
    log.replace_coordinator(90, &["ada", "ben"], None);
    assert_eq!(restored(&log, 1).err(), Some(RestoreError::Keys));
    let mut coordinator = restored(&log, 90).unwrap();
    let size = log.state.size();
    let effects = says_hello(&mut coordinator, &mut log, "ben", size);
    let verifier = log.state.log_verifier().unwrap();
    let is_signed = effects.iter().any(|effect| match effect {
        CoordinatorEffect::SendLog { checkpoint, .. } => {
            let signed: quorate_log::checkpoint::SignedCheckpoint = checkpoint.parse().unwrap();
            signed.verify(&verifier).is_ok()
        }
        _ => false,
    });
    assert!(is_signed);
}

#[test]
fn a_running_coordinator_accepts_no_votes_for_another_one() {
    let mut log = TestLog::keyed();
    let mut coordinator = coordinator(&log);
    let replacement = Replacement {
        history: log.state.tree(),
        keys: TestLog::other_coordinator(90),
        reason: "a new machine".to_owned(),
    };
    let vote = log.entry("ben", Body::CoordinatorReplaced { replacement, abandoned: None });
    says_hello(&mut coordinator, &mut log, "ben", 0);
    let effects = submits(&mut coordinator, &mut log, "ben", &vote);
    let rejected = effects.iter().find_map(|effect| match effect {
        CoordinatorEffect::Send(_, FromCoordinator::Rejected { reason, .. }) => Some(reason),
        _ => None,
    });
    assert_eq!(rejected, Some(&Refusal::Replacements(Replacements::Running)));
}
