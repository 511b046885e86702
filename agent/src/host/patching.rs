//! Changing packages. Behind it apt today; what it says fits dnf and zypper as well: exact
//! versions in, raw outputs out. What they mean is decided in `reconcile/patching`.

use std::fmt;
use std::str::FromStr;

use h8lio_model::inventory::{DomainMode, Problem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tool::ToolError;

/// A package at exactly one version: the only thing that is ever installed.
///
/// Both halves are checked, since they become one operand of a host tool: neither can be an option,
/// a pattern, a release, or apt's marks for "remove" (`-` at the end) and "install" (`+`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pinned {
    name: String,
    version: String,
}

/// Why a text is no package at a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not NAME=VERSION of a package: {why}")]
pub struct InvalidPin {
    pub text: String,
    pub why: &'static str,
}

impl Pinned {
    /// `name`, with `:ARCHITECTURE` for a foreign one, at `version`.
    ///
    /// # Errors
    /// [`InvalidPin`].
    pub fn new(name: &str, version: &str) -> Result<Self, InvalidPin> {
        let no = |why| InvalidPin {
            text: crate::words::plain(&format!("{name}={version}")),
            why,
        };
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.:".contains(&b);
        let first = name.as_bytes().first();
        if name.len() < 2 || !name.bytes().all(inner) {
            return Err(no("names have two or more of a-z, 0-9, +, - and ."));
        }
        if !first.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(no("names begin with a letter or a digit"));
        }
        if name.matches(':').count() > 1 || name.ends_with([':', '-']) {
            return Err(no("an architecture follows one colon"));
        }
        let inner = |b: u8| b.is_ascii_alphanumeric() || b"+-.:~".contains(&b);
        if !version.bytes().all(inner) || !version.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(no(
                "versions begin with a digit and have letters, digits, +, -, ., : and ~",
            ));
        }
        if version.ends_with(['+', '-']) {
            return Err(no("a version does not end with + or -"));
        }
        Ok(Self {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> &str {
        &self.version
    }
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.version)
    }
}

impl FromStr for Pinned {
    type Err = InvalidPin;

    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let (name, version) = text.split_once('=').ok_or_else(|| InvalidPin {
            text: crate::words::plain(text),
            why: "there is no =",
        })?;
        Self::new(name, version)
    }
}

impl TryFrom<String> for Pinned {
    type Error = InvalidPin;

    fn try_from(text: String) -> Result<Self, InvalidPin> {
        text.parse()
    }
}

impl From<Pinned> for String {
    fn from(pin: Pinned) -> Self {
        pin.to_string()
    }
}

/// Leave of the server's owner to change it: only `act` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayAct(());

/// The owner gives no leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this server is only observed: /etc/h8lio/agent.toml says domains.patching = \"{word}\"", word = match .0 { DomainMode::Off => "off", DomainMode::Observe => "observe", DomainMode::Act => "act" })]
pub struct OnlyObserved(pub DomainMode);

impl MayAct {
    /// What the owner's word on a domain allows.
    ///
    /// # Errors
    /// [`OnlyObserved`] for everything but `act`.
    pub fn by(mode: DomainMode) -> Result<Self, OnlyObserved> {
        match mode {
            DomainMode::Act => Ok(Self(())),
            DomainMode::Off | DomainMode::Observe => Err(OnlyObserved(mode)),
        }
    }
}

/// The package manager, as somebody who may change things.
///
/// A transaction outlives the agent: it runs in a unit of its own and writes down how it ended.
/// So [`PatchHost::start`] only starts, and everything after it is observed.
pub trait PatchHost: Send + Sync {
    /// Whether the database is whole, what is installed and who is at work. Takes no lock.
    fn database(&self) -> RawDatabase;

    /// What installing exactly `wanted` would do, on paper. Takes no lock and changes nothing.
    fn plan(&self, wanted: &[Pinned]) -> RawPlan;

    /// When the package index was fetched last; `None`: never, or it cannot be told.
    fn index_updated_at(&self) -> Option<Timestamp>;

    /// Fetches the package index anew (`apt-get update`).
    ///
    /// # Errors
    /// [`PatchError`]; the old index is still there.
    fn refresh(&self, leave: MayAct) -> Result<(), PatchError>;

