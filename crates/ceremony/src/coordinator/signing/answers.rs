//! What signers send: its checks, the next round, and the signature.

use std::collections::BTreeMap;

use quorate_protocol::signing::{Board, Delivery};

use super::roast::Parts;
use super::target::Target;
use super::{Finished, Open, Signing};
use crate::coordinator::input::Call;
use crate::effect::CoordinatorDeadline;
use crate::encoding::Base64;
use crate::entry::{Body, SignerRecord};
use crate::message::FromCoordinator;
use crate::names::{AccountName, SessionId};
use crate::signing::{SignedPart, SigningSession, Subject};
use crate::state::IvnState;

impl Signing {
    /// Takes a signer's message of a round before the last one.
    pub(in crate::coordinator) fn part(
        &mut self,
        state: &IvnState,
        account: &AccountName,
        session: SessionId,
        (round, signed): (u8, SignedPart),
        call: &mut Call<'_>,
    ) {
        let Some(board) = self.awaiting(account, session) else { return };
        if board.round() != round || round == board.plan().last() {
            return;
        }
        let is_quick = board.plan().patience == 1;
        if let Some(took) = self.post(state, account, session, signed, None, call) {
            self.reliability.answered(account, took.filter(|_| is_quick));
            self.send_package(state, session, call);
        }
    }

    /// Takes a signer's sealed message to another one. It is checked when its sender's part of this
    /// round is here.
    pub(in crate::coordinator) fn sealed(
        &mut self,
        account: &AccountName,
        session: SessionId,
        round: u8,
        to: AccountName,
        message: Base64,
    ) {
        let Some(board) = self.awaiting(account, session) else { return };
        if board.round() != round || board.plan().delivery(round) != Some(Delivery::ToEach) {
            return;
        }
        if let Some(Open { subject, letters, .. }) = self.sessions.get_mut(&session)
            && self.efforts.get(subject).is_some_and(|roast| roast.is_signer(session, &to))
        {
            letters.put(account, to, message);
        }
    }

    /// The board of a session in which this signer owes an answer.
    fn awaiting(&self, account: &AccountName, session: SessionId) -> Option<&Board> {
        let open = self.sessions.get(&session)?;
        self.efforts.get(&open.subject)?.awaits(session, account).then_some(&open.board)
    }

    /// Checks a message, and the share in it if `message` is what it signs. A signer whose message
    /// is wrong has failed. Returns how long a right one took.
    fn post(
        &mut self,
        state: &IvnState,
        account: &AccountName,
        session: SessionId,
        signed: SignedPart,
        message: Option<&[u8]>,
        call: &mut Call<'_>,
    ) -> Option<Option<u64>> {
        let key = state.identity_key(account)?;
        let Open { subject, board, letters } = self.sessions.get_mut(&session)?;
        let subject = *subject;
        let target = Target::of(subject, state, call.now)?;
        let identifier = *target.identifiers.get(account)?;
        let (ivn, epoch, number) = (state.ivn(), target.epoch, state.number_of(subject));
        let context = SigningSession { ivn, session, epoch, subject, number };
        let place = context.place(board);
        let opened = context.open(account, key, place, &signed).ok().filter(|theirs| {
            // Each share is checked, not only their sum: two signers whose errors cancel would make
            // a valid signature whose log entry does not prove who made it.
            message.is_none_or(|message| {
                board.verify_share(&target.public, identifier, theirs, message).is_ok()
            })
        });
        let posted = opened.and_then(|theirs| board.post(place.round, identifier, theirs).ok());
        let sent = posted.filter(|()| {
            if board.plan().delivery(place.round) == Some(Delivery::ToAll) {
                return true;
            }
            let signers = board.signers().into_iter().flatten();
            let signers = signers.filter_map(|signer| target.signer(*signer)).collect();
            letters.are_complete(board, place.round, account, &signers)
        });
        if sent.is_none() {
            self.signer_failed(account, session, call.now);
            return None;
        }
        Some(self.efforts.get_mut(&subject)?.delivered(session, account, signed, call.now))
    }

