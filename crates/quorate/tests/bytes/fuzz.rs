//! Runs every fuzz target on its seeds, the committed corpus, and a fixed set of changes to both.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use super::targets::{TARGETS, Target};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names_in(directory: &str) -> BTreeSet<String> {
    let files = fs::read_dir(fuzz().join(directory)).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|file| name(file.unwrap().path())).collect()
}

/// Returns the committed inputs of a target in a fixed order.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let files = fs::read_dir(fuzz().join("corpus").join(target.name)).unwrap();
    let paths: BTreeSet<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Makes one of the changes that fuzzers make.
fn changed(inputs: &[Vec<u8>], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let below = |rng: &mut ChaCha20Rng, most: usize| {
        usize::try_from(rng.next_u64() % (most.max(1) as u64)).unwrap()
    };
    let mut input = inputs[below(rng, inputs.len())].clone();
    for _ in 0..1 + below(rng, 4) {
        let at = below(rng, input.len() + 1);
        match below(rng, 5) {
            0 if at < input.len() => input[at] ^= 1 << below(rng, 8),
            1 if at < input.len() => input[at] = rng.next_u32().to_le_bytes()[0],
            2 => input.insert(at, rng.next_u32().to_le_bytes()[0]),
            3 => drop(input.drain(at..input.len().min(at + 1 + below(rng, 8)))),
            _ => {
                let other = &inputs[below(rng, inputs.len())];
                let from = below(rng, other.len() + 1);
                let end = other.len().min(from + 1 + below(rng, 32));
                input.splice(at..at, other[from..end].iter().copied());
            }
        }
    }
    input
}

/// Runs one target. The message of a panic contains the input.
fn smoke(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = (target.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        try_one(target, &format!("seed {number}"), seed);
    }
    // Otherwise the smoke test reaches nothing beyond the first refusal.
    assert!(seeds.iter().any(|seed| (target.run)(seed)), "no seed is accepted");

    let inputs = [seeds, corpus(target)].concat();
    let rng = &mut ChaCha20Rng::seed_from_u64(0);
    for (number, input) in inputs.iter().enumerate() {
        try_one(target, &format!("input {number} (seeds first)"), input);
    }
    for number in 0..target.tries * times() {
        try_one(target, &format!("change {number}"), &changed(&inputs, rng));
    }
}

/// Returns how many times the usual number of changes to try: more where libFuzzer is missing or
/// too slow to build.
fn times() -> usize {
    let Ok(times) = std::env::var("QUORATE_FUZZ_TIMES") else { return 1 };
    times.parse().expect("QUORATE_FUZZ_TIMES is a number")
}

fn try_one(target: &Target, what: &str, input: &[u8]) {
    let result = std::panic::catch_unwind(|| (target.run)(input));
    if result.is_err() {
        panic!("{}, {what}: {}", target.name, hex::encode(input));
    }
}

macro_rules! smoke {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                smoke(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_tried_here_and_has_a_program_and_a_corpus() {
            let here = BTreeSet::from([$(stringify!($name).to_owned()),*]);
            let all: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
            assert_eq!(here, all);
            assert_eq!(names_in("fuzz_targets"), all);
            assert_eq!(names_in("corpus"), all);
            let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
            for name in all {
                assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} in Cargo.toml");
            }
        }
    };
}

smoke! {
    audit, coordinator, csr, documents, entry, fold, home, keys, keyshare, links, log_text,
    messages, node, protocol, repair, reshare, shares, store, tiles,
}
