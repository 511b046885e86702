//! One fleet by hand: a command a line, each answered at once. The same lines give the same answers.

mod session;
mod words;

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Write};
use std::path::Path;

use anyhow::Context as _;

use session::Session;

/// What `help` says.
pub const HELP: &str = "\
seed N                          what chance draws; before `create`
fleet KEY=VALUE...              nodes, racks, budget (nodes:N, racks:N, per-rack:N), quorum, kernel (yes, no)
rate NAME=N                     a fault comes by itself so often, of a thousand
create KEY=VALUE...             the rollout: canary, wave, threshold, window (minutes of each hour)
pause, resume, cancel           what a person wants of the rollout
fault NODE WORDS                something happens to a server: link.down eno1, reboot 1s, transaction.next half,
                                package.hold bash, ...; to its agent: agent.dies, ledger.lost
fault coordinator dies          its process ends; it is started again
step N                          so many events (1)
run                             until all is over, or nothing goes on for a quarter of an hour
run for SPAN, run until SPAN    for so long, or until so long after the start: 90s, 10m, 1h30m
plan                            the plan that is written
explain NODE, explain           what holds a node, or the rollout
trace N                         the last lines of the trace (10)
hash                            the hash of the trace so far
help, quit                      # begins a remark";

/// Plays a script, or what is typed. `false`: a line was wrong, or a promise was broken.
///
/// # Errors
/// When it cannot be read, or the simulated servers' folders cannot be made.
pub fn open(script: &Path) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    if script == Path::new("-") {
        let typed = io::stdin().is_terminal();
        return play(io::stdin().lock(), &mut out, typed);
    }
    let file = File::open(script).with_context(|| format!("cannot read {}", script.display()))?;
    play(BufReader::new(file), &mut out, false)
}

/// Plays lines. What is not typed is repeated before its answer, so that the output is the whole
/// transcript.
///
/// # Errors
/// As [`open`].
pub fn play(lines: impl BufRead, out: &mut dyn Write, typed: bool) -> anyhow::Result<bool> {
    let mut session = Session::default();
    let mut fine = true;
    prompt(out, typed)?;
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.with_context(|| format!("cannot read line {number}"))?;
        let line = line.trim();
        if !typed {
            writeln!(out, "> {line}")?;
        }
        if line == "quit" {
            break;
        }
        if !line.is_empty() && !line.starts_with('#') {
            match session.command(line)? {
                Ok(answer) => answer.iter().try_for_each(|said| writeln!(out, "{said}"))?,
                Err(why) => {
                    fine = false;
                    writeln!(out, "line {number}: {why}")?;
                }
            }
        }
        prompt(out, typed)?;
    }
    Ok(fine && !session.is_broken())
}

fn prompt(out: &mut dyn Write, typed: bool) -> io::Result<()> {
    if typed {
        write!(out, "> ")?;
        out.flush()?;
    }
    Ok(())
}
