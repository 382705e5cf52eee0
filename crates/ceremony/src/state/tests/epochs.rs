//! Shares of two epochs of one key never combine, whatever changed between the epochs.

use std::collections::BTreeMap;

use curve25519_dalek::Scalar;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::signing;

use crate::encoding::Base64;
use crate::entry::{Body, Role, SignerRecord};
use crate::names::{AccountName, EntryId};
use crate::signing::{SigningSession, Subject};
use crate::state::refusal::Requests;
use crate::test_world::{FIRST, TestLog, name, refused, secrets, session, share, some, start};

const DOCUMENT: &[u8] = b"document";

/// min_signers and members. Ada proposes and is always a member.
const ROSTERS: [(u16, &[&str]); 6] = [
    (2, &["ada", "ben", "cyd"]),
    (3, &["ada", "ben", "cyd"]),
    (2, &["ada", "ben"]),
    (3, &["ada", "ben", "cyd", "dan", "eve"]),
    (2, &["ada", "dan", "eve"]),
    (4, &["ada", "ben", "dan", "eve"]),
];

/// The min_signers of the forged packages: no larger than any group's.
const MIN_SIGNERS: [u8; 2] = 2_u16.to_be_bytes();

struct Epoch {
    number: u64,
    public: PublicKeyPackage,
    shares: BTreeMap<AccountName, KeyPackage>,
}

/// A signer, and the epoch of its share.
type Signer<'a> = (&'a AccountName, &'a Epoch);

impl Epoch {
    fn of(log: &TestLog) -> Self {
        let key = log.group().key.as_ref().unwrap();
        let members = key.identifiers.keys();
        let shares =
            members.map(|member| (member.clone(), log.package_of(member.as_str()))).collect();
        Self { number: key.epoch, public: key.public.clone(), shares }
    }
}

/// Makes a change that all members approve.
fn change(log: &mut TestLog, (min_signers, members): (u16, &[&str]), number: u8) {
    let change = log.proposes("ada", log.board_of(members, min_signers)).unwrap();
    for member in log.group().definition.members.clone() {
        if !log.group().change.as_ref().unwrap().approved && member != name("ada") {
            log.approves(member.as_str(), change).unwrap();
        }
    }
    log.carry_out(change, session(number));
}

/// Every set of this many signers, each with its share of one of the two epochs.
fn sets<'a>(old: &'a Epoch, new: &'a Epoch, size: usize) -> Vec<Vec<Signer<'a>>> {
    let of = |epoch: &'a Epoch| epoch.shares.keys().map(move |member| (member, epoch));
    let all: Vec<Signer<'a>> = of(old).chain(of(new)).collect();
    let mut sets: Vec<Vec<Signer<'a>>> = vec![Vec::new()];
    for signer in all {
        let with: Vec<_> = sets
            .iter()
            .filter(|set| set.len() < size && set.iter().all(|(other, _)| *other != signer.0))
            .map(|set| set.iter().copied().chain([signer]).collect())
            .collect();
        sets.extend(with);
    }
    sets.retain(|set| set.len() == size);
    sets
}

