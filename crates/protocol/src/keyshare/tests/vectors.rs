//! Polynomials, commitments and sums against the vectors and the code of frost-core.

use std::collections::BTreeMap;
use std::path::PathBuf;

use frost_ed25519::keys as frost;
use rstest::rstest;

use super::session::{Session, id, parameters};
use crate::algebra::{Dealer, Polynomial, Weights};
use crate::curve::Curve;
use crate::curve::edwards25519::Edwards25519;
use crate::keyshare::message::Reveal;
use crate::{Identifier, Suite};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    source: String,
    #[serde(rename = "licence")]
    _licence: String,
    min_signers: u16,
    #[serde(with = "hex")]
    verifying_key: Vec<u8>,
    participants: Vec<Participant>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Participant {
    identifier: Identifier,
    coefficients: Vec<Hex>,
    commitments: Vec<Hex>,
    received_sub_shares: BTreeMap<u16, Hex>,
    signing_share: Hex,
    verifying_share: Hex,
}

#[derive(serde::Deserialize)]
struct Hex(#[serde(with = "hex")] [u8; 32]);

impl Participant {
    fn polynomial(&self) -> Polynomial<Edwards25519> {
        let decode = |hex: &Hex| Edwards25519::decode_scalar(&hex.0).unwrap();
        Polynomial::from_coefficients(self.coefficients.iter().map(decode).collect())
    }
}

#[rstest]
fn dealings_are_those_of_the_vector(#[files("vectors/frost-dkg/*.json")] path: PathBuf) {
    let vector: Vector = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let algebra = Suite::FrostEd25519Sha512.algebra();
    let mut key = Edwards25519::identity();

    for recipient in &vector.participants {
        assert_eq!(recipient.coefficients.len(), usize::from(vector.min_signers));
        let commitments: Vec<u8> = recipient.commitments.iter().flat_map(|c| c.0).collect();
        assert_eq!(recipient.polynomial().coefficients(), commitments, "{}", vector.source);
        key += Edwards25519::decode_point(&recipient.commitments[0].0).unwrap();

        let mut sub_shares = Vec::new();
        for dealer in &vector.participants {
            let sub_share = dealer.polynomial().sub_share(recipient.identifier);
            if dealer.identifier != recipient.identifier {
                let expected = &recipient.received_sub_shares[&dealer.identifier.get()];
                assert_eq!(sub_share.expose(), &expected.0, "{}", vector.source);
            }
            sub_shares.push((dealer.identifier, sub_share));
        }
        let share = algebra.sum(&sub_shares, Weights::Equal).unwrap();
        assert_eq!(share.expose(), &recipient.signing_share.0, "{}", vector.source);
        assert_eq!(algebra.public_key(&share).unwrap(), recipient.verifying_share.0);
    }
    assert_eq!(key.compress().0[..], vector.verifying_key);
}

#[rstest]
#[case(2, &[1, 2])]
#[case(2, &[1, 2, 3])]
#[case(3, &[2, 9, 300, 65535])]
#[case(5, &[1, 2, 3, 4, 5, 6])]
fn frost_core_computes_the_same_outcome_from_the_commitments(
    #[case] min_signers: u16,
    #[case] members: &[u16],
) {
    let parameters = parameters(Suite::FrostEd25519Sha512, min_signers, members);
    let (mut session, messages) = Session::start(&parameters, 3);
    session.post(messages);
    let reveals = session.advance();
    let of_frost: BTreeMap<_, _> = reveals
        .iter()
        .map(|(dealer, message)| {
            let reveal = Reveal::decode(message, *dealer, &parameters).unwrap();
            let commitment = frost::VerifiableSecretSharingCommitment::deserialize(
                reveal.dealing.coefficients.chunks(32),
            );
            (frost_ed25519::Identifier::try_from(dealer.get()).unwrap(), commitment.unwrap())
        })
        .collect();
    session.play(reveals);

    let commitments = of_frost.iter().map(|(id, commitment)| (*id, commitment)).collect();
    let expected = frost::PublicKeyPackage::from_dkg_commitments(&commitments).unwrap();
    let public = session.board.outcome().unwrap();
    assert_eq!(public.verifying_key().as_bytes(), expected.verifying_key().serialize().unwrap());
    assert_eq!(public.verifying_shares().len(), expected.verifying_shares().len());
    for (member, share) in expected.verifying_shares() {
        let member =
            members.iter().find(|m| frost_ed25519::Identifier::try_from(**m) == Ok(*member));
        let ours = public.verifying_share(id(*member.unwrap())).unwrap();
        assert_eq!(ours.as_bytes(), share.serialize().unwrap());
    }
}
