//! Checkpoints and cosignatures, ours and those of public logs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorate_log::checkpoint::{CheckpointError, CosignerSet, SignedCheckpoint};
use quorate_log::key::{CosignerVerifier, KeyError, LogVerifier, Timestamp};
use quorate_log::note::{KeyName, NoteError, NoteSignature};
use rstest::rstest;

use crate::fixture::{ORIGIN, cosigner, log_signer, time, tree};

const ROOT: &str = "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=";

#[derive(serde::Deserialize)]
struct Vector {
    source: String,
    log: LogVerifier,
    cosigners: Vec<CosignerVerifier>,
    timestamp: u64,
    note: String,
}

#[test]
fn a_public_checkpoint_and_its_cosignatures_verify() {
    let vector: Vector =
        serde_json::from_str(include_str!("../../vectors/cosigned-checkpoint.json")).unwrap();
    let signed: SignedCheckpoint = vector.note.parse().unwrap();
    assert_eq!(signed.to_string(), vector.note);

    let verified = signed.verify(&vector.log).unwrap();
    let cosigners = CosignerSet::new(vector.cosigners).unwrap();
    let found = verified.cosigned_by(&cosigners).unwrap();

    assert_eq!(verified.head().size, 1_432_088_532, "{}", vector.source);
    assert_eq!(found.times().len(), 4);
    assert!(found.times().values().all(|at| at.as_posix_seconds() == vector.timestamp));
}

/// Example of <https://pkg.go.dev/golang.org/x/mod/sumdb/note> (BSD-3-Clause), and of
/// <https://c2sp.org/signed-note> (CC BY 4.0).
#[rstest]
#[case("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
#[case("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")]
fn known_keys_read_and_write_unchanged(#[case] vkey: &str) {
    let key: LogVerifier = vkey.parse().unwrap();
    assert_eq!(key.to_string(), vkey);
    assert_eq!(LogVerifier::new(key.origin().clone(), &key.public_key()), Ok(key));
    assert_eq!(
        vkey.parse::<CosignerVerifier>(),
        Err(KeyError::Algorithm { expected: 4, found: 1 })
    );
}

#[rstest]
#[case::id("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", KeyError::Id)]
#[case::name("PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", KeyError::Id)]
#[case::upper("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", KeyError::Id)]
#[case::cut("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T", KeyError::Format)]
#[case::no_id("PeterNeumann", KeyError::Format)]
#[case::empty("", KeyError::Format)]
#[case::small_order("a+12345678+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", KeyError::PublicKey)]
fn what_is_not_a_key_is_refused(#[case] vkey: &str, #[case] error: KeyError) {
    assert_eq!(vkey.parse::<LogVerifier>(), Err(error));
}

#[test]
fn signed_note_verifies_our_checkpoint() {
    let signer = log_signer();
    let signed = signer.sign(tree(5).head());
    let vkey = signer.verifier().to_string();
    let theirs = signed_note::StandardVerifier::new(&vkey).unwrap();
    let known = signed_note::VerifierList::new(vec![Box::new(theirs)]);

    let note = signed_note::Note::from_bytes(signed.to_string().as_bytes()).unwrap();
    let (verified, unverified) = note.verify(&known).unwrap();

    assert_eq!((verified.len(), unverified.len()), (1, 0));
    assert_eq!(verified[0].name(), ORIGIN);
}

#[test]
fn what_the_log_signs_reads_back_and_verifies() {
    for size in [0, 1, 300] {
        let signed = log_signer().sign(tree(size).head());
        let text = signed.to_string();
        let read: SignedCheckpoint = text.parse().unwrap();
        assert_eq!(read.unverified().head(), tree(size).head());
        assert_eq!(&read, signed.as_signed());
        assert_eq!(serde_json::from_value::<SignedCheckpoint>(text.into()).unwrap(), read);
        assert_eq!(read.verify(log_signer().verifier()).unwrap(), signed);
    }
}

