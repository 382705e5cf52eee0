//! The join URL: the network's token, with the name of the invited account.
//!
//! ```text
//! https://HOST:PORT/join/<IVN id, 64 hex digits>/<account>#<secret>
//! ```

use std::fmt;
use std::str::FromStr;

use quorate_ceremony::names::AccountName;
use quorate_network::token::{JoinToken, TokenError};
use zeroize::Zeroizing;

/// An invitation, one-time and secret. Not `Clone`, and printed without its secret.
#[derive(Debug)]
pub struct JoinLink {
    /// Hub, IVN, authority and the one-time key.
    pub token: JoinToken,
    pub account: AccountName,
}

impl JoinLink {
    /// Returns the URL. It contains the secret, so it is for the invited person only.
    pub fn to_url(&self) -> Zeroizing<String> {
        let url = self.token.to_url();
        let (before, secret) = url.split_once('#').unwrap_or((&url, ""));
        Zeroizing::new(format!("{before}/{}#{secret}", self.account))
    }
}

impl FromStr for JoinLink {
    type Err = LinkError;

    fn from_str(url: &str) -> Result<Self, LinkError> {
        let url = url.trim();
        let (before, secret) = url.split_once('#').ok_or_else(|| lost_secret(url))?;
        let (before, account) =
            before.rsplit_once('/').ok_or(LinkError::Token(TokenError::NotAJoinUrl))?;
        let plain = Zeroizing::new(format!("{before}#{secret}"));
        match plain.parse() {
            Ok(token) => {
                Ok(Self { token, account: account.parse().map_err(|_| LinkError::Account)? })
            }
            // A URL that was cut off or typed without the account may still be a valid token.
            Err(_) if url.parse::<JoinToken>().is_ok() => Err(LinkError::Account),
            Err(error) => Err(error.into()),
        }
    }
}

/// Chooses the error for a URL without `#`.
fn lost_secret(url: &str) -> LinkError {
    let is_link = url.starts_with("https://") && url.contains("/join/");
    LinkError::Token(if is_link { TokenError::NoSecret } else { TokenError::NotAJoinUrl })
}

/// Why a text is not a [`JoinLink`]. No message repeats any part of the secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the join URL names no valid account; copy all of it, as `quorate invite` printed it")]
    Account,
}

impl fmt::Display for JoinLink {
    /// Omits the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}/join/{}/{}#…", self.token.hub(), self.token.ivn(), self.account)
    }
}

#[cfg(test)]
mod tests {
    use quorate_network::ca::CaFingerprint;
    use quorate_network::ivn::IvnId;

    use super::*;

    static_assertions::assert_not_impl_any!(JoinLink: Clone, Copy, serde::Serialize);

    fn link() -> JoinLink {
        let token = JoinToken::new(
            "hub.example.com:8443".parse().unwrap(),
            IvnId::new([0x11; 32]),
            CaFingerprint::new([0x22; 32]),
            Zeroizing::new([0x33; 32]),
        );
        JoinLink { token, account: "ada".parse().unwrap() }
    }

    #[test]
    fn a_url_reads_back() {
        let read: JoinLink = link().to_url().parse().unwrap();
        assert_eq!(read.account, link().account);
        assert_eq!(read.token.seed(), link().token.seed());
        assert_eq!(read.token.ivn(), link().token.ivn());
        assert_eq!(read.token.authority(), link().token.authority());
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        let url = link().to_url();
        let secret = url.split('#').nth(1).unwrap();
        assert!(!link().to_string().contains(secret));
        assert!(!format!("{:?}", link()).contains(secret));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |text: &str| text.parse::<JoinLink>().unwrap_err();
        let url = link().to_url();
        assert_eq!(error(""), TokenError::NotAJoinUrl.into());
        assert_eq!(error("https://example.com/"), TokenError::NotAJoinUrl.into());
        assert_eq!(error(url.split('#').next().unwrap()), TokenError::NoSecret.into());
        assert_eq!(error(&url[..url.len() - 3]), TokenError::Truncated.into());
        assert_eq!(error(&url.replace("/ada", "")), LinkError::Account);
        assert_eq!(error(&url.replace("/ada", "/ADA")), LinkError::Account);
        assert_eq!(error(&url.replace("/1111", "/111")), TokenError::Ivn.into());
    }
}
