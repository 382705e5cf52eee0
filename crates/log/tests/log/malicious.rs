//! Attacks on readers of a log, by name.

use proptest::prelude::*;
use quorate_log::checkpoint::{AmbiguousCosigner, CheckpointError, CosignerSet, SignedCheckpoint};
use quorate_log::compare::{Comparison, FindForkError, Fork, ForkError, compare};
use quorate_log::key::{CosignerVerifier, LogSigner, Seed};
use quorate_log::leaf_hash;
use quorate_log::note::NoteSignature;
use quorate_log::proof::{ConsistencyProof, InclusionProof, InvalidProof};
use quorate_log::tlog_proof::{TlogProof, TlogProofError};
use quorate_log::tree::{MemoryTree, head_at};

use crate::fixture::{ORIGIN, cosigner, entries, log_signer, time, tree};

fn reread(text: &str) -> Result<(), CheckpointError> {
    text.parse::<SignedCheckpoint>()?.verify(log_signer().verifier()).map(|_| ())
}

/// The same log with another entry at `index`.
fn other_tree(size: u64, index: usize) -> MemoryTree {
    let mut entries = entries(0..size);
    entries[index] = b"other history".to_vec();
    entries.iter().map(|entry| leaf_hash(entry)).collect()
}

#[test]
fn another_logs_checkpoint_is_rejected_even_with_the_same_key() {
    let other = LogSigner::new("other.example".parse().unwrap(), Seed::new(Box::new([7; 32])));
    let signed = other.sign(tree(3).head());
    assert_eq!(reread(&signed.to_string()), Err(CheckpointError::OtherLog));
    // With its origin line changed, it is not signed by the log either.
    let renamed = signed.to_string().replacen("other.example", ORIGIN, 1);
    assert_eq!(reread(&renamed), Err(CheckpointError::NotSignedByLog));
}

#[test]
fn a_checkpoint_of_another_key_under_the_same_name_is_refused() {
    let imposter = LogSigner::new(ORIGIN.parse().unwrap(), Seed::new(Box::new([8; 32])));
    let text = imposter.sign(tree(3).head()).to_string();
    assert_eq!(reread(&text), Err(CheckpointError::NotSignedByLog));
}

#[test]
fn every_changed_bit_of_a_checkpoint_is_noticed() {
    let text = log_signer().sign(tree(300).head()).to_string();
    assert_eq!(reread(&text), Ok(()));
    for position in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(reread(&changed).is_err(), "bit {bit} of byte {position}: {changed}");
            }
        }
    }
}

#[test]
fn a_bad_signature_of_the_log_is_not_saved_by_a_good_one() {
    let good = log_signer().sign(tree(3).head()).to_string();
    let bad = log_signer().sign(tree(4).head()).to_string();
    let line = bad.lines().last().unwrap();
    let both = format!("{good}{line}\n");
    let name = ORIGIN.parse().unwrap();
    assert_eq!(reread(&both), Err(CheckpointError::BadSignature { name }));
}

#[test]
fn a_cosignature_holds_for_one_checkpoint_time_and_name() {
    let signers = [cosigner(1), cosigner(2)];
    let set = CosignerSet::new(signers.iter().map(|s| s.verifier().clone())).unwrap();
    let mut checkpoint = log_signer().sign(tree(3).head());
    let before = checkpoint.clone();
    let other = log_signer().sign(tree(4).head());
    let bad = |name: &str| {
        Err(CheckpointError::BadSignature { name: format!("{ORIGIN}/{name}").parse().unwrap() })
    };

    let of_other = signers[0].cosign(&other, time(5));
    assert_eq!(checkpoint.add_cosignature(&set, of_other), bad("node-1"));

    let line = signers[0].cosign(&before, time(5)).to_string();
    let later = signers[0].cosign(&before, time(6)).to_string();
    // Key id and time of one, signature of the other: 12 bytes are 16 characters of base64.
    let at = line.rfind(' ').unwrap() + 1 + 16;
    let mixed: NoteSignature = format!("{}{}", &line[..at], &later[at..]).parse().unwrap();
    assert_eq!(checkpoint.add_cosignature(&set, mixed), bad("node-1"));

    let stranger = cosigner(3).cosign(&before, time(5));
    assert_eq!(checkpoint.add_cosignature(&set, stranger), Err(CheckpointError::UnknownCosigner));
    assert_eq!(checkpoint, before, "what is refused leaves no trace");
}

