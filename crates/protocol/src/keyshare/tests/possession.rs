//! A reshare's dealer proves that its ephemeral key is its own: the attacks that would be possible
//! without the proof.

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;

use super::session::{ED25519, Forger, Key, Session, id, ids, parameters, rng};
use crate::keyshare::message::{Reveal, Round};
use crate::keyshare::{Error, Fault, Parameters, Posted, SessionId};
use crate::session::possession;
use crate::session::sealing::SecretKey;

/// Dealer 2 has dealt, and dealer 1, who is forged, has not; 2, 4 and 5 get shares.
struct Scene {
    key: Key,
    session: Session,
    forger: Forger,
}

impl Scene {
    fn new() -> Self {
        let key = Key::generated(ED25519, 2, &[1, 2, 3], 1);
        let (session, forger) = key.with_forger(&key.reshare(2, &[2, 4, 5]), |_| {});
        Self { key, session, forger }
    }

    /// The ephemeral key under which dealer 2 sealed its share's sub-shares.
    fn victims(&self) -> RistrettoPoint {
        *self.session.board.reveals()[&id(2)].ephemeral.point()
    }

    /// Dealer 1's dealing. All its sub-shares are right.
    fn dealing(&self) -> Reveal {
        self.forger.reveal(&self.session.board, |_, sub_share| sub_share)
    }

    /// Its dealing with an ephemeral key whose secret it may not know, so that nobody can open what
    /// it sealed. It proves everything that it can: that it knows its share, and the secret of
    /// another key.
    fn dealing_under(&mut self, ephemeral: RistrettoPoint) -> Reveal {
        self.forger.dealing.ephemeral = ephemeral.compress().0;
        self.forger.prove_for(&self.forger.parameters.clone(), id(1));
        self.dealing()
    }

    /// The dealing is rejected, its dealer is named, and no honest participant complains or sends
    /// anything else.
    fn fails(mut self, dealing: &Reveal, fault: Fault) {
        let message = dealing.encode(&self.forger.parameters);
        assert_eq!(self.session.board.post(id(1), &message), Ok(Posted::Failed));
        assert!(self.session.board.envelope(id(1), id(4)).is_none());
        self.session.failed(&[(1, fault)]);
        let told = self.session.errors.keys().copied().collect();
        assert_eq!(ids([2, 4, 5]), told);
    }
}

/// A complaint of 4 about this dealing would publish x₄·E₂, and that of 5 x₅·E₂. These open what
/// dealer 2 sealed to the two, and the two values of its polynomial give its constant term: the old
/// share of a member that did nothing wrong.
#[test]
fn using_anothers_ephemeral_key_is_blamed_before_complaints() {
    let mut scene = Scene::new();
    let dealing = scene.dealing_under(scene.victims());
    scene.fails(&dealing, Fault::WrongProof);
}

#[test]
fn an_ephemeral_key_with_its_owners_proof_is_blamed() {
    let mut scene = Scene::new();
    let theirs = dealt_by_the_victim(&scene.key);
    let mut dealing = scene.dealing_under(scene.victims());
    assert_eq!(dealing.dealing.ephemeral, theirs.dealing.ephemeral);
    dealing.possession = theirs.possession;
    scene.fails(&dealing, Fault::WrongProof);
}

/// What dealer 2 posted in the scene's session.
fn dealt_by_the_victim(key: &Key) -> Reveal {
    let parameters = key.reshare(2, &[2, 4, 5]);
    let (mut session, messages) = key.start(&parameters, &[2]);
    session.post(messages);
    let dealings = session.advance();
    Reveal::decode(&dealings[&id(2)], id(2), &parameters).unwrap()
}

/// Someone who knows a and b can make x·E₂ of x·(a·E₂ + b·B), because x·B is public.
#[test]
fn an_ephemeral_key_that_is_made_of_another_dealers_is_blamed() {
    for (a, b) in [(2, 0), (1, 1), (3, 7)] {
        for sign in [Scalar::ONE, -Scalar::ONE] {
            let mut scene = Scene::new();
            let made = scene.victims() * sign * Scalar::from(a as u64)
                + RISTRETTO_BASEPOINT_POINT * Scalar::from(b as u64);
            let dealing = scene.dealing_under(made);
            scene.fails(&dealing, Fault::WrongProof);
        }
    }
}

