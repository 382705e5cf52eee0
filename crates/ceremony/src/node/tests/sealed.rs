//! Sessions with sealed messages: whom a node names when one is wrong, and whom not.

use std::collections::BTreeSet;

use quorate_protocol::keys::KeyPackage;
use quorate_protocol::keyshare::SessionId as ProtocolSession;
use quorate_protocol::signing::{Addressed, Board, Message, Opening, Run, Step};
use quorate_protocol::{Identifier, Suite};

use super::*;
use crate::entry::GroupDefinition;

/// What ada does with her message to ben.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Letter {
    Right,
    /// Announces and sends something else.
    Wrong,
    /// Announces a right one, and the coordinator delivers something else.
    Swapped,
    Lost,
}

/// Ben's node is in a session of ada and ben, with a key for documents, and ada's messages of the
/// second round reach it. Returns its answer.
fn second_round(letter: Letter) -> Vec<NodeEffect> {
    let definition =
        GroupDefinition { suite: Suite::EcdsaP256Sha256, ..TestLog::peopled().board_of_three() };
    let mut log = TestLog::keyed_with(definition);
    let request = log.requests("ada", log.request()).unwrap();
    log.approves("ben", request).unwrap();
    let subject = Subject::Request { request };
    let mut bench = Bench::announced(log);
    let (ada, ben, session) = (name("ada"), name("ben"), session(7));
    let signers = vec![ada.clone(), ben.clone()];
    bench.receive(FromCoordinator::Invite { session, subject, signers });
    let effects = bench.give_document(request);
    let greeting = commitments(&effects).unwrap();

    // Ada's side, without a node.
    let state = &bench.log.state;
    let epoch = state.epoch_of(subject).unwrap();
    let context = SigningSession { ivn: state.ivn(), session, epoch, subject, number: 0 };
    let packages = [&ada, &ben].map(|it| bench.log.package_of(it.as_str()));
    let [hers, his] = packages.each_ref().map(KeyPackage::identifier);
    let public = bench.log.group().key.as_ref().unwrap().public.clone();
    let fixed: BTreeSet<Identifier> = BTreeSet::from([hers, his]);
    let opening = Opening {
        session: ProtocolSession(*session.as_bytes()),
        signers: Some(&fixed),
        message: Some(b"document"),
    };
    let (run, message) = Run::start(&packages[0], &opening, &mut bench.rng).unwrap();
    let mut board = Board::new(public.suite(), Some(fixed.clone())).unwrap();
    let sign = |board: &Board, posted: Vec<u8>| {
        context.sign(&ada, &secrets("ada").identity, context.place(board), posted)
    };
    let theirs = message.posted().0;
    let parts = vec![(ada.clone(), sign(&board, theirs.clone())), (ben.clone(), greeting.clone())];
    board.post(1, hers, &theirs).unwrap();
    board.post(1, his, greeting.value_unverified()).unwrap();
    let effects = bench.receive(FromCoordinator::Package { session, round: 1, parts });
    let announced = commitments(&effects).unwrap();
    assert!(effects.iter().any(|effect| matches!(
        effect,
        NodeEffect::Send(FromNode::Sealed { round: 2, to, .. }) if *to == ada
    )));

    let step = run.advance(&packages[0], &public, &board, None, &mut bench.rng).unwrap();
    let Step::Send(_, message) = step else { panic!("there are five rounds") };
    let (mut digests, mut letters) = message.posted();
    let mut sealed = letters.remove(&his).unwrap();
    if letter != Letter::Right {
        sealed[0] ^= 1;
    }
    if letter == Letter::Wrong {
        digests = Message::ToEach(Addressed::from([(his, sealed.clone())])).posted().0;
    }
    let parts = vec![(ada.clone(), sign(&board, digests)), (ben, announced)];
    if letter != Letter::Lost {
        let message = Base64(sealed);
        bench.receive(FromCoordinator::Sealed { session, round: 2, from: ada, message });
    }
    bench.receive(FromCoordinator::Package { session, round: 2, parts })
}

fn refusal(effects: &[NodeEffect]) -> Option<(DeclineReason, Option<AccountName>)> {
    effects.iter().find_map(|effect| match effect {
        NodeEffect::Send(FromNode::Declined { reason, because, .. }) => {
            Some((*reason, because.clone()))
        }
        _ => None,
    })
}

#[test]
fn a_node_goes_on_with_right_sealed_messages() {
    let effects = second_round(Letter::Right);
    assert_eq!(refusal(&effects), None);
    assert!(commits(&effects));
}

#[test]
fn a_node_names_the_sender_of_a_wrong_sealed_message() {
    let named = refusal(&second_round(Letter::Wrong));
    assert_eq!(named, Some((DeclineReason::WrongMessage, Some(name("ada")))));
}

#[test]
fn nobody_is_named_for_what_the_coordinator_did() {
    for letter in [Letter::Swapped, Letter::Lost] {
        let named = refusal(&second_round(letter));
        assert_eq!(named, Some((DeclineReason::Session, None)), "{letter:?}");
    }
}
