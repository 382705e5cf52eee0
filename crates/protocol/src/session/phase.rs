//! Where a session is, and the rounds of its messages.

use std::fmt;

use crate::wire::Reader;

/// Where a session is: which messages it waits for, or how it ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
    /// Waits for everybody's encryption key, and in a key generation for everybody's hash of a
    /// dealing. In a repair, waits for the keys of the recipient and of as many helpers as the
    /// key's min_signers.
    Commit,
    /// Waits for everybody's dealing; in a reshare, for the dealings of as many dealers as the old
    /// key's min_signers; in a repair, for those of the helpers.
    Reveal,
    /// Only in a repair: waits for the sums of what the helpers received from each other.
    Sum,
    /// Waits for everybody to approve, or for one complaint; in a repair, for the recipient.
    Verdict,
    /// There is a key, or the share is repaired. Final.
    Complete,
    /// There will be no key, or no repaired share: see [`Board::faults`](super::Board::faults).
    /// Final.
    Failed,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Commit => "commit",
            Self::Reveal => "reveal",
            Self::Sum => "sum",
            Self::Verdict => "verdict",
            Self::Complete => "complete",
            Self::Failed => "failed",
        })
    }
}

/// A round of messages.
pub trait Round: Copy + fmt::Debug + Ord + 'static {
    /// Every round that a ceremony of this kind can have.
    const ALL: &'static [Self];

    /// The first byte of the round's messages: round and version in one. No two rounds of any
    /// ceremonies share a tag.
    fn tag(self) -> u8;

    /// A name for the round's messages that people understand.
    fn message_name(self) -> &'static str;

    /// The phase that waits for the round's messages.
    fn phase(self) -> Phase;
}

/// The view that an encoded message of any round names, of whatever ceremony: the 32 bytes after
/// its tag. `None` if it is too short to name one; no participant that keeps to the protocol sends
/// such a message.
pub(crate) fn named_view(message: &[u8]) -> Option<[u8; 32]> {
    let mut reader = Reader::new(message);
    reader.byte()?;
    reader.array()
}

/// Reads the tag and returns the rest of the message. `None` if the message has another tag.
pub(crate) fn after_tag(message: &[u8], round: impl Round) -> Option<Reader<'_>> {
    let mut reader = Reader::new(message);
    (reader.byte()? == round.tag()).then_some(reader)
}
