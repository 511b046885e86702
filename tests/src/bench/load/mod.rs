//! The process that makes the load. It reads one order a line on standard input and answers each
//! with one line, both JSON; it ends when standard input does, so it never outlives the bench.

pub mod etcd;
pub mod inventory;
pub mod join;
pub mod orders;
pub mod session;
pub mod shared;
pub mod store;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use orders::{Answer, Order, Reply};
use shared::{Control, Shared};

/// Takes orders until there are no more.
///
/// # Errors
/// When standard input or output fails.
pub async fn run() -> anyhow::Result<()> {
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut out = tokio::io::stdout();
    let mut load = Load::default();
    while let Some(line) = orders.next_line().await.context("cannot read orders")? {
        let order: Order = serde_json::from_str(&line).context("an order is not understood")?;
        let answer = match load.obey(order).await {
            Ok(reply) => Answer::Done(reply),
            Err(e) => Answer::Failed(format!("{e:#}")),
        };
        let mut text = serde_json::to_string(&answer).context("an answer cannot be written")?;
        text.push('\n');
        out.write_all(text.as_bytes())
            .await
            .context("cannot answer")?;
        out.flush().await.context("cannot answer")?;
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Load {
    nodes: Vec<join::Member>,
    etcd: Option<etcd::Peer>,
    shared: Shared,
}

impl Load {
    async fn obey(&mut self, order: Order) -> anyhow::Result<Reply> {
        match order {
            Order::Enroll {
                token,
                prefix,
                count,
            } => {
                self.nodes = join::enroll(&token, &prefix, count).await?;
                self.shared = Shared::new(count);
                for node in &self.nodes {
                    tokio::spawn(session::live(node.clone(), self.shared.clone()));
                }
            }
            Order::Etcd { access, count } => {
                let peer = etcd::Peer::new(&access)?;
                self.shared = Shared::new(count);
                for n in 0..count {
                    tokio::spawn(etcd::live(peer.clone(), n, self.shared.clone()));
                }
                self.etcd = Some(peer);
            }
            Order::Open => {
                self.shared.control(|c| c.active = true);
                self.shared.all_open().await?;
            }
            Order::Close => {
                self.shared.control(|c| c.active = false);
                self.shared.none_open().await?;
            }
            Order::Beat { every } => self.shared.control(|c| c.every = every),
            Order::Report { round } => {
                let sections = inventory::sections(0, round)?.len();
                self.shared.control(|c: &mut Control| c.round = round);
                self.shared.all_received(sections).await?;
            }
            Order::Counts => {}
            Order::EtcdPuts { callers, window } => {
                let peer = self.etcd.as_ref().context("no etcd was named")?;
                return Ok(Reply::Puts(etcd::puts(peer, callers, window).await?));
            }
            Order::StorePuts {
                file,
                callers,
                window,
            } => {
                return Ok(Reply::Puts(store::puts(&file, callers, window).await?));
            }
            Order::InventoryBytes => {
                let sections = inventory::sections(0, 1)?;
                return Ok(Reply::Bytes(sections.iter().map(|s| s.body.len()).sum()));
            }
        }
        Ok(Reply::Counts(self.shared.counts()))
    }
}
