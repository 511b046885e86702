//! Where this machine gets Debian's packages, and so where their sources are. No archive is named
//! here, and nothing of the machine's configuration is changed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process;

/// apt answers from its own lists.
const ASK: Duration = Duration::from_secs(60);

/// The keys of Debian's archive, wherever it is mirrored (package debian-archive-keyring).
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The text of a `.sources` file (sources.list(5)) that offers the sources of a Debian release,
/// from the archive of the machine's own release.
///
/// # Errors
/// When apt knows no archive of either.
pub(super) fn sources_of(codename: &str, release: &str) -> Result<String> {
    let mut ask = process::command("apt-get");
    ask.args(["indextargets", "--format", "$(CODENAME) $(REPO_URI)"]);
    ask.arg("Created-By: Packages");
    let targets = process::run(ask, ASK)?;
    let archive = archive(&targets, codename, release)?;
    let keys = match Path::new(KEYS).exists() {
        true => format!("Signed-By: {KEYS}\n"),
        // Then apt takes those that it trusts anyway.
        false => String::new(),
    };
    Ok(format!(
        "Types: deb-src\nURIs: {archive}\nSuites: {release}\nComponents: main\n{keys}"
    ))
}

/// The archive of one of both releases, from lines of code name and address.
fn archive<'a>(targets: &'a str, codename: &str, release: &str) -> Result<&'a str> {
    let of = |wanted: &str| {
        let mut pairs = targets.lines().filter_map(|line| line.split_once(' '));
        pairs.find_map(|(name, address)| (name == wanted).then_some(address))
    };
    of(release).or_else(|| of(codename)).with_context(|| {
        format!(
            "apt knows no archive of {release} or {codename}, and sources are looked for where \
             packages come from; try: apt-get update"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "\
trixie-security http://archive.example/security/
trixie http://archive.example/debian/
trixie-updates http://archive.example/debian/";

    #[test]
    fn a_newer_machine_finds_the_older_release_in_its_own_archive() {
        let found = archive(TARGETS, "trixie", "bookworm").expect("an archive");
        assert_eq!(found, "http://archive.example/debian/");
    }

    #[test]
    fn the_release_itself_is_preferred() {
        let both = format!("{TARGETS}\nbookworm http://old.example/debian/");
        let found = archive(&both, "trixie", "bookworm").expect("an archive");
        assert_eq!(found, "http://old.example/debian/");
    }

    #[test]
    fn without_an_archive_the_next_move_is_named() {
        let refused = archive("", "trixie", "bookworm").expect_err("there is none");
        assert!(
            refused.to_string().ends_with("try: apt-get update"),
            "{refused}"
        );
    }
}
