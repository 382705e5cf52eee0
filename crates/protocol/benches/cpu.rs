//! CPU time per participant, ours and that of `frost-ed25519` used plainly, in one run.
//!
//! `cargo bench -p quorate-protocol --bench cpu` prints one JSON object. Times are the thread's CPU
//! time, medians, in milliseconds.
//!
//! Key generation counts for ours everything that one participant does, from its first message to
//! its key package, with the board that it computes and all decoding, sealing and proving. For the
//! peer it counts `part1` to `part3` and decoding what others sent, but no encryption, because the
//! peer has none. Signing takes decoded commitments on both sides.
//!
//! A reshare is counted in the same way, for a member that deals and stays, one that deals and
//! leaves, and one that joins; a repair for a helper, and for the member that recovers its share.
//! The peer has no reshare, and its repair neither seals nor checks. These rows alone:
//! `cargo bench -p quorate-protocol --bench cpu -- reshare`.

use std::collections::BTreeMap;
use std::error::Error;

use frost_ed25519 as frost;
use quorate_protocol::keys::{KeyPackage, PublicKeyPackage};
use quorate_protocol::keyshare::{Board, Parameters, Run, SessionId};
use quorate_protocol::session::{self, Secrets, Step};
use quorate_protocol::{Identifier, Suite, repair, signing};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const GROUPS: [(u16, u16); 4] = [(2, 3), (3, 5), (7, 10), (67, 100)];
/// The old and the new group: one member leaves, and members join until the new size is reached.
const RESHARES: [((u16, u16), (u16, u16)); 2] = [((2, 3), (3, 5)), ((67, 100), (67, 100))];
/// The groups in which a share is repaired.
const REPAIRS: [(u16, u16); 2] = [(3, 5), (67, 100)];
const PEER: &str = "frost-ed25519 3.0.0";
const MESSAGE: &[u8] = b"thirty-two bytes, like a digest.";

fn main() -> Result<()> {
    let mut rows = Vec::new();
    for (old, new) in RESHARES {
        let session = Reshare::new(old, new)?;
        let repetitions = if new.1 > 50 { 9 } else { 101 };
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..repetitions {
            for (member, times) in session.members().into_iter().zip(&mut times) {
                times.push(timed(|| session.take_part(member))?);
            }
        }
        let names = [
            "reshare, dealer that stays",
            "reshare, dealer that leaves",
            "reshare, member that joins",
        ];
        for (name, times) in names.into_iter().zip(times) {
            rows.push(row_alone(
                &format!("{name}, from {} of {}", old.0, old.1),
                new,
                median(times)?,
            ));
        }
    }
    for group in REPAIRS {
        let session = Repair::new(group)?;
        let repetitions = if group.1 > 50 { 9 } else { 101 };
        for (name, me) in [("repair, helper", session.helper), ("repair, recipient", session.lost)]
        {
            let times = (0..repetitions).map(|_| timed(|| session.take_part(me)));
            rows.push(row_alone(name, group, median(times.collect::<Result<_>>()?)?));
        }
    }
    let only_reshares = std::env::args().any(|argument| argument == "reshare");
    for (min_signers, max_signers) in GROUPS.into_iter().filter(|_| !only_reshares) {
        let ours = Ours::new(min_signers, max_signers)?;
        let peer = Peer::new(min_signers, max_signers)?;
        let repetitions = if max_signers > 50 { 9 } else { 101 };
        let group = (min_signers, max_signers);
        let (a, b) =
            compare(repetitions, || timed(|| ours.generate()), || timed(|| peer.generate()))?;
        rows.push(row("dkg", group, a, b));
        let repetitions = repetitions * 3;
        let (a, b) = compare(repetitions, || timed(|| ours.commit()), || timed(|| peer.commit()))?;
        rows.push(row("commit", group, a, b));
        let (a, b) = compare(repetitions, || ours.sign(), || timed(|| peer.sign()))?;
        rows.push(row("sign", group, a, b));
        let (a, b) =
            compare(repetitions, || timed(|| ours.aggregate()), || timed(|| peer.aggregate()))?;
        rows.push(row("aggregate", group, a, b));
    }
    println!("{}", json!({ "rows": rows }));
    Ok(())
}

fn row_alone(name: &str, (min_signers, max_signers): (u16, u16), ours: f64) -> Value {
    json!({
        "name": name,
        "min_signers": min_signers,
        "max_signers": max_signers,
        "ours_ms": ours,
    })
}

fn row(name: &str, group: (u16, u16), ours: f64, peer: f64) -> Value {
    let mut row = row_alone(name, group, ours);
    if let Some(row) = row.as_object_mut() {
        row.extend([("peer".into(), PEER.into()), ("peer_ms".into(), peer.into())]);
    }
    row
}

