//! A line of callers with one worker at its end, who takes all that wait as one group. A chain of
//! writes (the audit log, the events) thus costs one commit per group and its writers never
//! race each other.

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

/// Callers that may stand in line; further ones wait for a place.
const QUEUE: usize = 1024;
/// Most items in one group.
const GROUP: usize = 256;

/// Who works on the groups.
#[async_trait]
pub(crate) trait Worker: Send + 'static {
    type Item: Send + 'static;
    type Answer: Send + 'static;

    /// One answer per item, in the order of the items.
    async fn work(&mut self, group: Vec<Self::Item>) -> Vec<Self::Answer>;
}

/// The way to a worker, whose task ends when the last clone is gone and the line is empty.
#[derive(Debug)]
pub(crate) struct Lane<I, A> {
    queue: mpsc::Sender<(I, oneshot::Sender<A>)>,
}

impl<I, A> Clone for Lane<I, A> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
        }
    }
}

impl<I: Send + 'static, A: Send + 'static> Lane<I, A> {
    /// Starts the worker's task on the present Tokio runtime.
    pub(crate) fn spawn(mut worker: impl Worker<Item = I, Answer = A>) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(I, oneshot::Sender<A>)>(QUEUE);
        tokio::spawn(async move {
            let mut group = Vec::new();
            while waiting.recv_many(&mut group, GROUP).await > 0 {
                let (items, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
                let answers = worker.work(items).await;
                for (reply, answer) in replies.into_iter().zip(answers) {
                    // A caller that has gone away has its work done all the same.
                    let _ = reply.send(answer);
                }
            }
        });
        Self { queue }
    }

    /// Hands `item` over and waits for its answer; `None` when the worker is gone (the runtime
    /// is shutting down). Work that was handed over is done even if this future is dropped.
    pub(crate) async fn send(&self, item: I) -> Option<A> {
        let (reply, answer) = oneshot::channel();
        self.queue.send((item, reply)).await.ok()?;
        answer.await.ok()
    }
}
