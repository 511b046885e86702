use serde::{Deserialize, Serialize};

use crate::text::checked_text;

/// The fault of a text that is to stand in a package manager's argument list, where a leading `-`
/// is an option and a trailing one means "remove".
fn fault(s: &str, most: usize, also: &str) -> Option<&'static str> {
    if s.is_empty() {
        return Some("must not be empty");
    }
    if s.len() > most {
        return Some("too long");
    }
    if !s.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Some("must begin with a letter or a digit");
    }
    if s.ends_with('-') {
        return Some("must not end with '-'");
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    (!s.chars().all(fine)).then_some("holds a character that no package manager uses here")
}

fn name_fault(s: &str) -> Option<&'static str> {
    fault(s, 128, "+-._")
}

fn architecture_fault(s: &str) -> Option<&'static str> {
    fault(s, 32, "-_")
}

fn version_fault(s: &str) -> Option<&'static str> {
    fault(s, 128, "+-._~:^")
}

checked_text! {
    /// A package's name without its architecture. At most 128 characters.
    PackageName, "package name", name_fault
}
checked_text! {
    /// A package's architecture in the package manager's own word, for example `amd64` or `all`.
    Architecture, "package architecture", architecture_fault
}
checked_text! {
    /// A package's full version in the package manager's own form, for example
    /// `1:9.2p1-2+deb12u3`. Only ever compared for equality: which of two is newer is the package
    /// manager's question.
    PackageVersion, "package version", version_fault
}

/// One package from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PackageChange {
    pub name: PackageName,
    pub architecture: Architecture,
    /// What was installed when this was resolved; `None`: it comes anew, as each kernel does.
    /// Another version on the server means that somebody else was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PackageVersion>,
    pub to: PackageVersion,
}

/// Versions that the server shall have: resolved once, when the rollout was planned. Sorted, each
/// package once, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<PackageChange>", into = "Vec<PackageChange>")]
pub struct PatchTarget(Vec<PackageChange>);

/// Why a list of changes is no patch target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPatchTarget {
    #[error("a patch target names at least one package; wishing for nothing is its absence")]
    Empty,
    #[error("package {name}:{architecture} stands in one patch target twice")]
    Twice {
        name: PackageName,
        architecture: Architecture,
    },
}

impl PatchTarget {
    /// Sorts `changes`.
    ///
    /// # Errors
    /// [`NoPatchTarget`] when a package is named twice, or none is.
    pub fn new(mut changes: Vec<PackageChange>) -> Result<Self, NoPatchTarget> {
        changes.sort();
        let twice = changes
            .windows(2)
            .find(|p| p[0].name == p[1].name && p[0].architecture == p[1].architecture);
        match twice {
            Some(pair) => Err(NoPatchTarget::Twice {
                name: pair[0].name.clone(),
                architecture: pair[0].architecture.clone(),
            }),
            None if changes.is_empty() => Err(NoPatchTarget::Empty),
            None => Ok(Self(changes)),
        }
    }

    /// The changes, by name and architecture.
    pub fn changes(&self) -> &[PackageChange] {
        &self.0
    }
}

impl TryFrom<Vec<PackageChange>> for PatchTarget {
    type Error = NoPatchTarget;

    fn try_from(changes: Vec<PackageChange>) -> Result<Self, NoPatchTarget> {
        Self::new(changes)
    }
}

impl From<PatchTarget> for Vec<PackageChange> {
    fn from(target: PatchTarget) -> Self {
        target.0
    }
}
