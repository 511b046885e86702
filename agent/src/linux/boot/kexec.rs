//! `kexec`: what the running kernel says of it, and what is loaded.

use super::{act, run};
use crate::host::boot::{BootError, Load, RawKexec};
use crate::linux::exec::{self, Argv};
use crate::linux::root::Root;

const TOOL: &str = "kexec";

pub(super) fn raw(root: &Root) -> RawKexec {
    let flag = |path: &str| {
        let text = root.text(path).ok()?;
        Some(text.trim() != "0")
    };
    RawKexec {
        has_tool: exec::find(TOOL).is_some(),
        is_switched_off: flag("proc/sys/kernel/kexec_load_disabled"),
        lockdown: root.text("sys/kernel/security/lockdown").ok(),
        is_loaded: flag("sys/kernel/kexec_loaded") == Some(true),
    }
}

/// Has the running kernel look at the file itself (`-s`): one that must be signed and is not is
/// refused here, with the reason.
pub(super) fn load(load: &Load) -> Result<String, BootError> {
    let args = Argv::of(&["-s", "-l"]).operand(&load.kernel);
    let args = args.map_err(|e| e.silent(TOOL))?;
    let args = args
        .value("--initrd=", &load.initrd)
        .value("--command-line=", &load.arguments);
    Ok(run(TOOL, &args)?)
}

/// Nothing is loaded any more.
pub(super) fn unload(root: &Root) -> Result<(), BootError> {
    match raw(root).is_loaded {
        true => act(TOOL, &Argv::of(&["-u"])),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_it_is_read_and_what_it_does_not_say_is_not_known() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = Root::at(dir.path());
        let raw = |root| super::raw(root);
        assert_eq!(raw(&root).is_switched_off, None);
        assert!(!raw(&root).is_loaded);
        for (path, text) in [
            ("proc/sys/kernel/kexec_load_disabled", "0\n"),
            (
                "sys/kernel/security/lockdown",
                "[none] integrity confidentiality\n",
            ),
            ("sys/kernel/kexec_loaded", "1\n"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("one")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        let got = raw(&root);
        assert_eq!((got.is_switched_off, got.is_loaded), (Some(false), true));
        let lockdown = "[none] integrity confidentiality\n";
        assert_eq!(got.lockdown.as_deref(), Some(lockdown));
    }
}
