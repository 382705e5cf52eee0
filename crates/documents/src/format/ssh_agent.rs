//! `ssh-agent`: the document is what a client of an SSH agent wants signed, signed as it is; the 64
//! bytes of the Ed25519 signature are the file.
//!
//! Two kinds of bytes are accepted, each read to its end: a login of a user (RFC 4252 §7, and
//! OpenSSH's `publickey-hostbound-v00@openssh.com`, which names the server's key as well), and what
//! an SSH signature covers (OpenSSH `PROTOCOL.sshsig`). A `string` is a big-endian u32 length and
//! that many bytes, as in RFC 4251 §5.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use super::raw::Raw;
use super::ssh::public_key_blob;
use crate::definition::{Asked, Definition, Found, Preparation};
use crate::error::{Namespace, ReadError, Unsignable};
use crate::key::{Signature, VerifyingKey};
use crate::kind::KeyKind;
use crate::meaning::SSH as MAGIC;
use crate::preview::Preview;

pub(crate) struct SshAgent;

impl Definition for SshAgent {
    fn name(&self) -> &'static str {
        NAME
    }

    fn purpose(&self) -> &'static str {
        "for clients of quorate ssh-agent"
    }

    fn ending(&self) -> &'static str {
        "ed25519"
    }

    fn kinds(&self) -> &'static [KeyKind] {
        &[KeyKind::Ed25519]
    }

    fn prepare<'a>(
        &self,
        document: &'a [u8],
        _: &'a Asked,
        key: &'a VerifyingKey,
    ) -> Result<Box<dyn Preparation + 'a>, Unsignable> {
        let preview = match document.starts_with(MAGIC) {
            true => ssh_signature(document)?,
            false => login(document, key)?,
        };
        Ok(Box::new(Blob { document, preview }))
    }

    /// The file is the same as that of `raw`.
    fn read(&self, file: &[u8]) -> Option<Result<Box<dyn Found>, ReadError>> {
        Raw.read(file)
    }
}

const NAME: &str = "ssh-agent";

struct Blob<'a> {
    document: &'a [u8],
    preview: Preview,
}

impl Preparation for Blob<'_> {
    fn to_be_signed(&self, _: &[Signature]) -> Vec<u8> {
        self.document.to_vec()
    }

    fn finish(&self, signatures: &[Signature]) -> Vec<u8> {
        signatures.first().map(|signature| signature.as_bytes().to_vec()).unwrap_or_default()
    }

    fn preview(&self) -> Option<Preview> {
        Some(self.preview.clone())
    }
}

fn login(document: &[u8], key: &VerifyingKey) -> Result<Preview, Unsignable> {
    let mut rest = Rest(document);
    let session = rest.string()?;
    // An exchange hash of SHA-1, SHA-256, SHA-384 or SHA-512.
    if !matches!(session.len(), 20 | 32 | 48 | 64) || rest.byte()? != SSH_MSG_USERAUTH_REQUEST {
        return Err(unknown());
    }
    let user = rest.text("the user name")?;
    let service = rest.string()?;
    let method = rest.string()?;
    if service != b"ssh-connection" || !matches!(method, PUBLIC_KEY | HOST_BOUND) {
        return Err(content("it asks for another service or method than an SSH login with a key"));
    }
    let (has_signature, algorithm, named) = (rest.byte()?, rest.string()?, rest.string()?);
    if has_signature != 1 || algorithm != KEY_TYPE || named != public_key_blob(key) {
        return Err(content("it is a login with another key"));
    }
    let server = (method == HOST_BOUND).then(|| rest.string()).transpose()?;
    rest.end()?;
    let mut preview = Preview::of("SSH login")
        .field("logs in", format!("to a server as {user}"))
        .field("session", hex::encode(session));
    match server {
        Some(server) => preview = preview.field("server key", fingerprint(server)),
        None => {
            preview = preview.warn(
                "the server is not named: approve only if you know where the requester logs in",
            );
        }
    }
    Ok(preview)
}

fn ssh_signature(document: &[u8]) -> Result<Preview, Unsignable> {
    let mut rest = Rest(document.strip_prefix(MAGIC).ok_or_else(unknown)?);
    let namespace = rest.text("the namespace")?;
    let namespace = Namespace::new(namespace).map_err(|error| content(&error.to_string()))?;
    let reserved = rest.string()?;
    let (algorithm, hash) = (rest.string()?, rest.string()?);
    rest.end()?;
    let name = match (algorithm, hash.len()) {
        (b"sha256", 32) => "SHA-256",
        (b"sha512", 64) => "SHA-512",
        _ => return Err(content("it names an unknown hash algorithm")),
    };
    if !reserved.is_empty() {
        return Err(content("it uses a field that is reserved"));
    }
    Ok(Preview::of("SSH signature")
        .field("namespace", namespace.as_str())
        .field(name, hex::encode(hash))
        .warn(
            "this is a signature over a document that nobody here was shown, only its hash: approve only if you have the document and its hash is this one",
        ))
}

/// As `ssh-keygen -l` displays a key.
fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

fn content(reason: &str) -> Unsignable {
    Unsignable::Content { format: NAME, reason: reason.to_owned() }
}

