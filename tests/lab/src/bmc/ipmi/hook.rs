//! The program that `ipmi_sim` calls for each question: `lab bmc-hook SOCKET get power`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// `ipmi_sim` serves nobody while its hook runs, and clients give up after a second or two.
const DEADLINE: Duration = Duration::from_millis(900);

/// Asks the BMC, and returns what `ipmi_sim` wants to read: `power:1`, or nothing.
pub fn ask(socket: &Path, words: &[String]) -> anyhow::Result<String> {
    let what = || format!("the BMC behind {} does not answer", socket.display());
    let stream = UnixStream::connect(socket).with_context(what)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    writeln!(&stream, "{}", words.join(" ")).with_context(what)?;
    let mut answer = String::new();
    BufReader::new(&stream)
        .read_line(&mut answer)
        .with_context(what)?;
    match answer.trim_end() {
        "ok" => Ok(String::new()),
        "" => bail!("{}: it hung up", what()),
        refused if refused.starts_with("error: ") => bail!("{}", &refused["error: ".len()..]),
        told => Ok(told.to_owned()),
    }
}
