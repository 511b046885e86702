//! Questions and orders to the cluster, through `kubectl`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::clock::until;
use crate::process;
use crate::space::Space;

/// A call takes 0.1 to 0.5 s.
const CALL: Duration = Duration::from_secs(60);

/// Whoever calls the API server.
#[derive(Debug, Clone)]
pub struct Kubectl {
    space: Space,
    program: PathBuf,
    config: PathBuf,
}

impl Kubectl {
    pub(super) fn new(space: &Space, program: PathBuf, config: PathBuf) -> Self {
        Self {
            space: space.clone(),
            program,
            config,
        }
    }

    /// `kubectl`, told where the cluster is and who asks.
    pub fn command(&self) -> Command {
        let mut command = self.space.command(&self.program);
        command.arg("--kubeconfig").arg(&self.config);
        // It keeps a cache of what the server offers below HOME.
        command
            .arg("--cache-dir")
            .arg(self.config.with_extension("cache"));
        command
    }

    /// Tells it something, and returns its words.
    ///
    /// # Errors
    /// When it refuses or does not answer.
    pub fn tell(&self, words: &[&str]) -> Result<String> {
        self.tell_within(words, CALL)
    }

    /// As [`Kubectl::tell`], for what takes longer, like a drain.
    ///
    /// # Errors
    /// When it refuses or has not ended within the limit.
    pub fn tell_within(&self, words: &[&str], limit: Duration) -> Result<String> {
        let mut command = self.command();
        command.args(words);
        process::run(command, limit)
    }

    /// Asks for JSON: `get nodes`.
    ///
    /// # Errors
    /// When it refuses or answers something else.
    pub fn ask(&self, words: &[&str]) -> Result<Value> {
        let text = self.tell(&[words, &["--output", "json"]].concat())?;
        serde_json::from_str(&text)
            .with_context(|| format!("kubectl {}: not JSON", words.join(" ")))
    }

    /// Creates or changes an object.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply(&self, object: &Value) -> Result<()> {
        let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
        fs::write(file.path(), object.to_string()).context("cannot write an object")?;
        let path = file.path().display().to_string();
        self.tell(&["apply", "--filename", &path]).map(|_| ())
    }

    /// Waits until these nodes are ready, and no others are there.
    ///
    /// # Errors
    /// When they are not within the limit; the message says how they are.
    pub fn wait_for_nodes(&self, wanted: &[&str], limit: Duration) -> Result<()> {
        let mut seen = Vec::new();
        let waited = until(&format!("{} are ready", wanted.join(", ")), limit, || {
            seen = nodes(&self.ask(&["get", "nodes"])?);
            let ready = |name: &&str| seen.iter().any(|(node, ready)| node == name && *ready);
            Ok((seen.len() == wanted.len() && wanted.iter().all(ready)).then_some(()))
        });
        waited.with_context(|| format!("nodes and whether they are ready: {seen:?}"))
    }
}

/// Names and readiness, from the list of nodes.
fn nodes(list: &Value) -> Vec<(String, bool)> {
    let ready = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array();
        conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
        })
    };
    let name = |node: &Value| node["metadata"]["name"].as_str().map(str::to_owned);
    let items = list["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    items
        .iter()
        .filter_map(|node| Some((name(node)?, ready(node))))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_ready_only_when_its_condition_says_true() {
        let node = |name: &str, status: &str| {
            let conditions = json!([
                {"type": "MemoryPressure", "status": "True"},
                {"type": "Ready", "status": status},
            ]);
            json!({"metadata": {"name": name}, "status": {"conditions": conditions}})
        };
        let fresh = json!({"metadata": {"name": "s3"}, "status": {}});
        let list = json!({"items": [node("s1", "True"), node("s2", "Unknown"), fresh]});
        let seen = nodes(&list);
        let expected = [("s1", true), ("s2", false), ("s3", false)];
        assert_eq!(seen, expected.map(|(name, ready)| (name.to_owned(), ready)));
    }
}