#[test]
fn the_log_key_does_not_cosign_and_a_cosigner_is_not_the_log() {
    let seed = || Seed::new(Box::new([7; 32]));
    let name = || ORIGIN.parse().unwrap();
    let log = LogSigner::new(name(), seed());
    let cosigner = quorate_log::key::CosignerSigner::new(name(), seed());
    assert_ne!(log.verifier().id(), cosigner.verifier().id());
    let signed = log.sign(tree(3).head());
    let set = CosignerSet::new([cosigner.verifier().clone()]).unwrap();
    assert!(signed.cosigned_by(&set).unwrap().times().is_empty());

    let line = cosigner.cosign(&signed, time(1));
    let only_cosigned = format!("{}\n{line}\n", signed.note().text());
    assert_eq!(reread(&only_cosigned), Err(CheckpointError::NotSignedByLog));
}

#[test]
fn one_cosigner_does_not_count_twice_under_two_names() {
    let one = cosigner(1).verifier().clone();
    let twin = CosignerVerifier::new("twin".parse().unwrap(), &one.public_key()).unwrap();
    assert_eq!(
        CosignerSet::new([one.clone(), twin.clone()]),
        Err(AmbiguousCosigner(twin.name().clone()))
    );
    assert_eq!(
        CosignerSet::new([one.clone(), one.clone()]),
        Err(AmbiguousCosigner(one.name().clone()))
    );
}

#[test]
fn a_note_that_was_handed_out_with_a_bad_cosignature_is_refused() {
    let signer = cosigner(1);
    let set = CosignerSet::new([signer.verifier().clone()]).unwrap();
    let checkpoint = log_signer().sign(tree(3).head());
    let wrong = signer.cosign(&log_signer().sign(tree(4).head()), time(5));
    let note = format!("{checkpoint}{wrong}\n");
    let read = note.parse::<SignedCheckpoint>().unwrap().verify(log_signer().verifier()).unwrap();
    let name = signer.verifier().name().clone();
    assert_eq!(read.cosigned_by(&set), Err(CheckpointError::BadSignature { name }));
}

fn proof_of(index: u64, size: u64) -> TlogProof {
    let tree = tree(size);
    let mut checkpoint = log_signer().sign(tree.head());
    let set = CosignerSet::new([cosigner(1).verifier().clone()]).unwrap();
    let line = cosigner(1).cosign(&checkpoint, time(9));
    checkpoint.add_cosignature(&set, line).unwrap();
    let inclusion = InclusionProof::prove(&tree, index, size).unwrap();
    TlogProof::new(inclusion, checkpoint.as_signed().clone())
}

#[test]
fn a_proof_holds_for_its_entry_alone() {
    let proof = proof_of(11, 20);
    let log = log_signer();
    let read: TlogProof = proof.to_string().parse().unwrap();
    assert_eq!(read, proof);
    assert_eq!(read.index(), 11);
    for (index, entry) in (0..).zip(entries(0..20)) {
        let outcome = read.verify(&entry, log.verifier()).map(|checkpoint| checkpoint.head());
        let expected = if index == 11 { Ok(tree(20).head()) } else { Err(InvalidProof.into()) };
        assert_eq!(outcome, expected);
    }
    let other = LogSigner::new(ORIGIN.parse().unwrap(), Seed::new(Box::new([8; 32])));
    assert_eq!(
        read.verify(&entries(11..12)[0], other.verifier()),
        Err(TlogProofError::Checkpoint(CheckpointError::NotSignedByLog))
    );
}

#[test]
fn every_changed_bit_of_a_proof_is_noticed() {
    let text = proof_of(11, 20).to_string();
    let entry = &entries(11..12)[0];
    let set = CosignerSet::new([cosigner(1).verifier().clone()]).unwrap();
    let cosigners = |text: &str| {
        let proof: TlogProof = text.parse().ok()?;
        let checkpoint = proof.verify(entry, log_signer().verifier()).ok()?;
        Some(checkpoint.cosigned_by(&set).ok()?.times().len())
    };
    assert_eq!(cosigners(&text), Some(1));
    for position in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            // A changed name or key id of the cosigner makes it unknown: one cosigner less.
            assert!(!matches!(cosigners(&changed), Some(1..)), "bit {bit} of byte {position}");
        }
    }
}

