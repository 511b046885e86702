//! One session of a server, message by message.

use std::sync::Arc;
use std::time::Duration;

use h8lio_coordinator::clock::Clock as _;
use h8lio_model::section::{Digest, SectionKind};
use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Up;
use h8lio_proto::v1::connect_response::Message as Down;
use h8lio_proto::v1::session_service_client::SessionServiceClient;
use jiff::SignedDuration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::clock::TestClock;
use super::wait::{soon, until};

/// A session. Dropping it closes the connection without a word, as a killed process does.
#[derive(Debug)]
pub struct Session {
    up: mpsc::Sender<v1::ConnectRequest>,
    down: Streaming<v1::ConnectResponse>,
    clock: Arc<TestClock>,
    clock_error: SignedDuration,
    beats: u64,
    pub welcome: v1::Welcome,
}

impl Session {
    pub(super) async fn open(
        channel: Channel,
        clock: Arc<TestClock>,
        clock_error: SignedDuration,
    ) -> Result<Self, Status> {
        let (up, receive) = mpsc::channel(64);
        let down = SessionServiceClient::new(channel)
            .connect(ReceiverStream::new(receive))
            .await?;
        let (down, welcome) = (down.into_inner(), v1::Welcome::default());
        Ok(Self {
            up,
            down,
            clock,
            clock_error,
            beats: 0,
            welcome,
        })
    }

    /// Says Hello and waits for the Welcome.
    ///
    /// # Errors
    /// As the coordinator says.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn greet(&mut self, hello: v1::Hello) -> Result<(), Status> {
        self.say(Up::Hello(hello)).await;
        loop {
            match self.hear().await? {
                Down::Welcome(welcome) => {
                    self.welcome = welcome;
                    return Ok(());
                }
                // A session is told of news from the moment it has its place.
                Down::AuditHead(_) | Down::Restricted(_) => {}
                other => panic!("not a Welcome: {other:?}"),
            }
        }
    }

    /// Sends anything; a session that has ended is noticed when listening.
    pub async fn say(&self, message: Up) {
        let message = Some(message);
        let _ = self.up.send(v1::ConnectRequest { message }).await;
    }

    /// The next message.
    ///
    /// # Errors
    /// The status with which the session ended.
    pub async fn hear(&mut self) -> Result<Down, Status> {
        match soon("a message of the coordinator", self.down.message()).await? {
            Some(v1::ConnectResponse {
                message: Some(message),
            }) => Ok(message),
            other => Err(Status::ok(format!("the stream ended: {other:?}"))),
        }
    }

    /// Listens until the session ends, and says how.
    pub async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.hear().await {
                return status;
            }
        }
    }

    /// Waits for a message that is wanted.
    ///
    /// # Panics
    /// When the session ends before.
    pub async fn hears<T>(&mut self, wanted: impl Fn(Down) -> Option<T>) -> T {
        loop {
            match self.hear().await {
                Ok(message) => {
                    if let Some(found) = wanted(message) {
                        return found;
                    }
                }
                Err(status) => panic!("the session ended: {status}"),
            }
        }
    }

    /// Waits for the next receipt.
    pub async fn receipt(&mut self) -> v1::Receipt {
        self.hears(|m| match m {
            Down::Receipt(r) => Some(r),
            _ => None,
        })
        .await
    }

    /// One sign of life.
    ///
    /// # Panics
    /// Never, with a clock in the years that exist.
    pub async fn beat(&mut self) {
        self.beats += 1;
        let now = self
            .clock
            .now()
            .checked_add(self.clock_error)
            .expect("in range");
        let beat = v1::Beat {
            seq: self.beats,
            wall_clock_ms: now.as_millisecond(),
        };
        self.say(Up::Beat(beat)).await;
    }

    /// Reports one section.
    pub async fn report(&self, kind: SectionKind, body: &[u8]) {
        self.say(Up::Report(v1::Report {
            sections: vec![section(kind, body)],
            confirmed: Vec::new(),
        }))
        .await;
    }

    /// Says that it ends, and ends.
    pub async fn goodbye(mut self, reason: v1::goodbye::Reason) -> Status {
        self.say(Up::Goodbye(v1::Goodbye {
            reason: reason as i32,
        }))
        .await;
        self.end().await
    }

    /// Beats at this interval from now on, and goes on listening.
    pub fn beating(mut self, every: Duration) -> Beating {
        let (control, mut wanted) = watch::channel(true);
        let (tell, ended) = watch::channel(None);
        let (heard, messages) = watch::channel(Vec::new());
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(every);
            loop {
                // Cancel-safe: a message is buffered in the stream, the others hold nothing.
                tokio::select! {
                    _ = tick.tick() => {
                        if *wanted.borrow() {
                            self.beat().await;
                        }
                    }
                    changed = wanted.changed() => {
                        if changed.is_err() {
                            return;
                        }
                    }
                    message = self.down.message() => match message {
                        Ok(Some(v1::ConnectResponse { message: Some(message) })) => {
                            heard.send_modify(|all: &mut Vec<Down>| all.push(message));
                        }
                        Ok(_) => {
                            tell.send_replace(Some(Status::ok("the stream ended")));
                            return;
                        }
                        Err(status) => {
                            tell.send_replace(Some(status));
                            return;
                        }
                    },
                }
            }
        });
        Beating {
            control,
            ended,
            messages,
            task,
        }
    }
}

/// A section with its digest.
pub fn section(kind: SectionKind, body: &[u8]) -> v1::Section {
    v1::Section {
        kind: kind as i32,
        digest: Digest::of(body).0.to_vec(),
        body: body.to_vec().into(),
    }
}

/// A session that beats by itself. Dropping it closes the connection without a word.
#[derive(Debug)]
pub struct Beating {
    control: watch::Sender<bool>,
    ended: watch::Receiver<Option<Status>>,
    messages: watch::Receiver<Vec<Down>>,
    task: JoinHandle<()>,
}

impl Beating {
    /// Falls silent; the connection stays.
    pub fn pause(&self) {
        self.control.send_replace(false);
    }

    /// Beats again.
    pub fn go_on(&self) {
        self.control.send_replace(true);
    }

    /// Whether the session still stands.
    pub fn is_open(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// How the session ended, once it has.
    pub async fn end(&mut self) -> Status {
        until("the end of the session", || async {
            self.ended.borrow().clone()
        })
        .await
    }

    /// Waits for a message that is wanted, also one that came already.
    pub async fn hears<T>(&self, what: &str, wanted: impl Fn(&Down) -> Option<T>) -> T {
        until(what, || async {
            self.messages.borrow().iter().find_map(&wanted)
        })
        .await
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.task.abort();
    }
}
