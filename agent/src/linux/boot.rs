//! GRUB's tools, efibootmgr, kexec and systemctl.

mod firmware;
mod kexec;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use h8lio_tls::files::{FileError, write_atomic};

use super::exec::{self, Argv, ExecError};
use super::outside;
use super::root::{LONGEST, Root};
use super::unreadable;
use crate::host::boot::custom::{Lines, of_others};
use crate::host::boot::{Backing, BootError, BootHost, Exception, RawBoot, Restart, WayBack};
use crate::host::patching::MayAct;
use crate::host::tool::ToolError;

const MENU: &str = "boot/grub/grub.cfg";
const ENVIRONMENT: &str = "boot/grub/grubenv";

/// Read by every menu that Debian's scripts make.
const CUSTOM: &str = "boot/grub/custom.cfg";

/// Names packages that apt's autoremove leaves alone.
const PROTECTION: &str = "etc/apt/apt.conf.d/02h8lio-way-back";

const MINUTE: Duration = Duration::from_secs(60);

/// What boots on the real server.
#[derive(Debug, Clone)]
pub struct LinuxBoot {
    root: Root,
    state_dir: PathBuf,
}

impl LinuxBoot {
    /// Below `root`; what is on its way lies in `state_dir`.
    pub fn new(root: Root, state_dir: &Path) -> Self {
        Self {
            root,
            state_dir: state_dir.to_owned(),
        }
    }
}

impl BootHost for LinuxBoot {
    fn boot(&self) -> RawBoot {
        let mut raw = RawBoot::default();
        match self.root.text(MENU) {
            Ok(text) => raw.menu = Some(text),
            Err(e) => raw.problems.push(unreadable("/boot/grub/grub.cfg", &e)),
        }
        match self.root.bytes(ENVIRONMENT) {
            Ok(bytes) => raw.environment = Some(bytes),
            Err(e) => raw.problems.push(unreadable("/boot/grub/grubenv", &e)),
        }
        match backing(&self.root) {
            Ok(backing) => raw.backing = Some(backing),
            Err(e) => raw.problems.push(unreadable("what /boot lies on", &e)),
        }
        raw.custom = self.root.text(CUSTOM).unwrap_or_default();
        raw.kexec = Some(kexec::raw(&self.root));
        self.with_firmware(&mut raw);
        raw
    }

    fn pin(&self, entry: Option<&str>, packages: &[String], _: MayAct) -> Result<(), BootError> {
        self.protect(packages)?;
        match entry {
            Some(entry) => act("grub-set-default", &name("grub-set-default", entry)?),
            None => Ok(()),
        }
    }

    fn arm(&self, way: &WayBack, _: MayAct) -> Result<String, BootError> {
        match way {
            WayBack::Grub { old, new, fallback } => {
                let fallback = *fallback;
                self.custom(Some(Lines {
                    fallback,
                    once: None,
                }))?;
                let printed = run("grub-set-default", &name("grub-set-default", old)?)?;
                Ok(printed + &run("grub-reboot", &name("grub-reboot", new)?)?)
            }
            WayBack::BootNext {
                old,
                new,
                fallback,
                label,
                through,
            } => {
                // The firmware last: until then, nothing leads into the new kernel.
                act("grub-set-default", &name("grub-set-default", old)?)?;
                let (fallback, once) = (*fallback, Some(new.as_str()));
                self.custom(Some(Lines { fallback, once }))?;
                firmware::arm(&self.root, through, label)?;
                Ok(String::new())
            }
            WayBack::Kexec { old, load, .. } => {
                act("grub-set-default", &name("grub-set-default", old)?)?;
                kexec::load(load)
            }
        }
    }

    fn disarm(&self, exception: Exception) -> Result<(), BootError> {
        match exception {
            Exception::Grub => {
                self.unset("next_entry")?;
                self.custom(None)
            }
            // Without its lines, the copy boots what the saved default says.
            Exception::BootNext => {
                self.custom(None)?;
                firmware::disarm()
            }
            Exception::Kexec => kexec::unload(&self.root),
        }
    }

    fn restore(&self, entry: Option<&str>, _: MayAct) -> Result<(), BootError> {
        // The default first: until the one-shot is gone as well, nothing is worse than it was.
        match entry {
            Some(entry) => act("grub-set-default", &name("grub-set-default", entry)?)?,
            None => self.unset("saved_entry")?,
        }
        self.unset("next_entry")?;
        self.custom(None)
    }

    fn commit(&self, entry: &str, _: MayAct) -> Result<(), BootError> {
        act("grub-set-default", &name("grub-set-default", entry)?)?;
        self.custom(None)
    }

