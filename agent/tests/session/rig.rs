//! One agent on a temporary state directory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use h8lio_agent::clock::{SharedClock, SystemClock};
use h8lio_agent::entropy::{Entropy, SystemEntropy};
use h8lio_agent::identity::authority::Authority;
use h8lio_agent::identity::dial::TokenAuthority;
use h8lio_agent::identity::enroll::{EnrollError, Enrollment, Membership, Progress, enroll};
use h8lio_agent::identity::vault::Vault;
use h8lio_agent::identity::{Disk, PrivateFolder};
use h8lio_agent::report::board::Board;
use h8lio_agent::session::keeper::Keeper;
use h8lio_agent::session::machine::Goodbye;
use h8lio_agent::session::outbox::{Held, Sections};
use h8lio_agent::session::{Context, Status, supervisor, witness};
use h8lio_model::condition::ConditionType;
use h8lio_model::ids::{AgentInstance, BootId};
use h8lio_model::section::{Section, SectionKind};
use h8lio_model::token::Claims;
use h8lio_tls::files::FileError;
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::token::JoinToken;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::coordinator::Running;

pub struct Rig {
    _dir: tempfile::TempDir,
    pub disk: Arc<dyn Disk>,
    pub clock: SharedClock,
}

pub struct Agent {
    pub context: Arc<Context>,
    pub sections: watch::Sender<Sections>,
    pub frozen: watch::Sender<bool>,
    leave: watch::Sender<Option<Goodbye>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

pub fn sections(os: &str) -> Sections {
    let section = Section::encode(SectionKind::Os, &os).expect("has JSON");
    Arc::new(BTreeMap::from([(
        SectionKind::Os,
        Arc::new(Held {
            section,
            fresh: true,
        }),
    )]))
}

pub fn token(coordinator: &Running, id: &str) -> JoinToken {
    JoinToken {
        id: id.parse().expect("valid"),
        secret: secrecy::SecretBox::new(Box::new(vec![7; 32])),
        pin: SpkiPin::of_certificate(&coordinator.fake.ca.root()).expect("a pin"),
        addresses: vec![coordinator.address.clone()],
    }
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let disk: Arc<dyn Disk> = Arc::new(PrivateFolder::new(dir.path()));
        Self {
            _dir: dir,
            disk,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Waits until an audit head is on disk.
    pub async fn wait_witness(&self, seq: u64) {
        let kept = || {
            let bytes = self.disk.read(witness::FILE).expect("readable")?;
            serde_json::from_slice::<witness::Witness>(&bytes).ok()
        };
        let wait = async {
            while kept().is_none_or(|w| w.head.seq != seq) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait);
        waited.await.expect("remembered");
    }

    pub async fn enroll(&self, coordinator: &Running) -> Result<Membership, EnrollError> {
        self.enroll_with(&token(coordinator, "t1"), false).await
    }

    pub async fn enroll_with(
        &self,
        token: &JoinToken,
        replace: bool,
    ) -> Result<Membership, EnrollError> {
        let authority = TokenAuthority { addresses: vec![] };
        let patience = Duration::from_secs(20);
        self.enroll_at(&authority, token, replace, patience, |_| {})
            .await
    }

    /// The same, with each word about what takes long.
    pub async fn enroll_at(
        &self,
        authority: &dyn Authority,
        token: &JoinToken,
        replace: bool,
        patience: Duration,
        tell: impl FnMut(Progress),
    ) -> Result<Membership, EnrollError> {
        let claims = Claims {
            hostname: "s1".into(),
            ..Claims::default()
        };
        let what = Enrollment {
            token,
            claims: &claims,
            replace,
            patience: Some(patience),
        };
        enroll(self.disk.as_ref(), authority, &what, &SystemEntropy, tell).await
    }

    /// Runs the session of the enrolled server.
    pub fn run(&self) -> Agent {
        self.run_with(vec![])
    }

    /// The same with coordinators of the configuration.
    pub fn run_with(&self, coordinators: Vec<String>) -> Agent {
        let vault = Vault::open(Arc::clone(&self.disk))
            .expect("readable")
            .expect("enrolled");
        let vault = Arc::new(vault);
        let board = Arc::new(Board::default());
        let (keeper, keeping) = Keeper::new(
            Arc::clone(&self.disk),
            Arc::clone(&vault),
            Arc::clone(&board),
            Arc::clone(&self.clock),
        );
        let (sections, have) = watch::channel(sections("debian"));
        let (frozen, freeze) = watch::channel(false);
        let (leave, left) = watch::channel(None);
        let context = Arc::new(Context {
            vault,
            keeper,
            clock: Arc::clone(&self.clock),
            entropy: Arc::new(SystemEntropy),
            board,
            shared: Arc::default(),
            sections: have,
            coordinators,
            boot_id: BootId(Uuid::from_u128(5)),
            instance: AgentInstance(SystemEntropy.uuid()),
            claims: Claims::default(),
            frozen: freeze,
            status: Status::default(),
        });
        let tasks = vec![
            tokio::spawn(keeping.run()),
            tokio::spawn(supervisor::run(Arc::clone(&context), left)),
        ];
        Agent {
            context,
            sections,
            frozen,
            leave,
            tasks,
        }
    }
}

impl Agent {
    /// Waits until a condition stands, or no longer does.
    pub async fn wait_condition(&self, kind: ConditionType, stands: bool) {
        let board = &self.context.board;
        let mut changes = board.watch();
        let wait = async {
            while board.standing().iter().any(|c| c.kind == kind) != stands {
                changes.changed().await.expect("the board lives");
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(
            waited.is_ok(),
            "{kind:?} should be {stands}: {:?}",
            board.standing()
        );
    }

    pub async fn stop(mut self, why: Goodbye) {
        self.leave.send_replace(Some(why));
        let session = self.tasks.pop().expect("running");
        session.await.expect("no panic");
    }
}

/// A disk that can be full.
#[derive(Debug)]
pub struct FullDisk {
    real: Arc<dyn Disk>,
    full: AtomicBool,
}

impl FullDisk {
    pub fn over(rig: &Rig) -> Self {
        Self {
            real: Arc::clone(&rig.disk),
            full: AtomicBool::new(false),
        }
    }

    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    fn room(&self) -> Result<(), FileError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(FileError::Write {
                path: "full".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }
}

impl Disk for FullDisk {
    fn place(&self, name: &str) -> std::path::PathBuf {
        self.real.place(name)
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.real.read(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.room()?;
        self.real.write(name, bytes)
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.real.remove(name)
    }
    fn probe(&self, name: &str) -> Result<(), FileError> {
        self.room()?;
        self.real.probe(name)
    }
}
