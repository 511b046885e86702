//! Questions to a cluster, through its own programs.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Pgs, Place};
use crate::clock::until;
use crate::process;

/// A call takes 0.3 to 0.8 s on an idle machine; without a manager some never end.
const CALL: Duration = Duration::from_secs(60);

/// Whoever asks a cluster something.
#[derive(Debug, Clone)]
pub struct Client {
    place: Place,
    conf: PathBuf,
    name: String,
}

impl Client {
    pub(super) fn new(place: &Place, conf: PathBuf, name: &str) -> Self {
        Self {
            place: place.clone(),
            conf,
            name: name.to_owned(),
        }
    }

    /// The configuration file that leads to this cluster, for programs and librados.
    pub fn conf(&self) -> &PathBuf {
        &self.conf
    }

    /// The same cluster asked under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self::new(&self.place, self.conf.clone(), name)
    }

    /// A program of Ceph's (`ceph`, `rados`, `rbd`), told where the cluster is and who asks.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.place.command(program);
        command.arg("--conf").arg(&self.conf);
        command.args(["--name", &self.name]);
        command
    }

    /// Asks `ceph` for JSON.
    ///
    /// # Errors
    /// When it refuses, does not answer, or answers something else.
    pub fn ask(&self, words: &[&str]) -> Result<Value> {
        let text = self.tell(&[words, &["--format", "json"]].concat())?;
        let answer = serde_json::from_str(text.trim());
        answer.with_context(|| format!("ceph {}: not JSON: {text}", words.join(" ")))
    }

    /// Tells `ceph` something, and returns its words.
    ///
    /// # Errors
    /// When it refuses or does not answer.
    pub fn tell(&self, words: &[&str]) -> Result<String> {
        let (said, output) = self.call(words)?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!(
                "ceph {}: {}: {}",
                words.join(" "),
                output.status,
                why.trim()
            );
        }
        Ok(said)
    }

    /// A yes-or-no question of the manager. "No" is exit status 16 (EBUSY) or 11 (EAGAIN), with
    /// the reason in the JSON all the same.
    ///
    /// # Errors
    /// For every other status, and for an answer without JSON.
    pub fn may(&self, words: &[&str]) -> Result<(bool, Value)> {
        let (said, output) = self.call(&[words, &["--format", "json"]].concat())?;
        let yes = match output.status.code() {
            Some(0) => true,
            Some(11 | 16) => false,
            _ => {
                let why = String::from_utf8_lossy(&output.stderr);
                bail!(
                    "ceph {}: {}: {}",
                    words.join(" "),
                    output.status,
                    why.trim()
                );
            }
        };
        let answer = serde_json::from_str(said.trim());
        let answer =
            answer.with_context(|| format!("ceph {}: not JSON: {said}", words.join(" ")))?;
        Ok((yes, answer))
    }

    /// Runs `rados` with these words, within a limit.
    ///
    /// # Errors
    /// When it fails or does not end.
    pub fn rados(&self, words: &[&str], limit: Duration) -> Result<String> {
        let mut command = self.command("rados");
        command.args(words);
        process::run(command, limit)
    }

    /// Waits until as many OSDs are up.
    ///
    /// # Errors
    /// When they are not within the limit.
    pub fn wait_for_up(&self, osds: u64, limit: Duration) -> Result<()> {
        until(&format!("{osds} OSDs are up"), limit, || {
            let stat = self.ask(&["osd", "stat"])?;
            Ok((stat["num_up_osds"].as_u64() == Some(osds)).then_some(()))
        })
    }

    /// Waits until the placement groups are as `wanted` says, and returns them.
    ///
    /// # Errors
    /// When they are not within the limit; the message holds what they were.
    pub fn wait_for_pgs(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Pgs) -> bool,
    ) -> Result<Pgs> {
        let mut last = Pgs::default();
        let waited = until(what, limit, || {
            last = Pgs::read(&self.ask(&["pg", "stat"])?)?;
            Ok(wanted(&last).then_some(()))
        });
        waited.with_context(|| format!("placement groups: {last}"))?;
        Ok(last)
    }

    fn call(&self, words: &[&str]) -> Result<(String, Output)> {
        let mut command = self.command("ceph");
        command.args(["--connect-timeout", "20"]).args(words);
        let output = process::output(command, CALL)?;
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output))
    }
}