    fn reboot(&self, how: Restart, _: MayAct) -> Result<(), BootError> {
        let verb = match how {
            Restart::Whole => "reboot",
            Restart::Kexec => "kexec",
        };
        // Not from outside: that would be waited for, and the shutdown ends whoever waits. Newer
        // releases of systemd turn a reboot into a kexec where somebody has loaded a kernel.
        let asked = exec::run(
            "systemctl",
            &Argv::of(&["--no-block"]).and(&[verb]),
            &[("SYSTEMCTL_SKIP_AUTO_KEXEC", "1")],
            MINUTE,
        );
        heard(told(asked, "systemctl"))
    }
}

impl LinuxBoot {
    fn unset(&self, variable: &'static str) -> Result<(), BootError> {
        let file = self.root.join(ENVIRONMENT);
        let args = Argv::default().operand(&file);
        let args = args.map_err(|e| e.silent("grub-editenv"))?;
        act("grub-editenv", &args.and(&["unset", variable]))
    }

    fn protect(&self, packages: &[String]) -> Result<(), BootError> {
        let text = packages.iter().fold(String::new(), |text, name| {
            let name = name
                .split(':')
                .next()
                .unwrap_or(name)
                .replace('.', "\\.")
                .replace('+', "\\+");
            format!("{text}APT::NeverAutoRemove {{ \"^{name}$\"; }};\n")
        });
        self.write_or_remove(PROTECTION, "the packages kept from autoremove", &text)
    }

    fn with_firmware(&self, raw: &mut RawBoot) {
        if !self.root.exists("sys/firmware/efi") {
            return;
        }
        match firmware::entries() {
            Ok(printed) => raw.firmware = Some(printed),
            Err(e) => raw.problems.push(h8lio_model::inventory::Problem {
                what: "efibootmgr".to_owned(),
                reason: "Failed".to_owned(),
                message: crate::chain(&e),
            }),
        }
        match firmware::esp(&self.root) {
            Ok(esp) => raw.esp = esp,
            Err(e) => raw
                .problems
                .push(unreadable("the EFI system partition", &e)),
        }
    }

    /// Writes the agent's lines of the menu, or takes them away.
    fn custom(&self, lines: Option<Lines<'_>>) -> Result<(), BootError> {
        let before = self.lines_of_others().map_err(|source| BootError::Write {
            file: "the agent's lines of the boot menu",
            source,
        })?;
        let own = lines.map(|lines| lines.text());
        let text = of_others(&before) + &own.unwrap_or_default();
        if text == before {
            return Ok(());
        }
        self.write_or_remove(CUSTOM, "the boot entry to fall back to", &text)
    }

    /// What stands in the file: only one that is not there is empty, and only what is read whole is
    /// written again.
    fn lines_of_others(&self) -> Result<String, FileError> {
        let not = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let read = match self.root.bytes(CUSTOM) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Ok(bytes) if bytes.len() as u64 >= LONGEST => Err(not("it is too long")),
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| not("it is not text")),
            Err(e) => Err(e),
        };
        read.map_err(|source| FileError::Read {
            path: self.root.join(CUSTOM),
            source,
        })
    }

    fn write_or_remove(&self, path: &str, what: &'static str, text: &str) -> Result<(), BootError> {
        let path = self.root.join(path);
        let failed = |source| BootError::Write { file: what, source };
        if !self.root.is_real() {
            return place(&path, text).map_err(failed);
        }
        // Written beside the agent's own state, which is all that it may write, and moved outside.
        let mine = self.state_dir.join("boot-file");
        place(&mine, text).map_err(failed)?;
        let beside = path.with_extension("h8lio-new");
        let pair = |args: &[&'static str], a: &Path, b: &Path| {
            let args = Argv::of(args).operand(a).and_then(|args| args.operand(b));
            args.map_err(|e| e.silent("mv"))
        };
        if text.is_empty() {
            let args = Argv::of(&["-f", "--"])
                .operand(&path)
                .map_err(|e| e.silent("rm"))?;
            return act("rm", &args);
        }
        // Readable by everybody, since apt also reads as others; what others made private stays so.
        let kept = path.metadata().ok().filter(|_| path.ends_with(CUSTOM));
        let mode = kept.map_or(0o644, |m| m.mode() & 0o777);
        run(
            "install",
            &installed(mode).join(pair(&["--"], &mine, &beside)?),
        )?;
        // A power cut must not leave the name with nothing behind it.
        let sync = Argv::of(&["--"]).operand(&beside);
        run("sync", &sync.map_err(|e| e.silent("sync"))?)?;
        act("mv", &pair(&["-T", "--"], &beside, &path)?)
    }
}

