//! Every decoder takes any bytes: an error or a value that encodes to the same bytes.

use proptest::prelude::*;
use quorate_log::Hash;
use quorate_log::checkpoint::{Checkpoint, SignedCheckpoint};
use quorate_log::compare::Fork;
use quorate_log::key::{CosignerVerifier, LogVerifier};
use quorate_log::note::{KeyName, Note, NoteSignature};
use quorate_log::tile::{TilePath, parse_bundle};
use quorate_log::tlog_proof::TlogProof;
use quorate_log::tree::Frontier;

use crate::fixture::{cosigner, log_signer, time, tree};

/// Reads `text` as everything that has a textual form.
fn read_as_everything(text: &str) {
    fn read<T: std::str::FromStr + ToString>(text: &str) {
        if let Ok(value) = text.parse::<T>() {
            assert_eq!(value.to_string(), text);
        }
    }
    read::<Hash>(text);
    read::<Checkpoint>(text);
    read::<CosignerVerifier>(text);
    read::<KeyName>(text);
    read::<LogVerifier>(text);
    read::<Note>(text);
    read::<NoteSignature>(text);
    read::<SignedCheckpoint>(text);
    read::<TilePath>(text);
    read::<TlogProof>(text);
    let _ = serde_json::from_str::<Fork>(text);
}

/// Texts that get far into the decoders.
fn samples() -> Vec<String> {
    let checkpoint = log_signer().sign(tree(300).head());
    let line = cosigner(1).cosign(&checkpoint, time(1)).to_string();
    let hash = tree(1).head().root;
    vec![
        format!("{checkpoint}{line}\n"),
        format!("c2sp.org/tlog-proof@v1\nextra aGk=\nindex 0\n{hash}\n\n{checkpoint}"),
        checkpoint.note().text().to_owned(),
        line,
        log_signer().verifier().to_string(),
        cosigner(1).verifier().to_string(),
        "tile/entries/x001/234.p/5".to_owned(),
        hash.to_string(),
    ]
}

#[test]
fn samples_are_read_by_some_decoder() {
    samples().iter().for_each(|sample| read_as_everything(sample));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        read_as_everything(&text);
    }

    #[test]
    fn a_changed_sample_is_read_or_refused(
        sample in prop::sample::select(samples()),
        at in any::<prop::sample::Index>(),
        len in 0usize..20,
        with in prop_oneof![".{0,5}", "[ \n+/0-9A-Za-z=—]{0,40}", "\n{0,4}"],
    ) {
        let chars: Vec<char> = sample.chars().collect();
        let at = at.index(chars.len());
        let end = (at + len).min(chars.len());
        let changed: String =
            chars[..at].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect();
        read_as_everything(&changed);
    }

    #[test]
    fn any_bytes_are_a_bundle_or_not(bytes in any::<Vec<u8>>(), width in any::<u16>()) {
        if let Ok(entries) = parse_bundle(&bytes, width) {
            prop_assert_eq!(entries.len(), usize::from(width));
            prop_assert_eq!(entries.iter().map(|e| e.len() + 2).sum::<usize>(), bytes.len());
        }
        if let Ok(frontier) = Frontier::from_bytes(&bytes) {
            prop_assert_eq!(frontier.to_bytes(), bytes);
        }
    }
}
