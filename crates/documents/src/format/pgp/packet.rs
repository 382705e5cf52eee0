//! Writes packets (RFC 9580 §4 and §5) and ASCII armor (§6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha512};

use super::options::{Moment, Times};

/// EdDSALegacy (§9.1), and its curve `1.3.6.1.4.1.11591.15.1` (§9.2) with the length.
const EDDSA: u8 = 22;
const ED25519: &[u8] = &[9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const SHA512: u8 = 10;
const VERSION: u8 = 4;

/// Signature types (§5.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Kind {
    Binary = 0x00,
    Text = 0x01,
    /// A certification whose signer has verified the user id thoroughly.
    Certification = 0x13,
    KeyRevocation = 0x20,
}

/// A key: its bytes, and the time that its fingerprint covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) created: Moment,
}

impl Key<'_> {
    /// The body of the public-key packet (§5.5.2).
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = vec![VERSION];
        body.extend(self.created.to_be_bytes());
        body.push(EDDSA);
        body.extend(ED25519);
        // The prefix 0x40 means that the point is in its native encoding (§11.2).
        body.extend(integer(&[&[0x40], self.bytes].concat()));
        body
    }

    /// What hashes of the key begin with (§5.2.4, §5.5.4.2).
    pub(super) fn hashed(&self) -> Vec<u8> {
        let body = self.body();
        [&[0x99], length16(&body).as_slice(), &body].concat()
    }

    /// SHA-1 over the key (§5.5.4.2).
    pub(super) fn fingerprint(&self) -> [u8; 20] {
        Sha1::digest(self.hashed()).into()
    }
}

/// What a signature says besides its document: the fields that its hash covers.
pub(super) struct Statement {
    fields: Vec<u8>,
    fingerprint: [u8; 20],
}

impl Statement {
    /// A statement by `key`, with these hashed subpackets besides the usual ones.
    pub(super) fn new(kind: Kind, key: &Key<'_>, times: Times, subpackets: &[Vec<u8>]) -> Self {
        let fingerprint = key.fingerprint();
        let mut hashed = subpacket(33, &[&[VERSION], fingerprint.as_slice()].concat());
        hashed.extend(subpacket(2, &times.at.to_be_bytes()));
        subpackets.iter().for_each(|subpacket| hashed.extend(subpacket));
        let mut fields = vec![VERSION, kind as u8, EDDSA, SHA512];
        fields.extend(length16(&hashed));
        fields.extend(hashed);
        Self { fields, fingerprint }
    }

    /// The hash that is signed (§5.2.4): over the document, the fields and the trailer.
    pub(super) fn hash<'a>(&self, document: impl IntoIterator<Item = &'a [u8]>) -> [u8; 64] {
        let mut hash = Sha512::new();
        document.into_iter().for_each(|part| hash.update(part));
        hash.update(&self.fields);
        hash.update([VERSION, 0xff]);
        hash.update(u32::try_from(self.fields.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.finalize().into()
    }

    /// The signature packet (§5.2.3), from an Ed25519 signature R ‖ S over `hash`.
    pub(super) fn packet(&self, hash: &[u8; 64], signature: &[u8]) -> Vec<u8> {
        let mut body = self.fields.clone();
        let unhashed = subpacket(16, self.fingerprint.get(12..).unwrap_or_default());
        body.extend(length16(&unhashed));
        body.extend(unhashed);
        body.extend(hash.get(..2).unwrap_or_default());
        let (r, s) = signature.split_at_checked(32).unwrap_or_default();
        body.extend(integer(r));
        body.extend(integer(s));
        packet(2, &body)
    }
}

/// A packet in the current format (§4.2.1).
pub(super) fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xc0 | tag];
    packet.extend(length(body.len()));
    packet.extend(body);
    packet
}

/// A signature subpacket (§5.2.3.7).
pub(super) fn subpacket(kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut subpacket = length(contents.len() + 1);
    subpacket.push(kind);
    subpacket.extend(contents);
    subpacket
}

/// The length of a packet or subpacket, in one, two or five bytes.
fn length(length: usize) -> Vec<u8> {
    match u32::try_from(length).unwrap_or(u32::MAX) {
        short @ 0..192 => vec![u8::try_from(short).unwrap_or_default()],
        middle @ 192..8384 => {
            let rest = middle - 192;
            let [.., high, low] = rest.to_be_bytes();
            vec![high + 192, low]
        }
        long => [&[0xff], long.to_be_bytes().as_slice()].concat(),
    }
}

fn length16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()
}

/// A multiprecision integer (§3.2): the number of bits, and the bytes without leading zeros.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(start..).unwrap_or_default();
    let zeros = bytes.first().map_or(0, |byte| byte.leading_zeros());
    let bits = u32::try_from(bytes.len() * 8).unwrap_or(u32::MAX).saturating_sub(zeros);
    [u16::try_from(bits).unwrap_or(u16::MAX).to_be_bytes().as_slice(), bytes].concat()
}

/// ASCII armor (§6.2), with the checksum on which older readers insist.
pub(super) fn armor(kind: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN PGP {kind}-----\n\n");
    for line in STANDARD.encode(bytes).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    let [_, sum @ ..] = crc24(bytes).to_be_bytes();
    text.push_str(&format!("={}\n-----END PGP {kind}-----\n", STANDARD.encode(sum)));
    text
}

/// The packets in an armored file.
pub(super) fn unarmored(file: &str) -> Option<Vec<u8>> {
    let (_, body) = file.split_once("\n\n")?;
    let base64: String = body.lines().take_while(|line| !line.starts_with(['=', '-'])).collect();
    STANDARD.decode(base64).ok()
}

/// CRC-24 (§6.1.1).
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc = 0x00b7_04ce_u32;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    crc & 0x00ff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the sample key of the draft that introduced EdDSALegacy
    /// (draft-koch-eddsa-for-openpgp-04, appendix B).
    #[test]
    fn the_sample_key_has_its_fingerprint() {
        let bytes = hex::decode("3f098994bdd916ed4053197934e4a87c80733a1280d62f8010992e43ee3b2406");
        let bytes: [u8; 32] = bytes.unwrap().try_into().unwrap();
        let key = Key { bytes: &bytes, created: 0x53f3_5f0b };
        assert_eq!(hex::encode(key.fingerprint()), "c959bdbafa32a2f89a153b678cfde12197965a9a");
        assert!(hex::encode(key.body()).starts_with("0453f35f0b16092b06010401da470f0101"));
    }

    #[test]
    fn lengths_take_one_two_or_five_bytes() {
        for (bytes, encoded) in [
            (0, "00"),
            (191, "bf"),
            (192, "c000"),
            (1723, "c5fb"),
            (8383, "dfff"),
            (8384, "ff000020c0"),
            (100_000, "ff000186a0"),
        ] {
            assert_eq!(hex::encode(length(bytes)), encoded, "{bytes}");
        }
    }

    #[test]
    fn integers_have_no_leading_zeros() {
        for (bytes, encoded) in [
            (&[1][..], "000101"),
            (&[0, 0, 0xff], "0008ff"),
            (&[0], "0000"),
            (&[1, 0xff], "000901ff"),
        ] {
            assert_eq!(hex::encode(integer(bytes)), encoded);
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        assert_eq!(crc24(b""), 0x00b7_04ce);
        assert_eq!(crc24(b"123456789"), 0x0021_cf02);
    }
}
