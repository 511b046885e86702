//! Who depends on whom, and where versions and lints stand.

use toml::{Table, Value};

use super::{Finding, Rule};
use crate::repo::tree::{SourceFile, Tree};

/// Which crates of the project each crate may depend on, in any section of its manifest.
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("h8lio-model", &[]),
    ("h8lio-proto", &["h8lio-model"]),
    ("h8lio-tls", &["h8lio-model"]),
    ("h8lio-ceph", &["h8lio-model"]),
    ("h8lio-planner", &["h8lio-model"]),
    ("h8lio-executor", &["h8lio-model"]),
    ("h8lio-kube", &["h8lio-model"]),
    ("h8lctl", &["h8lio-model", "h8lio-proto", "h8lio-tls"]),
    (
        "h8lio-agent",
        &["h8lio-model", "h8lio-proto", "h8lio-tls", "h8lio-ceph"],
    ),
    (
        "h8lio-coordinator",
        &[
            "h8lio-model",
            "h8lio-proto",
            "h8lio-tls",
            "h8lio-ceph",
            "h8lio-planner",
            "h8lio-executor",
            "h8lio-kube",
        ],
    ),
    // Drives both sides without their daemons; what it needs no coordinator for builds fast.
    (
        "h8lio-fleetsim",
        &[
            "h8lio-agent",
            "h8lio-executor",
            "h8lio-model",
            "h8lio-planner",
            "h8lio-tls",
        ],
    ),
    // Plays the planner alone.
    ("h8lio-makespan", &["h8lio-model", "h8lio-planner"]),
    // The lab drives the packaged programs as an operator does, and knows none of their code.
    ("h8lio-lab", &[]),
    (
        "h8lio-tests",
        &[
            "h8lio-agent",
            "h8lio-ceph",
            "h8lio-coordinator",
            "h8lio-kube",
            "h8lio-makespan",
            "h8lio-model",
            "h8lio-planner",
            "h8lio-proto",
            "h8lio-tls",
            "h8lctl",
        ],
    ),
];

/// Crates that are pure, and what would end that.
const PURE_CRATES: &[&str] = &["h8lio-model", "h8lio-planner", "h8lio-executor"];
const IMPURE: &[&str] = &[
    "hyper", "nix", "procfs", "rand", "reqwest", "rusqlite", "rustls", "sysinfo", "tokio", "tonic",
    "tower",
];

pub const ARROWS: Rule = Rule {
    name: "crates depend on one another only along the arrows of the architecture",
    why: "agent and coordinator meet in the protocol alone, so either can be replaced or attacked \
          without the other; the planner sees nothing but the model",
    remedy: "move the shared piece down (model, proto, tls); a new crate gets its row in \
             tests/src/repo/rules/crates.rs",
    check: arrows,
    counterexample: &[(
        "agent/Cargo.toml",
        "[package]\nname = \"h8lio-agent\"\n[dev-dependencies]\nh8lio-coordinator.workspace = true\n",
    )],
};

pub const PURE: Rule = Rule {
    name: "model, planner and executor have no effects to depend on",
    why: "the simulator replays them from a seed, so nothing in them may read a clock, a socket, a \
          file or chance",
    remedy: "pass the value in; keep the effect in the crate that calls",
    check: pure,
    counterexample: &[(
        "proto/model/Cargo.toml",
        "[package]\nname = \"h8lio-model\"\n[dependencies]\ntokio.workspace = true\n",
    )],
};

pub const VERSIONS: Rule = Rule {
    name: "versions stand in the root Cargo.toml alone",
    why: "two places for one version drift apart, and a git or path source cannot be audited",
    remedy: "put the version in [workspace.dependencies] and write `name.workspace = true` here",
    check: versions,
    counterexample: &[(
        "agent/Cargo.toml",
        "[package]\nname = \"h8lio-agent\"\n[dependencies]\nserde = \"1\"\n",
    )],
};

pub const LINTS: Rule = Rule {
    name: "every crate takes the workspace's lints",
    why: "a crate without them is a place where unsafe code and unwraps come in unseen",
    remedy: "add `[lints]` with `workspace = true`",
    check: lints,
    counterexample: &[("agent/Cargo.toml", "[package]\nname = \"h8lio-agent\"\n")],
};

/// A member's manifest, parsed.
struct Member<'a> {
    file: &'a SourceFile,
    name: String,
    table: Table,
}

impl Member<'_> {
    /// Dependencies of every section, also of `[target.'…'.dependencies]`.
    fn dependencies(&self) -> Vec<(&str, &Value)> {
        let targets = self
            .table
            .get("target")
            .and_then(Value::as_table)
            .into_iter()
            .flatten();
        let places = targets
            .filter_map(|(_, v)| v.as_table())
            .chain(std::iter::once(&self.table));
        let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
        places
            .flat_map(|place| sections.iter().filter_map(|s| place.get(*s)?.as_table()))
            .flat_map(|section| section.iter().map(|(name, value)| (name.as_str(), value)))
            .collect()
    }

    /// The line that names this dependency.
    fn line_of(&self, dependency: &str) -> usize {
        let found = self.file.numbered().find(|(_, line)| {
            let line = line.trim_start_matches(['[', '"']);
            line.strip_prefix(dependency)
                .is_some_and(|rest| rest.starts_with(['.', ' ', '=', '"']))
        });
        found.map_or(0, |(number, _)| number)
    }

    fn finding(&self, dependency: &str, what: String) -> Finding {
        Finding::new(&self.file.path, self.line_of(dependency), what)
    }
}

