//! The SSH agent protocol (draft-ietf-sshm-ssh-agent), as far as keys that nobody holds allow: an
//! agent lists keys and signs. Everything else fails, as the protocol says.

mod message;

use std::sync::Arc;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::message::Question;
pub(crate) use self::message::{Identity, SignQuestion};

/// The longest message, without its length.
const LONGEST: u32 = 256 << 10;
/// How many programs can be connected at a time. Others wait until one has left.
const MOST_CLIENTS: usize = 64;

/// What answers the questions.
pub(crate) trait Keys: Send + Sync + 'static {
    fn identities(&self) -> impl Future<Output = Vec<Identity>> + Send;

    /// Returns the 64 bytes of an Ed25519 signature; `None` if there will be none.
    fn sign(&self, question: SignQuestion) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

/// Answers the questions of all clients until `stop`.
pub(crate) async fn serve(listener: UnixListener, keys: Arc<impl Keys>, stop: CancellationToken) {
    let mut clients = JoinSet::new();
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = clients.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let keys = keys.clone();
                    clients.spawn(async move {
                        let (read, write) = stream.into_split();
                        client(read, write, keys.as_ref()).await;
                        drop(place);
                    });
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            },
        }
    }
    clients.shutdown().await;
}

/// Answers the questions of one client, in their order. Ends when the client leaves, or sends what
/// is no message.
async fn client(
    read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
    keys: &impl Keys,
) {
    let mut reader = BufReader::new(read);
    while let Some(message) = receive(&mut reader).await {
        let Some(question) = message::read(&message) else { return };
        let answer = tokio::select! {
            answer = answer(question, keys) => answer,
            () = leaves(&mut reader) => return,
        };
        if write.write_all(&answer).await.is_err() {
            return;
        }
    }
}

async fn answer(question: Question, keys: &impl Keys) -> Vec<u8> {
    match question {
        Question::Identities => message::identities(&keys.identities().await),
        Question::Sign(question) => {
            keys.sign(question).await.map_or_else(message::failure, |it| message::signature(&it))
        }
        Question::Other => message::failure(),
    }
}

/// Reads a message without its length. `None`: there are no more, or it is too long.
async fn receive(reader: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = reader.read_u32().await.ok().filter(|length| (1..=LONGEST).contains(length))?;
    let mut message = Vec::new();
    // Memory grows with what arrives, not with what is announced.
    let read = reader.take(u64::from(length)).read_to_end(&mut message).await.ok()?;
    (read == usize::try_from(length).ok()?).then_some(message)
}

/// Ends when the client leaves without another message.
async fn leaves(reader: &mut (impl AsyncBufRead + Unpin)) {
    if reader.fill_buf().await.is_ok_and(|more| !more.is_empty()) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;
    use tokio::sync::Notify;

    use super::*;

    /// Signs `now` immediately, rejects `never`, and signs everything else after an approval.
    #[derive(Default)]
    struct Desk {
        approved: Notify,
    }

    impl Keys for Desk {
        async fn identities(&self) -> Vec<Identity> {
            vec![Identity { key: vec![7; 3], comment: "release".to_owned() }]
        }

        async fn sign(&self, question: SignQuestion) -> Option<Vec<u8>> {
            match question.data.as_slice() {
                b"now" => {}
                b"never" => return None,
                _ => self.approved.notified().await,
            }
            Some(vec![9; 64])
        }
    }

    fn string(bytes: &[u8]) -> Vec<u8> {
        [u32::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
    }

    fn sign(data: &[u8]) -> Vec<u8> {
        string(&[&[13], string(&[7; 3]).as_slice(), &string(data), &[0; 4]].concat())
    }

    fn signed() -> Vec<u8> {
        let blob = [string(b"ssh-ed25519"), string(&[9; 64])].concat();
        string(&[&[14], string(&blob).as_slice()].concat())
    }

    /// Sends everything, and returns all that comes back until the agent closes the connection.
    async fn answers(sent: &[u8]) -> Vec<u8> {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let serving = tokio::spawn(async move {
            let (read, write) = theirs.into_split();
            client(read, write, &Desk::default()).await;
        });
        ours.write_all(sent).await.unwrap();
        let mut answers = Vec::new();
        // The agent may close a connection from which it has not read everything.
        drop(ours.read_to_end(&mut answers).await);
        serving.await.unwrap();
        answers
    }

    #[tokio::test]
    async fn keys_are_listed_and_questions_answered_in_order() {
        let expected = [
            string(&[&[12, 0, 0, 0, 1], string(&[7; 3]).as_slice(), &string(b"release")].concat()),
            signed(),
            string(&[5]),
            string(&[5]),
            string(&[5]),
        ];
        // To add a key, and to bind the session, as ssh asks.
        let add = string(&[17, 1, 2, 3]);
        let extension = string(&[27, 0, 0, 0, 0]);
        let sent = [string(&[11]), sign(b"now"), sign(b"never"), add, extension, vec![0; 4]];
        assert_eq!(answers(&sent.concat()).await, expected.concat());
    }

    #[tokio::test]
    async fn what_is_no_message_closes_the_connection() {
        let too_long = (LONGEST + 1).to_be_bytes();
        let cut = string(&[13, 0, 0, 0, 9, 1]);
        for sent in [&[0; 4], too_long.as_slice(), &cut, &string(&[11, 0])] {
            assert!(answers(&[sent, &string(&[11])].concat()).await.is_empty(), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_client_waits_for_its_own_signature_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.sock");
        let (desk, stop) = (Arc::new(Desk::default()), CancellationToken::new());
        let listener = UnixListener::bind(&path).unwrap();
        let serving = tokio::spawn(serve(listener, desk.clone(), stop.clone()));
        let mut waiting = UnixStream::connect(&path).await.unwrap();
        waiting.write_all(&sign(b"later")).await.unwrap();
        let mut gone = UnixStream::connect(&path).await.unwrap();
        gone.write_all(&sign(b"later")).await.unwrap();
        drop(gone);
        let mut other = UnixStream::connect(&path).await.unwrap();
        other.write_all(&sign(b"now")).await.unwrap();
        let mut answer = signed();
        answer.fill(0);
        other.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, signed());
        desk.approved.notify_waiters();
        desk.approved.notify_one();
        answer.fill(0);
        waiting.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, signed());
        stop.cancel();
        serving.await.unwrap();
    }
}
