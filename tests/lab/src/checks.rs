//! What a run says: one line a check, with the time it took and what was seen. A check that
//! cannot be made has failed; none is left out.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::clock::now;

/// The checks of one stage.
#[derive(Debug)]
pub struct Checks {
    stage: String,
    began: Instant,
    passed: usize,
    failed: Vec<String>,
}

impl Checks {
    /// Begins a stage.
    pub fn begin(stage: &str) -> Self {
        say(&format!("stage {stage}"));
        Self {
            stage: stage.to_owned(),
            began: now(),
            passed: 0,
            failed: Vec::new(),
        }
    }

    /// Makes one check; its name is a sentence that can be false. What it answers is what was
    /// seen. A failure is printed and counted, and the stage goes on.
    pub fn check(&mut self, sentence: &str, look: impl FnOnce() -> Result<String>) {
        let began = now();
        let seen = look();
        let took = seconds(began.elapsed());
        match seen {
            Ok(seen) => {
                self.passed += 1;
                let seen = if seen.is_empty() {
                    seen
                } else {
                    format!(": {seen}")
                };
                say(&format!("  ok   {took}  {sentence}{seen}"));
            }
            Err(e) => {
                self.failed.push(sentence.to_owned());
                say(&format!("  FAIL {took}  {sentence}: {e:#}"));
            }
        }
    }

    /// Does what the checks after it need. When it fails the stage has failed and ends.
    ///
    /// # Errors
    /// What `work` says, once more than it is printed.
    pub fn need<T>(&mut self, sentence: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let began = now();
        let done = work();
        let took = seconds(began.elapsed());
        match &done {
            Ok(_) => say(&format!("  --   {took}  {sentence}")),
            Err(e) => {
                self.failed.push(sentence.to_owned());
                say(&format!("  FAIL {took}  {sentence}: {e:#}"));
            }
        }
        done
    }

    /// Ends the stage: how many checks, how long, and where the logs are when one failed.
    ///
    /// # Errors
    /// When a check failed, or none was made.
    pub fn end(self, logs: &Path) -> Result<()> {
        let (stage, took) = (&self.stage, seconds(self.began.elapsed()));
        say(&format!(
            "stage {stage}: {} ok, {} failed, {}",
            self.passed,
            self.failed.len(),
            took.trim()
        ));
        if !self.failed.is_empty() {
            let logs = logs.display();
            bail!("stage {stage}: {} (logs in {logs})", self.failed.join("; "));
        }
        if self.passed == 0 {
            bail!("stage {stage} made no check");
        }
        Ok(())
    }
}

/// A line on stdout, at once.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever closed the pipe does not want to read on.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn seconds(duration: Duration) -> String {
    format!("{:>6.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_with_a_failed_check_fails_and_names_it() {
        let mut checks = Checks::begin("x");
        checks.check("water is wet", || Ok(String::new()));
        checks.check("pigs fly", || bail!("seen on the ground"));
        let text = checks
            .end(Path::new("/logs"))
            .expect_err("it failed")
            .to_string();
        assert_eq!(text, "stage x: pigs fly (logs in /logs)");
    }

    #[test]
    fn a_stage_that_checks_nothing_has_not_passed() {
        let text = Checks::begin("x")
            .end(Path::new("/logs"))
            .expect_err("it failed");
        assert_eq!(text.to_string(), "stage x made no check");
    }

    #[test]
    fn a_need_that_is_not_met_fails_the_stage() {
        let mut checks = Checks::begin("x");
        let need = checks.need::<()>("the server boots", || bail!("it hangs"));
        assert!(need.is_err() && checks.end(Path::new("/logs")).is_err());
    }
}
