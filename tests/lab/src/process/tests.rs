use super::*;

fn processes() -> (tempfile::TempDir, Processes) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let processes = Processes::at(folder.path()).expect("its folders");
    (folder, processes)
}

fn shell(script: &str) -> Command {
    let mut command = command("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_program_is_found_and_stopped_by_whoever_reads_its_record() {
    let (folder, processes) = processes();
    let mut sleep = command("sleep");
    sleep.arg("600");
    let started = processes.start("sleeper", &sleep).expect("it starts");
    let later = Processes::at(folder.path()).expect("its folders");
    let found = later.running("sleeper").expect("its record");
    assert_eq!(found.map(|record| record.pid), Some(started.pid));
    // The starter reaps; otherwise it stays as a zombie, which counts as ended.
    later.stop("sleeper").expect("it ends");
    assert!(processes.running("sleeper").expect("no record").is_none());
}

#[test]
fn a_record_of_another_boot_is_nobodys() {
    let (_folder, processes) = processes();
    let record = processes.start("sleeper", shell("sleep 600"));
    let record = record.expect("it starts");
    let of_another = Record {
        boot: "11111111-2222-3333-4444-555555555555".to_owned(),
        ..record.clone()
    };
    assert!(alive::is(&record) && !alive::is(&of_another));
    processes.stop("sleeper").expect("it ends");
}

/// A power cut ends QEMU's threads one after the other, and one that writes to a disk last.
#[test]
fn a_program_whose_first_thread_has_ended_runs_until_the_last_has() {
    const SCRIPT: &str = "import ctypes, threading, time\n\
                          threading.Thread(target=time.sleep, args=(600,)).start()\n\
                          exit_this_thread = {'x86_64': 60, 'aarch64': 93}\n\
                          ctypes.CDLL(None).syscall(exit_this_thread[__import__('os').uname()[4]], 0)";
    let (_folder, processes) = processes();
    let mut threads = command("python3");
    threads.args(["-c", SCRIPT]);
    let record = processes.start("threads", &threads).expect("it starts");
    let first_is_gone = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", record.pid))?;
        Ok(stat.contains(") Z ").then_some(()))
    };
    until("its first thread ends", END_WITHIN, first_is_gone).expect("it does");
    assert!(processes.running("threads").expect("its record").is_some());
    processes.kill("threads").expect("it ends");
    assert!(!Path::new(&format!("/proc/{}", record.pid)).exists());
}

#[test]
fn what_takes_long_ends_with_whoever_waits_for_it() {
    // A child of the child: it too would be left behind.
    let name = format!("600.{}", std::process::id());
    let script = format!("sleep {name} & wait");
    let sleeps = |wanted: bool| {
        let seen = fs::read_dir("/proc").expect("/proc").any(|entry| {
            let line = entry.map(|entry| fs::read(entry.path().join("cmdline")));
            let line = line.ok().and_then(Result::ok).unwrap_or_default();
            line == format!("sleep\0{name}\0").as_bytes()
        });
        Ok((seen == wanted).then_some(()))
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let child = oneshot::held(shell(&script)).spawn().expect("it starts");
            until("it sleeps", END_WITHIN, || sleeps(true)).expect("it runs");
            // Nobody waits for it any more.
            drop(child);
        });
    });
    until("nothing of it is left", END_WITHIN, || sleeps(false)).expect("it ended");
}

#[test]
fn a_program_that_ignores_sigterm_is_killed() {
    let (_folder, processes) = processes();
    let script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    processes.start("deaf", shell(script)).expect("it starts");
    let ready = || Ok((processes.last_words("deaf") == "ready").then_some(()));
    until("it ignores SIGTERM", END_WITHIN, ready).expect("it is ready");
    let patience = Duration::from_millis(200);
    processes
        .end("deaf", Signal::SIGTERM, patience)
        .expect("it ends");
    assert!(processes.all().expect("the records").is_empty());
}

#[test]
fn a_record_whose_id_was_given_to_another_process_stops_nobody() {
    let (_folder, processes) = processes();
    let mut record = processes
        .start("mine", shell("exec sleep 600"))
        .expect("it starts");
    let innocent = Record {
        name: "old".to_owned(),
        started: record.started - 1,
        ..record.clone()
    };
    processes
        .write(&innocent)
        .expect("a record of an older run");
    processes.stop("old").expect("nothing to stop");
    record = processes
        .running("mine")
        .expect("its record")
        .expect("it runs on");
    assert_ne!(record.pid, 0);
    processes.stop("mine").expect("it ends");
}

#[test]
fn two_programs_of_one_name_are_refused() {
    let (_folder, processes) = processes();
    processes
        .start("one", shell("exec sleep 600"))
        .expect("it starts");
    let second = processes.start("one", shell("exec sleep 600"));
    let text = format!("{:#}", second.expect_err("it is refused"));
    assert!(text.starts_with("one runs already (pid "), "{text}");
    processes.stop_all().expect("it ends");
}

#[test]
fn a_command_that_hangs_is_killed_with_its_children_and_its_words_are_kept() {
    let hangs = shell("echo before; sleep 600 & wait");
    let text = run(hangs, Duration::from_millis(300))
        .expect_err("it hangs")
        .to_string();
    assert!(
        text.contains("not done within 0 s; it said: before"),
        "{text}"
    );
}

#[test]
fn a_command_that_fails_says_how() {
    let fails = shell("echo out; echo err >&2; exit 3");
    let text = run(fails, END_WITHIN).expect_err("it fails").to_string();
    assert!(text.ends_with("exit status: 3: out err"), "{text}");
}

#[test]
fn what_its_starter_has_open_is_closed_to_a_program() {
    let (folder, processes) = processes();
    let lock = folder.path().join("lock");
    let script = format!("exec 7>{0}; exec 8>{0}; exec \"$@\"", lock.display());
    // A shell stands for a caller that leaks; its child is started as every program is.
    let mut leaks = command("bash");
    leaks.args(["-c", &script, "leaks", "bash", "-c", CLOSE, "lab"]);
    leaks.args(["sh", "-c", "ls -l /proc/self/fd"]);
    let open = run(leaks, END_WITHIN).expect("it lists what is open");
    assert!(!open.contains(&lock.display().to_string()), "{open}");
    processes.stop_all().expect("nothing was started");
}
