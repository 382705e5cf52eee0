//! Detached CMS signatures.

use proptest::prelude::*;
use quorate_documents::{SignatureFile, verify};
use tempfile::TempDir;

use crate::board::{
    DAY, NOW, certified, installed, issued, output, printed, public, refusal, run, secret_pem,
    self_signed, sign,
};

const DOCUMENT: &[u8] = b"a contract\n";

fn is_accepted(document: &[u8], file: &[u8], seed: u8) -> bool {
    verify(document, file, &public(seed), &output("cms")).is_ok()
}

#[test]
fn openssl_and_we_agree_on_cms_signatures() {
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let (root, leaf) = issued(1, 2);
    let (other, _) = issued(3, 2);
    std::fs::write(path.join("other.crt"), other).unwrap();
    let at = NOW + DAY;
    let accepted = |document: &[u8], file: &[u8], authority: &str| {
        std::fs::write(path.join("document"), document).unwrap();
        std::fs::write(path.join("document.p7s"), file).unwrap();
        let command = format!(
            "openssl cms -verify -binary -cades -inform DER -in document.p7s -content document -CAfile {authority} -purpose any -attime {at} -out out"
        );
        let done = run(path, &command);
        (done.status.success(), printed(&done))
    };
    for (pem, root) in [
        (leaf.clone(), root.clone()),
        (format!("{leaf}{root}"), root),
        (self_signed(2), self_signed(2)),
    ] {
        std::fs::write(path.join("root.crt"), root).unwrap();
        for document in [&b""[..], DOCUMENT, b"a\r\nb\n", &[0; 100_000]] {
            let file = sign(document, &certified("cms", &pem), 2);
            let (good, shown) = accepted(document, &file, "root.crt");
            assert!(good && shown.contains("CAdES Verification successful"), "{shown}");
            assert!(!accepted(document, &file, "other.crt").0);
            let changed = [document, b"!"].concat();
            assert!(!accepted(&changed, &file, "root.crt").0);
            assert!(!is_accepted(&changed, &file, 2));
            assert!(is_accepted(document, &file, 2) && !is_accepted(document, &file, 1));
        }
    }
    let shown = run(path, "openssl cms -cmsout -print -inform DER -in document.p7s");
    assert!(printed(&shown).contains("UTCTIME:Jan  2 00:00:00 2026 GMT"));
}

#[test]
fn files_that_other_programs_make_are_read_or_refused_clearly() {
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    std::fs::write(path.join("key.pem"), secret_pem(2)).unwrap();
    std::fs::write(path.join("document"), DOCUMENT).unwrap();
    let command = "openssl req -x509 -key key.pem -subj /CN=me -addext basicConstraints=CA:FALSE -addext keyUsage=digitalSignature -out board.crt";
    assert!(run(path, command).status.success());
    let sign = "openssl cms -sign -in document -signer board.crt -inkey key.pem -outform DER";
    for (arguments, why) in [
        ("-binary -cades -nosmimecap", ""),
        ("-binary -nosmimecap", "does not name its certificate"),
        ("-binary -cades", "unknown here"),
        ("-binary -cades -nosmimecap -nodetach", "contains its document"),
        ("-binary -cades -nosmimecap -md sha1", "not SHA-256"),
        ("-binary -cades -nosmimecap -keyid", "its version is unknown"),
        ("-binary -cades -nosmimecap -nocerts", "no certificate"),
        ("-binary -noattr", "no signed attributes"),
        ("-binary -cades -nosmimecap -econtent_type pkcs7-signedData", "its version is unknown"),
    ] {
        let done = run(path, &format!("{sign} {arguments}"));
        assert!(done.status.success(), "{}", printed(&done));
        let verified = verify(DOCUMENT, &done.stdout, &public(2), &output("cms"));
        match verified {
            Ok(()) => assert_eq!(why, "", "{arguments}"),
            Err(error) => {
                assert!(!why.is_empty() && error.to_string().contains(why), "{arguments}: {error}");
            }
        }
    }
}

#[test]
fn a_cms_signature_needs_the_certificate_of_its_key() {
    let file = sign(DOCUMENT, &certified("cms", &self_signed(1)), 1);
    let read = SignatureFile::read(&file).unwrap();
    assert_eq!((read.format().name(), read.verifying_key()), ("cms", Some(public(1))));
    assert!(refusal(DOCUMENT, &output("cms?at=5"), 1).contains("--certificate"));
    let other = certified("cms", &self_signed(2));
    assert!(refusal(DOCUMENT, &other, 1).contains("another key"));
}

#[test]
fn bytes_that_a_signature_in_a_pdf_would_cover_are_refused() {
    let asked = certified("cms", &self_signed(1));
    let part = |sum: usize| {
        let text = format!("%PDF-1.7\n/ByteRange [0 30 900 {:<3}]/Contents", sum - 30);
        [text.as_bytes(), &[b' '; 40]].concat()
    };
    let length = part(99).len();
    assert!(refusal(&part(length), &asked, 1).contains("a PDF could be made"));
    sign(&part(length + 1), &asked, 1);
    sign(b"%PDF-1.7\n", &asked, 1);
}

proptest! {
    #[test]
    fn a_changed_cms_file_is_refused(at: prop::sample::Index, bit in 0_u32..8) {
        let (_, leaf) = issued(1, 2);
        let mut file = sign(DOCUMENT, &certified("cms", &leaf), 2);
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        prop_assert!(!is_accepted(DOCUMENT, &file, 2), "byte {at} of {}", hex::encode(&file));
        let cut = &file[..at];
        prop_assert!(!is_accepted(DOCUMENT, cut, 2));
    }

    #[test]
    fn no_bytes_make_the_cms_reader_panic(bytes: Vec<u8>) {
        let id = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
        let framed = [&[0x30, 0x80][..], &id, &bytes].concat();
        prop_assert!(!is_accepted(DOCUMENT, &framed, 1));
        prop_assert!(!is_accepted(DOCUMENT, &bytes, 1));
    }
}
