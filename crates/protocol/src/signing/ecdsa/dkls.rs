//! The adapter to `dkls23-core`: one signer in one session of DKLs23 (Doerner, Kondi, Lee, shelat:
//! *Threshold ECDSA in Three Rounds*, <https://eprint.iacr.org/2023/765>), among signers who are
//! numbered 1, 2, 3, ….
//!
//! Every session begins with the initialisation of the paper's protocols 2.8 and 3.6 between each
//! two signers, and ends with its secrets. So nothing that one session reveals about the oblivious
//! transfers helps to attack another, and an aborted session bans nobody; see
//! `docs/protocols/ecdsa.md`.
//!
//! No other file names the library. It takes its randomness from the operating system, and not from
//! the caller; nobody has audited it.

use std::collections::BTreeMap;

use dkls_p256::elliptic_curve::group::GroupEncoding;
use dkls_p256::elliptic_curve::{CurveAffine as _, Field as _, PrimeField};
use dkls23_core::curve::DklsCurve;
use dkls23_core::protocols::derivation::DerivData;
use dkls23_core::protocols::dkg::{
    KeepInitMulPhase3to4, TransmitInitMulPhase3to4, TransmitInitZeroSharePhase3to4,
};
use dkls23_core::protocols::signing::{
    KeepPhase1to2, KeepPhase2to3, SignData, TransmitPhase1to2, TransmitPhase2to3, UniqueKeep1to2,
    UniqueKeep2to3,
};
use dkls23_core::protocols::{
    Abort, AbortKind, AbortReason, Parameters, PartiesMessage, Party, PartyIndex,
};
use dkls23_core::utilities::multiplication::{MulReceiver, MulSender};
use dkls23_core::utilities::zero_shares::{SeedPair, ZeroShare};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize as _, Zeroizing};

/// The number of a signer in its session.
pub(super) type Rank = PartyIndex;

/// One signer's messages to the others, or theirs to it.
pub(super) type Letters = BTreeMap<Rank, Zeroizing<Vec<u8>>>;

/// What a curve of this adapter has.
pub(super) trait Curve: DklsCurve<AffinePoint: Wire, Scalar: Wire> {}

impl<C: DklsCurve<AffinePoint: Wire, Scalar: Wire>> Curve for C {}

/// What can be sent.
pub(super) trait Wire: Serialize + DeserializeOwned + Send + Sync {}

impl<T: Serialize + DeserializeOwned + Send + Sync> Wire for T {}

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// A message of this signer is not what the protocol prescribes. Only its receiver can know.
    Of(Rank),
    /// The messages of all signers together do not fit the key.
    OfSomebody,
    /// Something of this signer is wrong.
    Bug,
}

/// What every round needs.
#[derive(Clone)]
pub(super) struct Session {
    /// Binds all messages to the session, the key and the signers.
    pub(super) id: [u8; 32],
    pub(super) me: Rank,
    pub(super) others: Vec<Rank>,
    /// The SHA-256 of the message to be signed.
    pub(super) digest: [u8; 32],
}

impl Session {
    fn parties(&self, receiver: Rank) -> PartiesMessage {
        PartiesMessage { sender: self.me, receiver }
    }

    /// Whether `parties` are the sender of a message and this signer.
    fn is_from(&self, sender: Rank, parties: &PartiesMessage) -> bool {
        parties.sender == sender && parties.receiver == self.me
    }

    /// The label of the multiplications in which `receiver` begins.
    fn multiplication(&self, receiver: Rank, sender: Rank) -> Vec<u8> {
        let ranks = [receiver.as_u8(), sender.as_u8()];
        [b"Multiplication protocol".as_slice(), &ranks, &self.id].concat()
    }

    fn seed_context(&self, sender: Rank, receiver: Rank) -> [u8; 32] {
        ZeroShare::seed_context(b"quorate", &[&self.id], sender, receiver)
    }

    fn data(&self) -> SignData {
        SignData {
            sign_id: self.id.to_vec(),
            counterparties: self.others.clone(),
            message_hash: self.digest,
        }
    }

    /// Decodes a message from each other signer.
    fn read<M: DeserializeOwned>(&self, letters: &Letters) -> Result<BTreeMap<Rank, M>, Fault> {
        let read = |from: &Rank| {
            let bytes = letters.get(from).ok_or(Fault::Bug)?;
            match postcard::take_from_bytes(bytes) {
                Ok((message, [])) => Ok((*from, message)),
                _ => Err(Fault::Of(*from)),
            }
        };
        self.others.iter().map(read).collect()
    }
}

