//! The control socket's server.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::frame::{self, GREETING};
use crate::api::{Answer, Ask, Code, Problem};

/// Passes clients' questions to `ask`, and its answers to the clients, until `stop`.
pub(crate) async fn serve<F>(
    listener: UnixListener,
    ask: impl Fn(Ask) -> F + Clone + Send + 'static,
    stop: CancellationToken,
) where
    F: Future<Output = Result<mpsc::Receiver<Answer>, Problem>> + Send + 'static,
{
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(client(stream, ask.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket could not accept");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
        }
    }
    clients.shutdown().await;
}

async fn client<F>(stream: UnixStream, ask: impl Fn(Ask) -> F)
where
    F: Future<Output = Result<mpsc::Receiver<Answer>, Problem>>,
{
    let (read, mut write) = stream.into_split();
    if write.write_all(GREETING).await.is_err() {
        return;
    }
    let mut reader = BufReader::new(read);
    let asked = match frame::read(&mut reader).await {
        Ok(Some(question)) => ask(question).await,
        Ok(None) => return,
        Err(error) => {
            let message = format!("the node does not understand the question: {error}");
            Err(Problem::new(Code::Version, message))
        }
    };
    let mut answers = match asked {
        Ok(answers) => answers,
        Err(problem) => return drop(frame::write(&mut write, Answer::Problem(problem)).await),
    };
    loop {
        tokio::select! {
            answer = answers.recv() => match answer {
                Some(answer) => {
                    if frame::write(&mut write, answer).await.is_err() {
                        return;
                    }
                }
                None => return,
            },
            // No further bytes are expected, so this ends when the client disconnects.
            more = reader.read_u8() => {
                if more.is_ok() {
                    let message = "more bytes came after the question than it announces";
                    let problem = Problem::new(Code::Failed, message);
                    drop(frame::write(&mut write, Answer::Problem(problem)).await);
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Query;

    /// Sends these bytes to a server that answers every question at length, and reads an answer.
    async fn answer_to(bytes: &[u8], ends: bool) -> Option<Answer> {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let serving = tokio::spawn(client(theirs, |ask| async move {
            let (reply, answers) = mpsc::channel(1);
            if matches!(ask, Ask::Query(Query::Backup)) {
                reply.send(Answer::Backup { file: vec![7; 1 << 20] }).await.unwrap();
            } else {
                // Keeps the client waiting.
                std::mem::forget(reply);
            }
            Ok(answers)
        }));
        let mut greeting = *GREETING;
        greeting.fill(0);
        ours.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, GREETING);
        ours.write_all(bytes).await.unwrap();
        // A client that has disconnected receives no answer.
        if ends {
            ours.shutdown().await.unwrap();
        }
        let answer = frame::read(&mut BufReader::new(ours)).await.unwrap();
        serving.await.unwrap();
        answer
    }

    async fn problem_with(bytes: &[u8]) -> String {
        let Some(Answer::Problem(problem)) = answer_to(bytes, true).await else {
            panic!("no problem")
        };
        problem.message
    }

    #[tokio::test]
    async fn a_large_answer_arrives_whole() {
        let question = b"{\"bytes\":0,\"message\":{\"ask\":\"query\",\"backup\":null}}\n";
        let Some(Answer::Backup { file }) = answer_to(question, false).await else {
            panic!("no backup")
        };
        assert_eq!(file, vec![7; 1 << 20]);
    }

    #[tokio::test]
    async fn a_question_of_the_wrong_length_gets_a_clear_answer() {
        let sign = |bytes: usize| {
            format!(
                r#"{{"bytes":{bytes},"message":{{"ask":"sign","group":"board","document_type":null,"output":"raw","name":"a","note":null,"expires_in":null}}}}"#
            ) + "\ncontract"
        };
        let refused = "the node does not understand the question: ";
        let short = problem_with(sign(9).as_bytes()).await;
        assert_eq!(short, format!("{refused}it ends after 8 of 9 bytes"));
        let long = problem_with(sign(7).as_bytes()).await;
        assert_eq!(long, "more bytes came after the question than it announces");
        let large = problem_with(sign(1 << 40).as_bytes()).await;
        assert!(large.starts_with(&format!("{refused}it carries 1099511627776 bytes")), "{large}");
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_gets_no_answer() {
        assert!(answer_to(b"", true).await.is_none());
    }
}
