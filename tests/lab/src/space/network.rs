//! The two networks and who has which address.

use std::net::Ipv4Addr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A network of the lab. Every server has a NIC in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Management: ssh, the coordinator, the BMCs.
    Mgmt,
    /// Private: Ceph and Kubernetes.
    Priv,
}

impl Network {
    pub const ALL: [Self; 2] = [Self::Mgmt, Self::Priv];

    /// Host part of the namespace's own address, where the coordinator listens.
    pub const SPACE: u8 = 1;

    /// Name of the bridge, and of the network in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mgmt => "mgmt",
            Self::Priv => "priv",
        }
    }

    pub fn address(self, host: u8) -> Ipv4Addr {
        match self {
            Self::Mgmt => Ipv4Addr::new(10, 77, 0, host),
            Self::Priv => Ipv4Addr::new(10, 77, 1, host),
        }
    }

    /// The namespace's own address.
    pub fn space(self) -> Ipv4Addr {
        self.address(Self::SPACE)
    }

    /// The address of the server with this number, from 1 to 9.
    pub fn server(self, number: u8) -> Ipv4Addr {
        self.address(10 + number)
    }

    /// The address of that server's BMC, in the management network.
    pub fn bmc(number: u8) -> Ipv4Addr {
        Self::Mgmt.address(20 + number)
    }

    /// The MAC address of the server's NIC. The image knows its addresses by it.
    pub fn mac(self, number: u8) -> String {
        let network = match self {
            Self::Mgmt => 0,
            Self::Priv => 1,
        };
        format!("52:54:00:77:{network:02x}:{number:02x}")
    }

    /// Name of the tap of a server: at most 15 bytes, which is what the kernel takes.
    pub fn tap(self, server: &str) -> String {
        format!("{server}-{}", self.name())
    }
}
