//! `lab cut` and `lab mend`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::lab::Lab;
use crate::server::{Power, number_of};
use crate::space::{End, Network};

#[derive(Debug, Args)]
pub(super) struct Cut {
    server: String,
    #[arg(value_enum)]
    network: Network,
    /// carrier: pull the cable; silent: nothing passes, the carrier stays; from, to: only what
    /// the server sends or receives vanishes
    #[arg(long, value_enum, default_value_t = How::Carrier)]
    how: How,
    /// With from and to: the other end, a server or the coordinator's namespace
    #[arg(long, default_value = "space")]
    peer: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    Carrier,
    Silent,
    From,
    To,
}

impl Cut {
    pub(super) fn run(&self, lab: &Lab) -> Result<()> {
        let server = lab.server(&self.server)?;
        let (space, network) = (lab.space(), self.network);
        let (here, there) = (End::Server(server.name()), peer(&self.peer)?);
        match self.how {
            How::Carrier => server.set_carrier(network, false),
            How::Silent => space.silence(&server.name(), network),
            How::From => space.drop_one_way(network, &here, &there),
            How::To => space.drop_one_way(network, &there, &here),
        }
    }
}

fn peer(name: &str) -> Result<End> {
    if name == "space" {
        return Ok(End::Space);
    }
    number_of(name)?;
    Ok(End::Server(name.to_owned()))
}

/// Undoes every cut of every server that is on; one that is off comes back whole anyway.
pub(super) fn mend(lab: &Lab) -> Result<()> {
    lab.space().drop_nothing()?;
    for server in lab.servers()? {
        for network in Network::ALL {
            lab.space().unsilence(&server.name(), network)?;
            if server.power()? == Power::On {
                server.set_carrier(network, true)?;
            }
        }
    }
    Ok(())
}
