//! The whole daemon over a simulated server is given orders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use h8lio_agent::app;
use h8lio_agent::cli::{Command, Enroll, Run, Server};
use h8lio_agent::config::{self, Period, Settings};
use h8lio_model::ids::Incarnation;
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{
    Act, AttemptId, AttemptReport, Epoch, Generation, NodeOrder, OnFailure, OrderContent,
    OrderReport, Outcome, PackageChange, PatchTarget, Ticket,
};
use h8lio_model::plan::PlanId;
use h8lio_model::section::SectionKind;
use h8lio_proto::v1;
use h8lio_proto::v1::connect_response::Message as Response;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::authority::NODE;
use super::coordinator::{Heard, Running, Script, beat, hello, report};
use super::rig::token;

const KERNEL: &str = "linux-image-6.1.0-41-amd64";

const SERVER: &str = "hostname = \"s1\"\n[[nic]]\nname = \"eno1\"\nmac = \"02:00:00:00:00:01\"\n\
                      [[packages.upgrade]]\nname = \"bash\"\ninstalled = \"1.0\"\ncandidate = \"2.0\"\n";

/// A simulated server that is enrolled, and its agent.
struct Daemon {
    dir: tempfile::TempDir,
    settings: Settings,
    coordinator: Running,
    task: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Daemon {
    async fn start(mode: &str) -> Self {
        let mut script = Script::default();
        script.welcome.wanted = SectionKind::ALL.iter().map(|k| *k as i32).collect();
        let coordinator = Running::start("test", script).await;
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("s1.toml"), SERVER).expect("written");
        let text = format!(
            "state_dir = {:?}\n[intervals]\nreport = \"1s\"\n[domains]\npatching = {mode:?}\n",
            dir.path().join("state")
        );
        let settings = config::parse(Path::new("test.toml"), &text).expect("good");
        let token_file = dir.path().join("token");
        std::fs::write(&token_file, token(&coordinator, "t1").expose()).expect("written");
        let mut this = Self {
            dir,
            settings,
            coordinator,
            task: None,
        };
        let enroll = Command::Enroll(Enroll {
            token_file: Some(token_file),
            replace: false,
            wait: Period(Duration::from_secs(20)),
            server: this.server(),
        });
        app::work(&this.settings, enroll).await.expect("enrolled");
        this.run();
        this
    }

    fn server(&self) -> Server {
        let sim = Some(self.dir.path().join("s1.toml"));
        Server { sim }
    }

    fn run(&mut self) {
        let (settings, server) = (self.settings.clone(), self.server());
        self.task = Some(tokio::spawn(async move {
            app::work(&settings, Command::Run(Run { server })).await
        }));
    }

    /// SIGTERM, as systemd stops it.
    async fn stop(&mut self) {
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).expect("sent");
        let ended = self.task.take().expect("it runs");
        let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
        ended
            .expect("in time")
            .expect("no panic")
            .expect("no error");
    }

    async fn orders(&self, what: &str, fits: impl Fn(&OrderReport) -> bool) -> OrderReport {
        let wanted = |h: &Heard| orders(h).filter(&fits);
        self.coordinator.hear(what, wanted).await
    }

    async fn condition(&self, word: &str) {
        let wanted = |h: &Heard| section(h, SectionKind::Conditions).filter(|c| c.contains(word));
        self.coordinator.hear(word, wanted).await;
    }

    /// An order for the ledger that this agent keeps: bash and a kernel.
    async fn order(&self) -> NodeOrder {
        let first = self.orders("a ledger", |_| true).await;
        let mut content = OrderContent::quiet(Scheduling::InMaintenance);
        let changes = vec![
            change("bash", Some("1.0"), "2.0"),
            change(KERNEL, None, "1.1-1"),
        ];
        content.patch = Some(PatchTarget::new(changes).expect("some"));
        content.tickets = vec![Ticket {
            attempt: AttemptId(Uuid::from_u128(100)),
            act: Act::Patch,
            on_failure: OnFailure::FallBackOnce,
            begin_before: jiff::Timestamp::MAX,
        }];
        NodeOrder {
            node: NODE,
            ledger: first.ledger,
            epoch: Epoch(1),
            generation: Generation(1),
            incarnation: Incarnation(Uuid::from_u128(3)),
            plan: PlanId(Uuid::from_u128(4)),
            content,
        }
    }

    async fn send(&self, body: Vec<u8>) {
        let order = v1::Order { body };
        self.coordinator.say(Response::Order(order)).await;
    }

    async fn send_order(&self, order: &NodeOrder) {
        self.send(serde_json::to_vec(order).expect("has JSON"))
            .await;
    }

    async fn ended(&self) -> AttemptReport {
        let ended = self.orders("an end", |r| !r.attempts.is_empty()).await;
        ended.attempts[0].clone()
    }

    /// How often the agent did something to the server.
    fn acts(&self, word: &str) -> usize {
        let file: PathBuf = self.settings.state_dir.join("faults");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().filter(|l| l.starts_with(word)).count()
    }
}