#[test]
fn extra_data_is_kept_and_not_trusted() {
    let text = proof_of(0, 1).to_string();
    let with_extra = text.replacen("index", "extra aGk=\nindex", 1);
    let proof: TlogProof = with_extra.parse().unwrap();
    assert_eq!(proof.extra(), Some(b"hi".as_slice()));
    assert_eq!(proof.to_string(), with_extra);
    assert!(proof.verify(&entries(0..1)[0], log_signer().verifier()).is_ok());
}

#[test]
fn the_largest_proof_is_read_and_a_longer_text_is_rejected() {
    let root = leaf_hash(b"");
    let note = |len: usize| {
        let note = |extension: &str| format!("o\n9\n{root}\n{extension}\n\n— o AAAAAAA=\n");
        note(&"x".repeat(len - note("").len()))
    };
    let proof = |extra: &str, hashes: usize, note: &str| {
        let hashes = format!("{root}\n").repeat(hashes);
        format!("c2sp.org/tlog-proof@v1\nextra {extra}\nindex 8\n{hashes}\n{note}")
    };
    let extra = format!("{}AA==", "AAAA".repeat(21_845));

    let largest: TlogProof = proof(&extra, 63, &note(1_000_000)).parse().unwrap();
    assert_eq!(largest.extra().map(<[u8]>::len), Some(65_536));

    let most = 1_000_000 + 2 * 65_536;
    let of_length = |len: usize| {
        let rest = proof("", 0, &note(1_000_000)).len();
        proof(&"A".repeat(len - rest), 0, &note(1_000_000)).parse::<TlogProof>().unwrap_err()
    };
    assert_eq!(of_length(most), TlogProofError::Extra);
    assert_eq!(of_length(most + 1), TlogProofError::TooLong);
}

#[test]
fn malformed_proofs_are_refused_by_name() {
    let text = proof_of(11, 20).to_string();
    let cases = [
        (text.replacen("@v1", "@v2", 1), TlogProofError::Header),
        (text.replacen("index 11", "index 011", 1), TlogProofError::Index),
        (text.replacen("index 11\n", "", 1), TlogProofError::Index),
        (text.replacen("index", "extra !\nindex", 1), TlogProofError::Extra),
        (text.replacen("index 11\n", "index 11\nAAAA\n", 1), TlogProofError::Hash),
        (
            text.replacen("index 11\n", &format!("index 11\n{}", "x\n".repeat(64)), 1),
            TlogProofError::Hash,
        ),
        (
            text.replacen(
                "index 11\n",
                &format!("index 11\n{}", format!("{}\n", leaf_hash(b"")).repeat(64)),
                1,
            ),
            TlogProofError::Hash,
        ),
        (
            text.replacen("index", &format!("extra {}\nindex", "AAAA".repeat(21_846)), 1),
            TlogProofError::Extra,
        ),
        (
            text.replacen("index", &format!("extra {}\nindex", "A".repeat(1_200_000)), 1),
            TlogProofError::TooLong,
        ),
        (text.split("\n\n").next().unwrap().to_owned(), TlogProofError::Lines),
        (text.replacen("\n20\n", "\n020\n", 1), CheckpointError::Size.into()),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<TlogProof>(), Err(error));
    }
}

#[test]
fn a_split_view_of_one_size_convicts_the_log() {
    let log = log_signer();
    let (one, other) = (log.sign(tree(9).head()), log.sign(other_tree(9, 3).head()));
    let Ok(Comparison::Fork(fork)) = compare(&one, &other, &ConsistencyProof::default()) else {
        panic!("not noticed")
    };
    assert_eq!(fork.verify(log.verifier()), Ok(()));
    let stored = serde_json::to_string(&fork).unwrap();
    let read: Fork = serde_json::from_str(&stored).unwrap();
    assert_eq!(read.verify(log.verifier()), Ok(()));
    let other_log = LogSigner::new(ORIGIN.parse().unwrap(), Seed::new(Box::new([8; 32])));
    assert!(matches!(read.verify(other_log.verifier()), Err(ForkError::Checkpoint(_))));
}