#[rstest]
#[case::leading_zero("o\n01\nROOT\n", CheckpointError::Size)]
#[case::plus("o\n+1\nROOT\n", CheckpointError::Size)]
#[case::minus("o\n-1\nROOT\n", CheckpointError::Size)]
#[case::space("o\n1 \nROOT\n", CheckpointError::Size)]
#[case::hex("o\n0x1\nROOT\n", CheckpointError::Size)]
#[case::no_number("o\n\nROOT\n", CheckpointError::Size)]
#[case::above_max("o\n9223372036854775808\nROOT\n", CheckpointError::Size)]
#[case::above_64_bits("o\n18446744073709551617\nROOT\n", CheckpointError::Size)]
#[case::short_root("o\n1\nAAAA\n", CheckpointError::Root)]
#[case::long_root("o\n1\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4RoA\n", CheckpointError::Root)]
#[case::unpadded_root("o\n1\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro\n", CheckpointError::Root)]
#[case::loose_bits("o\n1\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Rp=\n", CheckpointError::Root)]
#[case::urlsafe_root("o\n1\nU7WM79jrzyhGZ5_GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n", CheckpointError::Root)]
#[case::root_of_no_empty_tree("o\n0\nROOT\n", CheckpointError::Root)]
#[case::two_lines("o\n1\n", CheckpointError::Lines)]
#[case::no_origin("\n1\nROOT\n", CheckpointError::Lines)]
#[case::empty_extension("o\n1\nROOT\n\nx\n", CheckpointError::Lines)]
fn a_malformed_checkpoint_is_refused(#[case] body: &str, #[case] error: CheckpointError) {
    let note = format!("{}\n— o AAAAAAA=\n", body.replace("ROOT", ROOT));
    assert_eq!(note.parse::<SignedCheckpoint>(), Err(error));
}

#[rstest]
#[case::no_signature("o\n1\nROOT\n", NoteError::NoSignatures)]
#[case::no_signature_after_the_line("o\n1\nROOT\n\n", NoteError::NoFinalNewline)]
#[case::no_final_newline("o\n1\nROOT\n\n— o AAAAAAA=", NoteError::NoFinalNewline)]
#[case::carriage_return("o\r\n1\nROOT\n\n— o AAAAAAA=\n", NoteError::ControlCharacter)]
#[case::tab("o\t\n1\nROOT\n\n— o AAAAAAA=\n", NoteError::ControlCharacter)]
#[case::hyphen("o\n1\nROOT\n\n- o AAAAAAA=\n", NoteError::SignatureLine)]
#[case::only_a_key_id("o\n1\nROOT\n\n— o AAAAAA==\n", NoteError::SignatureLine)]
#[case::no_name("o\n1\nROOT\n\n—  AAAAAAA=\n", NoteError::SignatureLine)]
#[case::name_with_plus("o\n1\nROOT\n\n— a+b AAAAAAA=\n", NoteError::SignatureLine)]
#[case::no_base64("o\n1\nROOT\n\n— o AAAAAAA\n", NoteError::SignatureLine)]
fn a_malformed_note_is_refused(#[case] note: &str, #[case] error: NoteError) {
    let note = note.replace("ROOT", ROOT);
    assert_eq!(note.parse::<SignedCheckpoint>(), Err(error.into()));
}

#[test]
fn extension_lines_are_kept_and_covered_by_the_signature() {
    let note = format!("o\n1\n{ROOT}\nfirst line\nsecond\n\n— o AAAAAAA=\n");
    let signed: SignedCheckpoint = note.parse().unwrap();
    assert_eq!(signed.unverified().extensions(), ["first line", "second"]);
    assert_eq!(signed.note().text(), format!("o\n1\n{ROOT}\nfirst line\nsecond\n"));
    assert_eq!(signed.to_string(), note);
}

#[test]
fn a_note_takes_a_thousand_signatures_and_not_without_end() {
    let lines = |count| "— o AAAAAAA=\n".repeat(count);
    let note = |count| format!("o\n1\n{ROOT}\n\n{}", lines(count));
    assert!(note(1024).parse::<SignedCheckpoint>().is_ok());
    assert_eq!(note(1025).parse::<SignedCheckpoint>(), Err(NoteError::TooManySignatures.into()));
    assert_eq!(note(100_000).parse::<SignedCheckpoint>(), Err(NoteError::TooLong.into()));
}

#[test]
fn a_note_of_a_million_bytes_is_read_and_none_of_one_more() {
    let note = |len: usize| {
        let frame = format!("o\n1\n{ROOT}\n\n\n— o AAAAAAA=\n").len();
        format!("o\n1\n{ROOT}\n{}\n\n— o AAAAAAA=\n", "x".repeat(len - frame))
    };
    assert_eq!(note(1_000_000).len(), 1_000_000);
    assert!(note(1_000_000).parse::<SignedCheckpoint>().is_ok());
    assert_eq!(note(1_000_001).parse::<SignedCheckpoint>(), Err(NoteError::TooLong.into()));
}