fn change(name: &str, from: Option<&str>, to: &str) -> PackageChange {
    PackageChange {
        name: name.parse().expect("valid"),
        architecture: "amd64".parse().expect("valid"),
        from: from.map(|v| v.parse().expect("valid")),
        to: to.parse().expect("valid"),
    }
}

fn section(h: &Heard, kind: SectionKind) -> Option<String> {
    let sections = report(h)?.sections;
    let found = sections.iter().find(|s| s.kind == kind as i32)?;
    String::from_utf8(found.body.to_vec()).ok()
}

fn orders(h: &Heard) -> Option<OrderReport> {
    let body = section(h, SectionKind::Orders)?;
    Some(serde_json::from_str(&body).expect("an order report"))
}

#[tokio::test]
async fn an_order_is_carried_out_across_a_boot_and_its_end_is_reported() {
    let daemon = Daemon::start("act").await;
    let order = daemon.order().await;
    let (_, first) = daemon.coordinator.hear("a greeting", hello).await;
    daemon.send_order(&order).await;
    daemon
        .orders("that it was taken", |r| r.effective == Some(order.mark()))
        .await;
    let boots_anew = |h: &Heard| hello(h).filter(|(_, h)| h.boot_id != first.boot_id);
    daemon.coordinator.hear("another boot", boots_anew).await;
    let end = daemon.ended().await;
    assert_eq!(end.attempt, order.content.tickets[0].attempt);
    assert_eq!(end.outcome, Outcome::Done, "{end:?}");
    assert_eq!(
        (daemon.acts("transaction "), daemon.acts("reboot ")),
        (1, 1)
    );
    let runs_it = |h: &Heard| section(h, SectionKind::Os).filter(|os| os.contains("6.1.0-41"));
    daemon.coordinator.hear("the new kernel", runs_it).await;
}

#[tokio::test]
async fn an_agent_that_ends_in_the_middle_goes_on_in_its_next_life_and_does_nothing_twice() {
    let mut daemon = Daemon::start("act").await;
    let order = daemon.order().await;
    daemon.send_order(&order).await;
    let applies = |r: &OrderReport| r.running.as_ref().is_some_and(|r| r.step == "apply");
    daemon.orders("that it applies", applies).await;
    daemon.stop().await;
    daemon.run();
    let end = daemon.ended().await;
    assert_eq!(end.outcome, Outcome::Done, "{end:?}");
    assert_eq!(
        (daemon.acts("transaction "), daemon.acts("reboot ")),
        (1, 1)
    );
}

#[tokio::test]
async fn an_agent_that_only_observes_takes_an_order_and_begins_nothing() {
    let daemon = Daemon::start("observe").await;
    let order = daemon.order().await;
    daemon.send_order(&order).await;
    let taken = daemon
        .orders("that it was taken", |r| r.effective == Some(order.mark()))
        .await;
    assert_eq!((taken.running, taken.attempts.len()), (None, 0));
    daemon.condition("OnlyObserved").await;
    assert_eq!(daemon.acts(""), 0);
}

#[tokio::test]
async fn a_text_that_is_no_order_is_told_and_the_session_stays() {
    let daemon = Daemon::start("act").await;
    let order = daemon.order().await;
    daemon.send(b"{\"node\": \"junk\"}".to_vec()).await;
    daemon.condition("NotUnderstood").await;
    daemon.coordinator.beats_of(1, 2).await;
    assert_eq!(daemon.acts(""), 0);
    daemon.send_order(&order).await;
    daemon
        .orders("that a good one is taken", |r| {
            r.effective == Some(order.mark())
        })
        .await;
    let greetings = daemon.coordinator.heard();
    assert_eq!(greetings.iter().filter_map(hello).count(), 1);
    assert!(greetings.iter().any(|h| beat(h).is_some()));
}
