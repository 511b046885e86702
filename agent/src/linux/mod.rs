//! The real server: `/proc`, `/sys`, netlink, D-Bus, sockets and a few host tools.

pub mod exec;
