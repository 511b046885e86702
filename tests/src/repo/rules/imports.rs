//! Who may name whom inside the crates: the doors through which effects come in.

use super::{Finding, Rule};
use crate::repo::lexer::Kind;
use crate::repo::tree::{SourceFile, Tree};

/// In the agent: a module, and the siblings that it must not name.
const STRANGERS: &[(&str, &[&str])] = &[
    ("host", &["linux", "sim", "reconcile"]),
    ("reconcile", &["linux", "sim"]),
    ("linux", &["sim", "reconcile"]),
    ("sim", &["linux", "reconcile"]),
];

/// Where generated protobuf types may be named, and why there.
const GENERATED_TYPES_IN: &[(&str, &str)] = &[
    (
        "proto/src/",
        "they are generated here and turned into the model's types here",
    ),
    (
        "proto/tests/",
        "what comes over the wire is read here as an older release reads it",
    ),
    (
        "coordinator/src/rpc/",
        "the services implement generated traits",
    ),
    (
        "coordinator/src/session/",
        "the node stream is read and written here",
    ),
    (
        "coordinator/src/app.rs",
        "the generated servers are put together here",
    ),
    (
        "coordinator/src/maintenance/testing.rs",
        "servers that follow orders read them off the stream as an agent does",
    ),
    (
        "coordinator/ctl/src/connect.rs",
        "the clients that h8lctl calls with",
    ),
    (
        "coordinator/ctl/src/change.rs",
        "the reason that every mutating call carries",
    ),
    (
        "coordinator/ctl/src/commands/",
        "a command is the request it sends",
    ),
    (
        "coordinator/ctl/src/report/status.rs",
        "the status has no other form than the answer itself",
    ),
    (
        "coordinator/tests/attack/",
        "callers who hang up speak the wire's own words",
    ),
    (
        "coordinator/ctl/tests/",
        "a fake coordinator answers in the wire's own words",
    ),
    (
        "agent/src/session/",
        "the node stream is read and written here",
    ),
    (
        "agent/src/identity/authority.rs",
        "the calls that the agent makes outside its stream",
    ),
    (
        "agent/tests/session/",
        "a scripted coordinator answers in the wire's own words",
    ),
    (
        "tests/",
        "attacks speak the wire's own words, also wrong ones",
    ),
];

pub const AGENT_MODULES: Rule = Rule {
    name: "in the agent, reconcile, linux and sim import host and never each other",
    why: "the same reconcilers run over the real server and over the simulated one; a reconciler \
          that knows which is which is tested by neither",
    remedy: "put what both need into host/, as a narrow trait or as data",
    check: agent_modules,
    counterexample: &[(
        "agent/src/reconcile/disks.rs",
        "use crate::{host, linux::exec};\n",
    )],
};

pub const LINUX_IS_NAMED_ONCE: Rule = Rule {
    name: "in the agent only app names linux",
    why: "one place decides between the real server and the simulated one",
    remedy: "take the trait from host/ as a parameter, and let app.rs pass it in",
    check: linux_is_named_once,
    counterexample: &[(
        "agent/src/session/mod.rs",
        "fn f() { crate::linux::exec::run() }\n",
    )],
};

/// The agent's door to host tools, and the coordinator's to the checks of its configuration.
const COMMAND_DOORS: [&str; 2] = [
    "agent/src/linux/exec.rs",
    "coordinator/src/maintenance/health/command.rs",
];

pub const COMMAND_DOOR: Rule = Rule {
    name: "programs are started in agent/src/linux/exec.rs and the coordinator's health checks alone",
    why: "absolute path, empty environment, deadline, process-group kill and output cap are \
          decided once in each; a further door forgets one of them",
    remedy: "call the functions of exec.rs, or extend them",
    check: command_door,
    counterexample: &[("agent/src/linux/disks.rs", "use std::process::Command;\n")],
};

