//! The rules of the repository that neither the compiler nor clippy holds.
//!
//! A rule is a check over the [`Tree`] together with why it exists, what to do about a finding,
//! and a counterexample that it must object to: a rule that cannot fail guards nothing.

pub mod crates;
pub mod docs;
pub mod imports;
pub mod shape;
pub mod text;

use std::fmt::Write;

use super::tree::Tree;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    /// From 1; 0 where the file as a whole is meant.
    pub line: usize,
    pub what: String,
}

impl Finding {
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            what: what.into(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The rule as a sentence.
    pub name: &'static str,
    pub why: &'static str,
    /// What to do about a finding.
    pub remedy: &'static str,
    pub check: fn(&Tree) -> Vec<Finding>,
    /// Files (path, text) that break it.
    pub counterexample: &'static [(&'static str, &'static str)],
}

/// Every rule. The tests run each of them over the repository and over its counterexample.
pub const ALL: &[Rule] = &[
    crates::ARROWS,
    crates::PURE,
    crates::VERSIONS,
    crates::LINTS,
    imports::AGENT_MODULES,
    imports::LINUX_IS_NAMED_ONCE,
    imports::COMMAND_DOOR,
    imports::SQL_DOOR,
    imports::UNSAFE_DOORS,
    imports::GENERATED_TYPES,
    shape::SHORT_MAIN,
    shape::SHORT_FILES,
    shape::NO_STUBS,
    shape::ERROR_STYLE,
    text::NO_MACHINE_PATHS,
    text::NO_REGISTRY_HOSTS,
    text::STRICT_SCRIPTS,
    docs::LINKS,
    docs::MAKE_TARGETS,
];

impl Rule {
    /// What a person reads when the rule is broken; `None` when it holds.
    pub fn complaint(&self, tree: &Tree) -> Option<String> {
        let findings = (self.check)(tree);
        if findings.is_empty() {
            return None;
        }
        let mut text = format!("\nrule: {}\nwhy:  {}\n", self.name, self.why);
        for Finding { path, line, what } in &findings {
            let _ = match line {
                0 => writeln!(text, "  {path}: {what}"),
                _ => writeln!(text, "  {path}:{line}: {what}"),
            };
        }
        let _ = write!(text, "do:   {}", self.remedy);
        Some(text)
    }
}

/// What a check finds in these files, as `path:line`.
#[cfg(test)]
fn places(rule: &Rule, files: &[(&str, &str)]) -> Vec<String> {
    let findings = (rule.check)(&Tree::of(files));
    findings
        .iter()
        .map(|f| format!("{}:{}", f.path, f.line))
        .collect()
}