/// The CPU time that this thread has used, in milliseconds.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// The duration of a call in milliseconds of CPU time.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    let before = cpu_ms();
    work()?;
    Ok(cpu_ms() - before)
}

/// The medians of two measurements that take turns, so that both meet the same machine.
fn compare(
    repetitions: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut peer: impl FnMut() -> Result<f64>,
) -> Result<(f64, f64)> {
    let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        of_ours.push(ours()?);
        of_peer.push(peer()?);
    }
    Ok((median(of_ours)?, median(of_peer)?))
}

fn median(mut times: Vec<f64>) -> Result<f64> {
    times.sort_by(f64::total_cmp);
    Ok(*times.get(times.len() / 2).ok_or("nothing was measured")?)
}

/// The messages of a session, by round, in log order; of a reshare's dealings those that count.
type Rounds = Vec<Vec<(Identifier, Vec<u8>)>>;

type Packages = BTreeMap<Identifier, KeyPackage>;

/// Plays a session to its end with these runs and their first messages; returns all messages and
/// the packages that result.
fn play<S: Secrets>(
    board: &mut session::Board<S::Phases>,
    mut runs: Vec<(Identifier, session::Run<S>)>,
    mut sent: Vec<(Identifier, Vec<u8>)>,
) -> Result<(Rounds, Packages)> {
    let (mut rounds, mut packages) = (Vec::new(), BTreeMap::new());
    while board.outcome().is_none() {
        sent.retain(|(from, message)| board.post(*from, message).is_ok());
        rounds.push(std::mem::take(&mut sent));
        for (me, run) in std::mem::take(&mut runs) {
            match run.advance(board, &mut rng(me))? {
                Step::Wait(run) => runs.push((me, run)),
                Step::Send(run, message) => {
                    sent.push((me, message));
                    runs.push((me, run));
                }
                Step::Done(package) => drop(packages.insert(me, package)),
                Step::Left => {}
            }
        }
    }
    Ok((rounds, packages))
}

/// Everything that one participant does in a session that was played before.
fn play_again<S: Secrets>(
    mut board: session::Board<S::Phases>,
    me: Identifier,
    mut run: session::Run<S>,
    rounds: &Rounds,
) -> Result<Option<KeyPackage>> {
    for round in rounds {
        for (from, message) in round {
            board.post(*from, message)?;
        }
        run = match run.advance(&board, &mut rng(me))? {
            Step::Wait(run) | Step::Send(run, _) => run,
            Step::Done(package) => return Ok(Some(package)),
            Step::Left => return Ok(None),
        };
    }
    Err("not done".into())
}

/// A session that was played once, so that one participant can play it again.
struct Ours {
    parameters: Parameters,
    first: Identifier,
    rounds: Rounds,
    packages: Packages,
    public: PublicKeyPackage,
    /// The commitments of the signers.
    announced: signing::Board,
    /// And their signature shares.
    signed: signing::Board,
}

/// Each participant has its own randomness, so that playing it again gives the same result.
fn rng(of: Identifier) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(of.get().into())
}

impl Ours {
    fn new(min_signers: u16, max_signers: u16) -> Result<Self> {
        let ids = (1..=max_signers).map(Identifier::try_from).collect::<Result<Vec<_>, _>>()?;
        let first = *ids.first().ok_or("no participants")?;
        let suite = Suite::FrostEd25519Sha512;
        let parameters =
            Parameters::new(suite, SessionId([1; 32]), [2; 32], min_signers, ids.iter().copied())?;
        let mut board = Board::new(parameters.clone());
        let (mut runs, mut sent) = (Vec::new(), Vec::new());
        for me in ids {
            let (run, message) = Run::start(&parameters, me, &mut rng(me))?;
            runs.push((me, run));
            sent.push((me, message));
        }
        let (rounds, packages) = play(&mut board, runs, sent)?;
        let public = board.outcome().ok_or("incomplete")?.clone();
        let (announced, signed) = sign_once(&packages, &public)?;
        Ok(Self { parameters, first, rounds, packages, public, announced, signed })
    }

    /// Everything that the first participant does.
    fn generate(&self) -> Result<Option<KeyPackage>> {
        let board = Board::new(self.parameters.clone());
        let (run, _) = Run::start(&self.parameters, self.first, &mut rng(self.first))?;
        play_again(board, self.first, run, &self.rounds)
    }

    fn package(&self) -> Result<&KeyPackage> {
        Ok(self.packages.get(&self.first).ok_or("no package")?)
    }

    fn commit(&self) -> Result<signing::Run> {
        Ok(signing::Run::start(self.package()?, &OPENING, &mut rng(self.first))?.0)
    }

    /// Signing uses nonces up; making them is not part of the time.
    fn sign(&self) -> Result<f64> {
        let (package, run) = (self.package()?, self.commit()?);
        timed(|| {
            let (public, message) = (&self.public, Some(MESSAGE));
            Ok(run.advance(package, public, &self.announced, message, &mut rng(self.first))?)
        })
    }

