//! The real agent as a process of its own, over a simulated server or over this very one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use h8lio_tls::token::JoinToken;
use tempfile::TempDir;
use tokio::net::UnixDatagram;

use super::wait::soon;

/// An agent's folder, and its process while it runs. Dropping it kills the process.
#[derive(Debug)]
pub struct Agent {
    dir: TempDir,
    /// The script of its server; `None`: this server.
    sim: Option<PathBuf>,
    starved: Option<Starved>,
    child: Option<Child>,
}

/// An agent on a server that is short of memory.
#[derive(Debug)]
struct Starved {
    tool: PathBuf,
    address_space_kib: u64,
}

/// Puts `$1` in the place of the tool `$2`, bounds the memory of all that follows to `$3` KiB each,
/// and becomes the agent.
const STARVE: &str = r#"mount --bind "$1" "$2" && ulimit -v "$3" && shift 3 && exec "$@""#;

/// A tool that takes what memory it can get.
const EATER: &str = "#!/bin/sh\na=12345678\nwhile :; do a=$a$a; done\n";

/// The program, built once.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // This test is at <target>/<profile>/deps/<name>.
        let test = std::env::current_exe().expect("a path");
        let profile = test.ancestors().nth(2).expect("a folder of the profile");
        let target = profile.parent().expect("a target folder");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = command(cargo.as_ref())
            .args([
                "build",
                "--quiet",
                "--locked",
                "--package",
                "h8lio-agent",
                "--bin",
            ])
            .args(["h8lio-agent", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the agent does not build");
        target.join("debug/h8lio-agent")
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "starts the project's own programs"
)]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// A mount namespace of one's own, also for who is not root.
fn own_namespace() -> &'static [&'static str] {
    if nix::unistd::geteuid().is_root() {
        &["--mount"]
    } else {
        &["--user", "--map-root-user", "--mount"]
    }
}

impl Agent {
    /// A simulated server of the sample rack that is not enrolled.
    ///
    /// # Panics
    /// When there is no such server.
    pub fn of_sample(name: &str) -> Self {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim/demo");
        let sim = sample.join(name).with_extension("toml");
        assert!(sim.exists(), "{} is missing", sim.display());
        Self::new(Some(sim))
    }

    /// This server, on which `tool` takes all memory that it can get, and can get no more than a
    /// bound. `None` where no namespace can be made for that.
    ///
    /// # Panics
    /// When its folder cannot be made.
    pub fn short_of_memory(tool: &str, address_space_kib: u64) -> Option<Self> {
        let mut may = command(Path::new("unshare"));
        may.args(own_namespace()).arg("true").stderr(Stdio::null());
        if !may.status().is_ok_and(|s| s.success()) {
            return None;
        }
        let mut agent = Self::new(None);
        let eater = agent.dir.path().join("eater");
        std::fs::write(&eater, EATER).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(eater, mode).expect("executable");
        agent.starved = Some(Starved {
            tool: PathBuf::from(tool),
            address_space_kib,
        });
        Some(agent)
    }

    fn new(sim: Option<PathBuf>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let agent = Self {
            dir,
            sim,
            starved: None,
            child: None,
        };
        std::fs::create_dir(agent.state_dir()).expect("a folder");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(agent.state_dir(), mode).expect("private");
        let config = format!(
            "state_dir = {:?}\n[intervals]\nreport = \"1s\"\n",
            agent.state_dir().display().to_string()
        );
        std::fs::write(agent.config(), config).expect("written");
        agent
    }

    fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("agent.toml")
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = match &self.starved {
            None => command(program()),
            Some(starved) => {
                let mut wrapped = command(Path::new("unshare"));
                wrapped
                    .args(own_namespace())
                    .args(["sh", "-c", STARVE, "sh"])
                    .arg(self.dir.path().join("eater"))
                    .arg(&starved.tool)
                    .arg(starved.address_space_kib.to_string())
                    .arg(program())
                    // Arenas are reserved for each thread and would fill the bound by themselves.
                    .env("MALLOC_ARENA_MAX", "2");
                wrapped
            }
        };
        command.arg("--config").arg(self.config()).arg(verb);
        if let Some(sim) = &self.sim {
            command.arg("--sim").arg(sim);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Enrolls it; the answer is what it wrote when it failed.
    ///
    /// # Errors
    /// What it wrote to its user.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn enroll(&self, token: &JoinToken) -> Result<(), String> {
        let file = self.dir.path().join("token");
        std::fs::write(&file, token.expose()).expect("written");
        let mut command = self.command("enroll");
        command.arg("--token-file").arg(file);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let output = soon("h8lio-agent enroll", command.output())
            .await
            .expect("started");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Starts it; its log goes to `log` in its folder.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&mut self) {
        let mut command = self.command("run");
        command.stdout(Stdio::null()).stderr(self.open_log());
        self.child = Some(command.spawn().expect("started"));
    }

    /// Starts it as systemd does, with a join token as its credential; what it tells systemd
    /// comes out of the socket.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_as_service(&mut self, token: &JoinToken) -> UnixDatagram {
        let credentials = self.dir.path().join("credentials");
        std::fs::create_dir(&credentials).expect("a folder");
        let file = credentials.join("h8lio.join-token");
        std::fs::write(file, token.expose()).expect("written");
        let socket = self.dir.path().join("notify");
        let told = UnixDatagram::bind(&socket).expect("a socket");
        let mut command = self.command("run");
        command
            .env("CREDENTIALS_DIRECTORY", credentials)
            .env("NOTIFY_SOCKET", socket)
            .stdout(Stdio::null())
            .stderr(self.open_log());
        self.child = Some(command.spawn().expect("started"));
        told
    }

    fn open_log(&self) -> File {
        let mut options = std::fs::OpenOptions::new();
        let log = options.create(true).append(true);
        log.open(self.dir.path().join("log")).expect("a log")
    }

    /// Kills it as SIGKILL does: it cannot say anything any more.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// Queues a fault of its server.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn fault(&self, line: &str) {
        use std::io::Write as _;
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .create(true)
            .append(true)
            .open(self.state_dir().join("faults"));
        writeln!(file.expect("opened"), "{line}").expect("written");
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Another server that was made from a copy of this one's disk; it boots by itself.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn copy_to(&self, name: &str) -> Self {
        let copy = Self::of_sample(name);
        for entry in std::fs::read_dir(self.state_dir()).expect("read") {
            let entry = entry.expect("read");
            // What the simulation keeps there is the server, not its disk.
            let simulated = ["boot.json", "faults"]
                .iter()
                .any(|f| entry.file_name() == *f);
            if entry.file_type().expect("known").is_file() && !simulated {
                std::fs::copy(entry.path(), copy.state_dir().join(entry.file_name()))
                    .expect("copied");
            }
        }
        copy
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        #[expect(
            clippy::print_stderr,
            reason = "a test that fails shows what its agent said"
        )]
        if std::thread::panicking() {
            eprintln!("log of the agent {:?}:\n{}", self.sim, self.log());
        }
    }
}
