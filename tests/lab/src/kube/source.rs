//! Debian's source package of Kubernetes, fetched and unpacked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::apt;
use crate::process;

/// The release whose source package is whole: 1.20.2, with everything it needs vendored.
pub(super) const RELEASE: &str = "bookworm";

/// 34 MB, and 10 MB of lists.
const FETCH: Duration = Duration::from_secs(900);

/// Fetches and unpacks it below `folder`, and returns where it lies.
///
/// # Errors
/// When this machine's archive does not offer it, or a tool fails.
pub(super) fn fetch(folder: &Path, unpacked: &Path) -> Result<String> {
    let parts = folder.join("parts");
    for made in ["parts", "lists/partial", "cache/archives/partial"] {
        let made = folder.join(made);
        fs::create_dir_all(&made).with_context(|| format!("cannot make {}", made.display()))?;
    }
    let sources = apt::sources_of(&codename()?, RELEASE)?;
    fs::write(parts.join("lab.sources"), sources).context("cannot write the apt source")?;
    process::run(apt_get(folder, &["update"]), FETCH)?;
    process::run(
        apt_get(folder, &["source", "--download-only", "kubernetes"]),
        FETCH,
    )?;
    let described = described(folder)?;
    // apt has checked its hash against the signed list; its maintainer's key is not on this machine.
    let mut unpack = process::command("dpkg-source");
    unpack
        .args(["--no-check", "--extract"])
        .arg(&described)
        .arg(unpacked);
    process::run(unpack, FETCH)?;
    let name = described.file_stem().unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

/// apt with lists, cache and sources of its own, so that the machine's stay as they are.
fn apt_get(folder: &Path, words: &[&str]) -> Command {
    let folder_text = folder.display();
    let mut command = process::command("apt-get");
    command.current_dir(folder);
    for option in [
        "Dir::Etc::SourceList=/dev/null".to_owned(),
        format!("Dir::Etc::SourceParts={folder_text}/parts"),
        format!("Dir::State::Lists={folder_text}/lists"),
        format!("Dir::Cache={folder_text}/cache"),
        // Its unprivileged user cannot read a folder in somebody's home.
        "APT::Sandbox::User=".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    command.args(["-q", "-y"]).args(words);
    command
}

fn described(folder: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(folder).context("cannot list what was fetched")?;
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|file| file.extension().is_some_and(|ending| ending == "dsc"))
        .context("apt fetched no description of the source package (.dsc)")
}

/// The machine's own release, from os-release(5).
fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.context("/etc/os-release names no release; the lab needs a Debian machine")?;
    Ok(name.trim_matches('"').to_owned())
}
