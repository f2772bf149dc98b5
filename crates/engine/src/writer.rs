//! The one writer: it takes all transactions that wait and commits them as one
//! group, so that under load many share one sync.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};
use tongmai_store::{Committed, Rejection, Seq, Store, StoreError, Transaction};

/// Transactions that may wait; one more is told that the server is busy.
const WAITING: usize = 4096;
/// A group is closed when it has so many changes.
const GROUP_CHANGES: usize = 2_000;

/// Why a transaction was not committed.
#[derive(Debug)]
pub enum WriteError {
    /// What it was decided on has changed: decide again.
    Rejected(Rejection),
    /// The storage failed.
    Store(StoreError),
    /// Too many transactions wait.
    Busy,
}

type Answer = Result<Committed, WriteError>;
type Job = (Transaction, oneshot::Sender<Answer>);

/// Hands transactions to the writing thread.
pub struct Writer {
    sender: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    committed: watch::Receiver<Seq>,
}

impl Writer {
    /// Starts the writing thread of a store.
    pub fn start(store: Arc<dyn Store>) -> std::io::Result<Writer> {
        let (sender, receiver) = sync_channel(WAITING);
        let (tell, committed) = watch::channel(0);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || run(&*store, &receiver, &tell))?;
        Ok(Writer { sender: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), committed })
    }

    /// Tells the first position of the last group that was committed.
    pub fn committed(&self) -> watch::Receiver<Seq> {
        self.committed.clone()
    }

    /// Queues a transaction; the answer comes when it is durable or refused.
    pub fn submit(&self, transaction: Transaction) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match sender.map(|sender| sender.try_send((transaction, answer))) {
            Some(Err(TrySendError::Full((_, answer)))) => {
                let _ = answer.send(Err(WriteError::Busy));
            }
            // A writer that is gone drops the job, which the waiter sees.
            Some(Ok(()) | Err(TrySendError::Disconnected(_))) | None => {}
        }
        receiver
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

fn run(store: &dyn Store, receiver: &Receiver<Job>, tell: &watch::Sender<Seq>) {
    let mut group: Vec<Transaction> = Vec::new();
    let mut waiting = Vec::new();
    while let Ok((transaction, answer)) = receiver.recv() {
        let mut changes = transaction.changes.len();
        group.push(transaction);
        waiting.push(answer);
        while changes < GROUP_CHANGES {
            let Ok((transaction, answer)) = receiver.try_recv() else { break };
            changes += transaction.changes.len();
            group.push(transaction);
            waiting.push(answer);
        }
        match store.commit(&group) {
            Ok(answers) => {
                if let Some(last) = answers.iter().flatten().map(|committed| committed.first).max() {
                    tell.send_replace(last);
                }
                for (waiter, answer) in waiting.drain(..).zip(answers) {
                    // Whoever no longer waits finds the change when it asks again.
                    let _ = waiter.send(answer.map_err(WriteError::Rejected));
                }
            }
            Err(StoreError(why)) => {
                for waiter in waiting.drain(..) {
                    let _ = waiter.send(Err(WriteError::Store(StoreError(why.clone()))));
                }
            }
        }
        group.clear();
    }
}
