//! Data disks: given, taken, broken and healed while the server runs.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Bus, Disk, Fault, Power, Server, devices};
use crate::clock::until;

const GIB: u64 = 1024 * 1024 * 1024;

/// The server must agree to let a disk go, which takes a moment.
const UNPLUG_WITHIN: Duration = Duration::from_secs(60);

/// An empty disk; it takes the space that is written.
pub(super) fn make_file(file: &Path, size_gib: u64) -> Result<()> {
    File::create(file)
        .and_then(|made| made.set_len(size_gib * GIB))
        .with_context(|| format!("cannot make {}", file.display()))
}

impl Server<'_> {
    /// Gives it a new, empty disk, plugged in at once when it runs.
    ///
    /// # Errors
    /// When it has nine, or QEMU refuses.
    pub fn add_disk(&self, bus: Bus, size_gib: u64) -> Result<Disk> {
        let mut spec = self.spec()?;
        let disk = Disk {
            number: spec.free_disk_number()?,
            bus,
            size_gib,
            rotates: false,
            fault: None,
        };
        let (places, id) = (self.places(), disk.id());
        make_file(&places.disk(&id), size_gib)?;
        if self.power()? == Power::On {
            for node in devices::nodes(&disk, &places.disk(&id)) {
                self.qmp("blockdev-add", &node)?;
            }
            self.qmp("device_add", &devices::device(&disk, self.number))?;
        }
        spec.disks.push(disk.clone());
        spec.write(&places.spec())?;
        Ok(disk)
    }

    /// Takes a disk away, pulled out while it runs. What was on it is gone.
    ///
    /// # Errors
    /// When there is no such disk, or the server does not let it go.
    pub fn remove_disk(&self, id: &str) -> Result<()> {
        let mut spec = self.spec()?;
        let disk = spec.disk(id)?.clone();
        if self.power()? == Power::On {
            self.unplug(&disk)?;
        }
        spec.disks.retain(|other| other.number != disk.number);
        spec.write(&self.places().spec())?;
        let file = self.places().disk(id);
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))
    }

    /// Breaks a disk, at once and through every later boot, until it is healed.
    ///
    /// # Errors
    /// When there is no such disk, or QEMU refuses.
    pub fn break_disk(&self, id: &str, fault: Fault) -> Result<()> {
        self.heal_disk(id)?;
        let mut spec = self.spec()?;
        let disk = spec.disk_mut(id)?;
        disk.fault = Some(fault);
        let disk = disk.clone();
        if self.power()? == Power::On {
            self.qmp("blockdev-add", &devices::fault_node(&disk, fault))?;
            self.reopen(&disk)?;
        }
        spec.write(&self.places().spec())
    }

    /// Undoes [`Server::break_disk`]. A healthy disk stays as it is.
    ///
    /// # Errors
    /// When there is no such disk, or QEMU refuses.
    pub fn heal_disk(&self, id: &str) -> Result<()> {
        let mut spec = self.spec()?;
        let disk = spec.disk_mut(id)?;
        if disk.fault.take().is_none() {
            return Ok(());
        }
        let disk = disk.clone();
        if self.power()? == Power::On {
            self.reopen(&disk)?;
            let fault = json!({"node-name": devices::fault_name(&disk)});
            self.qmp("blockdev-del", &fault)?;
        }
        spec.write(&self.places().spec())
    }

    /// Lets an NVMe disk's SMART say that its reliability is degraded (critical warning 4), or
    /// nothing again. It lasts until the server loses power.
    ///
    /// # Errors
    /// When it is no NVMe disk, or the server is off.
    pub fn set_smart_warning(&self, id: &str, warns: bool) -> Result<()> {
        let spec = self.spec()?;
        let device = devices::device_id(spec.disk(id)?);
        let value = if warns { 4 } else { 0 };
        let property = json!({
            "path": format!("/machine/peripheral/{device}"),
            "property": "smart_critical_warning", "value": value,
        });
        self.qmp("qom-set", &property)
            .with_context(|| format!("{id} of {} has no SMART of its own", self.name()))?;
        Ok(())
    }

    fn reopen(&self, disk: &Disk) -> Result<()> {
        let options = json!({"options": [devices::raw_node(disk)]});
        self.qmp("blockdev-reopen", &options)?;
        Ok(())
    }

    /// What an earlier attempt already took away is fine.
    fn unplug(&self, disk: &Disk) -> Result<()> {
        let device = devices::device_id(disk);
        if self.has_device(&device)? {
            self.qmp("device_del", &json!({"id": device}))?;
        }
        let what = format!("{} lets go of {}", self.name(), disk.id());
        until(&what, UNPLUG_WITHIN, || {
            Ok((!self.has_device(&device)?).then_some(()))
        })?;
        let fault = disk.fault.map(|_| devices::fault_name(disk));
        let nodes = [Some(disk.id()), fault, Some(devices::file_name(disk))];
        for node in nodes.into_iter().flatten() {
            self.drop_node(&node)?;
        }
        Ok(())
    }

    fn has_device(&self, id: &str) -> Result<bool> {
        let there = self.qmp("qom-list", &json!({"path": "/machine/peripheral"}))?;
        Ok(names(&there, "name").any(|name| name == id))
    }

    /// QEMU holds on to a node for a moment after its device is gone.
    fn drop_node(&self, node: &str) -> Result<()> {
        until(&format!("QEMU lets go of {node}"), UNPLUG_WITHIN, || {
            let nodes = self.qmp("query-named-block-nodes", &json!({"flat": true}))?;
            if !names(&nodes, "node-name").any(|name| name == node) {
                return Ok(Some(()));
            }
            match self.qmp("blockdev-del", &json!({"node-name": node})) {
                Err(e) if !e.to_string().contains("in use") => Err(e),
                _ => Ok(None),
            }
        })
    }
}

fn names<'a>(list: &'a Value, key: &'a str) -> impl Iterator<Item = &'a str> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(move |item| item.get(key)?.as_str())
}
