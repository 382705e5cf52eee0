//! What a new passphrase needs at least.
//!
//! Anyone who copies a home or a backup can try passphrases without limit, so length decides: NIST
//! SP 800-63B-4 §3.1.1.2 requires 15 characters of a password that stands alone, no mixture of
//! kinds of characters, and a list of passwords that are tried first. Ours is small: what repeats
//! itself, and rows of the alphabet, of digits and of keyboards.

use std::collections::BTreeSet;

/// The least length of a new passphrase, in characters.
pub const SHORTEST: usize = 15;

/// The fewest different characters.
const FEWEST: usize = 5;
/// The longest piece that does not count when it is repeated.
const LONGEST_PIECE: usize = 5;
/// Texts that add nothing, in lower case.
const ADD_NOTHING: &[&str] = &[
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890",
    "0123456789",
    "123456789",
    "12345678",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "passphrase",
    "password",
    "letmein",
    "quorate",
];
/// What has to remain without them, in characters.
const REMAINING: usize = 8;

/// Why a passphrase is too weak for new keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Weakness {
    #[error(
        "the passphrase has {length} character{}; a new one needs at least {SHORTEST}, for example five words",
        if *length == 1 { "" } else { "s" }
    )]
    Short {
        /// In characters.
        length: usize,
    },
    #[error(
        "the passphrase repeats a few characters; choose one that does not, for example five words"
    )]
    Repetitive,
    #[error(
        "the passphrase is one of those that are tried first; choose another one, for example five words"
    )]
    Common,
}

/// Checks a passphrase that is to protect something new.
pub(super) fn check(passphrase: &[u8]) -> Result<(), Weakness> {
    // The copies that this makes are dropped with the process's other temporary memory; they are
    // wiped, too.
    let characters = zeroize::Zeroizing::new(match std::str::from_utf8(passphrase) {
        Ok(text) => text.chars().flat_map(char::to_lowercase).map(u32::from).collect::<Vec<_>>(),
        Err(_) => passphrase.iter().copied().map(u32::from).collect(),
    });
    let length =
        std::str::from_utf8(passphrase).map_or(passphrase.len(), |text| text.chars().count());
    if length < SHORTEST {
        return Err(Weakness::Short { length });
    }
    let different: BTreeSet<u32> = characters.iter().copied().collect();
    let repeats = |piece: usize| {
        characters.iter().zip(characters.iter().skip(piece)).all(|(one, later)| one == later)
    };
    if different.len() < FEWEST || (1..=LONGEST_PIECE).any(repeats) {
        return Err(Weakness::Repetitive);
    }
    match remaining(&characters) < REMAINING {
        true => Err(Weakness::Common),
        false => Ok(()),
    }
}

/// Counts the characters outside of texts that add nothing.
fn remaining(characters: &[u32]) -> usize {
    let is_at = |text: &&&str, rest: &[u32]| {
        let mut text = text.chars().map(u32::from);
        rest.len() >= text.clone().count()
            && text.all({
                let mut rest = rest.iter();
                move |character| rest.next() == Some(&character)
            })
    };
    let mut rest = characters;
    let mut count = 0;
    while let Some((_, after)) = rest.split_first() {
        match ADD_NOTHING.iter().find(|text| is_at(text, rest)) {
            Some(text) => rest = rest.get(text.len()..).unwrap_or_default(),
            None => {
                count += 1;
                rest = after;
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_passphrase_is_long_and_not_one_that_is_tried_first() {
        for (text, weakness) in [
            ("", Some(Weakness::Short { length: 0 })),
            ("a", Some(Weakness::Short { length: 1 })),
            ("Tr0ub4dor&3", Some(Weakness::Short { length: 11 })),
            ("öäüöäüöäüöäüöä", Some(Weakness::Short { length: 14 })),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Some(Weakness::Repetitive)),
            ("abcdeabcdeabcdeabcde", Some(Weakness::Repetitive)),
            ("aabbaabbaabaabab", Some(Weakness::Repetitive)),
            ("passwordpassword", Some(Weakness::Common)),
            ("Password1234567890", Some(Weakness::Common)),
            ("qwertyuiopasdfghjkl", Some(Weakness::Common)),
            ("quorate passphrase", Some(Weakness::Common)),
            ("correct horse battery staple", None),
            ("fünf Wörter sind genug", None),
            ("8c1f0e6a5d3b7792", None),
        ] {
            assert_eq!(check(text.as_bytes()).err(), weakness, "{text}");
        }
        assert_eq!(check(&[0xff; 10]), Err(Weakness::Short { length: 10 }));
    }
}
