//! h8lctl, run inside the namespace as an operator runs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::clock::until;
use crate::lab::Lab;
use crate::process::{output, run};

const LIMIT: Duration = Duration::from_secs(60);

/// The first operator of the fleet, with their context.
#[derive(Debug, Clone)]
pub struct Ctl<'a> {
    lab: &'a Lab,
    program: PathBuf,
    context: PathBuf,
}

impl<'a> Ctl<'a> {
    pub(super) fn new(lab: &'a Lab, program: PathBuf, context: PathBuf) -> Self {
        Self {
            lab,
            program,
            context,
        }
    }

    /// The same program with another context.
    pub(super) fn of(&self, context: &Path) -> Self {
        Self {
            context: context.to_owned(),
            ..self.clone()
        }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn context(&self) -> &Path {
        &self.context
    }

    /// What a command answers, as data.
    ///
    /// # Errors
    /// What h8lctl says.
    pub fn ask(&self, words: &[&str]) -> Result<Value> {
        let text = run(self.command(&["-o", "json"], words), LIMIT)?;
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
    }

    /// The same for a command that answers in its exit status too, as `node doctor` does.
    ///
    /// # Errors
    /// When it prints no JSON.
    pub fn ask_anyway(&self, words: &[&str]) -> Result<Value> {
        let answer = output(self.command(&["-o", "json"], words), LIMIT)?;
        let said = String::from_utf8_lossy(&answer.stderr);
        serde_json::from_slice(&answer.stdout).with_context(|| format!("no JSON: {said}"))
    }

    /// A change, with consent.
    ///
    /// # Errors
    /// What h8lctl says.
    pub fn change(&self, words: &[&str]) -> Result<Value> {
        let consent = ["--reason", "the lab", "--yes"];
        self.ask(&[words, &consent].concat())
    }

    /// A node as `node list` has it, or none.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub fn node(&self, name: &str) -> Result<Option<Value>> {
        let nodes = self.ask(&["node", "list"])?;
        let nodes = nodes.as_array().context("node list is no list")?;
        Ok(nodes.iter().find(|node| node["name"] == name).cloned())
    }

    /// A node with its inventory.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn show(&self, name: &str) -> Result<Value> {
        self.ask(&["node", "show", name])
    }

    /// The availability of every node, by name.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub fn availability(&self) -> Result<Vec<(String, String)>> {
        let nodes = self.ask(&["node", "list"])?;
        let nodes = nodes.as_array().context("node list is no list")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(nodes
            .iter()
            .map(|node| (text(&node["name"]), text(&node["availability"])))
            .collect())
    }

    /// Waits until a node has one of these availabilities; which, and why.
    ///
    /// # Errors
    /// When it has not within `limit`; what it had is told.
    pub fn wait_for(&self, name: &str, wanted: &[&str], limit: Duration) -> Result<String> {
        let mut last = "no such node".to_owned();
        let what = format!("{name} is {}", wanted.join(" or "));
        let found = until(&what, limit, || {
            let Some(node) = self.node(name)? else {
                return Ok(None);
            };
            let state = node["availability"].as_str().unwrap_or_default().to_owned();
            let why = node["availabilityReason"].as_str().unwrap_or_default();
            last = format!("{state} ({why})");
            Ok(wanted.contains(&state.as_str()).then(|| last.clone()))
        });
        match found {
            Ok(state) => Ok(state),
            Err(e) => bail!("{e:#}; it is {last}"),
        }
    }

    /// Reasons of the events behind a position that name this node, and the last position.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub fn events_since(&self, seq: u64, node: &str) -> Result<(Vec<String>, u64)> {
        let events = self.all_events_since(seq)?;
        let last = events.iter().map(|event| event.seq).max();
        let of_node = events.into_iter().filter(|event| event.is_of(node));
        Ok((
            of_node.map(|event| event.reason).collect(),
            last.unwrap_or(seq),
        ))
    }

    /// Reason and time of the same events, in their order. The times are the coordinator's own.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub fn timed_events_since(&self, seq: u64, node: &str) -> Result<Vec<(String, Timestamp)>> {
        let mut events = self.all_events_since(seq)?;
        events.sort_by_key(|event| event.seq);
        let of_node = events.into_iter().filter(|event| event.is_of(node));
        Ok(of_node.map(|event| (event.reason, event.at)).collect())
    }

    fn all_events_since(&self, seq: u64) -> Result<Vec<Event>> {
        let events = self.ask(&["event", "list", "--after", &seq.to_string()])?;
        serde_json::from_value(events).context("event list is no list of events")
    }

    fn command(&self, options: &[&str], words: &[&str]) -> std::process::Command {
        let mut command = self.lab.space().command(&self.program);
        command.args(options).args(words);
        command.env("H8LIO_CONTEXT_FILE", &self.context);
        command
    }
}

/// An event, as far as the lab looks at it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    seq: u64,
    at: Timestamp,
    reason: String,
    #[serde(default)]
    node_name: Option<String>,
}

impl Event {
    fn is_of(&self, node: &str) -> bool {
        self.node_name.as_deref() == Some(node)
    }
}
