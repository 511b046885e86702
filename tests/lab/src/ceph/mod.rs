//! Real Ceph, two ways: the quick cluster on loopback ([`loopback`]), for tests without servers,
//! and the cluster over the lab's servers ([`servers`]), whose monitor and manager run in the
//! namespace and whose OSDs are made with `ceph-volume` on the servers' disks.
//!
//! Both are run without systemd here, and every question goes through the `ceph` program, as an
//! operator asks it.

mod birth;
mod client;
mod conf;
mod heart;
pub mod loopback;
mod pgs;
mod place;
pub mod servers;

pub use self::client::Client;
pub use self::heart::{Heart, Site};
pub use self::pgs::Pgs;
pub use self::place::Place;
