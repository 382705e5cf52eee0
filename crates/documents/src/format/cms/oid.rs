//! Object identifiers of CMS and CAdES.

pub(super) const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
pub(super) const DATA: &str = "1.2.840.113549.1.7.1";
pub(super) const SHA256: &str = "2.16.840.1.101.3.4.2.1";
pub(super) const ECDSA: &str = "1.2.840.10045.4.3.2";
pub(super) const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
pub(super) const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
pub(super) const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
pub(super) const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.47";