#[test]
fn an_ephemeral_key_without_a_proof_is_blamed() {
    let mut scene = Scene::new();
    let double = scene.victims() + scene.victims();
    let mut dealing = scene.dealing_under(double);
    dealing.possession = Some([0; 64]);
    scene.fails(&dealing, Fault::WrongProof);

    let mut scene = Scene::new();
    let dealing = Reveal { possession: None, ..scene.dealing_under(scene.victims()) };
    let message = dealing.encode(&scene.forger.parameters);
    assert_eq!(scene.session.board.post(id(1), &message), Ok(Posted::Failed));
    assert_eq!(scene.session.board.culprits(), ids([1]));
}

#[test]
fn a_recipients_key_as_an_ephemeral_key_is_blamed() {
    let mut scene = Scene::new();
    let recipients = *scene.session.board.commits()[&id(4)].key.point();
    let dealing = scene.dealing_under(recipients);
    scene.fails(&dealing, Fault::WrongProof);
}

#[test]
fn possession_proved_elsewhere_blames_its_dealer() {
    let old = Scene::new().key.public;
    let with = |session, context| {
        let (members, dealers) = (ids([2, 4, 5]), ids([1, 2, 3]));
        Parameters::reshare(SessionId(session), context, 2, members, &old, dealers).unwrap()
    };
    let agreed = with([3; 32], [4; 32]);
    let view = Scene::new().dealing().view;
    for (parameters, view, dealer) in [
        (with([9; 32], [4; 32]), view, 1),
        (with([3; 32], [9; 32]), view, 1),
        (agreed.clone(), [9; 32], 1),
        (agreed.clone(), view, 2),
    ] {
        let scene = Scene::new();
        let mut dealing = scene.dealing();
        let statement = dealing.dealing.possession(&parameters, &view, id(dealer));
        dealing.possession =
            Some(possession::prove(&scene.forger.ephemeral, statement, &mut rng(1)));
        scene.fails(&dealing, Fault::WrongProof);
    }
    // Nothing else is wrong with it.
    let mut scene = Scene::new();
    let mut dealing = scene.dealing();
    let statement = dealing.dealing.possession(&agreed, &view, id(1));
    dealing.possession = Some(possession::prove(&scene.forger.ephemeral, statement, &mut rng(1)));
    scene.session.board.takes(id(1), &dealing.encode(&agreed));
}

/// With a right proof that it knows its share, for the dealing as it is then.
#[test]
fn possession_of_another_dealing_or_key_blames_its_dealer() {
    let mut scene = Scene::new();
    let before = scene.dealing().possession;
    let length = scene.forger.dealing.coefficients.len() / 2;
    let other = Forger::honest(&scene.forger.parameters, 1, 9).dealing.coefficients;
    scene.forger.dealing.coefficients[length..].copy_from_slice(&other[length..]);
    scene.forger.prove_for(&scene.forger.parameters.clone(), id(1));
    let dealing = Reveal { possession: before, ..scene.dealing() };
    scene.fails(&dealing, Fault::WrongProof);

    let mut scene = Scene::new();
    let before = scene.dealing().possession;
    scene.forger.ephemeral = SecretKey::random(&mut rng(8));
    scene.forger.dealing.ephemeral = scene.forger.ephemeral.public();
    scene.forger.prove_for(&scene.forger.parameters.clone(), id(1));
    let dealing = Reveal { possession: before, ..scene.dealing() };
    scene.fails(&dealing, Fault::WrongProof);
}

/// The last two are above the group's order.
#[test]
fn any_change_of_a_proof_of_possession_blames_its_dealer() {
    let changes: [fn(&mut [u8; 64]); 5] = [
        |proof| proof[0] ^= 1,
        |proof| proof[32] ^= 1,
        |proof| proof.rotate_left(32),
        |proof| proof[31] |= 0xf0,
        |proof| proof[63] |= 0xf0,
    ];
    for change in changes {
        let scene = Scene::new();
        let mut dealing = scene.dealing();
        change(dealing.possession.as_mut().unwrap());
        scene.fails(&dealing, Fault::WrongProof);
    }
}