/// The members' manifests; one that cannot be parsed is a finding.
fn members(tree: &Tree) -> (Vec<Member<'_>>, Vec<Finding>) {
    let (mut members, mut findings) = (Vec::new(), Vec::new());
    let manifests = tree
        .files
        .iter()
        .filter(|f| f.path.ends_with("/Cargo.toml"));
    for file in manifests {
        let table = match file.text.parse::<Table>() {
            Ok(table) => table,
            Err(e) => {
                findings.push(Finding::new(
                    &file.path,
                    0,
                    format!("cannot be parsed: {e}"),
                ));
                continue;
            }
        };
        let name = table.get("package").and_then(|p| p.get("name")?.as_str());
        match name.map(str::to_owned) {
            Some(name) => members.push(Member { file, name, table }),
            None => findings.push(Finding::new(&file.path, 0, "has no package name")),
        }
    }
    (members, findings)
}

fn arrows(tree: &Tree) -> Vec<Finding> {
    let (members, mut findings) = members(tree);
    for member in &members {
        let Some((_, allowed)) = MAY_DEPEND.iter().find(|(name, _)| *name == member.name) else {
            let what = format!("crate {} has no row in MAY_DEPEND", member.name);
            findings.push(Finding::new(&member.file.path, 0, what));
            continue;
        };
        for (dependency, _) in member.dependencies() {
            let ours = MAY_DEPEND.iter().any(|(name, _)| *name == dependency);
            if ours && !allowed.contains(&dependency) {
                let what = format!("{} must not depend on {dependency}", member.name);
                findings.push(member.finding(dependency, what));
            }
        }
    }
    findings
}

fn pure(tree: &Tree) -> Vec<Finding> {
    let (members, _) = members(tree);
    let pure = members
        .iter()
        .filter(|m| PURE_CRATES.contains(&m.name.as_str()));
    pure.flat_map(|member| {
        let impure = member.dependencies().into_iter().filter(|(name, _)| {
            IMPURE
                .iter()
                .any(|i| name == i || name.starts_with(&format!("{i}-")))
        });
        impure.map(|(name, _)| member.finding(name, format!("{} depends on {name}", member.name)))
    })
    .collect()
}

fn versions(tree: &Tree) -> Vec<Finding> {
    let (members, _) = members(tree);
    let mut findings = Vec::new();
    for member in &members {
        for (name, value) in member.dependencies() {
            if value.get("workspace").and_then(Value::as_bool) != Some(true) {
                findings
                    .push(member.finding(name, format!("{name} does not say workspace = true")));
            }
        }
        let package = member
            .table
            .get("package")
            .and_then(Value::as_table)
            .into_iter()
            .flatten();
        for (key, value) in package {
            let shared = ["version", "edition", "rust-version", "license"].contains(&key.as_str());
            if shared && value.get("workspace").is_none() {
                findings.push(member.finding(key, format!("{key} is not the workspace's")));
            }
        }
    }
    findings
}

fn lints(tree: &Tree) -> Vec<Finding> {
    let (members, _) = members(tree);
    let without = members.iter().filter(|member| {
        member
            .table
            .get("lints")
            .and_then(|l| l.get("workspace")?.as_bool())
            != Some(true)
    });
    without
        .map(|m| {
            Finding::new(
                &m.file.path,
                0,
                format!("{} has no workspace lints", m.name),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn a_crate_without_a_row_is_a_finding_and_not_a_freedom() {
        let manifest = "[package]\nname = \"h8lio-new\"\n";
        assert_eq!(
            places(&ARROWS, &[("new/Cargo.toml", manifest)]),
            ["new/Cargo.toml:0"]
        );
    }

    #[test]
    fn dependencies_of_a_target_are_seen_too() {
        let manifest = "[package]\nname = \"h8lctl\"\n[target.'cfg(unix)'.dependencies]\n\
                        h8lio-agent.workspace = true\n";
        assert_eq!(
            places(&ARROWS, &[("coordinator/ctl/Cargo.toml", manifest)]).len(),
            1
        );
    }

    #[test]
    fn allowed_dependencies_from_the_workspace_pass() {
        let manifest = "[package]\nname = \"h8lctl\"\nversion.workspace = true\n[lints]\n\
                        workspace = true\n[dependencies]\nh8lio-tls.workspace = true\n\
                        tokio = { workspace = true, features = [\"rt\"] }\n";
        let files = [("coordinator/ctl/Cargo.toml", manifest)];
        for rule in [ARROWS, PURE, VERSIONS, LINTS] {
            assert_eq!(places(&rule, &files), Vec::<String>::new(), "{}", rule.name);
        }
    }

    #[test]
    fn a_version_beside_workspace_false_or_in_the_package_is_found() {
        let manifest = "[package]\nname = \"h8lctl\"\nversion = \"1.0.0\"\n[dependencies]\n\
                        x = { git = \"y\" }\n";
        assert_eq!(
            places(&VERSIONS, &[("a/Cargo.toml", manifest)]),
            ["a/Cargo.toml:5", "a/Cargo.toml:3"]
        );
    }
}
