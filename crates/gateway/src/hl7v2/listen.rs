//! MLLP over TCP: frames in, answers out; an answer of acceptance only after the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tongmai_base::time::Instant;
use tongmai_base::{Finding, limits};

use super::ack::{self, Outcome, Step};
use super::mllp::{self, Decoder, Event};
use super::{Options, parse, text, understand};
use crate::pipeline::{Kept, Pipeline};

/// A connection without a byte for so long is closed.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// Media type of originals.
const CONTENT_TYPE: &str = "x-application/hl7-v2+er7";

/// A listening door.
pub struct Listener {
    pipeline: Pipeline,
    options: Options,
    now: fn() -> i64,
    answers: AtomicU64,
}

impl Listener {
    /// A door in front of a pipeline; `now` gives milliseconds since 1970.
    pub fn new(pipeline: Pipeline, options: Options, now: fn() -> i64) -> Listener {
        Listener { pipeline, options, now, answers: AtomicU64::new(0) }
    }

    /// Takes in connections until the listener fails. More than the limit at once wait.
    ///
    /// # Errors
    /// When the socket can accept no longer.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        let room = Arc::new(Semaphore::new(limits::CONCURRENT_REQUESTS));
        loop {
            let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            let door = self.clone();
            tokio::spawn(async move {
                // A broken connection is the sender's to mend: it sends again what was not answered.
                let _ = door.connection(stream).await;
                drop(permit);
            });
        }
    }

    async fn connection(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
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
                }
            }
        }
    }

    /// Takes in one message and returns the answers that its sender wants.
    pub async fn message(&self, bytes: &[u8]) -> Vec<String> {
        let understood = understand(bytes, &self.options);
        let receipt = self.pipeline.keep(understood, bytes, CONTENT_TYPE).await;
        let outcome = match receipt.kept {
            Kept::Committed | Kept::Before => Outcome::Accepted,
            Kept::SetAside => Outcome::Error,
            Kept::NotNow => Outcome::Rejected,
        };
        let (text, _) = text(bytes);
        let (message, _) = parse(&text);
        let Some(message) = message else {
            return vec![self.answer(None, Step::Application, outcome, &receipt.findings)];
        };
        [Step::Accept, Step::Application]
            .into_iter()
            .filter(|step| ack::is_wanted(&message, *step, outcome))
            .map(|step| self.answer(Some(&message), step, outcome, &receipt.findings))
            .collect()
    }

    fn fault(&self, finding: Finding) -> String {
        self.answer(None, Step::Application, Outcome::Error, &[finding])
    }

    fn answer(
        &self,
        message: Option<&super::Message<'_>>,
        step: Step,
        outcome: Outcome,
        findings: &[Finding],
    ) -> String {
        let now = (self.now)();
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        ack::answer(message, step, outcome, findings, &written(now), &format!("TM{now}-{number}"))
    }
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
