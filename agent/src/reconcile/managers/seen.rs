//! Questions to the traces, answered with evidence in words.

use crate::host::managers::{ManagerTraces, UnitTrace};

/// Traces that can be asked.
pub(super) struct Seen<'a>(pub(super) &'a ManagerTraces);

impl Seen<'_> {
    /// Units of these names that run or start by themselves.
    pub(super) fn units(&self, names: &[&str]) -> Vec<String> {
        self.units_where(|name| names.contains(&name))
    }

    /// Units whose names satisfy `wanted`, that run or start by themselves.
    pub(super) fn units_where(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let units = self.0.units.iter().flatten();
        units
            .filter(|u| wanted(&u.name))
            .filter_map(described)
            .collect()
    }

    /// systemd could be asked.
    pub(super) fn knows_units(&self) -> bool {
        self.0.units.is_some()
    }

    /// Running processes of these names.
    pub(super) fn processes(&self, names: &[&str]) -> Vec<String> {
        let processes = self.0.processes.iter().flatten();
        processes
            .filter(|p| names.contains(&p.as_str()))
            .map(|p| format!("process {p}"))
            .collect()
    }

    /// Installed packages of these names.
    pub(super) fn packages(&self, names: &[&str]) -> Vec<String> {
        let packages = self.0.packages.iter().flatten();
        packages
            .filter(|p| names.contains(&p.as_str()))
            .map(|p| format!("package {p}"))
            .collect()
    }

    /// The package database could be asked.
    pub(super) fn knows_packages(&self) -> bool {
        self.0.packages.is_some()
    }

    /// Files and folders at these paths.
    pub(super) fn paths(&self, paths: &[&str]) -> Vec<String> {
        let files = self.0.files.iter();
        files
            .filter(|f| paths.contains(&f.as_str()))
            .cloned()
            .collect()
    }

    /// Entries of `folder` whose names satisfy `wanted`.
    pub(super) fn entries(&self, folder: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let files = self.0.files.iter();
        files
            .filter(|f| {
                f.strip_prefix(folder)
                    .and_then(|rest| rest.strip_prefix('/'))
                    .is_some_and(|name| !name.contains('/') && wanted(name))
            })
            .cloned()
            .collect()
    }

    /// Pods whose logs stand on this server, by namespace and name.
    pub(super) fn pods(&self, wanted: impl Fn(&str, &str) -> bool) -> Vec<String> {
        // The folder's name is namespace, name and id, joined by underscores, which no
        // Kubernetes name may hold.
        self.entries("/var/log/pods", |entry| {
            let mut parts = entry.split('_');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(namespace), Some(name), Some(_)) => wanted(namespace, name),
                _ => false,
            }
        })
    }
}

fn described(unit: &UnitTrace) -> Option<String> {
    let state = match (unit.active, unit.enabled) {
        (true, true) => "is active and enabled",
        (true, false) => "is active",
        (false, true) => "is enabled",
        (false, false) => return None,
    };
    Some(format!("{} {state}", unit.name))
}