fn write(message: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, Fault> {
    postcard::to_allocvec(message).map(Zeroizing::new).map_err(|_| Fault::Bug)
}

/// The number of a signer. `None` for 0 and above 255.
pub(super) fn rank(number: usize) -> Option<Rank> {
    Rank::new(u8::try_from(number).ok()?).ok()
}

/// A seed that two signers' shares of zero are made from, with what opens its commitment.
struct Seed {
    seed: Zeroizing<[u8; 32]>,
    salt: Vec<u8>,
}

/// Round 1: a commitment to a seed for each other signer.
pub(super) struct Seeds(BTreeMap<Rank, Seed>);

impl Seeds {
    pub(super) fn new(session: &Session) -> (Self, BTreeMap<Rank, [u8; 32]>) {
        let (mut seeds, mut commitments) = (BTreeMap::new(), BTreeMap::new());
        for other in &session.others {
            let context = session.seed_context(session.me, *other);
            let (seed, commitment, salt) = ZeroShare::generate_seed_with_bound_commitment(&context);
            seeds.insert(*other, Seed { seed: Zeroizing::new(seed), salt });
            commitments.insert(*other, commitment);
        }
        (Self(seeds), commitments)
    }

    /// Round 2: the seeds, and the beginning of two multiplications with each other signer.
    pub(super) fn open<C: Curve>(self, session: &Session) -> Result<(SetUp<C>, Letters), Fault> {
        let (mut kept, mut letters) = (BTreeMap::new(), Letters::new());
        for (other, seed) in &self.0 {
            let (ot_sender, dlog_proof, nonce) =
                MulReceiver::<C>::init_phase1(&session.multiplication(session.me, *other));
            let (ot_receiver, correlation, vec_r, enc_proofs) =
                MulSender::<C>::init_phase1(&session.multiplication(*other, session.me));
            let opened = TransmitInitZeroSharePhase3to4 {
                parties: session.parties(*other),
                seed: *seed.seed,
                salt: seed.salt.clone(),
            };
            let multiplication = TransmitInitMulPhase3to4::<C> {
                parties: session.parties(*other),
                dlog_proof,
                nonce,
                enc_proofs,
                seed: ot_receiver.seed,
            };
            letters.insert(*other, write(&(opened, multiplication))?);
            let keep = KeepInitMulPhase3to4 { ot_sender, nonce, ot_receiver, correlation, vec_r };
            kept.insert(*other, keep);
        }
        Ok((SetUp { seeds: self, kept }, letters))
    }
}

/// What a signer keeps while the multiplications are set up.
pub(super) struct SetUp<C: Curve> {
    seeds: Seeds,
    kept: BTreeMap<Rank, KeepInitMulPhase3to4<C>>,
}

// The library does not wipe these.
impl<C: Curve> Drop for SetUp<C> {
    fn drop(&mut self) {
        for kept in self.kept.values_mut() {
            kept.ot_sender.s = C::Scalar::ZERO;
            kept.correlation.zeroize();
            kept.vec_r.iter_mut().for_each(|scalar| *scalar = C::Scalar::ZERO);
        }
    }
}

/// What a signer holds of the key.
pub(super) struct Holding<'a> {
    /// 32 bytes, big-endian.
    pub(super) signing_share: &'a [u8; 32],
    /// SEC 1, compressed.
    pub(super) verifying_key: &'a [u8],
    /// Where the polynomial has the value `signing_share`.
    pub(super) at: u16,
    /// The same for each other signer.
    pub(super) others_at: Vec<u16>,
}

