//! The serial line: what was said on it, and talking on it when the network is cut.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Server;
use crate::clock::{now, until};
use crate::process::last_lines;

/// A shell that says nothing for so long has echoed all it was told.
const QUIET: Duration = Duration::from_millis(800);

/// Of a console on which something else goes on talking.
const LISTEN_AT_MOST: Duration = Duration::from_secs(10);

impl Server<'_> {
    /// Everything that was said on the serial line since the server was made.
    pub fn console_text(&self) -> String {
        let bytes = fs::read(self.places().console_log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of it.
    pub fn console_tail(&self) -> String {
        last_lines(&self.places().console_log())
    }

    /// How much was said, to wait for something later than this.
    pub fn console_length(&self) -> usize {
        self.console_text().len()
    }

    /// Waits until `text` is said after `from`.
    ///
    /// # Errors
    /// When it is not said in time; the last lines are in the message.
    pub fn wait_for_console(&self, text: &str, from: usize, limit: Duration) -> Result<()> {
        let what = format!("{text:?} on the console of {}", self.name());
        let said = || {
            let all = self.console_text();
            let later = all.get(from..).unwrap_or(&all);
            Ok(later.contains(text).then_some(()))
        };
        until(&what, limit, said).with_context(|| format!("it said: {}", self.console_tail()))
    }

    /// Types a line on the serial line. Where a shell listens, it runs it; what it says is in the
    /// console's text.
    ///
    /// # Errors
    /// When the server is off.
    pub fn type_on_console(&self, line: &str) -> Result<()> {
        let socket = self.places().console();
        let typed = UnixStream::connect(&socket).and_then(|mut stream| {
            stream.set_read_timeout(Some(QUIET))?;
            writeln!(stream, "{line}")?;
            listen_until_quiet(&mut stream);
            Ok(())
        });
        typed.with_context(|| {
            let name = self.name();
            format!("cannot type on {}; is {name} on?", socket.display())
        })
    }
}

/// A serial line takes a few bytes at a time, and whatever is still on the way when its other end
/// hangs up is lost. The echo ends when all of it has arrived.
fn listen_until_quiet(stream: &mut UnixStream) {
    let began = now();
    let mut echo = [0; 256];
    while began.elapsed() < LISTEN_AT_MOST {
        match stream.read(&mut echo) {
            Ok(1..) => {}
            // Silence, or the end.
            Ok(0) | Err(_) => break,
        }
    }
}
