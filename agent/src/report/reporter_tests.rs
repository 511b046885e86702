use std::sync::Mutex;
use std::sync::mpsc;

use super::*;
use crate::clock::{Moment, SystemClock};

/// Answers what the channel gives it, and hangs while the channel is empty.
struct Fed {
    name: &'static str,
    kind: SectionKind,
    from: Mutex<mpsc::Receiver<&'static str>>,
}

impl Collector for Fed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn collect(&mut self, _: Moment) -> Option<Gathered> {
        let text = self.from.lock().expect("one reader").recv().ok()?;
        assert_ne!(text, "panic");
        Some(Gathered::default().section(self.kind, &text))
    }
}

struct Rig {
    publish: watch::Sender<Sections>,
    sections: watch::Receiver<Sections>,
    board: Arc<Board>,
    shared: Arc<Shared>,
}

impl Rig {
    fn start(collectors: Vec<Box<dyn Collector>>) -> Self {
        Self::every(Duration::from_millis(20), collectors)
    }

    fn every(every: Duration, collectors: Vec<Box<dyn Collector>>) -> Self {
        let (publish, sections) = watch::channel(Sections::default());
        let board = Arc::new(Board::default());
        let shared = Arc::new(Shared::default());
        let reporter = Reporter {
            clock: Arc::new(SystemClock::new()),
            board: Arc::clone(&board),
            shared: Arc::clone(&shared),
            every,
            publish: publish.clone(),
            hangs_after: Duration::from_millis(300),
        };
        tokio::spawn(reporter.run(collectors));
        Self {
            publish,
            sections,
            board,
            shared,
        }
    }

    async fn wait(&mut self, what: &str, fits: impl Fn(&Sections) -> bool) {
        let found = tokio::time::timeout(Duration::from_secs(20), self.sections.wait_for(fits));
        let ok = found.await.is_ok_and(|r| r.is_ok());
        assert!(ok, "{what}: {:?}", self.sections.borrow());
    }
}

fn fed(name: &'static str, kind: SectionKind) -> (mpsc::Sender<&'static str>, Box<dyn Collector>) {
    let (send, from) = mpsc::channel();
    let from = Mutex::new(from);
    (send, Box::new(Fed { name, kind, from }))
}

fn body(sections: &Sections, kind: SectionKind) -> String {
    let held = sections.get(&kind);
    held.map_or_else(String::new, |h| {
        String::from_utf8_lossy(&h.section.body).into_owned()
    })
}

#[tokio::test]
async fn a_collector_that_hangs_ages_alone_and_is_named() {
    let (disks, hangs) = fed("disks", SectionKind::Disks);
    let (network, works) = fed("network", SectionKind::Network);
    disks.send("first").expect("taken");
    network.send("first").expect("taken");
    let mut rig = Rig::start(vec![hangs, works]);
    rig.wait("both", |s| {
        body(s, SectionKind::Disks) == "\"first\"" && body(s, SectionKind::Network) == "\"first\""
    })
    .await;
    network.send("second").expect("taken");
    rig.wait("the other goes on", |s| {
        body(s, SectionKind::Network) == "\"second\""
    })
    .await;
    rig.wait("the hang is named and the section not fresh", |s| {
        body(s, SectionKind::Conditions).contains("reading disks takes longer")
            && s.get(&SectionKind::Disks).is_some_and(|h| !h.fresh)
    })
    .await;
    disks.send("back").expect("taken");
    rig.wait("it comes back", |s| {
        body(s, SectionKind::Disks) == "\"back\""
            && s.get(&SectionKind::Disks).is_some_and(|h| h.fresh)
    })
    .await;
    drop((disks, network));
}

#[tokio::test]
async fn a_collector_that_fails_inside_takes_nobody_with_it() {
    let (disks, dies) = fed("disks", SectionKind::Disks);
    let (network, works) = fed("network", SectionKind::Network);
    disks.send("panic").expect("taken");
    network.send("fine").expect("taken");
    let mut rig = Rig::start(vec![dies, works]);
    rig.wait("named", |s| {
        body(s, SectionKind::Conditions).contains("failed inside the agent")
    })
    .await;
    rig.wait("the other", |s| body(s, SectionKind::Network) == "\"fine\"")
        .await;
    drop((disks, network));
}

#[tokio::test]
async fn what_the_agent_raises_itself_is_published_at_once() {
    let mut rig = Rig::start(vec![]);
    let kind = ConditionType::StateDirUnwritable;
    rig.board
        .raise(kind, "", "Failed", "no space", Timestamp::UNIX_EPOCH);
    rig.wait("raised", |s| {
        body(s, SectionKind::Conditions).contains("no space")
    })
    .await;
    rig.board.clear(kind, "");
    rig.wait("cleared", |s| body(s, SectionKind::Conditions) == "[]")
        .await;
}

#[tokio::test]
async fn what_the_ledger_says_stays_in_its_place_when_a_round_is_published() {
    let (os, collector) = fed("os", SectionKind::Os);
    let mut rig = Rig::start(vec![collector]);
    let orders = Section::encode(SectionKind::Orders, &"followed").expect("has JSON");
    let put = |sections: &mut Sections| {
        Arc::make_mut(sections).insert(SectionKind::Orders, held(orders.clone(), true));
    };
    rig.publish.send_modify(put);
    for text in ["debian 12", "debian 13"] {
        os.send(text).expect("read");
        let both = |s: &Sections| {
            body(s, SectionKind::Os).contains(text)
                && body(s, SectionKind::Orders) == "\"followed\""
        };
        rig.wait("both", both).await;
    }
}

#[tokio::test]
async fn the_end_of_an_attempt_wakes_the_collectors_long_before_their_round() {
    let (packages, works) = fed("packages", SectionKind::Packages);
    packages.send("before").expect("taken");
    let mut rig = Rig::every(Duration::from_secs(3_600), vec![works]);
    let says = |s: &Sections, text: &str| body(s, SectionKind::Packages) == format!("\"{text}\"");
    rig.wait("the first round", |s| says(s, "before")).await;
    packages.send("after").expect("taken");
    let attempt = h8lio_model::order::AttemptId(uuid::Uuid::from_u128(7));
    rig.shared.set_last_ended(Some(attempt));
    rig.wait("a round because of the attempt", |s| says(s, "after"))
        .await;
}
