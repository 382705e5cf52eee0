//! The inputs of the network crate: join URLs, addresses, names, certificate requests and
//! certificates.

use std::str::FromStr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use quorate::setup::link::JoinLink;
use quorate_ceremony::names::{AccountName, Digest, DocumentType, EntryId, GroupName};
use quorate_network::ca::{
    CaFingerprint, CertificateAuthority, NewAuthority, NodeCertificate, NodeKey,
};
use quorate_network::ivn::{self, HubAddress, IvnId};
use quorate_network::token::JoinToken;
use zeroize::Zeroizing;

use super::story;

fn read<T: FromStr + ToString>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    let written = value.to_string();
    assert_eq!(
        written.parse::<T>().ok().expect("what is written can be read").to_string(),
        written
    );
    true
}

/// Reads a text as a link, an address or a name.
pub fn links(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let mut accepted = [
        read::<IvnId>(text),
        read::<HubAddress>(text),
        read::<AccountName>(text),
        read::<GroupName>(text),
        read::<DocumentType>(text),
        read::<EntryId>(text),
        read::<Digest>(text),
        ivn::AccountName::new(text).is_ok_and(|name| name.as_str() == text),
    ]
    .contains(&true);
    if let Ok(token) = text.parse::<JoinToken>() {
        let again: JoinToken = token.to_url().parse().unwrap();
        assert_eq!(again.to_url(), token.to_url());
        assert_eq!(
            (again.hub(), again.ivn(), again.seed()),
            (token.hub(), token.ivn(), token.seed())
        );
        accepted = true;
    }
    if let Ok(link) = text.parse::<JoinLink>() {
        let again: JoinLink = link.to_url().parse().unwrap();
        assert_eq!(again.to_url(), link.to_url());
        assert_eq!(again.account, link.account);
        let secret = link.to_url().split('#').nth(1).unwrap().to_owned();
        assert!(!format!("{link} {link:?}").contains(&secret));
        accepted = true;
    }
    if let Ok(address) = text.parse::<HubAddress>() {
        assert!(address.port() != 0 && !address.host().is_empty());
    }
    accepted
}

pub fn link() -> JoinLink {
    let token = JoinToken::new(
        "hub.example.com:8443".parse().unwrap(),
        IvnId::new(*story().ivn.as_bytes()),
        CaFingerprint::new([0xCA; 32]),
        Zeroizing::new(*super::story::key("ben", 5).seed()),
    );
    JoinLink { token, account: "ben".parse().unwrap() }
}

/// Returns the inputs with which a fuzzer begins.
pub fn links_seeds() -> Vec<Vec<u8>> {
    [
        link().to_url().to_string(),
        link().token.to_url().to_string(),
        "[2001:db8::1]:443".to_owned(),
        "127.0.0.1:1".to_owned(),
        "ada-2.x".to_owned(),
        story().ivn.to_string(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn authority() -> &'static CertificateAuthority {
    static AUTHORITY: OnceLock<CertificateAuthority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        NewAuthority::generate().unwrap().for_ivn(IvnId::new(*story().ivn.as_bytes()))
    })
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(super::story::START.seconds())
}

/// Requests a certificate with any bytes, and reads them as PEM of keys and certificates.
pub fn csr(bytes: &[u8]) -> bool {
    let ada = ivn::AccountName::new("ada").unwrap();
    let mut accepted = false;
    if let Ok(certificate) = authority().issue_node_certificate(&ada, &[7; 32], bytes, now()) {
        assert!(certificate.not_after().unwrap() > now());
        accepted = true;
    }
    let Ok(text) = str::from_utf8(bytes) else { return accepted };
    if let Ok(certificate) = NodeCertificate::from_pem(text) {
        assert_eq!(NodeCertificate::from_pem(&certificate.to_pem()).unwrap(), certificate);
        let _ = certificate.not_after();
        accepted = true;
    }
    if let Ok(key) = NodeKey::from_pem(text) {
        assert!(NodeKey::from_pem(&key.to_pem()).is_ok());
        accepted = true;
    }
    let ivn = IvnId::new([1; 32]);
    let key = authority().key_pem();
    accepted |= CertificateAuthority::load(ivn, text, &key).is_ok();
    accepted |= CertificateAuthority::load(ivn, &authority().certificate_pem(), text).is_ok();
    accepted
}

/// Returns the inputs with which a fuzzer begins. The keys are new each time, because the library
/// makes only random ones.
pub fn csr_seeds() -> Vec<Vec<u8>> {
    let key = NodeKey::generate().unwrap();
    let request = key.certificate_request().unwrap();
    let ada = ivn::AccountName::new("ada").unwrap();
    let certificate = authority().issue_node_certificate(&ada, &[7; 32], &request, now()).unwrap();
    vec![request, key.to_pem().as_bytes().to_vec(), certificate.to_pem().into_bytes()]
}
