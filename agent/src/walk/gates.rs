//! Node-local gates, read from the same facts that are reported.

use h8lio_model::inventory::{Carrier, InterfaceKind};

use crate::reconcile::patching::way::gates::{Answers, Gate};
use crate::reconcile::{network, runtime};
use crate::report::Hosts;

/// Asks the gates.
pub trait GateReader: Send + Sync {
    /// Those that can be asked now. Blocks for some seconds.
    fn answers(&self) -> Answers;
}

impl GateReader for Hosts {
    fn answers(&self) -> Answers {
        let mut out = Answers::new();
        let links = network::facts(&self.network.network(), None);
        for i in links.interfaces.iter().filter(|i| i.admin_up) {
            if matches!(i.kind, InterfaceKind::Physical | InterfaceKind::Bond) {
                // With its speed in its name, so that a slower link is not the one from before.
                let speed = i
                    .speed_mbps
                    .map_or_else(String::new, |s| format!(" at {s} Mbit/s"));
                let gate = Gate::Link(format!("{}{speed}", i.name));
                out.insert(gate, i.carrier == Carrier::Up);
            }
        }
        let runs = runtime::facts(&self.runtime.runtime());
        if !runs.endpoints.is_empty() {
            let ready = runs
                .endpoints
                .iter()
                .all(|e| e.fault.is_none() && e.conditions.iter().all(|c| c.status));
            out.insert(Gate::Runtime, ready);
        }
        if let Some(healthy) = runs.kubelet.and_then(|k| k.healthy) {
            out.insert(Gate::Kubelet, healthy);
        }
        // An OSD that has ended is not listed, and so does not pass.
        for process in self.osds.osds().running.into_iter().flatten() {
            out.insert(Gate::Osd(process.id), true);
        }
        out
    }
}
