//! What no text of the repository may hold, and how its scripts begin.

use super::{Finding, Rule};
use crate::repo::tree::Tree;

/// Beginnings of paths that exist on one developer's machine only. Put together here so that this
/// file does not object to itself.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("../sha", "red/"),
];

/// Hosts of package, source and image registries.
const HOSTS: &[&str] = &[
    concat!("crates", ".io/"),
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
    concat!("archive.ubuntu", ".com"),
    concat!("proxy.golang", ".org"),
    concat!("pypi", ".org"),
    concat!("registry.npmjs", ".org"),
    // With the slash: without it, it is a Debian package.
    concat!("docker", ".io/"),
    concat!("ghcr", ".io"),
    concat!("gcr", ".io"),
    concat!("quay", ".io"),
    concat!("registry.k8s", ".io"),
];

pub const NO_MACHINE_PATHS: Rule = Rule {
    name: "no text names a path of one person's machine",
    why: "it works there and nowhere else",
    remedy: "take the path from the repository, from $HOME, or from an argument",
    check: |tree| occurrences(tree, MACHINE_PATHS, begins_a_path),
    counterexample: &[("Makefile", concat!("x:\n\tcat /wo", "rk/list\n"))],
};

pub const NO_REGISTRY_HOSTS: Rule = Rule {
    name: "no text names the host of a registry",
    why: "where packages come from is configured on each machine; a host written here breaks every \
          mirror and every closed network",
    remedy: "use the client's default (cargo, apt); in fixtures write mirror.example",
    check: |tree| occurrences(tree, HOSTS, |_| true),
    counterexample: &[("scripts/a.sh", concat!("curl deb.debian", ".org\n"))],
};

pub const STRICT_SCRIPTS: Rule = Rule {
    name: "every script ends at its first error",
    why: "a script that goes on after a failure reports success for work that was not done",
    remedy: "begin with `#!/usr/bin/env bash` and `set -euo pipefail` (POSIX: `set -eu`)",
    check: strict_scripts,
    counterexample: &[("scripts/a.sh", "#!/usr/bin/env bash\ncd nowhere\n")],
};

/// Whether what stands before a match lets it be the start of a path: in `a/b/` it is not.
fn begins_a_path(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || "._-/*}".contains(c))
}

fn occurrences(tree: &Tree, needles: &[&str], counts: fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Cargo writes its lock file, and the index's name is part of its format.
    for file in tree.files.iter().filter(|f| f.path != "Cargo.lock") {
        for (number, line) in file.numbered() {
            for needle in needles {
                if line
                    .match_indices(needle)
                    .any(|(at, _)| counts(&line[..at]))
                {
                    findings.push(Finding::new(&file.path, number, format!("holds {needle}")));
                }
            }
        }
    }
    findings
}

fn strict_scripts(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let shebang = file
            .text
            .lines()
            .next()
            .filter(|line| line.starts_with("#!"));
        let strict = match shebang {
            Some(line) if line.ends_with("bash") => "set -euo pipefail",
            Some(line) if line.ends_with("sh") => "set -eu",
            Some(_) => continue,
            // Sourced and never run: it says so in shellcheck's words.
            None if file.text.starts_with("# shellcheck shell=bash\n") => "set -euo pipefail",
            None if file.path.ends_with(".sh") => {
                findings.push(Finding::new(&file.path, 1, "has no #! line"));
                continue;
            }
            None => continue,
        };
        if !file.text.lines().any(|line| line.trim() == strict) {
            findings.push(Finding::new(
                &file.path,
                1,
                format!("does not say `{strict}`"),
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
    fn a_folder_of_that_name_elsewhere_is_no_machine_path() {
        let text = concat!("a/wo", "rk/b\n\"/ro", "ot/c\"\n");
        assert_eq!(
            places(&NO_MACHINE_PATHS, &[("docs/a.md", text)]),
            ["docs/a.md:2"]
        );
    }

    #[test]
    fn the_lock_file_may_name_the_index() {
        let text = concat!("index.crates", ".io");
        assert_eq!(places(&NO_REGISTRY_HOSTS, &[("Cargo.lock", text)]), [""; 0]);
        assert_eq!(places(&NO_REGISTRY_HOSTS, &[("a.md", text)]), ["a.md:1"]);
    }

    #[test]
    fn a_script_without_a_first_line_is_found() {
        assert_eq!(
            places(&STRICT_SCRIPTS, &[("a.sh", "set -eu\n")]),
            ["a.sh:1"]
        );
        assert_eq!(
            places(&STRICT_SCRIPTS, &[("a", "#!/bin/sh\nset -eu\n")]),
            [""; 0]
        );
    }
}