    /// Begins the next round of a session if all messages of the present one are here.
    fn send_package(&mut self, state: &IvnState, session: SessionId, call: &mut Call<'_>) {
        let Some(Open { subject, board, letters }) = self.sessions.get_mut(&session) else {
            return;
        };
        let Some(target) = Target::of(*subject, state, call.now) else { return };
        let Some(roast) = self.efforts.get_mut(subject) else { return };
        let Some(next) = roast.next_round(session, target.min_signers(), call.now) else { return };
        // A board whose signers were fixed is in the next round already.
        board.fix_signers();
        let round = board.round().saturating_sub(1);
        let parts: Vec<_> =
            next.parts.iter().map(|(account, part)| (account.clone(), part.clone())).collect();
        for signer in next.signers {
            for (from, message) in letters.take(signer) {
                let message = FromCoordinator::Sealed { session, round, from, message };
                call.send(signer.clone(), message);
            }
            let package = FromCoordinator::Package { session, round, parts: parts.clone() };
            call.send(signer.clone(), package);
        }
        let (plan, signers) = (board.plan(), next.signers.clone());
        let patience = self.patience(plan, signers.iter());
        call.wake_at(CoordinatorDeadline::Signing(session), call.now.plus(patience));
    }

    /// Takes a share. If its check needs a document that is not held, the share waits for it.
    pub(in crate::coordinator) fn share(
        &mut self,
        state: &IvnState,
        account: &AccountName,
        session: SessionId,
        signed: SignedPart,
        call: &mut Call<'_>,
    ) -> Option<Finished> {
        let board = self.awaiting(account, session)?;
        if board.round() != board.plan().last() {
            return None;
        }
        let subject = self.sessions.get(&session)?.subject;
        match subject {
            Subject::Request { request } => match self.desk.held(request, state.number_of(subject))
            {
                Some(message) => self.checked(state, account, session, signed, &message, call),
                None => {
                    self.desk.wait(request, session, account.clone(), signed, call);
                    None
                }
            },
            Subject::Activation { .. } => {
                let record = Target::of(subject, state, call.now)?.record?;
                self.checked(state, account, session, signed, &record, call)
            }
        }
    }

    /// Checks a share with the bytes to sign, and makes the signature if it was the last one.
    pub(in crate::coordinator) fn checked(
        &mut self,
        state: &IvnState,
        account: &AccountName,
        session: SessionId,
        signed: SignedPart,
        message: &[u8],
        call: &mut Call<'_>,
    ) -> Option<Finished> {
        self.awaiting(account, session)?;
        let took = self.post(state, account, session, signed, Some(message), call)?;
        let Open { subject, board, .. } = self.sessions.get(&session)?;
        self.reliability.delivered(account, took.filter(|_| board.plan().patience == 1));
        self.due.insert(*subject);
        let target = Target::of(*subject, state, call.now)?;
        let rounds = self.efforts.get(subject)?.finished(session)?;
        let body = signed_body(*subject, session, (board, rounds), &target, message);
        if body.is_none() {
            // One of the shares is wrong, and nobody can tell which. The next session asks others.
            self.efforts.get_mut(subject)?.spoiled(session);
        }
        Some(Finished { subject: *subject, session, body })
    }
}

/// Makes the signature from all shares. It is verified before it is logged.
fn signed_body(
    subject: Subject,
    session: SessionId,
    (board, rounds): (&Board, &[Parts]),
    target: &Target<'_>,
    message: &[u8],
) -> Option<Body> {
    let signature = board.combine(&target.public, message).ok()?;
    let signature = Base64(signature.as_bytes().to_vec());
    Some(match subject {
        Subject::Activation { session } => Body::EpochStarted { session, signature },
        Subject::Request { request } => {
            Body::Signature { request, session, signature, signers: records(rounds) }
        }
    })
}

fn records(rounds: &[Parts]) -> Vec<SignerRecord> {
    let signers = rounds.last().into_iter().flat_map(BTreeMap::keys);
    let of = |account: &AccountName| SignerRecord {
        account: account.clone(),
        parts: rounds.iter().filter_map(|parts| parts.get(account).cloned()).collect(),
    };
    signers.map(of).collect()
}
