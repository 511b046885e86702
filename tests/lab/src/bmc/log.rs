//! One line on standard error, which is the BMC's log file.

#[expect(clippy::print_stderr, reason = "a BMC's standard error is its log")]
#[expect(clippy::disallowed_methods, reason = "a line of the log says when")]
pub(super) fn log(line: &str) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    eprintln!("{}.{:03} {line}", now.as_secs(), now.subsec_millis());
}
