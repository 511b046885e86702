//! Names of running processes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// Names of all processes and kernel threads below `proc` (`/proc`); the kernel keeps the first
/// 15 bytes of each. Processes that end meanwhile are left out.
///
/// # Errors
/// When the folder cannot be listed.
pub fn names(proc: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(proc)? {
        let entry = entry?;
        if !entry
            .file_name()
            .as_encoded_bytes()
            .iter()
            .all(u8::is_ascii_digit)
        {
            continue;
        }
        if let Ok(name) = fs::read(entry.path().join("comm")) {
            names.insert(
                String::from_utf8_lossy(&name)
                    .trim_end_matches('\n')
                    .to_owned(),
            );
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_only_names_and_vanished_processes_are_left_out() {
        let proc = tempfile::tempdir().expect("tempdir");
        for (pid, name) in [
            ("1", Some("systemd\n")),
            ("7", Some("$(reboot)\n\n")),
            ("8", None),
        ] {
            fs::create_dir(proc.path().join(pid)).expect("made");
            if let Some(name) = name {
                fs::write(proc.path().join(pid).join("comm"), name).expect("written");
            }
        }
        fs::create_dir(proc.path().join("sys")).expect("made");
        let got = names(proc.path()).expect("listed");
        assert_eq!(
            got,
            BTreeSet::from(["$(reboot)".to_owned(), "systemd".to_owned()])
        );
    }
}
