//! The evidence in a `signature` entry: what its signers sent in all rounds, read from the messages
//! that each has signed.

use std::collections::BTreeSet;

use quorate_protocol::signing::{Board, Signers};
use quorate_protocol::{Identifier, Suite};

use crate::entry::SignerRecord;
use crate::identity::PublicKey;
use crate::names::AccountName;
use crate::signing::SigningSession;

/// Why records are no evidence.
#[derive(Debug)]
pub(crate) enum NoEvidence<'a> {
    /// This signer holds no share, or did not sign messages that fit together.
    Signer(&'a AccountName),
    /// The suite of the key has no signing protocol.
    Suite,
}

/// Reads the messages of all signers. `known` returns a signer's identifier and identity key.
pub(crate) fn read<'a>(
    session: &SigningSession,
    suite: Suite,
    signers: &'a [SignerRecord],
    known: impl Fn(&AccountName) -> Option<(Identifier, PublicKey)>,
) -> Result<Board, NoEvidence<'a>> {
    let mut named = Vec::with_capacity(signers.len());
    for record in signers {
        let (identifier, key) =
            known(&record.account).ok_or(NoEvidence::Signer(&record.account))?;
        named.push((identifier, key, record));
    }
    let plan = suite.signing_plan().ok_or(NoEvidence::Suite)?;
    let fixed: BTreeSet<_> = named.iter().map(|(identifier, ..)| *identifier).collect();
    let is_fixed = plan.signers == Signers::BeforeFirstRound;
    let mut board = Board::new(suite, is_fixed.then_some(fixed)).map_err(|_| NoEvidence::Suite)?;
    for round in 0..plan.rounds.len() {
        let place = session.place(&board);
        for (identifier, key, record) in &named {
            let wrong = || NoEvidence::Signer(&record.account);
            let part = record.parts.get(round).ok_or_else(wrong)?;
            let message = session.open(&record.account, *key, place, part).map_err(|_| wrong())?;
            board.post(place.round, *identifier, message).map_err(|_| wrong())?;
        }
        board.fix_signers();
    }
    let is_whole = |record: &SignerRecord| record.parts.len() == plan.rounds.len();
    match signers.iter().find(|record| !is_whole(record)) {
        Some(record) => Err(NoEvidence::Signer(&record.account)),
        None => Ok(board),
    }
}
