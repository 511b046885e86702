//! The real server: `/proc`, `/sys`, netlink, D-Bus, sockets and a few host tools.

pub mod disks;
pub mod exec;
pub mod hardware;
pub mod os;
pub mod osds;
pub mod root;
pub mod vitals;
