//! A Debian repository on each server's own disk: the lab has no mirror. What is published counts
//! as a security update.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process::{command, run};
use crate::server::Server;
use crate::ssh::Ssh;

const LIMIT: Duration = Duration::from_secs(60);

/// Packing a kernel, on an emulated processor.
const MAKING: Duration = Duration::from_secs(180);

/// Where it lies on the server.
const THERE: &str = "/var/lib/lab-repository";

/// A package to be made.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// A shell script that runs as its postinst; empty: none.
    pub postinst: &'a str,
    /// Content of its configuration file `/etc/NAME.conf`; empty: it has none.
    pub conffile: &'a str,
}

/// Packages that wait to be published.
#[derive(Debug)]
pub struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// An empty one.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Makes a package.
    ///
    /// # Errors
    /// When dpkg-deb fails.
    pub fn add(&self, sample: &Sample<'_>) -> Result<()> {
        let tree = self.folder.join("tree");
        let control = tree.join("DEBIAN");
        std::fs::create_dir_all(&control)?;
        let Sample { name, version, .. } = sample;
        let text = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\n\
             Maintainer: the lab <lab@localhost>\nDescription: something to be updated\n"
        );
        std::fs::write(control.join("control"), text)?;
        if !sample.postinst.is_empty() {
            script(&control.join("postinst"), sample.postinst)?;
        }
        if !sample.conffile.is_empty() {
            let path = format!("/etc/{name}.conf");
            std::fs::create_dir_all(tree.join("etc"))?;
            std::fs::write(tree.join(path.trim_start_matches('/')), sample.conffile)?;
            std::fs::write(control.join("conffiles"), format!("{path}\n"))?;
        }
        let mut build = command("dpkg-deb");
        build.args(["--root-owner-group", "--build"]).arg(&tree);
        build.arg(self.folder.join(format!("{name}_{version}_all.deb")));
        run(build, LIMIT)?;
        std::fs::remove_dir_all(&tree)?;
        Ok(())
    }

    /// Takes a package that was built elsewhere.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn take(&self, deb: &Path) -> Result<()> {
        let name = deb.file_name().context("a package has a file name")?;
        std::fs::copy(deb, self.folder.join(name))
            .with_context(|| format!("cannot copy {}", deb.display()))?;
        Ok(())
    }

    /// Takes it with its content as it is, under another version.
    ///
    /// # Errors
    /// When dpkg-deb fails.
    pub fn take_as(&self, deb: &Path, version: &str) -> Result<()> {
        let tree = self.folder.join("tree");
        let mut unpack = command("dpkg-deb");
        unpack.arg("--raw-extract").arg(deb).arg(&tree);
        run(unpack, LIMIT)?;
        let control = tree.join("DEBIAN/control");
        let text = std::fs::read_to_string(&control)?;
        let lines = text.lines().map(|line| match line {
            _ if line.starts_with("Version: ") => format!("Version: {version}\n"),
            _ => format!("{line}\n"),
        });
        std::fs::write(&control, lines.collect::<String>())?;
        let mut build = command("dpkg-deb");
        build.args(["--root-owner-group", "--build"]).arg(&tree);
        build.arg(&self.folder);
        run(build, LIMIT)?;
        std::fs::remove_dir_all(&tree)?;
        Ok(())
    }

    /// Brings it to a server, whose package index knows it from then on. What was published there
    /// before is replaced.
    ///
    /// # Errors
    /// When the server is not reached, or apt does not take it.
    pub fn publish(&self, ssh: &Ssh, server: Server<'_>) -> Result<()> {
        server.run(&format!("rm -rf {THERE}"))?;
        ssh.copy_to(server.number(), &self.folder, THERE, LIMIT)?;
        server.run(&index())?;
        Ok(())
    }

    /// As [`Repository::publish`], with what a shell script makes in the repository's folder on the
    /// server beside it.
    ///
    /// # Errors
    /// As [`Repository::publish`]; also when the script fails.
    pub fn publish_with(&self, ssh: &Ssh, server: Server<'_>, script: &str) -> Result<()> {
        server.run(&format!("rm -rf {THERE}"))?;
        ssh.copy_to(server.number(), &self.folder, THERE, LIMIT)?;
        server.run_within(&format!("set -e; cd {THERE}; {script}"), MAKING)?;
        server.run(&index())?;
        Ok(())
    }
}

/// apt takes `Debian-Security` from the Release file for what it says.
fn index() -> String {
    let mut script = format!("set -e; cd {THERE}; rm -f Packages; ");
    script.push_str(
        "for deb in *.deb; do dpkg-deb --field $deb | sed '/^$/d'; echo Filename: ./$deb; \
         echo Size: $(stat -c %s $deb); echo SHA256: $(sha256sum $deb | cut -d' ' -f1); echo; \
         done >Packages; . /etc/os-release; ",
    );
    script.push_str(
        "{ echo Origin: Debian; echo Label: Debian-Security; echo Suite: stable-security; \
         echo Codename: $VERSION_CODENAME-security; echo Version: $VERSION_ID; \
         echo Date: $(date -Ru); echo SHA256:; \
         echo \" $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages\"; } >Release; ",
    );
    let _ = write!(
        script,
        "echo 'deb [trusted=yes] file:{THERE} ./' >/etc/apt/sources.list.d/lab.list; \
         apt-get -qq -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/lab.list \
             -o Dir::Etc::sourceparts=- update"
    );
    script
}

fn script(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, format!("#!/bin/sh\nset -e\n{text}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