    /// Puts the archives of `wanted` into the cache, and installs nothing.
    ///
    /// # Errors
    /// [`PatchError`]; what was fetched stays.
    fn download(&self, wanted: &[Pinned], leave: MayAct) -> Result<(), PatchError>;

    /// Puts the archives of what is installed *now* aside, so that there is a way back when the
    /// repositories have moved on; answers with those that cannot be had.
    ///
    /// # Errors
    /// [`PatchError`].
    fn keep_old(&self, installed: &[Pinned], leave: MayAct) -> Result<Vec<Pinned>, PatchError>;

    /// Removes what no way back needs any more: of archives that were put aside all but `old`, of those
    /// in the cache other versions of `new`, and what transactions left, but for the last few.
    ///
    /// # Errors
    /// [`PatchError`]; what could not be removed stays until the next time.
    fn clean(&self, old: &[Pinned], new: &[Pinned], leave: MayAct) -> Result<(), PatchError>;

    /// Keeps packages at their version until a person lets them go (`apt-mark hold`).
    ///
    /// # Errors
    /// [`PatchError`].
    fn hold(&self, names: &[String], leave: MayAct) -> Result<(), PatchError>;

    /// Lets packages go again (`apt-mark unhold`).
    ///
    /// # Errors
    /// [`PatchError`].
    fn unhold(&self, names: &[String], leave: MayAct) -> Result<(), PatchError>;

    /// Starts `spec` in a unit of its own; as often as it is asked for, the same attempt begins once.
    ///
    /// # Errors
    /// [`PatchError`]; whether it was started after all is to be observed. [`PatchError::Known`] and
    /// [`PatchError::Begun`] where there is nothing to start.
    fn start(&self, spec: &Spec, leave: MayAct) -> Result<(), PatchError>;

    /// What the attempt has left so far.
    fn trace(&self, attempt: Uuid) -> RawTrace;

    /// Transactions of this agent that are at work, whichever attempt they are of; `None`: it cannot be
    /// told.
    fn at_work(&self) -> Option<Vec<Uuid>>;

    /// Makes sure that an attempt which has not begun never will.
    ///
    /// # Errors
    /// [`PatchError`]; [`PatchError::Begun`] when it is too late.
    fn withdraw(&self, attempt: Uuid) -> Result<(), PatchError>;
}

/// One transaction, as the unit that carries it out reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    pub attempt: Uuid,
    pub action: Action,
    /// Killed after so many seconds: a maintainer script that hangs must not hang for ever.
    pub deadline_seconds: u64,
}

/// What a transaction does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Installs exactly these.
    Install { packages: Vec<Pinned> },
    /// Puts back versions that were installed before.
    PutBack { packages: Vec<Pinned> },
    /// `dpkg --configure -a`.
    ConfigureAll,
    /// `apt-get --fix-broken install`.
    FixBroken,
}

/// How a transaction ended, as it wrote down itself: whole, or not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Written {
    pub attempt: Uuid,
    pub boot_id: h8lio_model::ids::BootId,
    pub ended: Ended,
}

/// How the package manager's process ended. `Exited { code: 0 }` is its opinion and no proof: dpkg
/// ends so on broken systems too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Ended {
    Exited { code: i32, complaint: String },
    Killed { why: String },
    NotStarted { why: String },
}

/// Outputs about the database; `None` means that it could not be asked, and then a problem says
/// why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawDatabase {
    /// `dpkg-query -W` in [`super::packages::DPKG_FORMAT`].
    pub installed: Option<Vec<u8>>,
    /// What `dpkg --audit` printed. Its exit code says nothing.
    pub audit: Option<Vec<u8>>,
    /// Names of the files in dpkg's journal.
    pub journal: Option<Vec<String>>,
    /// Who holds locks of the package manager; empty: nobody.
    pub locks: Option<Vec<LockHolder>>,
    pub problems: Vec<Problem>,
}

/// A lock of the package manager and the process that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    pub file: String,
    /// `None` for a process that is not seen from here.
    pub pid: Option<u32>,
    pub command: Option<String>,
}

