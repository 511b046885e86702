use super::*;

const LONG: Duration = Duration::from_secs(30);

fn sh(script: &str, deadline: Duration) -> Result<Answer, ExecError> {
    let args = Argv::of(&["-c"]).operand(script).expect("a script");
    run("sh", &args, &[], deadline)
}

/// Whether the process exists and is no zombie.
fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim();
    !state.is_empty() && !state.starts_with('Z')
}

fn dies_soon(pid: &str) -> bool {
    (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        !alive(pid)
    })
}

#[test]
fn a_nonzero_exit_is_an_answer_with_both_outputs() {
    let answer = sh("echo out; echo err >&2; exit 4", LONG).expect("an answer");
    assert_eq!(answer.code, 4);
    assert_eq!(answer.stdout, b"out\n");
    assert_eq!(answer.stderr, "err");
}

#[test]
fn a_missing_tool_is_named() {
    let e = run("h8lio-no-such-tool", &Argv::of(&["x"]), &[], LONG).expect_err("no such tool");
    let problem = e.problem("h8lio-no-such-tool");
    assert_eq!(problem.reason, "ToolMissing");
    assert!(
        problem
            .message
            .contains("h8lio-no-such-tool is not installed")
    );
}

/// scenario: 44 (integration)
#[test]
fn arguments_reach_the_tool_unread_by_a_shell() {
    let hostile = "$(reboot); `id`\n'\"";
    let args = Argv::of(&["%s"]).operand(hostile).expect("an operand");
    let answer = run("printf", &args, &[], LONG).expect("an answer");
    assert_eq!(answer.stdout, hostile.as_bytes());
}

/// scenario: 44 (unit)
#[test]
fn a_name_that_looks_like_an_option_reaches_no_tool() {
    for odd in ["-rf", "--output=/etc/passwd", "-", "", "a\0b"] {
        let e = Argv::of(&["--"]).operand(odd).expect_err("refused");
        let problem = e.problem("x");
        assert_eq!(problem.reason, "NotUnderstood", "{odd:?}");
        assert!(!problem.message.contains('\0'), "{problem:?}");
    }
}

/// scenario: 44 (integration)
#[test]
fn a_value_stays_within_its_options_argument() {
    for odd in ["--all -x", "$(reboot)", "", "-", "a b\nc"] {
        let args = Argv::of(&["%s|"]).value("--device=", odd);
        let answer = run("printf", &args, &[], LONG).expect("an answer");
        assert_eq!(answer.stdout, format!("--device={odd}|").as_bytes());
    }
}

#[test]
fn the_environment_is_empty_but_for_what_is_given() {
    let answer = run("env", &Argv::default(), &[("A", "b")], LONG).expect("an answer");
    let mut lines: Vec<_> = answer.stdout.split(|b| *b == b'\n').collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            &b""[..],
            b"A=b",
            b"LC_ALL=C",
            b"PATH=/usr/sbin:/usr/bin:/sbin:/bin"
        ]
    );
}

#[test]
fn the_deadline_kills_the_tool_and_its_children() {
    let dir = tempfile::tempdir().expect("a folder");
    let pid_file = dir.path().join("pid");
    let script = format!("sleep 300 & echo $! >'{}'; wait", pid_file.display());
    let e = sh(&script, Duration::from_millis(700)).expect_err("too late");
    assert!(matches!(e, ExecError::TimedOut { .. }), "{e:?}");
    assert_eq!(e.problem("x").reason, "TimedOut");
    let pid = std::fs::read_to_string(pid_file).expect("the grandchild was started");
    assert!(dies_soon(pid.trim()), "the grandchild lives on");
}

#[test]
fn a_tool_that_keeps_printing_does_not_outrun_its_deadline() {
    let began = monotonic();
    let e = sh(
        "while :; do echo x; sleep 0.01; done",
        Duration::from_millis(300),
    );
    assert!(matches!(e, Err(ExecError::TimedOut { .. })), "{e:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_grandchild_that_keeps_the_pipe_open_does_not_hold_the_answer_back() {
    let began = monotonic();
    let answer = sh("sleep 300 & echo $!", LONG).expect("an answer");
    assert!(began.elapsed() < Duration::from_secs(20));
    let pid = String::from_utf8(answer.stdout).expect("a pid");
    assert!(!pid.trim().is_empty(), "the answer came through");
    assert!(dies_soon(pid.trim()), "the grandchild lives on");
}

#[test]
fn output_that_comes_last_is_not_lost() {
    for _ in 0..20 {
        let answer = sh("head -c 300000 /dev/zero; echo end", LONG).expect("an answer");
        assert_eq!(answer.stdout.len(), 300_004);
    }
}

#[test]
fn endless_output_is_cut_off_and_named() {
    let e = run("cat", &Argv::of(&["/dev/zero"]), &[], LONG).expect_err("too much");
    assert!(matches!(e, ExecError::TooMuch { .. }), "{e:?}");
}

#[test]
fn a_killed_tool_is_told_apart_from_one_that_answered() {
    let e = sh("kill -9 $$", LONG).expect_err("killed");
    assert!(matches!(e, ExecError::Signalled { signal: 9, .. }), "{e:?}");
}

#[test]
fn a_tool_without_standard_input_does_not_wait_for_it() {
    let answer = run("cat", &Argv::default(), &[], LONG).expect("an answer");
    assert_eq!(answer.stdout, b"");
}
