//! The simulated server's own behaviour, judged as a real one's would be.

use h8lio_model::inventory::DomainMode;
use uuid::Uuid;

use crate::host::boot::{Restart, WayBack};
use crate::host::patching::{Action, MayAct, PatchError, Pinned, Spec};
use crate::reconcile::patching::boot::way_back::{Boot, way_back};
use crate::reconcile::patching::transaction::class::Class;
use crate::reconcile::patching::transaction::database::{self, Database, Diagnosis};
use crate::reconcile::patching::transaction::judge::{Change, judge};
use crate::reconcile::patching::transaction::outcome::{Outcome, outcome};
use crate::sim::SimServer;
use crate::sim::fault::Fault;

const OLD: &str = "6.1.0-40-amd64";
const NEW: &str = "6.1.0-41-amd64";

struct Lab {
    dir: tempfile::TempDir,
    server: SimServer,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let text = "hostname = \"s1\"\n\n[[packages.upgrade]]\nname = \"bash\"\n\
                    installed = \"1.0\"\ncandidate = \"2.0\"\n";
        std::fs::write(dir.path().join("s1.toml"), text).expect("written");
        let server = Self::load(&dir);
        Self { dir, server }
    }

    fn load(dir: &tempfile::TempDir) -> SimServer {
        SimServer::load(&dir.path().join("s1.toml"), dir.path()).expect("a server")
    }

    /// The agent starts anew, and with it the simulated server.
    fn restart(&mut self) {
        self.server = Self::load(&self.dir);
    }

    fn fault(&self, line: &str) {
        line.parse::<Fault>().expect("a fault");
        self.server.write(line).expect("the fault is queued");
        self.server.carry_out_fresh();
    }

    fn database(&self) -> Database {
        database::read(&self.server.patching().database()).expect("understood")
    }

    fn start(&self, n: u128, action: Action) -> Result<Uuid, PatchError> {
        let attempt = Uuid::from_u128(n);
        let spec = Spec {
            attempt,
            action,
            deadline_seconds: 60,
        };
        self.server.patching().start(&spec, leave())?;
        self.server.carry_out_fresh();
        Ok(attempt)
    }

    fn upgrade(&self, n: u128) -> Outcome {
        let packages = vec![pin("bash=2.0")];
        let attempt = self
            .start(n, Action::Install { packages })
            .expect("started");
        outcome(
            &changes(),
            &self.server.patching().trace(attempt),
            &self.database(),
        )
    }

    fn kernel(&self) -> String {
        self.server.hosts().os.os().kernel.expect("one runs")
    }
}

fn leave() -> MayAct {
    MayAct::by(DomainMode::Act).expect("leave")
}

fn pin(text: &str) -> Pinned {
    text.parse().expect("valid")
}

fn changes() -> Vec<Change> {
    vec![Change {
        name: "bash".into(),
        from: Some("1.0".into()),
        to: "2.0".into(),
        class: Class::Plain,
    }]
}

#[test]
fn an_offered_version_is_planned_and_applied_once_and_is_there_after_a_restart() {
    let mut lab = Lab::new();
    let ask = [pin("bash=2.0")];
    let plan = judge(&ask, &lab.server.patching().plan(&ask)).expect("accepted");
    assert_eq!(plan.changes, changes());
    assert!(matches!(lab.upgrade(1), Outcome::Applied(_)));
    lab.restart();
    assert_eq!(
        lab.database().package("bash").map(|p| p.version.as_str()),
        Some("2.0")
    );
    let again = lab.start(1, Action::FixBroken);
    assert!(matches!(again, Err(PatchError::Known { .. })), "{again:?}");
    let back = lab.start(
        2,
        Action::PutBack {
            packages: vec![pin("bash=1.0")],
        },
    );
    back.expect("started");
    assert_eq!(
        lab.database().package("bash").map(|p| p.version.as_str()),
        Some("1.0")
    );
}

#[test]
fn a_transaction_has_the_fate_that_was_set_for_it() {
    let lab = Lab::new();
    lab.fault("transaction.next nothing");
    assert!(matches!(lab.upgrade(1), Outcome::NothingDone(_)));
    lab.fault("transaction.next damage");
    let got = lab.upgrade(2);
    assert!(matches!(got, Outcome::Damaged { .. }), "{got:?}");
    lab.start(3, Action::ConfigureAll).expect("started");
    assert_eq!(lab.database().diagnose(), Diagnosis::Whole);
    lab.fault("transaction.next hang");
    assert_eq!(lab.upgrade(4), Outcome::Running(None));
    assert!(matches!(lab.database().diagnose(), Diagnosis::Busy(_)));
}

#[test]
fn a_new_kernel_is_booted_once_and_comes_back_from_a_panic_by_itself() {
    for panics in [false, true] {
        let mut lab = Lab::new();
        let packages = vec![pin(&format!("linux-image-{NEW}=1.1"))];
        lab.start(1, Action::Install { packages }).expect("started");
        if panics {
            lab.fault(&format!("kernel.panics {NEW}"));
        }
        let host = lab.server.booting();
        let way = way_back(&Boot::read(&host.boot()), OLD, NEW).expect("a way back");
        assert!(matches!(way, WayBack::Grub { fallback: 1, .. }), "{way:?}");
        host.arm(&way, leave()).expect("armed");
        host.reboot(Restart::Whole, leave()).expect("asked");
        lab.restart();
        assert_eq!(lab.kernel(), if panics { OLD } else { NEW });
        if !panics {
            // Until the commit, any boot leads back.
            lab.fault("reboot 1s");
            assert_eq!(lab.kernel(), OLD);
            let WayBack::Grub { new, .. } = &way else {
                panic!("{way:?}");
            };
            lab.server
                .booting()
                .commit(new, leave())
                .expect("committed");
            lab.fault("reboot 1s");
            assert_eq!(lab.kernel(), NEW);
        }
    }
}
