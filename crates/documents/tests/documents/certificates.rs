//! Requests for certificates, and certificates that groups issue.

use proptest::prelude::*;
use quorate_documents::{CertificateChain, SignatureFile, X509Error, prepare, verify};
use tempfile::TempDir;

use crate::board::{
    DAY, NOW, SUBJECT, certified, installed, issued, output, printed, public, refusal, run,
    secret_pem, self_signed, sign,
};

#[test]
fn openssl_verifies_a_request_of_the_group() {
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let request = sign(SUBJECT, &output("csr"), 1);
    std::fs::write(directory.path().join("board.csr"), &request).unwrap();
    let command = "openssl req -verify -noout -subject -nameopt RFC2253 -in board.csr";
    let done = run(directory.path(), command);
    let shown = printed(&done);
    assert!(done.status.success() && shown.contains("verify OK"), "{shown}");
    assert!(shown.contains("CN=Board of Example,O=Example Ltd,C=DE"), "{shown}");
    let mut changed = String::from_utf8(request).unwrap().replace("MII", "MIJ");
    changed = changed.replacen("Qm9hcmQ", "Qm9hcmU", 1);
    assert!(verify(SUBJECT, changed.as_bytes(), &public(1), &output("csr")).is_err());
}

#[test]
fn openssl_verifies_a_chain_of_groups() {
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let (root, leaf) = issued(1, 2);
    std::fs::write(directory.path().join("root.crt"), &root).unwrap();
    std::fs::write(directory.path().join("board.crt"), &leaf).unwrap();
    let at = NOW + DAY;
    let command = format!(
        "openssl verify -x509_strict -purpose smimesign -attime {at} -CAfile root.crt board.crt"
    );
    let done = run(directory.path(), &command);
    assert!(done.status.success(), "{}", printed(&done));
    let late = command.replace(&at.to_string(), &(NOW + 366 * DAY).to_string());
    assert!(!run(directory.path(), &late).status.success());
    let shown = printed(&run(directory.path(), "openssl x509 -noout -text -in board.crt"));
    for part in ["CA:FALSE", "Digital Signature, Non Repudiation", "ecdsa-with-SHA256"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (other, _) = issued(3, 2);
    std::fs::write(directory.path().join("root.crt"), other).unwrap();
    assert!(!run(directory.path(), &command).status.success());
}

#[test]
fn every_kind_of_certificate_is_read_as_what_it_is() {
    let (root, leaf) = issued(1, 2);
    for (file, kind, key) in [
        (self_signed(1), "x509-self", Some(public(1))),
        (root, "x509-ca", Some(public(1))),
        (leaf, "x509", None),
        (String::from_utf8(sign(SUBJECT, &output("csr"), 1)).unwrap(), "csr", Some(public(1))),
    ] {
        let read = SignatureFile::read(file.as_bytes()).unwrap();
        assert_eq!((read.format().name(), read.verifying_key()), (kind, key));
    }
}

#[test]
fn a_certificate_for_another_subject_or_key_does_not_verify() {
    let (root, leaf) = issued(1, 2);
    let request = sign(SUBJECT, &output("csr"), 2);
    let (ca, x509) = (output("x509-ca"), output("x509"));
    let authority = br#"{"common_name":"Authority of Example"}"#;
    verify(authority, root.as_bytes(), &public(1), &ca).unwrap();
    verify(&request, leaf.as_bytes(), &public(1), &x509).unwrap();
    assert!(verify(SUBJECT, root.as_bytes(), &public(1), &ca).is_err());
    assert!(verify(authority, root.as_bytes(), &public(2), &ca).is_err());
    assert!(verify(authority, root.as_bytes(), &public(1), &output("x509-self")).is_err());
    assert!(verify(&request, leaf.as_bytes(), &public(2), &x509).is_err());
    let other = sign(SUBJECT, &output("csr"), 3);
    assert!(verify(&other, leaf.as_bytes(), &public(1), &x509).is_err());
}

#[test]
fn hostile_subjects_are_refused() {
    let long = format!(r#"{{"common_name":"{}"}}"#, "x".repeat(65));
    for (subject, why) in [
        (r#"{"common_name":""}"#, "is empty"),
        (r#"{"organization":"Example"}"#, "is empty"),
        (r#"{"common_name":"a\u0000b"}"#, "invisible"),
        (r#"{"common_name":"a\nb"}"#, "invisible"),
        (r#"{"common_name":"good\u202Elive"}"#, "invisible"),
        (r#"{"common_name":"a\u200bb"}"#, "invisible"),
        (r#"{"common_name":" a"}"#, "spaces around"),
        (&long, "longer than 64"),
        (r#"{"common_name":"a","country":"de"}"#, "two capital letters"),
        (r#"{"common_name":"a","country":"Germany"}"#, "longer than 2"),
        (r#"{"common_name":"a","country":""}"#, "is empty"),
        (r#"{"common_name":"a","title":"king"}"#, "unknown field"),
        ("common_name: a", "expected JSON"),
        ("", "expected JSON"),
    ] {
        for format in ["csr", "x509-self?from=1&until=2", "x509-ca?from=1&until=2"] {
            let refused = refusal(subject.as_bytes(), &output(format), 1);
            assert!(refused.contains(why), "{subject}: {refused}");
        }
    }
}

#[test]
fn requests_with_hostile_subjects_are_refused() {
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("key.pem"), secret_pem(2)).unwrap();
    let (root, _) = issued(1, 2);
    let chain = CertificateChain::from_pem(&root).unwrap();
    let asked = output(&format!("x509?from={NOW}&until={}", NOW + DAY)).with_certificates(&chain);
    for (arguments, why) in [
        ("-subj /CN=me", ""),
        ("-subj /CN=me -sha512", "not signed with ECDSA and SHA-256"),
        ("-subj /O=me", "no common_name"),
        ("-subj /CN=me/GN=king", "unknown type"),
        ("-utf8 -subj /CN=a\u{202e}b", "invisible"),
    ] {
        let command = format!("openssl req -new -key key.pem {arguments}");
        let done = run(directory.path(), &command);
        assert!(done.status.success(), "{}", printed(&done));
        if why.is_empty() {
            sign(&done.stdout, &asked, 1);
            let damaged = printed(&done).replacen('A', "B", 3);
            let _ = refusal(damaged.as_bytes(), &asked, 1);
        } else {
            let refused = refusal(&done.stdout, &asked, 1);
            assert!(refused.contains(why), "{arguments}: {refused}");
        }
    }
}

#[test]
fn an_authority_issues_with_its_own_certificate_only() {
    let (root, leaf) = issued(1, 2);
    let request = sign(SUBJECT, &output("csr"), 2);
    let asked = |pem: &str, from: u32, until: u32| {
        let chain = CertificateChain::from_pem(pem).unwrap();
        output(&format!("x509?from={from}&until={until}")).with_certificates(&chain)
    };
    let good = asked(&root, NOW, NOW + DAY);
    sign(&request, &good, 1);
    for (asked, seed, why) in [
        (good, 3, "another key"),
        (asked(&leaf, NOW, NOW + DAY), 2, "not one of an authority"),
        (asked(&self_signed(1), NOW, NOW + DAY), 1, "not one of an authority"),
        (asked(&root, NOW - DAY, NOW + DAY), 1, "not valid before"),
        (asked(&root, NOW, NOW + 3651 * DAY), 1, "expired"),
        (output("x509?from=1&until=2"), 1, "lacks a certificate"),
    ] {
        let refused = refusal(&request, &asked, seed);
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn a_chain_is_in_order_and_its_certificates_are_strong() {
    let (root, leaf) = issued(1, 2);
    let both = format!("{leaf}{root}");
    assert_eq!(CertificateChain::from_pem(&both).unwrap().issuers().len(), 1);
    let refused = |pem: &str| CertificateChain::from_pem(pem).unwrap_err();
    assert!(matches!(refused(&format!("{root}{leaf}")), X509Error::Chain { .. }));
    assert!(matches!(refused(&format!("{leaf}{}", self_signed(1))), X509Error::Chain { .. }));
    assert!(matches!(refused(&format!("{leaf}{}", root.repeat(5))), X509Error::TooMany));
    for damaged in ["", "x", &leaf[..100], &leaf.replacen("MII", "MIJ", 1)] {
        assert_eq!(refused(damaged), X509Error::Unreadable);
    }
}

#[test]
fn a_certificate_that_does_not_fit_is_refused_with_the_reason() {
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("key.pem"), secret_pem(1)).unwrap();
    let certificate = |arguments: &str| {
        let command =
            format!("openssl req -x509 -key key.pem -subj /CN=me -days 3650 -addext {arguments}");
        let done = run(directory.path(), &command);
        assert!(done.status.success(), "{}", printed(&done));
        String::from_utf8(done.stdout).unwrap()
    };
    let leaf = "basicConstraints=critical,CA:FALSE -addext keyUsage=";
    let (root, _) = issued(1, 2);
    // These are valid from now on.
    let at: u64 = printed(&run(directory.path(), "date +%s")).trim().parse().unwrap();
    let at = at + 60;
    for (pem, at, why) in [
        (certificate(&format!("{leaf}digitalSignature")), at, ""),
        (certificate(&format!("{leaf}keyAgreement")), at, "lacks digitalSignature"),
        (certificate(&format!("{leaf}digitalSignature -sha1")), at, "weak"),
        (certificate("keyUsage=digitalSignature"), at, "certificate authority"),
        (
            certificate(&format!("{leaf}digitalSignature -addext 1.2.3=critical,ASN1:NULL")),
            at,
            "unknown here (1.2.3)",
        ),
        (root, u64::from(NOW + DAY), "certificate authority"),
        (self_signed(2), u64::from(NOW + DAY), "another key"),
        (self_signed(1), u64::from(NOW - 1), "not valid before 2026-01-01 00:00:00"),
        (self_signed(1), u64::from(NOW + 366 * DAY), "expired on 2027-01-01 00:00:00"),
    ] {
        let chain = CertificateChain::from_pem(&pem).unwrap();
        let asked = output("cms").with_certificates(&chain).dated(at);
        if why.is_empty() {
            let key = public(1);
            let preview = prepare(b"a contract", &asked, &key).unwrap().preview().unwrap();
            assert!(preview.warning.unwrap().contains("nonRepudiation"));
        } else {
            let refused = refusal(b"a contract", &asked, 1);
            assert!(refused.contains(why), "{refused}");
        }
    }
}

#[test]
fn what_approvers_see_hides_nothing() {
    let asked = certified("cms", &self_signed(1));
    let key = public(1);
    let preview = prepare(b"a contract", &asked, &key).unwrap().preview().unwrap();
    let value =
        |name: &str| preview.fields.iter().find(|field| field.name == name).unwrap().value.as_str();
    assert_eq!(value("signed as of"), "2026-01-02 00:00:00 UTC, says the requester");
    assert_eq!(value("certificate of"), "C=DE, O=Example Ltd, CN=Board of Example");
    assert_eq!(value("issued by"), value("certificate of"));
    assert_eq!(value("valid"), "2026-01-01 00:00:00 to 2027-01-01 00:00:00 UTC");
    assert_eq!(value("serial").len(), 32);
    assert_eq!(preview.warning, None);
}

#[test]
fn the_options_of_certificates_have_one_text() {
    for text in ["x509-self?from=1&until=2", "cms?at=5", "x509?from=1&until=2"] {
        assert_eq!(output(text).to_string(), text);
    }
    for text in [
        "csr?from=1&until=2",
        "x509-self?until=2&from=1",
        "x509-self?from=2&until=1",
        "x509-self?from=1",
        "x509-self?from=01&until=2",
        "x509-self?from=1&until=2&",
        "x509-self?from=1&until=2&until=3",
        "x509-self?issuer=AAAA&from=1&until=2",
        "cms?",
        "cms?at=",
        "cms?at=5&at=5",
        "cms?certificate=AAAA",
        "cms?certificate=%",
        "cms?issuer=AAAA",
    ] {
        assert!(text.parse::<quorate_documents::Output>().is_err(), "{text}");
    }
    let full = certified("cms", &self_signed(1));
    assert_eq!(full.to_string().parse(), Ok(full.clone()));
    assert_eq!(full.clone().dated(7), full);
    let dated = output("x509-self").dated(1_000).to_string();
    assert_eq!(dated, "x509-self?from=700&until=63072700");
}

proptest! {
    #[test]
    fn a_changed_certificate_is_refused(at: prop::sample::Index, bit in 0_u32..8) {
        let (_, leaf) = issued(1, 2);
        let request = sign(SUBJECT, &output("csr"), 2);
        let mut changed = leaf.clone().into_bytes();
        changed[at.index(leaf.len())] ^= 1 << bit;
        let visible = |file: &[u8]| -> Vec<u8> {
            file.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
        };
        let verified = verify(&request, &changed, &public(1), &output("x509"));
        let is_same = visible(&changed) == visible(leaf.as_bytes())
            || changed[..leaf.len() - 1] == leaf.as_bytes()[..leaf.len() - 1];
        prop_assert!(verified.is_err() || is_same);
    }

    #[test]
    fn no_bytes_make_the_certificate_readers_panic(bytes: Vec<u8>, text in "\\PC{0,99}") {
        let _ = CertificateChain::new(bytes.clone(), vec![]);
        let base64 = hex::encode(&bytes);
        for label in ["CERTIFICATE", "CERTIFICATE REQUEST"] {
            for body in [&base64, &text] {
                let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
                let _ = SignatureFile::read(pem.as_bytes());
                let _ = CertificateChain::from_pem(&pem);
            }
        }
        for format in ["csr", "x509-ca?from=1&until=2"] {
            let _ = prepare(&bytes, &output(format), &public(1)).map(drop);
        }
    }
}
