//! The values that other crates put into JSON, in the only form that they have there.

use quorate_log::checkpoint::SignedCheckpoint;
use quorate_log::key::{CosignerVerifier, LogVerifier, Timestamp};
use quorate_log::note::{KeyName, NoteSignature};
use quorate_log::proof::InclusionProof;
use quorate_log::tlog_proof::TlogProof;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fixture::{ORIGIN, cosigner, log_signer, time, tree};

fn is_written_as<T>(value: &T, json: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
}

fn quoted(value: impl ToString) -> String {
    serde_json::to_string(&value.to_string()).unwrap()
}

#[test]
fn names_times_and_keys_are_written_as_their_text() {
    is_written_as::<KeyName>(&ORIGIN.parse().unwrap(), &quoted(ORIGIN));
    is_written_as::<Timestamp>(&time(1_700_000_000), "1700000000");
    assert!(serde_json::from_str::<Timestamp>("9223372036854775808").is_err());
    let (log, cosigner) = (log_signer(), cosigner(1));
    is_written_as::<LogVerifier>(log.verifier(), &quoted(log.verifier()));
    is_written_as::<CosignerVerifier>(cosigner.verifier(), &quoted(cosigner.verifier()));
    is_written_as(&tree(3).head().root, &quoted(tree(3).head().root));
}

#[test]
fn signed_values_are_written_to_json_as_their_text() {
    let checkpoint = log_signer().sign(tree(300).head());
    let line: NoteSignature = cosigner(1).cosign(&checkpoint, time(1));

    is_written_as::<NoteSignature>(&line, &quoted(&line));
    is_written_as::<SignedCheckpoint>(checkpoint.as_signed(), &quoted(&checkpoint));
    let inclusion = InclusionProof::prove(&tree(300), 7, 300).unwrap();
    let proof = TlogProof::new(inclusion, checkpoint.as_signed().clone());
    is_written_as::<TlogProof>(&proof, &quoted(&proof));
}

#[test]
fn a_checkpoint_says_of_which_log_and_size_and_root_it_is() {
    let signed = log_signer().sign(tree(300).head()).as_signed().clone();
    let checkpoint = signed.unverified();

    assert_eq!(checkpoint.origin(), ORIGIN);
    assert_eq!((checkpoint.size(), checkpoint.root()), (300, tree(300).head().root));
    assert_eq!(checkpoint.head(), tree(300).head());
}
