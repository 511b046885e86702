//! The real clients, run inside the namespace, and what they say.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::bmc::{BmcFolder, Settings};
use crate::lab::Lab;
use crate::process;

/// Far above what a client takes whose BMC answers.
const PATIENCE: Duration = Duration::from_secs(90);

/// Clients of one BMC.
pub(super) struct Clients<'a> {
    lab: &'a Lab,
    settings: Settings,
    certificate: PathBuf,
}

/// What a client said, and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    /// `None`: a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Said {
    /// It ended with this code.
    pub(super) fn ended(self, code: i32) -> Result<String> {
        ensure!(
            self.code == Some(code),
            "ended with {:?}: {}",
            self.code,
            self.text
        );
        Ok(self.text)
    }

    /// It ended well and said this.
    pub(super) fn says(self, part: &str) -> Result<String> {
        let text = self.ended(0)?;
        ensure!(text.contains(part), "did not say {part:?}: {text}");
        Ok(part.to_owned())
    }

    /// It ended, but not well.
    pub(super) fn failed(self) -> Result<String> {
        ensure!(
            self.code.is_some_and(|code| code != 0),
            "did not fail: {}",
            self.text
        );
        Ok(self.text)
    }
}

impl<'a> Clients<'a> {
    pub(super) fn new(lab: &'a Lab, folder: &BmcFolder) -> Result<Self> {
        let (settings, certificate) = (folder.settings()?, folder.certificate());
        Ok(Self {
            lab,
            settings,
            certificate,
        })
    }

    pub(super) fn ipmitool(&self, words: &str) -> Result<Said> {
        self.ipmitool_as(
            &self.settings.password,
            &["-I", "lanplus", "-C", "3"],
            words,
        )
    }

    pub(super) fn ipmitool_as(&self, password: &str, how: &[&str], words: &str) -> Result<Said> {
        let mut command = self.lab.space().command("ipmitool");
        let address = self.settings.address.to_string();
        command
            .args(how)
            .args(["-H", &address, "-U", &self.settings.user, "-P", password])
            .args(words.split(' '));
        run(command, PATIENCE)
    }

    pub(super) fn fence_ipmilan(&self, words: &str) -> Result<Said> {
        run(
            self.fence("fence_ipmilan", &["--lanplus", "-C", "3"], words),
            PATIENCE,
        )
    }

    pub(super) fn fence_redfish(&self, words: &str) -> Result<Said> {
        self.fence_redfish_within(words, PATIENCE)
    }

    pub(super) fn fence_redfish_within(&self, words: &str, limit: Duration) -> Result<Said> {
        run(
            self.fence("fence_redfish", &["--ssl-insecure"], words),
            limit,
        )
    }

    fn fence(&self, program: &str, how: &[&str], words: &str) -> Command {
        let Settings {
            address,
            user,
            password,
            ..
        } = &self.settings;
        let mut command = self.lab.space().command(program);
        command
            .args(how)
            .args(["-a", &address.to_string(), "-l", user, "-p", password])
            .args(words.split(' '))
            // Debian's agents warn about Python's own modules.
            .env("PYTHONWARNINGS", "ignore");
        command
    }

    /// curl that trusts this BMC's certificate and nothing else.
    pub(super) fn curl(&self, words: &[&str], path: &str) -> Result<Said> {
        let login = format!("{}:{}", self.settings.user, self.settings.password);
        self.bare_curl(&[&["--user", login.as_str()][..], words].concat(), path)
    }

    /// The same without a login.
    pub(super) fn bare_curl(&self, words: &[&str], path: &str) -> Result<Said> {
        let mut command = self.lab.space().command("curl");
        command
            .args(["--silent", "--show-error", "--cacert"])
            .arg(&self.certificate)
            .args(words)
            .arg(format!(
                "https://{}/redfish/v1{path}",
                self.settings.address
            ));
        run(command, PATIENCE)
    }

    pub(super) fn redfishtool(&self, words: &[&str]) -> Result<Said> {
        let Settings {
            address,
            user,
            password,
            ..
        } = &self.settings;
        let mut command = self.lab.space().command("redfishtool");
        command
            .args([
                "-r",
                &address.to_string(),
                "-u",
                user,
                "-p",
                password,
                "-S",
                "Always",
            ])
            .args(words);
        run(command, PATIENCE)
    }
}

fn run(command: Command, limit: Duration) -> Result<Said> {
    let output = process::output(command, limit)?;
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    let text = text.join(" ").trim().to_owned();
    Ok(Said {
        code: output.status.code(),
        text,
    })
}
