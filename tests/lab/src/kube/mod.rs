//! Real Kubernetes: the control plane in the namespace, a kubelet with containerd on each server.
//!
//! Debian ships its source (1.20.2) and no longer its programs, so they are built once
//! ([`programs`]) and kept in the lab's cache.

mod apt;
mod build;
mod cluster;
mod control;
mod image;
mod kubectl;
mod kubelet;
mod openapi;
mod pki;
pub mod programs;
mod source;
mod workload;

pub use self::cluster::Cluster;
pub use self::control::Control;
pub use self::kubectl::Kubectl;
pub use self::workload::Workload;
