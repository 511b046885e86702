//! QEMU's control socket (QMP): one JSON object a line, each command answered in order, events in
//! between. One client at a time may hold a socket, so calls are short and hang up.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// QEMU answers at once unless the machine is very busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// An open conversation.
#[derive(Debug)]
pub struct Qmp {
    lines: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// When nobody listens, or another client holds the socket for too long.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .and_then(|stream| {
                stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                stream.set_write_timeout(Some(ANSWER_WITHIN))?;
                Ok(stream)
            })
            .with_context(|| format!("cannot reach QEMU at {}", socket.display()))?;
        let mut qmp = Self {
            lines: BufReader::new(stream),
        };
        qmp.line()
            .context("QEMU does not greet; is its socket held by another client?")?;
        qmp.call("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// One command; its `return` value.
    ///
    /// # Errors
    /// What QEMU objects to, with the command's name.
    pub fn call(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = json!({"execute": command, "arguments": arguments});
        let stream = self.lines.get_mut();
        writeln!(stream, "{request}").with_context(|| format!("cannot send {command} to QEMU"))?;
        loop {
            let line = self.line();
            let mut answer = line.with_context(|| format!("QEMU does not answer {command}"))?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let text = error.get("desc").and_then(Value::as_str);
                bail!(
                    "QEMU refuses {command}: {}",
                    text.unwrap_or("without a reason")
                );
            }
        }
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        let read = self
            .lines
            .read_line(&mut line)
            .context("cannot read from QEMU")?;
        if read == 0 {
            bail!("QEMU hung up");
        }
        serde_json::from_str(&line).with_context(|| format!("QEMU said no JSON: {line}"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Talks as QEMU does: greets, then gives one answer to each line.
    fn answering(answers: &'static [&'static str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("qmp");
        let listener = UnixListener::bind(&path).expect("a socket");
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut lines = BufReader::new(stream);
            writeln!(lines.get_mut(), "{{\"QMP\":{{}}}}").expect("a greeting");
            for answer in answers {
                let mut line = String::new();
                lines.read_line(&mut line).expect("a command");
                writeln!(lines.get_mut(), "{answer}").expect("an answer");
            }
        });
        (folder, path)
    }

    #[test]
    fn events_between_command_and_answer_are_passed_over() {
        let (_folder, path) = answering(&[
            r#"{"return":{}}"#,
            "{\"event\":\"STOP\"}\n{\"return\":{\"status\":\"paused\"}}",
        ]);
        let mut qmp = Qmp::connect(&path).expect("a handshake");
        let answer = qmp.call("query-status", &json!({})).expect("an answer");
        assert_eq!(answer["status"], "paused");
    }

    #[test]
    fn a_refusal_names_the_command_and_the_reason() {
        let (_folder, path) = answering(&[
            r#"{"return":{}}"#,
            r#"{"error":{"class":"GenericError","desc":"Device 'x' not found"}}"#,
        ]);
        let mut qmp = Qmp::connect(&path).expect("a handshake");
        let refused = qmp.call("device_del", &json!({"id": "x"}));
        let text = refused.expect_err("it is refused").to_string();
        assert_eq!(text, "QEMU refuses device_del: Device 'x' not found");
    }
}
