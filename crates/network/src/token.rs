//! The join token: everything that a new node needs to find its IVN and to be admitted, as one URL.
//!
//! ```text
//! https://HOST:PORT/join/<IVN id, 64 hex digits>#<base64url without padding of:
//!                                                 1 ‖ seed (32) ‖ CA fingerprint (32)>
//! ```
//!
//! The part after `#` is secret: the first node that uses it joins as the invited account. It is a
//! URL fragment because programs do not send fragments to servers.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

use crate::ca::CaFingerprint;
use crate::ivn::{HubAddress, HubAddressError, IvnId};

/// An invitation into an IVN, one-time and secret.
///
/// Not `Clone`, and printed without its seed.
pub struct JoinToken {
    hub: HubAddress,
    ivn: IvnId,
    authority: CaFingerprint,
    seed: Zeroizing<[u8; 32]>,
}

impl JoinToken {
    /// Creates a token; `seed` is the private half of the invitation's key pair (an RFC 8032 §5.1.5
    /// private key).
    pub fn new(
        hub: HubAddress,
        ivn: IvnId,
        authority: CaFingerprint,
        seed: Zeroizing<[u8; 32]>,
    ) -> Self {
        Self { hub, ivn, authority, seed }
    }

    /// The hub to dial.
    pub fn hub(&self) -> &HubAddress {
        &self.hub
    }

    /// The IVN to join; its genesis must hash to this.
    pub fn ivn(&self) -> IvnId {
        self.ivn
    }

    /// The only certificate authority whose hub is trusted.
    pub fn authority(&self) -> CaFingerprint {
        self.authority
    }

    /// The private half of the invitation's key pair.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The token as a URL. This is the secret itself: show it to the invited person only, never log
    /// it.
    pub fn to_url(&self) -> Zeroizing<String> {
        let mut secret = Zeroizing::new([0; SECRET_LENGTH]);
        for (to, from) in secret
            .iter_mut()
            .zip([VERSION].iter().chain(self.seed.iter()).chain(self.authority.as_bytes()))
        {
            *to = *from;
        }
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice()));
        Zeroizing::new(format!("https://{}/join/{}#{}", self.hub, self.ivn, secret.as_str()))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("hub", &self.hub)
            .field("ivn", &self.ivn)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let rest = text.trim().strip_prefix("https://").ok_or(TokenError::NotAJoinUrl)?;
        let (address, rest) = rest.split_once('/').ok_or(TokenError::NotAJoinUrl)?;
        let rest = rest.strip_prefix("join/").ok_or(TokenError::NotAJoinUrl)?;
        let (ivn, secret) = rest.split_once('#').ok_or(TokenError::NoSecret)?;
        let hub = address.parse().map_err(TokenError::Hub)?;
        let ivn = ivn.parse().map_err(|_| TokenError::Ivn)?;
        if secret.is_empty() {
            return Err(TokenError::NoSecret);
        }
        let (seed, authority) = read_secret(secret)?;
        Ok(Self { hub, ivn, authority, seed })
    }
}

fn read_secret(text: &str) -> Result<(Zeroizing<[u8; 32]>, CaFingerprint), TokenError> {
    // Room for more than a token, so that a token of a later version is not mistaken for a damaged
    // one.
    let mut buffer = Zeroizing::new([0_u8; 1024]);
    let length = URL_SAFE_NO_PAD
        .decode_slice(text, buffer.as_mut_slice())
        .map_err(|_| damaged_secret(text.len()))?;
    let secret = buffer.get(..length).ok_or(TokenError::Damaged)?;
    match secret.split_first() {
        Some((&VERSION, rest)) => {
            let (seed, authority) = rest.split_at_checked(32).ok_or(TokenError::Truncated)?;
            let authority = match authority.len() {
                0..32 => return Err(TokenError::Truncated),
                32 => <[u8; 32]>::try_from(authority).map_err(|_| TokenError::Damaged)?,
                _ => return Err(TokenError::Damaged),
            };
            let mut copy = [0; 32];
            copy.copy_from_slice(seed);
            let seed = Zeroizing::new(copy);
            copy.zeroize();
            Ok((seed, CaFingerprint::new(authority)))
        }
        Some((&version, _)) => Err(TokenError::Version(version)),
        None => Err(TokenError::NoSecret),
    }
}

/// A cut text is often not valid base64 either; its length is the more useful hint.
fn damaged_secret(characters: usize) -> TokenError {
    if characters < (SECRET_LENGTH * 4).div_ceil(3) {
        TokenError::Truncated
    } else {
        TokenError::Damaged
    }
}