pub const SQL_DOOR: Rule = Rule {
    name: "a store's library is named behind its store alone",
    why: "the store is a trait with several backends; a caller that knows SQL or etcd binds all of \
          them to one",
    remedy: "add what is needed to the Store trait, and the contract suite with it",
    check: sql_door,
    counterexample: &[(
        "coordinator/src/rpc/nodes.rs",
        "use rusqlite::Connection;\n",
    )],
};

pub const UNSAFE_DOORS: Rule = Rule {
    name: "unsafe code lives in ceph/ and agent/src/linux/ioctl.rs alone",
    why: "what must be read with the memory model in mind should fit into one sitting",
    remedy: "use a safe wrapper (nix, procfs), or put the call into one of the two places",
    check: unsafe_doors,
    counterexample: &[("agent/src/linux/disks.rs", "fn f() { unsafe { g() } }\n")],
};

pub const GENERATED_TYPES: Rule = Rule {
    name: "generated types stop at convert.rs, rpc/ and session/",
    why: "a generated type has every field optional and nothing validated; past the border only \
          the model's types go, which are",
    remedy: "convert in the crate's convert.rs; a new border gets its row, with its reason, in \
             tests/src/repo/rules/imports.rs",
    check: generated_types,
    counterexample: &[(
        "coordinator/src/gather/mod.rs",
        "use h8lio_proto::v1::Report;\n",
    )],
};

/// The agent's module that a file belongs to: its first folder or file below `agent/src/`.
fn agent_module(file: &SourceFile) -> Option<&str> {
    let inside = file.path.strip_prefix("agent/src/")?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// The agent's module that a path names, also from the binary or without `crate`.
fn names_agent_module(segments: &[String]) -> Option<&str> {
    match segments.first()?.as_str() {
        "crate" | "h8lio_agent" => segments.get(1).map(String::as_str),
        first => Some(first),
    }
}

fn agent_modules(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let module = agent_module(file);
        let Some((module, strangers)) = STRANGERS.iter().find(|(m, _)| Some(*m) == module) else {
            continue;
        };
        for path in file.named_paths() {
            let stranger = names_agent_module(&path.segments).filter(|m| strangers.contains(m));
            // A test may play what was really read through the reconciler that judges it.
            let played = stranger == Some("reconcile") && file.is_test();
            if stranger.is_some() && !played {
                let what = format!("{module} names {}", path.text());
                findings.push(Finding::new(&file.path, path.line, what));
            }
        }
    }
    findings
}

fn linux_is_named_once(tree: &Tree) -> Vec<Finding> {
    let elsewhere = tree
        .rust()
        .filter(|f| agent_module(f).is_some_and(|m| !matches!(m, "app" | "linux")));
    named(elsewhere, |path| names_agent_module(path) == Some("linux"))
}

fn command_door(tree: &Tree) -> Vec<Finding> {
    let elsewhere = tree.rust().filter(|file| {
        !COMMAND_DOORS.contains(&&*file.path)
            // The tests start the project's own programs.
            && !file.is_test()
    });
    named(elsewhere, |path| {
        path.windows(2)
            .any(|pair| pair[0] == "process" && matches!(pair[1].as_str(), "Command" | "*"))
    })
}

fn sql_door(tree: &Tree) -> Vec<Finding> {
    let doors = [
        ("rusqlite", "sqlite"),
        ("libsqlite3_sys", "sqlite"),
        ("etcd_client", "etcd"),
    ];
    let mut findings = Vec::new();
    for (library, backend) in doors {
        let store = format!("coordinator/src/store/{backend}");
        let elsewhere = tree
            .rust()
            .filter(|file| !file.path.starts_with(&store) && !file.is_test());
        findings.extend(named(elsewhere, |path| path[0] == library));
    }
    findings
}

fn unsafe_doors(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        if file.path.starts_with("ceph/") || file.path == "agent/src/linux/ioctl.rs" {
            continue;
        }
        for token in file.lexed().tokens {
            let word =
                token.kind == Kind::Ident && matches!(&*token.text, "unsafe" | "unsafe_code");
            if word {
                findings.push(Finding::new(&file.path, token.line, token.text));
            }
        }
    }
    findings
}