#[test]
fn a_rewritten_history_convicts_the_log_for_any_sizes() {
    let log = log_signer();
    for size in 2..=40 {
        let rewritten = other_tree(size, 0);
        let newer = log.sign(rewritten.head());
        for older in 1..size {
            let seen = log.sign(tree(older).head());
            let fork = Fork::find(&seen, &newer, &rewritten).unwrap().unwrap();
            assert_eq!(fork.verify(log.verifier()), Ok(()), "{older} then {size}");
            assert_eq!(Fork::find(&newer, &seen, &rewritten).unwrap().as_ref(), Some(&fork));
            assert_eq!(fork.checkpoints()[0], seen.as_signed());
        }
    }
}

#[test]
fn an_honest_log_can_not_be_convicted() {
    let log = log_signer();
    let tree = tree(40);
    for newer in 0..=40 {
        for older in 0..=newer {
            let old = log.sign(head_at(&tree, older).unwrap());
            let new = log.sign(head_at(&tree, newer).unwrap());
            assert_eq!(Fork::find(&old, &new, &tree), Ok(None), "{older} to {newer}");
            let proof = ConsistencyProof::prove(&tree, older, newer).unwrap();
            assert_eq!(compare(&new, &old, &proof), Ok(Comparison::Consistent));
        }
    }
    // Neither with a proof that fails …
    let (old, new) = (log.sign(head_at(&tree, 5).unwrap()), log.sign(tree.head()));
    let nothing = ConsistencyProof::default();
    assert_eq!(compare(&old, &new, &nothing), Ok(Comparison::Unproven));
    // … nor with other entries than it has, nor with made-up evidence.
    let other = other_tree(40, 0);
    assert_eq!(Fork::find(&old, &new, &other), Err(FindForkError::OtherEntries));
    let claim = |contradiction: serde_json::Value| {
        let evidence = serde_json::json!({
            "older": old.to_string(), "newer": new.to_string(), "contradiction": contradiction,
        });
        serde_json::from_value::<Fork>(evidence).unwrap().verify(log.verifier())
    };
    assert_eq!(claim("same-size".into()), Err(ForkError::NoContradiction));
    let made_up = |root: String, proof: &ConsistencyProof| {
        claim(serde_json::json!({ "other-beginning": { "root": root, "proof": proof } }))
    };
    let proof = ConsistencyProof::prove(&tree, 5, 40).unwrap();
    let others_root = head_at(&other, 5).unwrap().root;
    for (root, proof) in [(old.head().root, &proof), (others_root, &proof), (others_root, &nothing)]
    {
        assert_eq!(made_up(root.to_string(), proof), Err(ForkError::NoContradiction));
    }
    assert_eq!(
        made_up(
            head_at(&tree, 4).unwrap().root.to_string(),
            &ConsistencyProof::prove(&tree, 4, 40).unwrap()
        ),
        Err(ForkError::NoContradiction)
    );
}

#[test]
fn checkpoints_of_two_logs_are_not_compared() {
    let other = LogSigner::new("other.example".parse().unwrap(), Seed::new(Box::new([8; 32])));
    let (one, other) = (log_signer().sign(tree(3).head()), other.sign(other_tree(3, 0).head()));
    assert_eq!(compare(&one, &other, &ConsistencyProof::default()), Err(CheckpointError::OtherLog));
    assert_eq!(Fork::find(&one, &other, &tree(3)), Err(FindForkError::OtherLog));
}

proptest! {
    #[test]
    fn a_fork_anywhere_is_found_and_before_it_nothing(
        size in 2u64..600, at in any::<u64>(), older in any::<u64>(),
    ) {
        let (at, older) = ((at % size) as usize, older % size);
        let log = log_signer();
        let rewritten = other_tree(size, at);
        let (old, new) = (log.sign(tree(older).head()), log.sign(rewritten.head()));
        let fork = Fork::find(&old, &new, &rewritten).unwrap();
        prop_assert_eq!(fork.is_some(), (at as u64) < older);
        if let Some(fork) = fork {
            prop_assert_eq!(fork.verify(log.verifier()), Ok(()));
        }
    }
}