impl<C: Curve> SetUp<C> {
    /// Round 3, step 6 of protocol 3.6: ends the set-up, and begins the multiplications.
    pub(super) fn begin(
        mut self,
        session: &Session,
        commitments: &BTreeMap<Rank, [u8; 32]>,
        letters: &Letters,
        share: &Holding<'_>,
    ) -> Result<(Begun<C>, Letters), Fault> {
        let (mut seeds, mut senders, mut receivers) =
            (Vec::new(), BTreeMap::new(), BTreeMap::new());
        type SetUpLetter<C> = (TransmitInitZeroSharePhase3to4, TransmitInitMulPhase3to4<C>);
        let theirs: BTreeMap<Rank, SetUpLetter<C>> = session.read(letters)?;
        for (other, (opened, their)) in theirs {
            let fault = Fault::Of(other);
            if !session.is_from(other, &opened.parties) || !session.is_from(other, &their.parties) {
                return Err(fault);
            }
            let commitment = commitments.get(&other).ok_or(Fault::Bug)?;
            let context = session.seed_context(other, session.me);
            if !ZeroShare::verify_bound_seed(&opened.seed, &context, commitment, &opened.salt) {
                return Err(fault);
            }
            let mine = &self.seeds.0.get(&other).ok_or(Fault::Bug)?.seed;
            seeds.push(ZeroShare::generate_seed_pair(session.me, other, mine, &opened.seed));
            let kept = self.kept.get_mut(&other).ok_or(Fault::Bug)?;
            let receiver = MulReceiver::<C>::init_phase2(
                &kept.ot_sender,
                &session.multiplication(session.me, other),
                &their.seed,
                &their.enc_proofs,
                &kept.nonce,
            );
            receivers.insert(other, receiver.map_err(|_| fault)?);
            let sender = MulSender::<C>::init_phase2(
                &kept.ot_receiver,
                &session.multiplication(other, session.me),
                std::mem::take(&mut kept.correlation),
                &kept.vec_r,
                &their.dlog_proof,
                &their.nonce,
            );
            senders.insert(other, sender.map_err(|_| fault)?);
        }
        let party = party(session, share, seeds, senders, receivers)?;
        let (unique, kept, sent) =
            party.sign_phase1(&session.data()).map_err(|abort| fault_of(&abort))?;
        let to = |message: &TransmitPhase1to2| Ok((message.parties.receiver, write(message)?));
        let letters = sent.iter().map(to).collect::<Result<_, _>>()?;
        Ok((Begun { party, unique, kept }, letters))
    }
}

fn party<C: Curve>(
    session: &Session,
    share: &Holding<'_>,
    seeds: Vec<SeedPair>,
    mul_senders: BTreeMap<Rank, MulSender<C>>,
    mul_receivers: BTreeMap<Rank, MulReceiver<C>>,
) -> Result<Party<C>, Fault> {
    let signers = session.others.len().saturating_add(1);
    let signers = u8::try_from(signers).map_err(|_| Fault::Bug)?;
    let parameters = Parameters::new(signers, signers).map_err(|_| Fault::Bug)?;
    // The library numbers the signers, and multiplies what it takes for a share with the Lagrange
    // coefficient of its number. Our shares belong to other numbers, the identifiers, so it is
    // given the share times the coefficient of its identifier over that of its number.
    let ranks = session.others.iter().map(|rank| u16::from(rank.as_u8())).collect::<Vec<_>>();
    let theirs = lagrange::<C>(u16::from(session.me.as_u8()), &ranks).ok_or(Fault::Bug)?;
    let ours = lagrange::<C>(share.at, &share.others_at).ok_or(Fault::Bug)?;
    let inverse = Option::<C::Scalar>::from(theirs.invert()).ok_or(Fault::Bug)?;
    let secret = Zeroizing::new(*share.signing_share);
    let poly_point = scalar::<C>(&secret).ok_or(Fault::Bug)? * ours * inverse;
    let pk = point::<C>(share.verifying_key).ok_or(Fault::Bug)?;
    Ok(Party {
        parameters,
        party_index: session.me,
        session_id: session.id.to_vec(),
        poly_point,
        pk,
        zero_share: ZeroShare::initialize(seeds),
        mul_senders,
        mul_receivers,
        derivation_data: DerivData {
            depth: 0,
            child_number: 0,
            parent_fingerprint: [0; 4],
            poly_point,
            pk,
            chain_code: [0; 32],
        },
        address: String::new(),
    })
}

pub(super) struct Begun<C: Curve> {
    party: Party<C>,
    unique: UniqueKeep1to2<C>,
    kept: BTreeMap<Rank, KeepPhase1to2<C>>,
}

impl<C: Curve> Begun<C> {
    /// Round 4, step 7 of protocol 3.6: the other halves of the multiplications.
    pub(super) fn multiply(
        self,
        session: &Session,
        letters: &Letters,
    ) -> Result<(Multiplied<C>, Letters), Fault> {
        let Self { party, unique, kept } = self;
        let theirs: BTreeMap<Rank, TransmitPhase1to2> = session.read(letters)?;
        routed(session, &theirs, |message| &message.parties)?;
        let theirs: Vec<_> = theirs.into_values().collect();
        let (unique, kept, sent) = party
            .sign_phase2(&session.data(), unique, kept, &theirs)
            .map_err(|abort| fault_of(&abort))?;
        let to = |message: &TransmitPhase2to3<C>| Ok((message.parties.receiver, write(message)?));
        let letters = sent.iter().map(to).collect::<Result<_, _>>()?;
        Ok((Multiplied { party, unique, kept }, letters))
    }
}

