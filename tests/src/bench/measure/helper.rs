//! The bench's side of a load process.

use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};

use super::super::load::orders::{Answer, Counts, Order, Puts, Reply};
use super::super::process::{Process, command};

/// A load process.
#[derive(Debug)]
pub struct Helper {
    pub process: Process,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Helper {
    /// Starts one: this program again.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(log: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own path is not known")?;
        let mut command = command(&program);
        command
            .arg("load")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut process = Process::start("load", &mut command, log)?;
        let orders = process
            .child()
            .stdin
            .take()
            .context("the load has no input")?;
        let answers = process
            .child()
            .stdout
            .take()
            .context("the load has no output")?;
        Ok(Self {
            process,
            orders,
            answers: BufReader::new(answers).lines(),
        })
    }

    async fn ask(&mut self, order: &Order) -> anyhow::Result<Reply> {
        let mut text = serde_json::to_string(order).context("an order has no JSON form")?;
        text.push('\n');
        self.orders
            .write_all(text.as_bytes())
            .await
            .context("the load is gone")?;
        let line = self.answers.next_line().await.context("the load is gone")?;
        let line =
            line.with_context(|| format!("the load ended: {}", self.process.last_words()))?;
        match serde_json::from_str(&line).context("the load's answer is not understood")? {
            Answer::Done(reply) => Ok(reply),
            Answer::Failed(why) => bail!("{why}"),
        }
    }

    /// Gives an order and waits until it is done.
    ///
    /// # Errors
    /// Why it was not.
    pub async fn tell(&mut self, order: Order) -> anyhow::Result<Counts> {
        match self.ask(&order).await? {
            Reply::Counts(counts) => Ok(counts),
            other => bail!("{order:?} was answered by {other:?}"),
        }
    }

    /// Has puts made.
    ///
    /// # Errors
    /// Why they failed.
    pub async fn puts(&mut self, order: Order) -> anyhow::Result<Puts> {
        match self.ask(&order).await? {
            Reply::Puts(puts) => Ok(puts),
            other => bail!("{order:?} was answered by {other:?}"),
        }
    }

    /// Asks how large an inventory is, in bytes.
    ///
    /// # Errors
    /// When the load is gone.
    pub async fn inventory_bytes(&mut self) -> anyhow::Result<usize> {
        match self.ask(&Order::InventoryBytes).await? {
            Reply::Bytes(bytes) => Ok(bytes),
            other => bail!("the size was answered by {other:?}"),
        }
    }
}