fn unknown() -> Unsignable {
    content("it is neither an SSH login nor what an SSH signature covers")
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Result<u8, Unsignable> {
        let (byte, rest) = self.0.split_first().ok_or_else(unknown)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn string(&mut self) -> Result<&'a [u8], Unsignable> {
        let (length, rest) = self.0.split_first_chunk::<4>().ok_or_else(unknown)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| unknown())?;
        let (string, rest) = rest.split_at_checked(length).ok_or_else(unknown)?;
        self.0 = rest;
        Ok(string)
    }

    fn text(&mut self, what: &str) -> Result<&'a str, Unsignable> {
        let text = str::from_utf8(self.string()?).ok();
        let is_shown = |text: &&str| !text.is_empty() && !text.contains(char::is_control);
        text.filter(is_shown).ok_or_else(|| content(&format!("{what} is not text")))
    }

    fn end(&self) -> Result<(), Unsignable> {
        self.0.is_empty().then_some(()).ok_or_else(|| content("there are bytes after its end"))
    }
}

const KEY_TYPE: &[u8] = b"ssh-ed25519";
const PUBLIC_KEY: &[u8] = b"publickey";
const HOST_BOUND: &[u8] = b"publickey-hostbound-v00@openssh.com";
const SSH_MSG_USERAUTH_REQUEST: u8 = 50;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Output, prepare};

    const KEY: VerifyingKey = VerifyingKey::Ed25519([7; 32]);

    fn string(bytes: &[u8]) -> Vec<u8> {
        [u32::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
    }

    fn preview(document: &[u8]) -> Result<Preview, Unsignable> {
        let output: Output = NAME.parse().unwrap();
        prepare(document, &output, &KEY).map(|prepared| {
            assert_eq!(prepared.to_be_signed(&[]).unwrap(), document);
            prepared.preview().unwrap()
        })
    }

    fn value<'a>(preview: &'a Preview, name: &str) -> &'a str {
        &preview.fields.iter().find(|field| field.name == name).unwrap().value
    }

    fn login_as(user: &[u8], method: &[u8], key: [u8; 32]) -> Vec<u8> {
        let parts = [
            string(&[9; 32]),
            vec![50],
            string(user),
            string(b"ssh-connection"),
            string(method),
            vec![1],
            string(KEY_TYPE),
            string(&public_key_blob(&VerifyingKey::Ed25519(key))),
        ];
        parts.concat()
    }

    fn signed(namespace: &[u8], reserved: &[u8], algorithm: &[u8], hash: &[u8]) -> Vec<u8> {
        [namespace, reserved, algorithm, hash]
            .iter()
            .fold(MAGIC.to_vec(), |blob, part| [blob, string(part)].concat())
    }

    #[test]
    fn a_login_shows_the_user_the_session_and_the_server() {
        let plain = preview(&login_as(b"root", PUBLIC_KEY, [7; 32])).unwrap();
        assert_eq!(plain.kind, "SSH login");
        assert_eq!(value(&plain, "logs in"), "to a server as root");
        assert_eq!(value(&plain, "session"), "09".repeat(32));
        assert!(plain.warning.unwrap().contains("the server is not named"));
        let bound = [login_as(b"root", HOST_BOUND, [7; 32]), string(b"server")].concat();
        let bound = preview(&bound).unwrap();
        assert!(value(&bound, "server key").starts_with("SHA256:"));
        assert_eq!(bound.warning, None);
    }

    #[test]
    fn an_ssh_signature_shows_its_hash_and_warns() {
        let preview = preview(&signed(b"git", b"", b"sha512", &[3; 64])).unwrap();
        assert_eq!(value(&preview, "namespace"), "git");
        assert_eq!(value(&preview, "SHA-512"), "03".repeat(64));
        assert!(preview.warning.unwrap().contains("nobody here was shown"));
    }

    #[test]
    fn bytes_with_another_meaning_are_refused() {
        let good = login_as(b"root", PUBLIC_KEY, [7; 32]);
        let unfinished = good.split_last().unwrap().1;
        let mut probing = good.clone();
        let place = good.windows(9).position(|bytes| bytes == PUBLIC_KEY).unwrap();
        *probing.get_mut(place + 9).unwrap() = 0;
        for document in [
            b"".as_slice(),
            b"a contract",
            crate::OWN,
            &[0x20; 64],
            &string(b"ssh-ed25519-cert-v01@openssh.com"),
            unfinished,
            &probing,
            &[good.as_slice(), b"\0"].concat(),
            &login_as(b"root", b"hostbased", [7; 32]),
            &login_as(b"root", HOST_BOUND, [7; 32]),
            &login_as(b"root", PUBLIC_KEY, [8; 32]),
            &login_as(b"ro\nt", PUBLIC_KEY, [7; 32]),
            &login_as(b"\xff", PUBLIC_KEY, [7; 32]),
            MAGIC,
            &signed(b"", b"", b"sha512", &[3; 64]),
            &signed(b"git", b"x", b"sha512", &[3; 64]),
            &signed(b"git", b"", b"sha256", &[3; 64]),
            &signed(b"git", b"", b"md5", &[3; 16]),
            &[signed(b"git", b"", b"sha512", &[3; 64]).as_slice(), b"\0"].concat(),
        ] {
            assert!(preview(document).is_err(), "{}", hex::encode(document));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, place: prop::sample::Index) {
            let _ = preview(&bytes);
            let _ = preview(&[MAGIC, &bytes].concat());
            let mut login = login_as(b"root", PUBLIC_KEY, [7; 32]);
            login.splice(place.index(login.len()).., bytes);
            let _ = preview(&login);
        }

        #[test]
        fn any_user_is_shown_as_it_is(user in "[^\\p{Cc}]{1,20}") {
            let preview = preview(&login_as(user.as_bytes(), PUBLIC_KEY, [7; 32])).unwrap();
            prop_assert_eq!(value(&preview, "logs in"), format!("to a server as {user}"));
        }
    }
}
