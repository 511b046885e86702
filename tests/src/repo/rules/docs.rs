//! What the documentation promises exists.

use super::{Finding, Rule};
use crate::repo::tree::{SourceFile, Tree};

pub const LINKS: Rule = Rule {
    name: "every link of a document leads somewhere in the repository",
    why: "a reader who meets a dead link stops trusting the rest",
    remedy: "mend the path or the heading; folders and files are both fine",
    check: links,
    counterexample: &[("README.md", "See [the parts](docs/parts.md).\n")],
};

pub const MAKE_TARGETS: Rule = Rule {
    name: "every make target that a document names exists, and every target has its line of help",
    why: "the commands of the documents are the product's front door",
    remedy: "add the target to the Makefile as `name: ## what it does`, or mend the document",
    check: make_targets,
    counterexample: &[
        ("Makefile", "demo: ## shows it\n"),
        ("README.md", "Run `make dmeo`.\n"),
    ],
};

fn documents(tree: &Tree) -> impl Iterator<Item = &SourceFile> {
    tree.files.iter().filter(|f| f.path.ends_with(".md"))
}

fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in documents(tree) {
        for (number, target) in link_targets(file) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = match target.split_once('#') {
                Some((path, anchor)) => (path, Some(anchor)),
                None => (target.as_str(), None),
            };
            let path = resolve(&file.path, path);
            let what = if !path.is_empty() && !tree.has(&path) {
                format!("leads to {path}, which does not exist")
            } else if anchor.is_some_and(|a| !has_heading(tree, &path, a)) {
                format!("leads to a heading that {path} does not have: {target}")
            } else {
                continue;
            };
            findings.push(Finding::new(&file.path, number, what));
        }
    }
    findings
}

/// The targets of `[text](target)` outside fenced code, with their lines.
fn link_targets(file: &SourceFile) -> Vec<(usize, String)> {
    let (mut targets, mut fenced) = (Vec::new(), false);
    for (number, line) in file.numbered() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let mut rest = if fenced { "" } else { line };
        while let Some((_, after)) = rest.split_once("](") {
            let target = after.split([')', ' ']).next().unwrap_or_default();
            targets.push((number, target.trim_matches(['<', '>']).to_owned()));
            rest = after;
        }
    }
    targets
}

/// `target` as seen from `document`, without `.` and `..`; the document itself when empty.
fn resolve(document: &str, target: &str) -> String {
    if target.is_empty() {
        return document.to_owned();
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a document has a heading whose anchor this is; other files have none.
fn has_heading(tree: &Tree, path: &str, anchor: &str) -> bool {
    let Some(file) = tree.get(path) else {
        return false;
    };
    let headings = file.text.lines().filter(|line| line.starts_with('#'));
    headings
        .into_iter()
        .any(|line| slug(line.trim_start_matches('#').trim()) == anchor)
}

/// The anchor of a heading: lower case, spaces to hyphens, punctuation dropped.
fn slug(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn make_targets(tree: &Tree) -> Vec<Finding> {
    let Some(makefile) = tree.get("Makefile") else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut known = Vec::new();
    for (number, line) in makefile.numbered() {
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        let target = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !rest.starts_with('=');
        if target {
            known.push(name);
            if !rest.contains("## ") {
                findings.push(Finding::new(
                    "Makefile",
                    number,
                    format!("{name} has no help"),
                ));
            }
        }
    }
    for file in documents(tree) {
        for (number, target) in named_targets(file) {
            if !known.contains(&target.as_str()) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("names `make {target}`"),
                ));
            }
        }
    }
    findings
}

/// Targets named as `make x` in code: between backticks or in a fenced block, also after
/// settings (`DEMO=once make demo`).
fn named_targets(file: &SourceFile) -> Vec<(usize, String)> {
    let (mut targets, mut fenced) = (Vec::new(), false);
    for (number, line) in file.numbered() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let code: Vec<&str> = match fenced {
            true => vec![line],
            false => line.split('`').skip(1).step_by(2).collect(),
        };
        targets.extend(code.into_iter().filter_map(target_of).map(|t| (number, t)));
    }
    targets
}

fn target_of(command: &str) -> Option<String> {
    let command = command.trim_start().trim_start_matches("$ ");
    let mut words = command
        .split_whitespace()
        .skip_while(|word| word.contains('='));
    let target = words
        .next()
        .filter(|word| *word == "make")
        .and_then(|_| words.next())?;
    let plain = target
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-');
    plain.then(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    #[test]
    fn links_to_files_folders_and_headings_pass() {
        let files = [
            (
                "README.md",
                "[a](docs/a.md#the-way-in) [b](docs/) [c](https://x.example/y)\n",
            ),
            (
                "docs/a.md",
                "# A\n## The way in!\n[up](../README.md) [here](#a)\n```\n[x](no.md)\n```\n",
            ),
        ];
        assert_eq!(places(&LINKS, &files), [""; 0]);
    }

    #[test]
    fn a_missing_heading_is_found() {
        let files = [("docs/a.md", "# A\n\n[x](#b)\n")];
        assert_eq!(places(&LINKS, &files), ["docs/a.md:3"]);
    }

    #[test]
    fn targets_after_settings_and_in_blocks_are_checked() {
        let files = [
            ("Makefile", "X := 1\ndemo: ## shows it\n"),
            (
                "README.md",
                "`DEMO=once make demo`, make sure\n```sh\n$ make lint\n```\n",
            ),
        ];
        assert_eq!(places(&MAKE_TARGETS, &files), ["README.md:3"]);
    }

    #[test]
    fn a_target_without_help_is_found() {
        assert_eq!(
            places(&MAKE_TARGETS, &[("Makefile", "demo:\n\ttrue\n")]),
            ["Makefile:1"]
        );
    }
}