fn generated_types(tree: &Tree) -> Vec<Finding> {
    let elsewhere = tree.rust().filter(|file| {
        let border = GENERATED_TYPES_IN
            .iter()
            .any(|(place, _)| file.path.starts_with(place));
        !border && !file.path.ends_with("/convert.rs") && !file.path.contains("/convert/")
    });
    named(elsewhere, |path| {
        path[0] == "h8lio_proto" && path.get(1).is_some_and(|s| s == "v1")
    })
}

/// Where these files name a path of that kind.
fn named<'a>(
    files: impl Iterator<Item = &'a SourceFile>,
    is_that: impl Fn(&[String]) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for path in file
            .named_paths()
            .iter()
            .filter(|path| is_that(&path.segments))
        {
            findings.push(Finding::new(
                &file.path,
                path.line,
                format!("names {}", path.text()),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn the_standard_librarys_linux_is_another() {
        let text = "use std::os::linux::fs::MetadataExt;\nuse crate::host::Disks;\n";
        assert_eq!(
            places(&AGENT_MODULES, &[("agent/src/reconcile/a.rs", text)]),
            [""; 0]
        );
    }

    #[test]
    fn super_reaches_a_stranger_as_well_as_crate_does() {
        let text = "\nuse super::super::super::sim::State;\n";
        let found = places(&AGENT_MODULES, &[("agent/src/linux/disks/nvme.rs", text)]);
        assert_eq!(found, ["agent/src/linux/disks/nvme.rs:2"]);
    }

    #[test]
    fn a_test_of_linux_may_use_a_reconciler_and_a_test_of_a_reconciler_never_linux() {
        let files = [
            (
                "agent/src/linux/network/tests.rs",
                "use crate::reconcile::network::facts;",
            ),
            (
                "agent/src/reconcile/network/tests.rs",
                "use crate::linux::network;",
            ),
        ];
        assert_eq!(
            places(&AGENT_MODULES, &files),
            ["agent/src/reconcile/network/tests.rs:1"]
        );
    }

    #[test]
    fn app_may_name_linux() {
        let files = [
            ("agent/src/app.rs", "use crate::linux;"),
            ("agent/src/linux/a.rs", "use crate::linux::exec;"),
        ];
        assert_eq!(places(&LINUX_IS_NAMED_ONCE, &files), [""; 0]);
    }

    #[test]
    fn the_binary_must_not_name_linux_through_the_crates_name() {
        let files = [("agent/src/main.rs", "use h8lio_agent::linux::Server;")];
        assert_eq!(
            places(&LINUX_IS_NAMED_ONCE, &files),
            ["agent/src/main.rs:1"]
        );
    }

    #[test]
    fn claps_command_is_no_process() {
        let files = [(
            "agent/src/cli.rs",
            "use clap::Command;\nfn f() { Command::new(\"x\"); }\n",
        )];
        assert_eq!(places(&COMMAND_DOOR, &files), [""; 0]);
    }

    #[test]
    fn sqlite_files_of_the_store_may_name_rusqlite() {
        let text = "use rusqlite::Connection;";
        let files = [
            ("coordinator/src/store/sqlite.rs", text),
            ("coordinator/src/store/sqlite/writer.rs", text),
            ("coordinator/src/store/memory.rs", text),
        ];
        assert_eq!(
            places(&SQL_DOOR, &files),
            ["coordinator/src/store/memory.rs:1"]
        );
    }

    #[test]
    fn unsafe_in_a_comment_is_only_a_word() {
        let files = [("agent/src/linux/a.rs", "// unsafe\nfn f() { \"unsafe\" }")];
        assert_eq!(places(&UNSAFE_DOORS, &files), [""; 0]);
    }

    #[test]
    fn a_convert_file_may_name_generated_types() {
        let files = [("agent/src/inventory/convert.rs", "use h8lio_proto::v1;")];
        assert_eq!(places(&GENERATED_TYPES, &files), [""; 0]);
    }
}
