//! One person, one computer, one coordinator: `run` types a command and returns what it said.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use h8lctl::World;
use h8lctl::connect::{Dial, DialFailure};
use h8lctl::context::Context;
use h8lctl::errors::Exit;
use h8lctl::follow::Interrupt;
use h8lctl::terminal::Terminal;
use h8lio_proto::v1::fleet_service_server::FleetServiceServer;
use h8lio_proto::v1::node_service_server::NodeServiceServer;
use h8lio_proto::v1::rollout_service_server::RolloutServiceServer;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Server};

use crate::fake_fleet::Fake;
use crate::pki::Ca;

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.exit, Exit::Done, "{}", self.err);
        serde_json::from_str(&self.out).expect("standard output is JSON")
    }

    /// Standard output as JSON, whatever the exit code.
    pub(crate) fn json_whatever_exit(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).expect("standard output is JSON")
    }
}

/// The place where commands are typed.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) fake: Fake,
    /// Answers of a person; `None`: not a terminal.
    pub(crate) answers: Option<Vec<&'static str>>,
    pub(crate) interrupt: Interrupt,
    /// What was written so far, also while a command runs.
    pub(crate) written: Arc<Mutex<(String, String)>>,
}

impl Bench {
    /// A computer with one imported context, `demo`.
    pub(crate) fn new() -> Self {
        let bench = Self::without_context();
        let context = bench.fake.ca().context("demo", &["a.example:7443"], 4096);
        bench.write("demo.toml", &context.to_toml().expect("TOML"));
        bench
    }

    pub(crate) fn without_context() -> Self {
        Self {
            dir: tempfile::tempdir().expect("temporary folder"),
            fake: Fake::new(Ca::new()),
            answers: None,
            interrupt: Interrupt::when(std::future::pending()),
            written: Arc::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a private file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        h8lio_tls::files::write_private(&self.path(name), text.as_bytes()).expect("written");
    }

    fn world(&self, dial: Arc<dyn Dial>) -> World {
        *self.written.lock().expect("lock") = Default::default();
        World {
            terminal: Box::new(Typed {
                written: Arc::clone(&self.written),
                answers: self.answers.as_ref().map(|a| a.iter().copied().collect()),
            }),
            dial,
            store: Some(self.path("config/h8lio/contexts.toml")),
            now: crate::samples::as_of,
            interrupt: self.interrupt.clone(),
        }
    }

    /// Types a command (words split at blanks) with the context file of this bench, if there is
    /// one.
    pub(crate) async fn run(&self, line: &str) -> Said {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run_words(&words).await
    }

    pub(crate) async fn run_words(&self, words: &[&str]) -> Said {
        let dial = Arc::new(InProcess(self.fake.clone()));
        let mut args = vec!["h8lctl".to_owned()];
        let file = self.path("demo.toml");
        if file.exists() {
            args.push("--context-file".to_owned());
            args.push(file.display().to_string());
        }
        args.extend(words.iter().map(|w| (*w).to_owned()));
        self.run_with(dial, &args).await
    }

    pub(crate) async fn run_with(&self, dial: Arc<dyn Dial>, args: &[String]) -> Said {
        let mut world = self.world(dial);
        let args = args.iter().map(std::ffi::OsString::from);
        let exit = h8lctl::run(args, &mut world).await;
        let (out, err) = self.written.lock().expect("lock").clone();
        Said {
            exit,
            out: crate::samples::plain(&out),
            err: crate::samples::plain(&err),
        }
    }
}

/// A keyboard and two sheets of paper.
struct Typed {
    written: Arc<Mutex<(String, String)>>,
    answers: Option<VecDeque<&'static str>>,
}

impl Terminal for Typed {
    fn out(&mut self, text: &str) -> io::Result<()> {
        self.written.lock().expect("lock").0 += text;
        Ok(())
    }

    fn err(&mut self, text: &str) -> io::Result<()> {
        self.written.lock().expect("lock").1 += text;
        Ok(())
    }

    fn is_interactive(&self) -> bool {
        self.answers.is_some()
    }

    fn is_screen(&self) -> bool {
        false
    }

    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        self.err(question)?;
        let answer = self.answers.as_mut().and_then(VecDeque::pop_front);
        Ok(answer.map(str::to_owned))
    }
}

/// Serves the fake coordinator over a pipe in this process. An address that begins with `down`
/// does not answer.
pub(crate) struct InProcess(pub(crate) Fake);

#[async_trait]
impl Dial for InProcess {
    async fn dial(&self, _: &Context, address: &str) -> Result<Channel, DialFailure> {
        self.0.dialled(address);
        if address.starts_with("down") {
            return Err(DialFailure {
                cause: "connection refused".to_owned(),
                refused: false,
            });
        }
        let (near, far) = tokio::io::duplex(64 << 10);
        tokio::spawn(
            Server::builder()
                .add_service(NodeServiceServer::new(self.0.clone()))
                .add_service(FleetServiceServer::new(self.0.clone()))
                .add_service(RolloutServiceServer::new(self.0.clone()))
                .serve_with_incoming(tokio_stream::once(Ok::<_, io::Error>(far))),
        );
        let mut near = Some(TokioIo::new(near));
        let connector = tower::service_fn(move |_| {
            let taken = near.take().ok_or_else(|| io::Error::other("closed"));
            async move { taken }
        });
        Endpoint::from_static("http://fake.example")
            .connect_with_connector(connector)
            .await
            .map_err(|e| DialFailure {
                cause: e.to_string(),
                refused: false,
            })
    }
}