/// For `install`: with this mode, whatever the agent's own umask made of the file.
fn installed(mode: u32) -> Argv {
    Argv::default()
        .value("--mode=", format!("{mode:04o}"))
        .and(&["--no-target-directory"])
}

/// The device below the file system that holds GRUB's environment.
fn backing(root: &Root) -> io::Result<Backing> {
    let mounts = root.text("proc/self/mountinfo")?;
    let holds = |at: &str| at == "/" || at == "/boot" || at == "/boot/grub";
    // Later mounts cover earlier ones of the same place; the deepest place counts.
    let device = mounts
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let (device, at) = (*fields.get(2)?, *fields.get(4)?);
            holds(at).then_some((at.len(), device))
        })
        .max_by_key(|(depth, _)| *depth)
        .map(|(_, device)| device)
        .ok_or_else(|| io::Error::other("no mount holds /boot/grub"))?;
    let block = PathBuf::from("sys/dev/block").join(device);
    if device.starts_with("0:") {
        return Ok(Backing::Pool);
    }
    if !root.exists(&block) {
        return Err(io::Error::other(format!("device {device} is not known")));
    }
    let is = |kind: &str| {
        // A partition's own folder lies below that of what it is a part of.
        root.exists(block.join(kind)) || root.exists(block.join("..").join(kind))
    };
    Ok(match () {
        () if is("md") => Backing::Raid,
        () if is("dm") => Backing::Mapper,
        () => Backing::Plain,
    })
}

fn name(tool: &'static str, name: &str) -> Result<Argv, ToolError> {
    Argv::default().operand(name).map_err(|e| e.silent(tool))
}

