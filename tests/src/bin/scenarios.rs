//! Prints every scenario with the tests that play it; fails when a claimed one has none.

use std::process::ExitCode;

use anyhow::Context;
use h8lio_tests::repo::tree::Tree;
use h8lio_tests::scenarios::{catalogue, markers, report};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command's output is its purpose"
)]
fn main() -> anyhow::Result<ExitCode> {
    let tree = Tree::read().context("cannot read the repository")?;
    let list = tree
        .get("docs/scenarios.md")
        .context("docs/scenarios.md is missing")?;
    let scenarios = catalogue::read(&list.text)?;
    let report = report::report(&scenarios, &markers::scan(&tree));
    print!("{}", report.table);
    for what in &report.missing {
        eprintln!("{what}");
    }
    Ok(if report.missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