fn is_mixed(set: &[Signer<'_>]) -> bool {
    set.iter().any(|(_, epoch)| epoch.number != set[0].1.number)
}

/// A public key package that combines the signers' verifying shares of their own epochs, which no
/// node would accept. With it all of them sign, and their shares add up.
fn forged_public(set: &[Signer<'_>]) -> PublicKeyPackage {
    let shares: BTreeMap<_, _> = set
        .iter()
        .map(|(member, epoch)| {
            let identifier = epoch.shares[*member].identifier();
            (identifier, epoch.public.verifying_share(identifier).unwrap().as_bytes())
        })
        .collect();
    let public = &set[0].1.public;
    let mut bytes = public.to_bytes()[..4].to_vec();
    bytes[2..4].copy_from_slice(&MIN_SIGNERS);
    bytes.extend(public.verifying_key().as_bytes());
    bytes.extend((set.len() as u16).to_be_bytes());
    for (identifier, share) in shares {
        bytes.extend(identifier.get().to_be_bytes());
        bytes.extend(share);
    }
    PublicKeyPackage::from_bytes(&bytes).unwrap()
}

/// A share with the min_signers of that package.
fn forged(share: &KeyPackage) -> KeyPackage {
    let mut bytes = share.to_bytes();
    bytes[2..4].copy_from_slice(&MIN_SIGNERS);
    KeyPackage::from_bytes(&bytes).unwrap()
}

/// Signs without the checks of a node. Each signer's messages contain the epoch of its own share.
fn signs(
    log: &mut TestLog,
    request: EntryId,
    set: &[Signer<'_>],
) -> (Result<signing::Signature, signing::Error>, Vec<SignerRecord>) {
    let public = forged_public(set);
    let mut first = signing::Board::new(public.suite(), None).unwrap();
    let mut runs = Vec::new();
    for (member, epoch) in set {
        let package = &epoch.shares[*member];
        let (run, announced) = start(package, &mut log.rng);
        first.post(1, package.identifier(), &announced).unwrap();
        runs.push(run);
    }
    first.fix_signers();
    let mut board = first.clone();
    let mut records = Vec::new();
    for ((member, epoch), run) in set.iter().zip(runs) {
        let package = forged(&epoch.shares[*member]);
        let share = share(run, &package, &public, &first, DOCUMENT, &mut log.rng);
        let subject = Subject::Request { request };
        let (ivn, session) = (log.state.ivn(), session(9));
        let context = SigningSession { ivn, session, epoch: epoch.number, subject, number: 0 };
        let key = secrets(member.as_str()).identity;
        let announced = first.rounds()[0][&package.identifier()].clone();
        let parts = vec![
            context.sign(member, &key, FIRST, announced),
            context.sign(member, &key, context.place(&first), share.clone()),
        ];
        records.push(SignerRecord { account: (*member).clone(), parts });
        board.post(2, package.identifier(), &share).unwrap();
    }
    (board.combine(&public, DOCUMENT), records)
}

/// A signature entry with the sum of its signers' shares.
fn entry(request: EntryId, signers: Vec<SignerRecord>) -> Body {
    let scalar = |record: &SignerRecord| {
        Scalar::from_canonical_bytes(record.parts[1].value_unverified().try_into().unwrap())
            .unwrap()
    };
    let sum: Scalar = signers.iter().map(scalar).sum();
    let signature = Base64([[1; 32], sum.to_bytes()].concat());
    Body::Signature { request, session: session(9), signature, signers }
}

#[test]
fn shares_of_two_epochs_never_combine_whatever_changed() {
    for before in ROSTERS {
        for after in ROSTERS {
            let mut log = TestLog::keyed();
            for account in ["dan", "eve"] {
                log.admits(account, Role::Member);
            }
            change(&mut log, before, 2);
            let old = Epoch::of(&log);
            change(&mut log, after, 3);
            let new = Epoch::of(&log);
            assert_eq!((old.number, new.number), (2, 3));
            assert_eq!(
                old.public.verifying_key().as_bytes(),
                new.public.verifying_key().as_bytes()
            );

            // A node checks this before it signs.
            assert!(old.shares.values().all(|share| share.check(&new.public).is_err()));
            assert!(new.shares.values().all(|share| share.check(&old.public).is_err()));

            let request = log.requests("ada", log.request()).unwrap();
            for member in &after.1[1..] {
                let _ = log.approves(member, request);
            }
            let sets = sets(&old, &new, usize::from(before.0.max(after.0)));
            for set in &sets {
                let (signature, records) = signs(&mut log, request, set);
                if is_mixed(set) {
                    assert!(signature.is_err(), "{before:?} and {after:?} made a signature");
                    let answer = log.coordinator_says(entry(request, records));
                    assert_eq!(answer, refused(Requests::Signers), "{before:?} → {after:?}");
                } else {
                    // The other signatures do not fail by accident. Old shares alone still make
                    // signatures, because a reshare does not revoke copies.
                    signing::verify(new.public.verifying_key(), DOCUMENT, &signature.unwrap())
                        .unwrap();
                    if set[0].1.number == old.number {
                        let answer = log.coordinator_says(entry(request, records));
                        assert_eq!(
                            answer,
                            refused(Requests::Signers),
                            "shares of an epoch that is over"
                        );
                    }
                }
            }
            assert!(sets.iter().any(|set| is_mixed(set)), "{before:?} → {after:?}");
        }
    }
}

#[test]
fn certifiers_of_a_failed_session_are_kept_until_a_new_change() {
    let mut log = TestLog::keyed();
    let refresh = log.board_of(&["ada", "ben", "cyd"], 2);
    let change = log.proposes("ada", refresh.clone()).unwrap();
    log.begin(session(2), 1).unwrap();
    log.reshare(&["ada", "ben", "cyd"]);
    log.certifies("ben").unwrap();
    log.says("ada", Body::GroupChangeWithdrawn { change }).unwrap();
    let past = log.group().past.last().unwrap();
    assert_eq!((past.session, &past.certified), (session(2), &some(&["ben"])));
    log.wait(1);
    log.proposes("ada", refresh).unwrap();
    assert!(log.group().past.is_empty());
}
