//! MLLP over TCP: frames in, answers out; an answer of acceptance only after the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tongmai_base::time::Instant;
use tongmai_base::{Finding, limits};

use super::ack::{self, Outcome, Step};
use super::mllp::{self, Decoder, Event};
use super::{parse, text};
use crate::door::Doors;
use crate::pipeline::{Kept, Receipt};

/// A connection without a byte for so long is closed.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// Number of the next answer.
static ANSWERS: AtomicU64 = AtomicU64::new(0);

/// A listening door.
pub struct Listener {
    doors: Arc<Doors>,
}

impl Listener {
    /// A door that listens.
    pub fn new(doors: Arc<Doors>) -> Listener {
        Listener { doors }
    }

    /// Takes in connections until the listener fails. More than the limit at once wait.
    ///
    /// # Errors
    /// When the socket can accept no longer.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        self.serve_over(listener, |stream| std::future::ready(Ok(stream))).await
    }

    /// The same over what `secure` makes of each connection, such as one by TLS.
    ///
    /// # Errors
    /// When the socket can accept no longer.
    pub async fn serve_over<S, W>(
        self: Arc<Self>,
        listener: TcpListener,
        secure: impl Fn(TcpStream) -> W,
    ) -> std::io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        W: Future<Output = std::io::Result<S>> + Send + 'static,
    {
        let room = Arc::new(Semaphore::new(limits::CONCURRENT_REQUESTS));
        loop {
            let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (door, stream) = (self.clone(), secure(stream));
            tokio::spawn(async move {
                // A broken connection is the sender's to mend: it sends again what was not answered.
                if let Ok(stream) = stream.await {
                    let _ = door.connection(stream).await;
                }
                drop(permit);
            });
        }
    }

    async fn connection(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    ) -> std::io::Result<()> {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = tokio::time::timeout(IDLE, stream.read(&mut buffer)).await;
            let count = match read {
                Ok(count) => count?,
                Err(_) => return Ok(()),
            };
            if count == 0 {
                return Ok(());
            }
            let mut events = Vec::new();
            decoder.feed(&buffer[..count], &mut |event| events.push(event));
            for event in events {
                let answers = match event {
                    Event::Message(bytes) => self.message(&bytes).await,
                    Event::Fault(finding) => vec![self.fault(finding)],
                };
                for answer in answers {
                    stream.write_all(&mllp::frame(answer.as_bytes())).await?;
                    stream.flush().await?;
                }
            }
        }
    }

    /// Takes in one message and returns the answers that its sender wants.
    pub async fn message(&self, bytes: &[u8]) -> Vec<String> {
        take_in(&self.doors, bytes).await.0
    }

    fn fault(&self, finding: Finding) -> String {
        answer(self.doors.now(), None, Step::Application, Outcome::Error, &[finding])
    }
}

/// Takes in one message by the door of HL7 v2; the answers that its sender wants, and what became of it.
pub async fn take_in(doors: &Doors, bytes: &[u8]) -> (Vec<String>, Receipt) {
    let Some(format) = doors.format("hl7v2") else {
        unreachable!("the doors always have the one of HL7 v2");
    };
    let receipt = doors.receive(format, bytes).await;
    let outcome = match receipt.kept {
        Kept::Committed | Kept::Before => Outcome::Accepted,
        Kept::SetAside => Outcome::Error,
        Kept::NotNow => Outcome::Rejected,
    };
    let now = doors.now();
    let (text, _) = text(bytes);
    let (message, _) = parse(&text);
    let Some(message) = message else {
        return (vec![answer(now, None, Step::Application, outcome, &receipt.findings)], receipt);
    };
    let answers = [Step::Accept, Step::Application]
        .into_iter()
        .filter(|step| ack::is_wanted(&message, *step, outcome))
        .map(|step| answer(now, Some(&message), step, outcome, &receipt.findings))
        .collect();
    (answers, receipt)
}

fn answer(
    now: i64,
    message: Option<&super::Message<'_>>,
    step: Step,
    outcome: Outcome,
    findings: &[Finding],
) -> String {
    let number = ANSWERS.fetch_add(1, Ordering::Relaxed);
    ack::answer(message, step, outcome, findings, &written(now), &format!("TM{now}-{number}"))
}

/// An instant as HL7 v2 writes it: `20261121074000.000+0800`.
fn written(now: i64) -> String {
    Instant(now)
        .to_fhir()
        .chars()
        .enumerate()
        .filter(|(at, c)| !matches!(c, '-' | ':' | 'T') || *at > 22 && *c == '-')
        .map(|(_, c)| c)
        .collect()
}
