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
    exec::run(
        "systemd-run",
        &wrapped,
        &[],
        deadline + Duration::from_secs(30),
    )
}

/// `--wait` ends with the tool's own exit code, `--pipe` hands its output through.
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
    Ok(out.and(&["--"]).operand(path)?.join(args.clone()))
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
            "/usr/bin/efibootmgr",
            "-q",
            "-N",
        ]);
        assert_eq!(got.expect("plain"), expected);
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