/// Writes a file whole, or removes it where there is nothing to write.
fn place(path: &Path, text: &str) -> Result<(), FileError> {
    if !text.is_empty() {
        return write_atomic(path, text.as_bytes(), 0o644);
    }
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FileError::Write {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// For a tool whose words do not matter.
fn act(tool: &'static str, args: &Argv) -> Result<(), BootError> {
    run(tool, args)?;
    Ok(())
}

/// Silence is no "no": a server that shuts down ends the tool that asked for it.
fn heard(asked: Result<String, ToolError>) -> Result<(), BootError> {
    match asked {
        Err(e @ ToolError::Silent { .. }) => {
            tracing::warn!(
                "a boot was asked for, without an answer: {}",
                crate::chain(&e)
            );
            Ok(())
        }
        Err(refused) => Err(refused.into()),
        Ok(_) => Ok(()),
    }
}

/// What the tool printed, on both outputs.
fn run(tool: &'static str, args: &Argv) -> Result<String, ToolError> {
    told(outside::run(tool, args, &[], MINUTE), tool)
}

fn told(answer: Result<exec::Answer, ExecError>, tool: &'static str) -> Result<String, ToolError> {
    let answer = answer.map_err(|e| e.silent(tool))?.done(tool)?;
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned() + &answer.stderr + "\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn server(mount: &str) -> (tempfile::TempDir, LinuxBoot) {
        let dir = tempfile::tempdir().expect("a folder");
        for folder in [
            "boot/grub",
            "etc/apt/apt.conf.d",
            "proc/self",
            "sys/dev/block",
        ] {
            fs::create_dir_all(dir.path().join(folder)).expect("made");
        }
        fs::write(dir.path().join("proc/self/mountinfo"), mount).expect("written");
        let boot = LinuxBoot::new(Root::at(dir.path()), dir.path());
        (dir, boot)
    }

    /// A shutdown ends whoever asked for it before it can say so.
    #[test]
    fn a_boot_that_was_asked_for_without_an_answer_may_happen_and_a_refusal_does_not() {
        let silent = ToolError::Silent {
            tool: "systemctl",
            source: "killed by signal 15".into(),
        };
        let refused = ToolError::Refused {
            tool: "systemctl",
            code: 1,
            said: "no".to_owned(),
        };
        assert!(heard(Err(silent)).is_ok());
        assert!(heard(Err(refused)).is_err());
        assert!(heard(Ok(String::new())).is_ok());
    }

    #[test]
    fn a_file_of_the_agent_is_readable_by_others_once_it_is_installed() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let (mine, theirs) = (dir.path().join("mine"), dir.path().join("theirs"));
        fs::write(&mine, "text").expect("written");
        fs::set_permissions(&mine, fs::Permissions::from_mode(0o600)).expect("as under UMask=0077");
        for mode in [0o644, 0o600] {
            let args = installed(mode)
                .operand(&mine)
                .and_then(|a| a.operand(&theirs));
            run("install", &args.expect("plain")).expect("installed");
            let got = theirs.metadata().expect("there").mode() & 0o7777;
            assert_eq!(got, mode);
        }
    }

    fn leave() -> MayAct {
        MayAct::by(h8lio_model::inventory::DomainMode::Act).expect("leave")
    }

    fn device(dir: &Path, number: &str, kinds: &[&str]) {
        let folder = dir.join("sys/dev/block").join(number);
        fs::create_dir_all(&folder).expect("made");
        for kind in kinds {
            fs::create_dir_all(folder.join(kind)).expect("made");
        }
    }

    #[test]
    fn what_grubs_environment_lies_on_is_told_by_the_deepest_mount() {
        let root = "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n";
        let boot = "40 21 9:0 / /boot rw - ext4 /dev/md0 rw\n";
        let pool = "41 40 0:33 / /boot/grub rw - btrfs /dev/vdb rw\n";
        let (dir, host) = server(root);
        device(dir.path(), "254:1", &[]);
        device(dir.path(), "9:0", &["md"]);
        assert_eq!(host.boot().backing, Some(Backing::Plain));
        let mounts = |text: String| {
            fs::write(dir.path().join("proc/self/mountinfo"), text).expect("written");
        };
        mounts(format!("{root}{boot}"));
        assert_eq!(host.boot().backing, Some(Backing::Raid));
        mounts(format!("{root}{boot}{pool}"));
        assert_eq!(host.boot().backing, Some(Backing::Pool));
        device(dir.path(), "253:0", &["dm"]);
        mounts("21 1 253:0 / / rw - ext4 /dev/mapper/a rw\n".to_owned());
        assert_eq!(host.boot().backing, Some(Backing::Mapper));
        mounts("21 1 8:99 / / rw - ext4 /dev/sdz rw\n".to_owned());
        assert_eq!(host.boot().backing, None, "unknown is not plain");
    }

    #[test]
    fn the_number_to_fall_back_to_is_written_anew_beside_the_lines_of_others() {
        let (dir, host) = server("");
        let file = dir.path().join(CUSTOM);
        let text = || fs::read_to_string(&file).unwrap_or_default();
        let to = |fallback| Lines {
            fallback,
            once: None,
        };
        host.custom(Some(to(2))).expect("written");
        host.custom(Some(to(4))).expect("written again");
        assert_eq!(text(), to(4).text());
        host.custom(None).expect("taken away");
        host.custom(None).expect("again");
        assert!(!file.exists());
        fs::write(&file, "set color=blue\n").expect("written");
        host.custom(Some(to(1))).expect("written");
        assert!(text().starts_with("set color=blue\n# begin"), "{}", text());
        host.custom(None).expect("taken away");
        assert_eq!(text(), "set color=blue\n");
    }

    #[test]
    fn lines_of_others_that_cannot_be_read_are_left_as_they_are_and_the_boot_is_refused() {
        let (dir, host) = server("");
        let file = dir.path().join(CUSTOM);
        let to = |fallback| Lines {
            fallback,
            once: None,
        };
        let latin = b"set title=\xfcber\n".to_vec();
        let long = vec![b'#'; usize::try_from(LONGEST).expect("fits")];
        for text in [latin, long] {
            fs::write(&file, &text).expect("written");
            for number in [Some(2), None] {
                let refused = host.custom(number.map(to)).expect_err("not read");
                assert!(crate::chain(&refused).contains("custom.cfg"), "{refused}");
            }
            assert!(fs::read(&file).expect("there") == text, "as it was");
        }
        fs::remove_file(&file).expect("removed");
        fs::create_dir(&file).expect("made");
        assert!(host.custom(Some(to(2))).is_err());
    }

    #[test]
    fn packages_are_kept_from_autoremove_by_their_exact_names_until_nothing_is_to_be_kept() {
        let (dir, host) = server("");
        let file = dir.path().join(PROTECTION);
        let names = ["linux-image-6.1.0-50-amd64:amd64".to_owned()];
        host.pin(None, &names, leave()).expect("written");
        let text = fs::read_to_string(&file).expect("there");
        assert_eq!(
            text,
            "APT::NeverAutoRemove { \"^linux-image-6\\.1\\.0-50-amd64$\"; };\n"
        );
        host.pin(None, &[], leave()).expect("taken away");
        assert!(!file.exists());
    }

    #[test]
    fn what_cannot_be_read_is_a_problem_and_no_guess() {
        let dir = tempfile::tempdir().expect("a folder");
        let raw = LinuxBoot::new(Root::at(dir.path()), dir.path()).boot();
        assert_eq!((raw.menu, raw.environment, raw.backing), (None, None, None));
        assert_eq!(raw.problems.len(), 3);
    }
}