/// Changes every byte of a dealing: the change ends the session and names the dealer, or makes it
/// answer another log, or hits a sealed value, which only its recipient can judge.
#[test]
fn a_changed_byte_of_a_dealing_blames_its_dealer_or_nobody() {
    let scene = Scene::new();
    let message = scene.dealing().encode(&scene.forger.parameters);
    let sealed = message.len() - 3 * 48;
    for place in 1..message.len() {
        let mut board = scene.session.board.clone();
        let mut changed = message.clone();
        changed[place] ^= 0x10;
        match board.post(id(1), &changed) {
            Ok(Posted::Failed) => {
                assert_eq!(board.culprits(), ids([1]));
                assert!((33..sealed).contains(&place));
            }
            Err(error) => {
                assert_eq!(error, Error::OtherView { from: id(1) });
                assert!(place < 33);
            }
            Ok(posted) => {
                assert_eq!(posted, Posted::Recorded);
                assert!(place >= sealed, "{place}");
            }
        }
    }
}

#[test]
fn a_dealing_of_a_reshare_has_one_encoding() {
    let scene = Scene::new();
    let parameters = &scene.forger.parameters;
    let dealing = scene.dealing();
    let message = dealing.encode(parameters);
    assert_eq!(message.len(), 1 + 32 + 32 + 64 + 2 + 2 * 32 + 64 + 2 + 3 * 48);
    assert_eq!(message[0], Round::Deal as u8);
    let read = Reveal::decode(&message, id(1), parameters).unwrap();
    assert_eq!(read.encode(parameters), message);
    for length in 0..message.len() {
        assert!(Reveal::decode(&message[..length], id(1), parameters).is_err());
    }
    let longer = [&message[..], &[0]].concat();
    assert_eq!(Reveal::decode(&longer, id(1), parameters).unwrap_err(), Fault::Malformed);
}

/// Each kind of session has one kind of dealing: with a proof of possession, or with an earlier
/// hash.
#[test]
fn dealings_of_the_other_kind_of_session_are_malformed() {
    let mut scene = Scene::new();
    let generation = parameters(ED25519, 2, &[1, 2, 3]);
    let dealing = Reveal { possession: None, ..scene.dealing() };
    let message = dealing.encode(&generation);
    assert_eq!(message[0], Round::Reveal as u8);
    assert_eq!(scene.session.board.post(id(1), &message), Ok(Posted::Failed));
    assert_eq!(scene.session.board.faults().get(&id(1)), Some(&Fault::Malformed));

    let dealing = Scene::new().dealing();
    let (mut session, messages) = Session::start(&generation, 1);
    session.post(messages);
    let encoded = dealing.encode(&scene.forger.parameters);
    assert_eq!(session.board.post(id(1), &encoded), Err(Error::OtherView { from: id(1) }));
    // In the name of this session.
    let view = session.board.view(Round::Reveal).unwrap();
    let encoded = Reveal { view, ..dealing }.encode(&scene.forger.parameters);
    assert_eq!(session.board.post(id(1), &encoded), Ok(Posted::Failed));
    assert_eq!(session.board.faults().get(&id(1)), Some(&Fault::Malformed));
}

#[test]
fn possession_nonces_differ_even_if_randomness_repeats() {
    let scene = Scene::new();
    let dealing = scene.dealing().dealing;
    let nonce = |view: &[u8; 32]| {
        let proof = scene.forger.possession(&dealing, view);
        let scalar = |bytes: &[u8]| Scalar::from_bytes_mod_order(bytes.try_into().unwrap());
        // r = z − c·e
        scalar(&proof[32..]) - scalar(&proof[..32]) * scene.forger.ephemeral.scalar()
    };
    assert_eq!(nonce(&[1; 32]), nonce(&[1; 32]));
    assert_ne!(nonce(&[1; 32]), nonce(&[2; 32]));
}
