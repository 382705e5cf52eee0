//! The messages: a type, and what belongs to it. A `string` is a big-endian u32 length and that
//! many bytes.

/// What a client asks.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Question {
    Identities,
    Sign(SignQuestion),
    /// Anything else.
    Other,
}

/// Bytes that a client wants signed.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct SignQuestion {
    /// The public key in SSH's own form.
    pub(crate) key: Vec<u8>,
    pub(crate) data: Vec<u8>,
    /// Which of several algorithms to use. A key of ours has only one.
    pub(crate) flags: u32,
}

/// A key that can be asked to sign.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    /// The public key in SSH's own form.
    pub(crate) key: Vec<u8>,
    pub(crate) comment: String,
}

/// Reads a message without its length. `None`: it is malformed.
pub(super) fn read(message: &[u8]) -> Option<Question> {
    let (kind, rest) = message.split_first()?;
    match *kind {
        REQUEST_IDENTITIES => rest.is_empty().then_some(Question::Identities),
        SIGN_REQUEST => {
            let (key, rest) = string(rest)?;
            let (data, rest) = string(rest)?;
            let flags = u32::from_be_bytes(rest.try_into().ok()?);
            Some(Question::Sign(SignQuestion { key: key.to_vec(), data: data.to_vec(), flags }))
        }
        _ => Some(Question::Other),
    }
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

pub(super) fn identities(identities: &[Identity]) -> Vec<u8> {
    let mut message = vec![IDENTITIES_ANSWER];
    message.extend(length(identities.len()));
    for identity in identities {
        put(&mut message, &identity.key);
        put(&mut message, identity.comment.as_bytes());
    }
    whole(&message)
}

pub(super) fn signature(signature: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, b"ssh-ed25519");
    put(&mut blob, signature);
    let mut message = vec![SIGN_RESPONSE];
    put(&mut message, &blob);
    whole(&message)
}

pub(super) fn failure() -> Vec<u8> {
    whole(&[FAILURE])
}

fn whole(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, message);
    bytes
}

fn put(bytes: &mut Vec<u8>, string: &[u8]) {
    bytes.extend(length(string.len()));
    bytes.extend(string);
}

/// What is sent has a few kilobytes, so no length leaves u32.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_question_is_read_back(key: Vec<u8>, data: Vec<u8>, flags: u32) {
            let mut message = vec![SIGN_REQUEST];
            put(&mut message, &key);
            put(&mut message, &data);
            message.extend(flags.to_be_bytes());
            prop_assert_eq!(read(&message), Some(Question::Sign(SignQuestion { key, data, flags })));
            for cut in 1..message.len() {
                prop_assert_eq!(read(message.get(..cut).unwrap()), None);
            }
            message.push(0);
            prop_assert_eq!(read(&message), None);
        }

        #[test]
        fn no_message_makes_the_reader_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&[&[SIGN_REQUEST], bytes.as_slice()].concat());
        }
    }
}
