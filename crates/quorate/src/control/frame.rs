//! Frames on the control socket: a line of JSON, and the raw bytes that it announces. The server
//! sends its greeting before the first.
//!
//! ```text
//! {"bytes":12,"message":{"ask":"sign",…}}\n            at most MAX_LINE bytes
//! a contract.\n                                         exactly so many, at most MAX_BYTES
//! ```
//!
//! Documents and backups travel as these bytes, so that they are neither escaped nor copied.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

use crate::api::{Answer, Ask};
use crate::home::MOST_DOCUMENT_BYTES;

/// The line that a server sends first.
pub(super) const GREETING: &[u8; 18] = b"quorate-control/1\n";

/// The most bytes after a line: a document, evidence or a backup.
pub(crate) const MAX_BYTES: u64 = MOST_DOCUMENT_BYTES;

pub(super) trait Message: DeserializeOwned + Serialize {
    /// The longest line with such a message, in bytes.
    const MAX_LINE: u64;

    /// Returns the content that is sent raw, if this kind of message has any. Serde skips it.
    fn content(&mut self) -> Option<&mut Vec<u8>>;
}

impl Message for Ask {
    /// A group's definition or an invitation is far shorter.
    const MAX_LINE: u64 = 1 << 20;

    fn content(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Sign(ask) => Some(&mut ask.document),
            _ => None,
        }
    }
}

impl Message for Answer {
    /// Room for all requests of a long log.
    const MAX_LINE: u64 = 256 << 20;

    fn content(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Document { document: content, .. }
            | Self::Evidence { file: content }
            | Self::Backup { file: content } => Some(content),
            _ => None,
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line<M> {
    bytes: u64,
    message: M,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("its line is longer than {limit} bytes")]
    LineTooLong { limit: u64 },
    #[error("it carries {bytes} bytes; at most {MAX_BYTES} are accepted")]
    TooLarge { bytes: u64 },
    #[error("it ends after {read} of {expected} bytes")]
    CutOff { read: u64, expected: u64 },
    #[error("its line is cut off")]
    LineCutOff,
    #[error("it carries {bytes} bytes, and a message of its kind carries none")]
    Unexpected { bytes: u64 },
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Sends a message.
///
/// # Errors
///
/// When it is longer than a reader accepts. Nothing is sent then.
pub(super) async fn write<M: Message>(
    to: &mut (impl AsyncWrite + Unpin),
    mut message: M,
) -> Result<(), FrameError> {
    let content = message.content().map(std::mem::take).unwrap_or_default();
    let bytes = content.len() as u64;
    if bytes > MAX_BYTES {
        return Err(FrameError::TooLarge { bytes });
    }
    let mut line = serde_json::to_vec(&Line { bytes, message })?;
    line.push(b'\n');
    if line.len() as u64 > M::MAX_LINE {
        return Err(FrameError::LineTooLong { limit: M::MAX_LINE });
    }
    to.write_all(&line).await?;
    Ok(to.write_all(&content).await?)
}

/// Receives a message. Returns `None` if the connection ends before one begins.
pub(super) async fn read<M: Message>(
    from: &mut (impl AsyncBufRead + Unpin),
) -> Result<Option<M>, FrameError> {
    let mut line = Vec::new();
    let read = (&mut *from).take(M::MAX_LINE).read_until(b'\n', &mut line).await? as u64;
    if read == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        let limit = M::MAX_LINE;
        let is_full = read == limit;
        return Err(if is_full {
            FrameError::LineTooLong { limit }
        } else {
            FrameError::LineCutOff
        });
    }
    let Line { bytes, mut message } = serde_json::from_slice::<Line<M>>(&line)?;
    if bytes > MAX_BYTES {
        return Err(FrameError::TooLarge { bytes });
    }
    match message.content() {
        Some(content) => {
            let read = from.take(bytes).read_to_end(content).await? as u64;
            if read < bytes {
                return Err(FrameError::CutOff { read, expected: bytes });
            }
        }
        None if bytes > 0 => return Err(FrameError::Unexpected { bytes }),
        None => {}
    }
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Query, SignAsk};

