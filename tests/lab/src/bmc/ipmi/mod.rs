//! IPMI-over-LAN: OpenIPMI's `ipmi_sim` speaks it, on a loopback address that only the relay knows.
//!
//! ```text
//! ipmitool --> relay (BMC's address, 623) --> ipmi_sim --> lab bmc-hook --> socket --> Board
//! ```
//!
//! `ipmi_sim` answers nobody while its hook runs, so the hook is quick and slowness is the relay's.

pub mod config;
pub mod hook;
pub mod relay;
pub mod sim;
pub mod socket;