/// Why a text is not a [`JoinToken`]. None of these repeat any part of the secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TokenError {
    #[error(
        "not a join URL: expected https://HOST:PORT/join/IVN/NAME#SECRET, as `quorate invite` prints it"
    )]
    NotAJoinUrl,
    /// The part after `#` is missing; shells and chat programs do that to URLs.
    #[error(
        "the join URL has lost its secret, the part after '#'; put the URL in quotes and copy all of it"
    )]
    NoSecret,
    #[error("the join URL is cut short; copy all of it")]
    Truncated,
    #[error("the join URL is damaged; copy it again")]
    Damaged,
    #[error(
        "the join URL has version {0}, this program reads version 1; use the version that the hub's operator uses"
    )]
    Version(u8),
    #[error("the join URL has a damaged IVN id; copy it again")]
    Ivn,
    #[error("the join URL has an unusable hub address")]
    Hub(#[source] HubAddressError),
}

const VERSION: u8 = 1;
const SECRET_LENGTH: usize = 1 + 32 + 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static_assertions::assert_not_impl_any!(JoinToken: Clone, Copy, serde::Serialize, fmt::Display);

    fn token(seed: [u8; 32]) -> JoinToken {
        JoinToken::new(
            "hub.example.com:8443".parse().unwrap(),
            IvnId::new([0x11; 32]),
            CaFingerprint::new([0x22; 32]),
            Zeroizing::new(seed),
        )
    }

    /// The URL of `token([0x33; 32])`, so that the format cannot change by accident.
    const KEPT: &str = "https://hub.example.com:8443/join/1111111111111111111111111111111111111111111111111111111111111111#ATMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI";

    fn error(text: &str) -> TokenError {
        text.parse::<JoinToken>().unwrap_err()
    }

    #[test]
    fn the_kept_url_reads_and_writes() {
        assert_eq!(*token([0x33; 32]).to_url(), KEPT);
        let read: JoinToken = KEPT.parse().unwrap();
        assert_eq!(read.seed(), &[0x33; 32]);
        assert_eq!(read.ivn(), IvnId::new([0x11; 32]));
        assert_eq!(read.authority(), CaFingerprint::new([0x22; 32]));
        assert_eq!(read.hub().to_string(), "hub.example.com:8443");
    }

    #[test]
    fn debug_hides_the_seed() {
        let debug = format!("{:?}", token([0x33; 32]));
        assert!(
            !debug.contains("33") && !debug.contains("51, 51") && !debug.contains("Mz"),
            "{debug}"
        );
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert_eq!(error(""), TokenError::NotAJoinUrl);
        assert_eq!(error("https://example.com/"), TokenError::NotAJoinUrl);
        assert_eq!(error(&KEPT.replace("https", "http")), TokenError::NotAJoinUrl);
        assert_eq!(error(KEPT.split('#').next().unwrap()), TokenError::NoSecret);
        assert_eq!(error(&format!("{}#", KEPT.split('#').next().unwrap())), TokenError::NoSecret);
        assert_eq!(error(&KEPT.replace("#AT", "#AjT")), TokenError::Version(2));
        assert_eq!(error(&KEPT.replace(":8443", "")), TokenError::Hub(HubAddressError::NoPort));
        assert_eq!(error(&KEPT.replace("/1111", "/111")), TokenError::Ivn);
        assert_eq!(error(&KEPT.replace("ATMz", "AT+z")), TokenError::Damaged);
        assert_eq!(error(&format!("{KEPT}AAAA")), TokenError::Damaged);
    }

    #[test]
    fn every_cut_of_the_secret_is_noticed() {
        let start = KEPT.find('#').unwrap();
        for end in start + 2..KEPT.len() {
            assert_eq!(error(&KEPT[..end]), TokenError::Truncated, "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_token_survives_its_url(seed: [u8; 32], ivn: [u8; 32], authority: [u8; 32], port in 1_u16..) {
            let token = JoinToken::new(
                format!("127.0.0.1:{port}").parse().unwrap(),
                IvnId::new(ivn),
                CaFingerprint::new(authority),
                Zeroizing::new(seed),
            );
            let read: JoinToken = token.to_url().parse().unwrap();
            prop_assert_eq!(read.seed(), token.seed());
            prop_assert_eq!(read.ivn(), token.ivn());
            prop_assert_eq!(read.authority(), token.authority());
            prop_assert_eq!(read.hub(), token.hub());
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,300}", at in 0_usize..200, with: char) {
            let _ = text.parse::<JoinToken>();
            let damaged: String =
                KEPT.chars().enumerate().map(|(i, c)| if i == at { with } else { c }).collect();
            let _ = damaged.parse::<JoinToken>();
        }
    }
}