    fn aggregate(&self) -> Result<()> {
        self.signed.combine(&self.public, MESSAGE)?;
        Ok(())
    }
}

const OPENING: signing::Opening<'static> =
    signing::Opening { session: SessionId([1; 32]), signers: None, message: None };

/// Lets the first signers sign. Returns the board before their shares, and after them.
fn sign_once(
    packages: &Packages,
    public: &PublicKeyPackage,
) -> Result<(signing::Board, signing::Board)> {
    let mut announced = signing::Board::new(public.suite(), None)?;
    let mut runs = Vec::new();
    for (id, package) in packages.iter().take(usize::from(public.min_signers())) {
        let (run, message) = signing::Run::start(package, &OPENING, &mut rng(*id))?;
        announced.post(1, *id, &message.posted().0)?;
        runs.push((*id, package, run));
    }
    announced.fix_signers();
    let mut signed = announced.clone();
    for (id, package, run) in runs {
        match run.advance(package, public, &announced, Some(MESSAGE), &mut rng(id))? {
            signing::Step::Share(share) => signed.post(2, id, &share)?,
            signing::Step::Send(..) => return Err("FROST has two rounds".into()),
        }
    }
    Ok((announced, signed))
}

/// A reshare that was played once, so that one member can play it again. Identifier 2 leaves.
struct Reshare {
    parameters: Parameters,
    old: Packages,
    rounds: Rounds,
    joins: Identifier,
}

impl Reshare {
    fn new(old: (u16, u16), (min_signers, max_signers): (u16, u16)) -> Result<Self> {
        let Ours { packages, public, .. } = Ours::new(old.0, old.1)?;
        let joins = Identifier::try_from(old.1 + 1)?;
        let leaves = Identifier::try_from(2)?;
        let members: Vec<Identifier> = (1..=max_signers + 1)
            .map(Identifier::try_from)
            .filter(|id| id.as_ref() != Ok(&leaves))
            .collect::<Result<_, _>>()?;
        let dealers = packages.keys().copied();
        let (session, context) = (SessionId([3; 32]), [4; 32]);
        let parameters =
            Parameters::reshare(session, context, min_signers, members, &public, dealers)?;
        let mut board = Board::new(parameters.clone());
        let everybody = parameters.participants().union(parameters.dealers());
        let (mut runs, mut sent) = (Vec::new(), Vec::new());
        for me in everybody.copied() {
            let (run, message) = Run::reshare(&parameters, me, packages.get(&me), &mut rng(me))?;
            runs.push((me, run));
            sent.extend(message.map(|message| (me, message)));
        }
        let (rounds, _) = play(&mut board, runs, sent)?;
        Ok(Self { parameters, old: packages, rounds, joins })
    }

    /// One that deals and stays, one that deals and leaves, and one that joins.
    fn members(&self) -> [Identifier; 3] {
        let mut dealers = self.old.keys().copied();
        let mut next = || dealers.next().unwrap_or(self.joins);
        [next(), next(), self.joins]
    }

    /// Everything that one member does.
    fn take_part(&self, me: Identifier) -> Result<Option<KeyPackage>> {
        let board = Board::new(self.parameters.clone());
        let (run, _) = Run::reshare(&self.parameters, me, self.old.get(&me), &mut rng(me))?;
        play_again(board, me, run, &self.rounds)
    }
}

/// A repair that was played once, so that one member can play it again. The last member has lost
/// its share.
struct Repair {
    parameters: repair::Parameters,
    packages: Packages,
    rounds: Rounds,
    helper: Identifier,
    lost: Identifier,
}

impl Repair {
    fn new((min_signers, max_signers): (u16, u16)) -> Result<Self> {
        let Ours { packages, public, first, .. } = Ours::new(min_signers, max_signers)?;
        let lost = Identifier::try_from(max_signers)?;
        let helpers = packages.keys().copied().take(min_signers.into());
        let (session, context) = (SessionId([5; 32]), [6; 32]);
        let parameters = repair::Parameters::new(session, context, &public, helpers, lost)?;
        let mut made = Self { parameters, packages, rounds: Vec::new(), helper: first, lost };
        let mut board = repair::Board::new(made.parameters.clone());
        let (mut runs, mut sent) = (Vec::new(), Vec::new());
        for me in made.parameters.candidates().iter().copied().chain([lost]) {
            let (run, message) = made.begin(me)?;
            runs.push((me, run));
            sent.push((me, message));
        }
        made.rounds = play(&mut board, runs, sent)?.0;
        Ok(made)
    }

