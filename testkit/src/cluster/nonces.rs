//! S1 as far as a published log can show it: no two signatures were made with the same nonces.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use quorate_ceremony::entry::{Body, Entry};
use quorate_ceremony::signing::{SigningSession, Subject};
use quorate_ceremony::state::IvnState;
use quorate_ceremony::test_world::FIRST;
use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::tile::{Entries, TileReader};

/// The files of a log.
struct Files<'a>(&'a Path);

impl TileReader for Files<'_> {
    type Error = io::Error;

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Compares the commitments of all signers of all signatures in a log that verifies.
pub(super) fn check_unique(log: &Path) -> Result<(), String> {
    let note = fs::read_to_string(log.join("checkpoint")).unwrap();
    let size = note.parse::<SignedCheckpoint>().unwrap().unverified().head().size;
    let files = Files(log);
    let mut state: Option<IvnState> = None;
    let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for entry in Entries::new(&files, size, 0..size) {
        let (index, bytes) = entry.unwrap();
        let entry = Entry::from_bytes(&bytes).unwrap();
        let Some(state) = &mut state else {
            state = Some(IvnState::found(&entry).unwrap());
            continue;
        };
        state.apply(&entry).unwrap();
        let Body::Signature { request, session, signers, .. } = &entry.statement().body else {
            continue;
        };
        let subject = Subject::Request { request: *request };
        let session = SigningSession {
            ivn: state.ivn(),
            session: *session,
            epoch: state.epoch_of(subject).unwrap_or(1),
            subject,
            // The state contains this signature as well.
            number: state.number_of(subject) - 1,
        };
        for signer in signers {
            let key = state.identity_key(&signer.account).unwrap();
            let commitments = session.open(&signer.account, key, FIRST, &signer.parts[0]).unwrap();
            if let Some(other) = seen.insert(commitments.to_vec(), index) {
                return Err(format!("entries {other} and {index} show the same commitments"));
            }
        }
    }
    Ok(())
}
