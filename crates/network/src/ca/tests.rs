//! Certificates: their content, and what is rejected.

use super::*;

static_assertions::assert_not_impl_any!(NodeKey: Clone, serde::Serialize);
static_assertions::assert_not_impl_any!(CertificateAuthority: Clone, serde::Serialize);
static_assertions::assert_not_impl_any!(NewAuthority: Clone, serde::Serialize);

fn ivn(byte: u8) -> IvnId {
    IvnId::new([byte; 32])
}

fn authority(byte: u8) -> CertificateAuthority {
    NewAuthority::generate().unwrap().for_ivn(ivn(byte))
}

const IDENTITY: [u8; 32] = [0xA1; 32];

fn alice() -> AccountName {
    AccountName::new("alice").unwrap()
}

fn issue(authority: &CertificateAuthority) -> NodeCertificate {
    let request = NodeKey::generate().unwrap().certificate_request().unwrap();
    authority.issue_node_certificate(&alice(), &IDENTITY, &request, SystemTime::now()).unwrap()
}

#[test]
fn an_authority_survives_storage() {
    let before = authority(1);
    let after =
        CertificateAuthority::load(ivn(1), &before.certificate_pem(), &before.key_pem()).unwrap();
    assert_eq!(after.fingerprint(), before.fingerprint());
    assert_eq!(account_of(issue(&after).der(), ivn(1)), Some((alice(), IDENTITY)));
    assert!(!format!("{after:?}").contains("PRIVATE"));
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (one, two) = (authority(1), authority(2));
    let load = CertificateAuthority::load;
    assert!(matches!(load(ivn(1), &one.certificate_pem(), &two.key_pem()), Err(CaError::Mismatch)));
    assert!(matches!(load(ivn(1), "", &one.key_pem()), Err(CaError::Unreadable)));
    assert!(matches!(load(ivn(1), &one.certificate_pem(), ""), Err(CaError::Unreadable)));
    let node = issue(&one).to_pem();
    assert!(matches!(load(ivn(1), &node, &one.key_pem()), Err(CaError::Unreadable)));
}

#[test]
fn a_certificate_names_its_account_the_accounts_key_and_its_ivn() {
    let certificate = issue(&authority(1));
    assert_eq!(account_of(certificate.der(), ivn(1)), Some((alice(), IDENTITY)));
    assert_eq!(account_of(certificate.der(), ivn(2)), None);
    assert_eq!(NodeCertificate::from_pem(&certificate.to_pem()).unwrap(), certificate);
}

#[test]
fn a_certificate_that_names_no_key_is_nobodys() {
    let authority = authority(1);
    let request = NodeKey::generate().unwrap().certificate_request().unwrap();
    let request = CertificateSigningRequestDer::from(request);
    let request = CertificateSigningRequestParams::from_der(&request).unwrap();
    let issue = |key: Option<&str>| {
        let mut params = params(&ivn(1).to_string(), "alice", SystemTime::now() + VALIDITY);
        if let Some(key) = key {
            let key = PrintableString::try_from(key).unwrap();
            let kind = DnType::CustomDnType(SERIAL_NUMBER.to_vec());
            params.distinguished_name.push(kind, DnValue::PrintableString(key));
        }
        let certificate = params.signed_by(&request.public_key, &authority.issuer).unwrap();
        account_of(certificate.der(), ivn(1))
    };
    assert_eq!(issue(Some(&"a1".repeat(32))), Some((alice(), IDENTITY)));
    assert_eq!(issue(Some(&"a1".repeat(31))), None);
    assert_eq!(issue(Some("alice")), None);
    assert_eq!(issue(None), None);
}

#[test]
fn serial_numbers_are_not_repeated_for_a_key() {
    let authority = authority(1);
    let request = NodeKey::generate().unwrap().certificate_request().unwrap();
    let issue = || {
        authority.issue_node_certificate(
            &alice(),
            &IDENTITY,
            &request,
            SystemTime::UNIX_EPOCH + VALIDITY,
        )
    };
    assert_ne!(issue().unwrap(), issue().unwrap());
}

#[test]
fn no_clock_is_before_a_certificate_or_after_its_authority() {
    let authority = authority(1);
    let (ca, node) = (parse(&authority.certificate), issue(&authority));
    let ca = ca.unwrap();
    let node = parse(&node.0).unwrap();
    for certificate in [&ca, &node] {
        assert_eq!(certificate.validity().not_before.timestamp(), 0);
    }
    assert_eq!(ca.validity().not_after.to_datetime().year(), 9999);
}

#[test]
fn certificates_end_after_thirty_days() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let request = NodeKey::generate().unwrap().certificate_request().unwrap();
    let certificate =
        authority(1).issue_node_certificate(&alice(), &IDENTITY, &request, now).unwrap();
    assert_eq!(certificate.not_after().unwrap(), now + VALIDITY);
}

#[test]
fn requests_with_a_broken_signature_are_refused() {
    let mut request = NodeKey::generate().unwrap().certificate_request().unwrap();
    *request.last_mut().unwrap() ^= 1;
    assert!(matches!(
        authority(1).issue_node_certificate(&alice(), &IDENTITY, &request, SystemTime::now()),
        Err(CaError::Request(_))
    ));
    assert!(matches!(
        authority(1).issue_node_certificate(&alice(), &IDENTITY, b"", SystemTime::now()),
        Err(CaError::Request(_))
    ));
}

#[test]
fn a_node_key_survives_storage_and_is_not_printed() {
    let key = NodeKey::generate().unwrap();
    let again = NodeKey::from_pem(&key.to_pem()).unwrap();
    assert_eq!(*again.to_pem(), *key.to_pem());
    assert_eq!(format!("{key:?}"), "NodeKey([REDACTED])");
    assert!(matches!(NodeKey::from_pem("hello"), Err(CaError::Unreadable)));
}