    fn begin(&self, me: Identifier) -> Result<(repair::Run, Vec<u8>)> {
        let parameters = &self.parameters;
        if me == self.lost {
            return Ok(repair::Run::recover(parameters, me, &mut rng(me))?);
        }
        let package = self.packages.get(&me).ok_or("no package")?;
        Ok(repair::Run::help(parameters, me, package, &mut rng(me))?)
    }

    /// Everything that one member does.
    fn take_part(&self, me: Identifier) -> Result<Option<KeyPackage>> {
        let board = repair::Board::new(self.parameters.clone());
        let (run, _) = self.begin(me)?;
        play_again(board, me, run, &self.rounds)
    }
}

/// The same protocols with frost-ed25519 alone.
struct Peer {
    group: (u16, u16),
    first: frost::Identifier,
    secret: frost::keys::dkg::round1::SecretPackage,
    /// What the others sent to all, encoded.
    broadcast: BTreeMap<frost::Identifier, Vec<u8>>,
    /// What the others sent to the first participant, encoded.
    sub_shares: BTreeMap<frost::Identifier, Vec<u8>>,
    key: frost::keys::KeyPackage,
    public: frost::keys::PublicKeyPackage,
    nonces: frost::round1::SigningNonces,
    signing: frost::SigningPackage,
    shares: BTreeMap<frost::Identifier, frost::round2::SignatureShare>,
}

impl Peer {
    fn new(min_signers: u16, max_signers: u16) -> Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let first = frost::Identifier::try_from(1)?;
        let mut secrets = BTreeMap::new();
        let mut packages = BTreeMap::new();
        for number in 1..=max_signers {
            let id = frost::Identifier::try_from(number)?;
            let (secret, package) =
                frost::keys::dkg::part1(id, max_signers, min_signers, &mut rng)?;
            secrets.insert(id, secret);
            packages.insert(id, package);
        }
        let others = |me| {
            let mut others = packages.clone();
            others.remove(&me);
            others
        };
        let mut sub_shares = BTreeMap::new();
        for (id, secret) in secrets.iter().filter(|(id, _)| **id != first) {
            let (_, sent) = frost::keys::dkg::part2(secret.clone(), &others(*id))?;
            sub_shares.insert(*id, sent.get(&first).ok_or("no sub-share")?.serialize()?);
        }
        let mut broadcast = BTreeMap::new();
        for (id, package) in others(first) {
            broadcast.insert(id, package.serialize()?);
        }
        // Signing needs many key packages, and it does not matter how they were made.
        let (shares, public) = frost::keys::generate_with_dealer(
            max_signers,
            min_signers,
            frost::keys::IdentifierList::Default,
            &mut rng,
        )?;
        let mut keys = BTreeMap::new();
        for (id, share) in shares.into_iter().take(min_signers.into()) {
            keys.insert(id, frost::keys::KeyPackage::try_from(share)?);
        }
        let mut nonces = BTreeMap::new();
        let mut commitments = BTreeMap::new();
        for (id, key) in &keys {
            let (secret, announced) = frost::round1::commit(key.signing_share(), &mut rng);
            nonces.insert(*id, secret);
            commitments.insert(*id, announced);
        }
        let signing = frost::SigningPackage::new(commitments, MESSAGE);
        let mut shares = BTreeMap::new();
        for ((id, key), secret) in keys.iter().zip(nonces.values()) {
            shares.insert(*id, frost::round2::sign(&signing, secret, key)?);
        }
        Ok(Self {
            group: (min_signers, max_signers),
            first,
            secret: secrets.remove(&first).ok_or("no secret")?,
            broadcast,
            sub_shares,
            key: keys.remove(&first).ok_or("no key")?,
            public,
            nonces: nonces.remove(&first).ok_or("no nonces")?,
            signing,
            shares,
        })
    }

    fn generate(&self) -> Result<()> {
        let (min_signers, max_signers) = self.group;
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        frost::keys::dkg::part1(self.first, max_signers, min_signers, &mut rng)?;
        let mut round1 = BTreeMap::new();
        for (id, bytes) in &self.broadcast {
            round1.insert(*id, frost::keys::dkg::round1::Package::deserialize(bytes)?);
        }
        let (secret, _) = frost::keys::dkg::part2(self.secret.clone(), &round1)?;
        let mut round2 = BTreeMap::new();
        for (id, bytes) in &self.sub_shares {
            round2.insert(*id, frost::keys::dkg::round2::Package::deserialize(bytes)?);
        }
        frost::keys::dkg::part3(&secret, &round1, &round2)?;
        Ok(())
    }

    fn commit(&self) -> Result<()> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let _ = frost::round1::commit(self.key.signing_share(), &mut rng);
        Ok(())
    }

    fn sign(&self) -> Result<()> {
        frost::round2::sign(&self.signing, &self.nonces, &self.key)?;
        Ok(())
    }

    fn aggregate(&self) -> Result<()> {
        frost::aggregate(&self.signing, &self.shares, &self.public)?;
        Ok(())
    }
}
