//! One collector for each part of the server.

mod disks;
mod managers;
mod network;
mod packages;
mod runtime;
mod system;

use std::sync::Arc;

use h8lio_model::inventory::{Domain, DomainMode};

use super::{Collector, Hosts, Shared};
use crate::config::Modes;

/// The collectors of the domains that are not off, cheapest first.
pub fn collectors(hosts: &Hosts, modes: &Modes, shared: &Arc<Shared>) -> Vec<Box<dyn Collector>> {
    let on = |domain| modes.get(&domain) != Some(&DomainMode::Off);
    let mut all: Vec<Box<dyn Collector>> =
        vec![Box::new(system::System::new(hosts, Arc::clone(shared)))];
    if on(Domain::Network) {
        all.push(Box::new(network::Network::new(hosts)));
    }
    if on(Domain::Disks) {
        all.push(Box::new(disks::Disks::new(hosts, Arc::clone(shared))));
    }
    if on(Domain::Runtime) {
        all.push(Box::new(runtime::Runtime::new(hosts)));
    }
    all.push(Box::new(managers::Managers::new(hosts, modes.clone())));
    if on(Domain::Patching) {
        all.push(Box::new(packages::Packages::new(hosts, Arc::clone(shared))));
    }
    all
}