    fn sign(document: &[u8]) -> Ask {
        Ask::Sign(SignAsk {
            group: "board".parse().unwrap(),
            document_type: None,
            output: "raw".to_owned(),
            name: "a".to_owned(),
            note: None,
            document: document.to_vec(),
            expires_in: None,
        })
    }

    async fn written<M: Message>(message: M) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, message).await.unwrap();
        bytes
    }

    async fn refused<M: Message + std::fmt::Debug>(mut bytes: &[u8]) -> String {
        read::<M>(&mut bytes).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_document_follows_its_line_as_it_is() {
        let bytes = written(sign(b"a\ncontract\0")).await;
        let line = br#"{"bytes":11,"message":{"ask":"sign","group":"board","document_type":null,"output":"raw","name":"a","note":null,"expires_in":null}}"#;
        assert_eq!(bytes, [line.as_slice(), b"\na\ncontract\0"].concat());
    }

    #[tokio::test]
    async fn frames_are_read_one_after_the_other() {
        let name = "a".to_owned();
        let file = || vec![b'\n'; 70_000];
        let mut bytes = written(Answer::Document { name, document: b"one".to_vec() }).await;
        bytes.extend(written(Answer::Backup { file: file() }).await);
        bytes.extend(written(Answer::Admissible).await);
        let mut bytes = bytes.as_slice();
        let Answer::Document { document, .. } = read(&mut bytes).await.unwrap().unwrap() else {
            panic!()
        };
        assert_eq!(document, b"one");
        let Answer::Backup { file: read_back } = read(&mut bytes).await.unwrap().unwrap() else {
            panic!()
        };
        assert_eq!(read_back, file());
        assert!(matches!(read(&mut bytes).await.unwrap(), Some(Answer::Admissible)));
        assert!(read::<Answer>(&mut bytes).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_frame_that_is_cut_off_anywhere_is_refused() {
        let whole = written(sign(b"contract")).await;
        let (line, content) = whole.split_at(whole.len() - 8);
        assert_eq!(refused::<Ask>(&line[..line.len() - 1]).await, "its line is cut off");
        assert_eq!(refused::<Ask>(&whole[..1]).await, "its line is cut off");
        for length in 0..content.len() {
            let cut = [line, &content[..length]].concat();
            assert_eq!(refused::<Ask>(&cut).await, format!("it ends after {length} of 8 bytes"));
        }
    }

    #[tokio::test]
    async fn an_oversize_frame_is_refused_unread_and_unsent() {
        let line = vec![b'x'; usize::try_from(Ask::MAX_LINE).unwrap() + 1];
        assert_eq!(refused::<Ask>(&line).await, "its line is longer than 1048576 bytes");
        let whole = String::from_utf8(written(sign(b"")).await).unwrap();
        let claimed = whole.replace("\"bytes\":0", "\"bytes\":134217729");
        let expected = "it carries 134217729 bytes; at most 134217728 are accepted";
        assert_eq!(refused::<Ask>(claimed.as_bytes()).await, expected);
        let mut sent = Vec::new();
        let ask = Query::Find { id: "0".repeat(1 << 20) };
        assert!(matches!(
            write(&mut sent, Ask::from(ask)).await,
            Err(FrameError::LineTooLong { .. })
        ));
        assert!(sent.is_empty());
    }

    #[tokio::test]
    async fn bytes_with_a_message_that_has_none_are_refused() {
        let whole = String::from_utf8(written(Ask::from(Query::Status)).await).unwrap();
        let claimed = whole.replace("\"bytes\":0", "\"bytes\":3") + "abc";
        let expected = "it carries 3 bytes, and a message of its kind carries none";
        assert_eq!(refused::<Ask>(claimed.as_bytes()).await, expected);
        assert!(refused::<Ask>(b"{}\n").await.contains("missing field"));
    }
}
