//! Cuts in the networks that leave the carrier up: a tap that is down, and packets of one
//! direction between two ends that vanish. (A cut that takes the carrier is the server's: QEMU
//! pulls the cable.)

use anyhow::{Context as _, Result, bail};

use super::{Network, Space};

/// An end of a network: who sends, who receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Server(String),
    /// The namespace itself: coordinator, BMCs, whatever runs in it.
    Space,
}

impl Space {
    /// Stops a server's traffic in a network, both ways; the server still sees a carrier.
    ///
    /// # Errors
    /// When it has no tap there.
    pub fn silence(&self, server: &str, network: Network) -> Result<()> {
        self.run("ip", &["link", "set", &network.tap(server), "down"])?;
        Ok(())
    }

    /// Undoes [`Space::silence`].
    ///
    /// # Errors
    /// When it has no tap there.
    pub fn unsilence(&self, server: &str, network: Network) -> Result<()> {
        self.run("ip", &["link", "set", &network.tap(server), "up"])?;
        Ok(())
    }

    /// Lets everything vanish that `from` sends to `to` in a network; the other direction goes on.
    ///
    /// # Errors
    /// When both are the same end, or the kernel refuses.
    pub fn drop_one_way(&self, network: Network, from: &End, to: &End) -> Result<()> {
        let rule = rule(network, from, to)?;
        let mut words = vec!["add", "rule", "bridge", "lab"];
        words.extend(rule.split_whitespace());
        self.run("nft", &words)?;
        Ok(())
    }

    /// Undoes every [`Space::drop_one_way`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn drop_nothing(&self) -> Result<()> {
        self.run("nft", &["flush", "table", "bridge", "lab"])?;
        Ok(())
    }

    /// The one-way drops in force, one a line.
    ///
    /// # Errors
    /// When nft fails.
    pub fn drops(&self) -> Result<Vec<String>> {
        let rules = self.run("nft", &["list", "table", "bridge", "lab"])?;
        let drops = rules
            .lines()
            .map(str::trim)
            .filter(|line| line.ends_with(" drop"));
        Ok(drops.map(str::to_owned).collect())
    }

    pub(super) fn prepare_cuts(&self) -> Result<()> {
        let chain = |hook: &str| {
            format!("add chain bridge lab {hook} {{ type filter hook {hook} priority 0; }};")
        };
        let chains = ["forward", "input", "output"].map(chain).concat();
        let script = format!("add table bridge lab; {chains}");
        self.run("nft", &[&script])
            .context("the kernel cannot filter bridges")?;
        Ok(())
    }
}

/// Chain and rule. What the namespace itself sends or receives does not pass the forward hook.
fn rule(network: Network, from: &End, to: &End) -> Result<String> {
    Ok(match (from, to) {
        (End::Server(from), End::Server(to)) if from != to => {
            let (from, to) = (network.tap(from), network.tap(to));
            format!("forward iifname {from} oifname {to} drop")
        }
        (End::Server(from), End::Space) => format!("input iifname {} drop", network.tap(from)),
        (End::Space, End::Server(to)) => format!("output oifname {} drop", network.tap(to)),
        (End::Server(_), End::Server(_)) | (End::Space, End::Space) => {
            bail!("both ends of the cut are the same: {from:?}")
        }
    })
}