/// What the package manager says it would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawPlan {
    /// `apt-get --simulate install NAME=VERSION …`.
    pub simulation: Option<RawAnswer>,
    /// `apt-get --print-uris install NAME=VERSION …`.
    pub archives: Option<RawAnswer>,
    /// Bytes free where archives are kept.
    pub free: Option<u64>,
    pub room: Option<RawRoom>,
    pub problems: Vec<Problem>,
}

/// What is free on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawRoom {
    pub rooms: Vec<Room>,
    /// Bytes that the running kernel's files take in `/boot`; 0: it has none there.
    pub kernel: u64,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// `/`, `/boot` or `/var`.
    pub place: &'static str,
    /// Places of the same number share what is free.
    pub device: u64,
    /// Bytes.
    pub free: u64,
}

/// A tool's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawAnswer {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// What a transaction left. Whether its unit is loaded, or what systemd says of its result, is not
/// here: of a unit that was collected systemd says "success", whatever happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawTrace {
    /// It was asked for.
    pub specified: bool,
    /// It has not begun and never will.
    pub withdrawn: bool,
    /// It took its lock and wrote so.
    pub begun: bool,
    /// It holds its lock now. `None`: cannot be told.
    pub running: Option<bool>,
    /// Its own word on how it ended.
    pub result: Option<Vec<u8>>,
    /// apt's status stream and complaints so far.
    pub status: Vec<u8>,
    /// What it printed so far.
    pub log: Vec<u8>,
    pub problems: Vec<Problem>,
}

/// Why the package manager was not set to work.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("the archive of {package} cannot be kept for the way back")]
    Keep {
        package: String,
        #[source]
        source: std::io::Error,
    },
    #[error("what is not needed any more cannot be removed from {folder}")]
    Clean {
        folder: String,
        #[source]
        source: std::io::Error,
    },
    #[error("transaction {attempt} cannot be written down, so it is not started")]
    Write {
        attempt: Uuid,
        #[source]
        source: h8lio_tls::files::FileError,
    },
    #[error(
        "transaction {attempt} began before or was withdrawn; only a new attempt may try again"
    )]
    Known { attempt: Uuid },
    #[error("transaction {attempt} has begun; wait for its end")]
    Begun { attempt: Uuid },
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("libc6:i386=2.36-9+deb12u10")]
    #[case("g++=4:12.2.0-3")]
    #[case("linux-image-6.1.0-56-cloud-amd64=6.1.192-2")]
    #[case("base-files=12.4+deb12u15")]
    #[case("x1=1.0~rc1")]
    fn a_pin_is_read_and_written_the_same(#[case] text: &str) {
        let pin: Pinned = text.parse().expect("valid");
        assert_eq!(pin.to_string(), text);
        let json = serde_json::to_string(&pin).expect("has a JSON form");
        assert_eq!(serde_json::from_str::<Pinned>(&json).expect("read"), pin);
    }

    #[test]
    fn only_the_owners_act_is_leave_to_change_anything() {
        MayAct::by(DomainMode::Act).expect("leave");
        for mode in [DomainMode::Off, DomainMode::Observe] {
            let error = MayAct::by(mode).expect_err("no leave");
            assert!(
                error.to_string().contains("domains.patching = \"o"),
                "{error}"
            );
        }
        assert_eq!(DomainMode::default(), DomainMode::Observe);
    }

    #[rstest]
    #[case("bash", "there is no =")]
    #[case("=1.0", "two or more")]
    #[case("--purge=1.0", "begin with a letter")]
    #[case("-oAPT::X=1.0", "two or more")]
    #[case("Bash=1.0", "two or more")]
    #[case("lib*=1.0", "two or more")]
    #[case("bash =1.0", "two or more")]
    #[case("bash\n=1.0", "two or more")]
    #[case("a:b:c=1.0", "one colon")]
    #[case("bash-=1.0", "one colon")]
    #[case("bash=", "begin with a digit")]
    #[case("bash=stable", "begin with a digit")]
    #[case("bash=1.0 rm", "letters, digits")]
    #[case("bash=1.0;id", "letters, digits")]
    #[case("bash=1.0-", "does not end")]
    #[case("bash=1.0+", "does not end")]
    fn what_a_tool_could_misread_is_no_pin(#[case] text: &str, #[case] why: &str) {
        let error = text.parse::<Pinned>().expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
