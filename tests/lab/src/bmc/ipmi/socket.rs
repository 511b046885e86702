//! Where the hook's words become acts: one line in, one line out, on the BMC's unix socket.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{self, JoinHandle};

use crate::bmc::board::{Act, Board};
use crate::bmc::log::log;
use crate::bmc::power::Power;

/// How long the hook is kept for the outcome of an act. An act that takes longer is accepted, as
/// real BMCs accept, and only its failure is logged.
const PATIENCE: Duration = Duration::from_millis(500);

/// What `ipmi_sim` asks its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Power,
    Do(Act),
}

impl Question {
    /// Reads the words that follow the hook's own arguments.
    pub fn parse(words: &str) -> anyhow::Result<Self> {
        let words: Vec<&str> = words.split_whitespace().collect();
        Ok(match *words {
            ["get", "power"] => Self::Power,
            ["set", "power", "0"] => Self::Do(Act::Off),
            ["set", "power", "1"] => Self::Do(Act::On),
            ["set", "reset", "1"] => Self::Do(Act::Reset),
            ["set", "shutdown", "1"] => Self::Do(Act::Button),
            _ => bail!("this BMC cannot {}", words.join(" ")),
        })
    }
}

/// Answers hooks for ever.
pub async fn serve(listener: UnixListener, board: Arc<Board>) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept a hook")?;
        let board = Arc::clone(&board);
        task::spawn(async move {
            if let Err(e) = converse(stream, board).await {
                log(&format!("hook: {e:#}"));
            }
        });
    }
}

/// Makes the socket; a left-over of an earlier run goes.
pub fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    let _ = std::fs::remove_file(path);
    UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))
}

async fn converse(stream: UnixStream, board: Arc<Board>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let answer = match answer(&line, board).await {
        Ok(answer) => answer,
        Err(e) => {
            log(&format!("hook: {e:#}"));
            format!("error: {e:#}")
        }
    };
    stream.write_all(format!("{answer}\n").as_bytes()).await?;
    Ok(())
}

async fn answer(line: &str, board: Arc<Board>) -> anyhow::Result<String> {
    match Question::parse(line)? {
        Question::Power => {
            let power = task::spawn_blocking(move || board.state()).await??;
            Ok(format!("power:{}", u8::from(power == Power::On)))
        }
        Question::Do(act) => {
            let mut acting = task::spawn_blocking(move || board.act(act));
            match tokio::time::timeout(PATIENCE, &mut acting).await {
                Ok(outcome) => outcome??,
                Err(_) => drop(task::spawn(see_off(acting, act))),
            }
            Ok("ok".to_owned())
        }
    }
}

/// Logs how an act ended that nobody waits for any more.
async fn see_off(acting: JoinHandle<anyhow::Result<()>>, act: Act) {
    match acting.await {
        Ok(Ok(())) => {}
        Ok(Err(e)) => log(&format!("{act:?} was accepted and failed: {e:#}")),
        Err(e) => log(&format!("{act:?} was accepted and crashed: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_ipmi_sim_are_understood() {
        let cases = [
            ("get power\n", Question::Power),
            ("set power 0", Question::Do(Act::Off)),
            ("set power 1", Question::Do(Act::On)),
            ("set reset 1", Question::Do(Act::Reset)),
            ("set shutdown 1", Question::Do(Act::Button)),
        ];
        for (words, question) in cases {
            assert_eq!(Question::parse(words).expect(words), question);
        }
    }

    #[test]
    fn what_the_bmc_cannot_do_is_refused_by_name() {
        let why = Question::parse("set boot pxe")
            .expect_err("no boot device")
            .to_string();
        assert_eq!(why, "this BMC cannot set boot pxe");
    }
}
