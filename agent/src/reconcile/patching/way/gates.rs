//! Whether the server is well after a change: node-local gates, compared with how they were before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Something that has to be as it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Gate {
    /// The container runtime answers and says that it is ready.
    Runtime,
    /// A container can be made.
    Container,
    /// The kubelet says that it is healthy.
    Kubelet,
    /// This interface has its link and its speed.
    Link(String),
    /// This OSD of the server runs.
    Osd(u32),
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runtime => f.write_str("container runtime"),
            Self::Container => f.write_str("making a container"),
            Self::Kubelet => f.write_str("kubelet"),
            Self::Link(name) => write!(f, "link {}", crate::words::plain(name)),
            Self::Osd(id) => write!(f, "osd.{id}"),
        }
    }
}

/// Gates that passed before the change. What did not pass then, or could not be asked, is not in
/// it: the change is not to blame for it afterwards.
pub type Passed = BTreeSet<Gate>;

/// What a gate says now. One that is absent from the answers could not be asked.
pub type Answers = BTreeMap<Gate, bool>;

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Well,
    /// These do not pass yet; there is time left.
    Wait(Vec<Gate>),
    /// These passed before and do not now, although they had their time.
    Unwell(Vec<Gate>),
}

/// The gates that pass.
pub fn passed(answers: &Answers) -> Passed {
    let passing = answers.iter().filter(|(_, passes)| **passes);
    passing.map(|(gate, _)| gate.clone()).collect()
}

/// Compares. A gate that passed before and cannot be asked now counts as one that does not pass:
/// what is not known is not well.
pub fn health(before: &Passed, now: &Answers, time_is_up: bool) -> Health {
    let failing: Vec<Gate> = before
        .iter()
        .filter(|gate| now.get(*gate) != Some(&true))
        .cloned()
        .collect();
    match (failing.is_empty(), time_is_up) {
        (true, _) => Health::Well,
        (false, false) => Health::Wait(failing),
        (false, true) => Health::Unwell(failing),
    }
}
