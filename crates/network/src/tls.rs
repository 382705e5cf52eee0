//! TLS settings of both ends: version 1.3 only, one IVN's authority as the only root, no
//! resumption.
//!
//! The cryptographic provider is passed explicitly; nothing global is installed or relied on.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, PeerIncompatible,
    RootCertStore, ServerConfig, SignatureScheme, version,
};

use crate::ca::{self, CaError, CaFingerprint, CertificateAuthority, NodeCertificate, NodeKey};

/// The hub's settings for one IVN: presents a new certificate for the IVN's name, and accepts
/// client certificates of its authority or none.
pub(crate) fn hub_config(
    authority: &CertificateAuthority,
    now: SystemTime,
) -> Result<ServerConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone())?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()?;
    let (chain, key) = authority.issue_hub_certificate(now)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(Arc::new(AlsoExpired(clients)))
        .with_single_cert(chain, key)?;
    // A resumed session would not check the client's certificate again.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Also accepts an expired certificate of the authority. The hub then permits only its
/// renewal, so that a node that was off for long need not compete with strangers for it.
#[derive(Debug)]
struct AlsoExpired(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AlsoExpired {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.0.verify_client_cert(end_entity, intermediates, now);
        let Err(rustls::Error::InvalidCertificate(reason)) = &verified else { return verified };
        // Certificates of the authority are valid since 1970, so they can only be too old.
        if !matches!(reason, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
            return verified;
        }
        let end =
            ca::end_of(end_entity).and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok());
        match end {
            Some(end) => {
                let then = UnixTime::since_unix_epoch(end);
                self.0.verify_client_cert(end_entity, intermediates, then)
            }
            None => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A node's settings: trusts `authority` only, and presents its certificate if it has one.
pub(crate) fn dialler_config(
    authority: CaFingerprint,
    identity: Option<(&NodeCertificate, &NodeKey)>,
) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedAuthority {
            authority,
            provider: provider(),
        }));
    let mut config = match identity {
        Some((certificate, key)) => {
            builder.with_client_auth_cert(vec![certificate.der().clone()], key.private_key())?
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// The cryptography of all TLS connections of this program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Accepts a hub whose chain contains the certificate with the pinned fingerprint, and is valid up
/// to it.
///
/// The usual verification does the work, with that one certificate as its only root.
#[derive(Debug)]
struct PinnedAuthority {
    authority: CaFingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let root = intermediates
            .iter()
            .find(|certificate| CaFingerprint::of(certificate) == self.authority)
            .ok_or(CertificateError::UnknownIssuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|_| CertificateError::UnknownIssuer)?
            .verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why TLS settings could not be made: our fault or the caller's, never a peer's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TlsError {
    #[error("the certificate and key cannot be used for TLS; do they belong together?")]
    Settings(#[from] rustls::Error),
    #[error("the IVN's authority cannot be used to verify certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("no certificate for the hub could be issued")]
    Authority(#[from] CaError),
}

const ALPN: &[u8] = b"http/1.1";

#[cfg(test)]
mod tests {
    use rustls::{ClientConnection, ServerConnection};

    use super::*;
    use crate::ivn::IvnId;

    fn authority(ivn: u8) -> CertificateAuthority {
        crate::ca::NewAuthority::generate().unwrap().for_ivn(IvnId::new([ivn; 32]))
    }

    /// Shakes hands in memory, with `name` as SNI; returns the first error of either end.
    fn shake_hands(
        client: ClientConfig,
        server: ServerConfig,
        name: &str,
    ) -> Result<(), rustls::Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets()?;
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn the_right_hub_is_accepted() {
        let a = authority(1);
        let client = dialler_config(a.fingerprint(), None).unwrap();
        let server = hub_config(&a, SystemTime::now()).unwrap();
        shake_hands(client, server, &a.ivn().server_name()).unwrap();
    }

    #[test]
    fn another_ivns_name_is_rejected_even_from_the_pinned_authority() {
        let a = authority(1);
        let client = dialler_config(a.fingerprint(), None).unwrap();
        let server = hub_config(&a, SystemTime::now()).unwrap();
        let error = shake_hands(client, server, &authority(2).ivn().server_name()).unwrap_err();
        assert!(
            matches!(
                error,
                rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
            ),
            "{error:?}"
        );
    }

    #[test]
    fn a_hub_with_another_certificate_than_the_pinned_is_rejected() {
        let (ours, theirs) = (authority(1), authority(1));
        let (mut chain, key) = theirs.issue_hub_certificate(SystemTime::now()).unwrap();
        chain.push(ours.certificate().clone());
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let client = dialler_config(ours.fingerprint(), None).unwrap();
        let error = shake_hands(client, server, &ours.ivn().server_name()).unwrap_err();
        assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error:?}");
    }

    #[test]
    fn an_expired_hub_certificate_is_refused() {
        let a = authority(1);
        let client = dialler_config(a.fingerprint(), None).unwrap();
        let long_ago = SystemTime::now() - 2 * crate::ca::VALIDITY;
        let server = hub_config(&a, long_ago).unwrap();
        let error = shake_hands(client, server, &a.ivn().server_name()).unwrap_err();
        assert!(
            matches!(
                error,
                rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { .. })
            ),
            "{error:?}"
        );
    }

    #[test]
    fn a_certificate_of_a_node_is_none_of_a_hub() {
        let a = authority(1);
        let key = NodeKey::generate().unwrap();
        let account = crate::ivn::AccountName::new("alice").unwrap();
        let request = key.certificate_request().unwrap();
        let node =
            a.issue_node_certificate(&account, &[7; 32], &request, SystemTime::now()).unwrap();
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![node.der().clone(), a.certificate().clone()], key.private_key())
            .unwrap();
        let client = dialler_config(a.fingerprint(), None).unwrap();
        let error = shake_hands(client, server, &a.ivn().server_name()).unwrap_err();
        assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error:?}");
    }
}