#[rstest]
#[case::one("a", true)]
#[case::url("sign.example.com:8443/ivn/7b1c", true)]
#[case::other_script("größe/дом", true)]
#[case::longest(&"a".repeat(255), true)]
#[case::too_long(&"a".repeat(256), false)]
#[case::empty("", false)]
#[case::space("a b", false)]
#[case::unicode_space("a\u{2003}b", false)]
#[case::plus("a+b", false)]
#[case::newline("a\nb", false)]
#[case::delete("a\u{7f}b", false)]
fn a_key_name_is_short_and_has_no_spaces(#[case] name: &str, #[case] valid: bool) {
    assert_eq!(name.parse::<KeyName>().is_ok(), valid);
}

#[test]
fn a_signature_of_any_algorithm_is_carried_up_to_8_kib() {
    let line = |len: usize| format!("— o {}", STANDARD.encode(vec![7; 4 + len]));
    for (len, valid) in [(1, true), (8192, true), (8193, false)] {
        assert_eq!(line(len).parse::<NoteSignature>().is_ok(), valid, "{len}");
    }
}

#[test]
fn a_time_beyond_63_bits_is_refused_also_when_it_is_signed() {
    assert!(Timestamp::try_from(u64::MAX >> 1).is_ok());
    assert!(Timestamp::try_from((u64::MAX >> 1) + 1).is_err());
    // Made by hand, because no signer of ours signs it.
    let checkpoint = log_signer().sign(tree(9).head());
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let verifier =
        CosignerVerifier::new("o".parse().unwrap(), key.verifying_key().as_bytes()).unwrap();
    let set = CosignerSet::new([verifier.clone()]).unwrap();
    for (seconds, valid) in [(u64::MAX >> 1, true), (u64::MAX, false)] {
        let message = format!("cosignature/v1\ntime {seconds}\n{}", checkpoint.note().text());
        let id = u32::from_str_radix(&verifier.id().to_string(), 16).unwrap().to_be_bytes();
        let signature = ed25519_dalek::Signer::sign(&key, message.as_bytes()).to_bytes();
        let blob = [id.as_slice(), &seconds.to_be_bytes(), &signature].concat();
        let line = format!("— o {}", STANDARD.encode(blob)).parse().unwrap();
        assert_eq!(checkpoint.clone().add_cosignature(&set, line).is_ok(), valid);
    }
}

#[test]
fn cosignatures_are_counted_by_name_with_their_latest_time() {
    let signers: Vec<_> = (1..=3).map(cosigner).collect();
    let set = CosignerSet::new(signers.iter().map(|s| s.verifier().clone())).unwrap();
    let mut checkpoint = log_signer().sign(tree(9).head());
    let before = checkpoint.clone();

    for (signer, seconds) in [(&signers[0], 50), (&signers[1], 60), (&signers[0], 70)] {
        let line = signer.cosign(&before, time(seconds));
        let read: NoteSignature = line.to_string().parse().unwrap();
        assert_eq!(checkpoint.add_cosignature(&set, read), Ok(time(seconds)));
    }
    // A stranger's line does not matter, nor does an older one that somebody adds again.
    let stranger = cosigner(9).cosign(&before, time(1));
    let older = signers[0].cosign(&before, time(50));
    let note = format!("{checkpoint}{stranger}\n{older}\n");
    let checkpoint =
        note.parse::<SignedCheckpoint>().unwrap().verify(log_signer().verifier()).unwrap();

    let found = checkpoint.cosigned_by(&set).unwrap();
    let times: Vec<_> = found.times().values().map(|at| at.as_posix_seconds()).collect();
    assert_eq!(times, [70, 60]);
    assert!(found.are_final(1), "2 of 3 suffice when nobody is taken to be faulty");
    assert!(!found.are_final(2), "a 2-of-3 group needs all 3");
    assert_eq!(checkpoint.note().signatures().len(), 5);
}

#[test]
fn a_full_note_takes_no_further_cosigner() {
    let checkpoint = log_signer().sign(tree(9).head());
    let set = CosignerSet::new([cosigner(1).verifier().clone()]).unwrap();
    let line = cosigner(1).cosign(&checkpoint, time(1));
    for (strangers, outcome) in
        [(1022, Ok(time(1))), (1023, Err(NoteError::TooManySignatures.into()))]
    {
        let note = format!("{checkpoint}{}", "— o AAAAAAA=\n".repeat(strangers));
        let read: SignedCheckpoint = note.parse().unwrap();
        let mut read = read.verify(log_signer().verifier()).unwrap();
        assert_eq!(read.add_cosignature(&set, line.clone()), outcome);
        assert!(read.to_string().parse::<SignedCheckpoint>().is_ok());
    }
}
