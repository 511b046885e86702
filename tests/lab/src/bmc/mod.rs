//! One BMC a server, reached by the clients that operators use: IPMI-over-LAN and Redfish.
//!
//! A BMC is one process (`lab bmc-serve FOLDER`) with a folder of its own. Both protocols end at one
//! [`board::Board`], which holds the server's power switch and decides, by the [`mode::Mode`] of the
//! moment, whether an order is obeyed and what is told. Being slow or dead is a matter of the wire,
//! so it is done there: [`ipmi::relay`] for datagrams, [`redfish::listen`] for connections.

pub mod board;
pub mod folder;
pub mod handle;
pub mod ipmi;
mod log;
pub mod mode;
pub mod power;
pub mod redfish;
pub mod scripted;
pub mod serve;
mod server;

pub use board::{Act, Board};
pub use folder::{BmcFolder, Settings};
pub use handle::{Bmc, all, how_to_ask};
pub use mode::Mode;
pub use power::{Power, PowerSwitch};