pub(super) struct Multiplied<C: Curve> {
    party: Party<C>,
    unique: UniqueKeep2to3<C>,
    kept: BTreeMap<Rank, KeepPhase2to3<C>>,
}

impl<C: Curve> Multiplied<C> {
    /// Round 5, steps 8 and 9 of protocol 3.6: all checks, then the x-coordinate of the nonce's
    /// point, and this signer's summands u and w. Each has 32 bytes, big-endian.
    pub(super) fn share(
        self,
        session: &Session,
        letters: &Letters,
    ) -> Result<[[u8; 32]; 3], Fault> {
        let Self { party, unique, kept } = self;
        let theirs: BTreeMap<Rank, TransmitPhase2to3<C>> = session.read(letters)?;
        routed(session, &theirs, |message| &message.parties)?;
        let theirs: Vec<_> = theirs.into_values().collect();
        let (x, sent) = party
            .sign_phase3(&session.data(), unique, kept, &theirs)
            .map_err(|abort| fault_of(&abort))?;
        let mut coordinate = [0; 32];
        // The library writes it as hex digits.
        let bytes = x.as_bytes().chunks_exact(2).map(|pair| {
            str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        for (to, byte) in coordinate.iter_mut().zip(bytes) {
            *to = byte.ok_or(Fault::Bug)?;
        }
        let encoded = |scalar: C::Scalar| {
            let repr = scalar.to_repr();
            let bytes: &[u8] = repr.as_ref();
            bytes.try_into().map_err(|_| Fault::Bug)
        };
        let (u, w) = (encoded(sent.u)?, encoded(sent.w)?);
        Ok([coordinate, u, w])
    }
}

fn routed<M>(
    session: &Session,
    messages: &BTreeMap<Rank, M>,
    parties: impl Fn(&M) -> &PartiesMessage,
) -> Result<(), Fault> {
    let strayed = messages.iter().find(|(from, it)| !session.is_from(**from, parties(it)));
    strayed.map_or(Ok(()), |(from, _)| Err(Fault::Of(*from)))
}

/// The Lagrange coefficient of the value at `at` for the value at 0.
fn lagrange<C: Curve>(at: u16, others: &[u16]) -> Option<C::Scalar> {
    let x = |number: u16| C::Scalar::from(u64::from(number));
    let mut coefficient = C::Scalar::ONE;
    for other in others.iter().copied() {
        let below = Option::<C::Scalar>::from((x(other) - x(at)).invert())?;
        coefficient = coefficient * x(other) * below;
    }
    Some(coefficient)
}

fn scalar<C: Curve>(bytes: &[u8; 32]) -> Option<C::Scalar> {
    let mut repr = <C::Scalar as PrimeField>::Repr::default();
    let to: &mut [u8] = repr.as_mut();
    (to.len() == bytes.len()).then(|| to.copy_from_slice(bytes))?;
    C::Scalar::from_repr(repr).into()
}

fn point<C: Curve>(bytes: &[u8]) -> Option<C::AffinePoint> {
    let mut repr = <C::AffinePoint as GroupEncoding>::Repr::default();
    let to: &mut [u8] = repr.as_mut();
    (to.len() == bytes.len()).then(|| to.copy_from_slice(bytes))?;
    let point: Option<C::AffinePoint> = C::AffinePoint::from_bytes(&repr).into();
    point.filter(|point| !bool::from(point.is_identity()))
}

/// Whose fault an abort is. All messages were authenticated and bound to this session, so a message
/// of another session or attempt is its sender's fault, too.
fn fault_of(abort: &Abort) -> Fault {
    if let AbortKind::BanCounterparty(other) = abort.kind {
        return Fault::Of(other);
    }
    match abort.reason {
        AbortReason::SessionBindingMismatch { counterparty }
        | AbortReason::CommitmentMismatch { counterparty }
        | AbortReason::TrivialInstancePoint { counterparty }
        | AbortReason::ProofVerificationFailed { counterparty }
        | AbortReason::OtConsistencyCheckFailed { counterparty }
        | AbortReason::MultiplicationVerificationFailed { counterparty, .. }
        | AbortReason::GammaUInconsistency { counterparty } => Fault::Of(counterparty),
        AbortReason::PolynomialInconsistency => Fault::OfSomebody,
        _ => Fault::Bug,
    }
}
