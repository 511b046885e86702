//! Host tools that change the server.
//!
//! The agent's own unit sees the server read-only, and ends what it started when it is ended itself.
//! So whatever changes the server runs in a transient unit of systemd, and this waits for it. Where
//! systemd does not run there is no such unit to be in, and the tool is run directly.

use std::path::Path;
use std::time::Duration;

use super::exec::{self, Answer, Argv, ExecError};

/// As [`exec::run`], outside of the agent's own unit.
///
/// # Errors
/// [`ExecError`]; a non-zero exit is *not* an error.
pub(super) fn run(
    tool: &'static str,
    args: &Argv,
    env: &[(&'static str, &'static str)],
    deadline: Duration,
) -> Result<Answer, ExecError> {
    if !Path::new("/run/systemd/system").is_dir() {
        return exec::run(tool, args, env, deadline);
    }
    let path = exec::find(tool).ok_or_else(|| ExecError::Missing {
        tool: tool.to_owned(),
    })?;
    let wrapped = wrapped(&path, args, env, deadline)?;
    // The unit is ended by its own limit; this one is for a systemd that does not answer.
    let answer = exec::run(
        "systemd-run",
        &wrapped,
        &[],
        deadline + Duration::from_secs(30),
    )?;
    own_end(tool, answer)
}

/// The unit's program: the tool, and behind all that it says how it ended. systemd-run ends with 1 when
/// the tool did, but also when the unit was ended from outside or never started, by a limit, a
/// shutdown or a lack of memory; that is no answer of the tool's.
const SCRIPT: &str =
    "\"$@\"; code=$?; printf '\\n%s %d\\n' 'h8lio: ended with' $code >&2; exit $code";

/// Behind the last line that the tool said.
const MARK: &str = "h8lio: ended with ";

/// The shell's code for a command that was ended by a signal is above this by the signal's number.
const BY_SIGNAL: i32 = 128;

/// What the tool itself answered.
fn own_end(tool: &'static str, mut answer: Answer) -> Result<Answer, ExecError> {
    let told = answer.stderr.trim_end().rsplit_once(MARK);
    let told = told.filter(|(said, _)| said.is_empty() || said.ends_with('\n'));
    let told = told.and_then(|(said, code)| Some((said.trim_end().len(), code.parse().ok()?)));
    let Some((said, code)): Option<(usize, i32)> = told else {
        let tool = tool.to_owned();
        let said = crate::words::first_line(&answer.stderr);
        return Err(ExecError::NoEnd { tool, said });
    };
    if code > BY_SIGNAL {
        let (tool, signal) = (tool.to_owned(), code - BY_SIGNAL);
        return Err(ExecError::Signalled { tool, signal });
    }
    answer.code = code;
    answer.stderr.truncate(said);
    Ok(answer)
}

/// `--pipe` hands the tool's output through.
fn wrapped(
    path: &Path,
    args: &Argv,
    env: &[(&'static str, &'static str)],
    deadline: Duration,
) -> Result<Argv, ExecError> {
    let limit = deadline.as_secs().max(1);
    let mut out = Argv::of(&[
        "--wait",
        "--pipe",
        "--quiet",
        "--collect",
        "--service-type=exec",
        "--setenv=LC_ALL=C",
    ])
    .value("--property=RuntimeMaxSec=", limit.to_string());
    for (name, value) in env {
        out = out.value("--setenv=", format!("{name}={value}"));
    }
    let shell = ["--", "/bin/sh", "-c", SCRIPT, "sh"];
    Ok(out.and(&shell).operand(path)?.join(args.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_outside_has_its_own_limit_its_environment_and_its_arguments_behind_a_mark() {
        let args = Argv::of(&["-q", "-N"]);
        let second = Duration::from_secs(60);
        let got = wrapped(
            Path::new("/usr/bin/efibootmgr"),
            &args,
            &[("A", "b c")],
            second,
        );
        let expected = Argv::of(&[
            "--wait",
            "--pipe",
            "--quiet",
            "--collect",
            "--service-type=exec",
            "--setenv=LC_ALL=C",
            "--property=RuntimeMaxSec=60",
            "--setenv=A=b c",
            "--",
            "/bin/sh",
            "-c",
            SCRIPT,
            "sh",
            "/usr/bin/efibootmgr",
            "-q",
            "-N",
        ]);
        assert_eq!(got.expect("plain"), expected);
    }

    /// The unit's program, without a unit.
    fn played(script: &'static str) -> Result<Answer, ExecError> {
        let args = Argv::of(&["-c", SCRIPT, "sh", "/bin/sh", "-c", script]);
        own_end("sh", exec::run("sh", &args, &[], Duration::from_secs(60))?)
    }

    #[test]
    fn a_tool_that_came_to_its_end_has_its_own_code_and_its_own_words() {
        let answer = played("echo out; echo 'E: no' >&2; exit 100").expect("it ended");
        let words = (answer.code, answer.stdout.as_slice(), answer.stderr.trim());
        assert_eq!(words, (100, b"out\n".as_slice(), "E: no"));
        assert_eq!(played("true").expect("it ended").stderr, "");
    }

    #[test]
    fn a_tool_that_was_killed_has_refused_nothing() {
        let killed = played("kill -KILL $$").expect_err("it was killed");
        assert!(
            matches!(killed, ExecError::Signalled { signal: 9, .. }),
            "{killed}"
        );
    }

    /// As systemd-run ends when the whole unit is ended, or was not started.
    #[test]
    fn a_unit_that_was_ended_from_outside_gave_no_answer() {
        for stderr in [
            "",
            "Failed to start transient service unit: Transaction is destructive.\n",
        ] {
            let answer = Answer {
                code: 1,
                stdout: Vec::new(),
                stderr: stderr.to_owned(),
            };
            let none = own_end("apt-get", answer).expect_err("nobody knows");
            assert!(matches!(none, ExecError::NoEnd { .. }), "{none}");
        }
    }

    #[test]
    fn the_exit_code_and_the_output_of_a_tool_outside_are_its_own() {
        let second = Duration::from_secs(60);
        let args = Argv::of(&["/nowhere/to/be/found"]);
        let answer = run("cat", &args, &[], second).expect("ran");
        assert_eq!(answer.code, 1);
        assert!(
            answer.stderr.contains("/nowhere/to/be/found"),
            "{}",
            answer.stderr
        );
    }
}
