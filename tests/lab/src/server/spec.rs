//! What a server is: kept on disk, so that every command sees the same.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::image::{Flavour, Release};

/// A server as it was asked for, with the disks that it has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// `s1` to `s9`: the number decides addresses and serial numbers.
    pub number: u8,
    pub release: Release,
    pub flavour: Flavour,
    pub memory_mib: u32,
    pub disks: Vec<Disk>,
}

/// How a disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    Scsi,
    Nvme,
}

/// A data disk. Its id is `d1` to `d9`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    pub number: u8,
    pub bus: Bus,
    pub size_gib: u64,
    /// A turning disk, for SCSI; NVMe has none.
    pub rotates: bool,
    pub fault: Option<Fault>,
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// Every read of a sector fails as an unreadable medium does.
    Read { sector: u64 },
    /// Every write fails.
    Write,
}

impl Spec {
    /// The ordinary server: two SCSI disks, one turning and one not, and an NVMe disk.
    pub fn new(number: u8) -> Self {
        let disk = |number, bus, rotates| Disk {
            number,
            bus,
            size_gib: 10,
            rotates,
            fault: None,
        };
        Self {
            number,
            release: Release::Bookworm,
            flavour: Flavour::Bios,
            memory_mib: 1536,
            disks: vec![
                disk(1, Bus::Scsi, true),
                disk(2, Bus::Scsi, false),
                disk(3, Bus::Nvme, false),
            ],
        }
    }

    pub fn name(&self) -> String {
        format!("s{}", self.number)
    }

    /// Serial number of the server in the firmware's tables.
    pub fn serial(&self) -> String {
        format!("H8LAB-{}", self.name())
    }

    pub fn uuid(&self) -> String {
        format!("77000000-0000-4000-8000-{:012x}", self.number)
    }

    /// The disk with this id.
    ///
    /// # Errors
    /// When there is none; those that are there are named.
    pub fn disk(&self, id: &str) -> Result<&Disk> {
        let found = self.disks.iter().find(|disk| disk.id() == id);
        found.with_context(|| self.no_disk(id))
    }

    /// The same, to change it.
    ///
    /// # Errors
    /// When there is none.
    pub fn disk_mut(&mut self, id: &str) -> Result<&mut Disk> {
        let none = self.no_disk(id);
        let found = self.disks.iter_mut().find(|disk| disk.id() == id);
        found.context(none)
    }

    /// The lowest number that no disk has.
    ///
    /// # Errors
    /// When there are nine.
    pub fn free_disk_number(&self) -> Result<u8> {
        let free = (1..=9).find(|number| self.disks.iter().all(|disk| disk.number != *number));
        free.with_context(|| format!("{} has nine disks already", self.name()))
    }

    fn no_disk(&self, id: &str) -> String {
        let ids: Vec<String> = self.disks.iter().map(Disk::id).collect();
        format!(
            "{} has no disk {id:?}; it has {}",
            self.name(),
            ids.join(", ")
        )
    }

    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} describes no server", file.display()))
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("a server has no JSON")?;
        let draft = file.with_extension("draft");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, file))
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Disk {
    /// `d1`: its name in commands, and in QEMU.
    pub fn id(&self) -> String {
        format!("d{}", self.number)
    }

    /// The serial number that the server sees.
    pub fn serial(&self, server: u8) -> String {
        format!("H8LAB-S{server}-D{}", self.number)
    }

    /// The world-wide name of a SCSI disk.
    pub fn wwn(&self, server: u8) -> u64 {
        0x5000_c500_7700_0000 + (u64::from(server) << 8) + u64::from(self.number)
    }
}

/// The number in a server's name.
///
/// # Errors
/// When it is no name of a server.
pub fn number_of(name: &str) -> Result<u8> {
    let number = name
        .strip_prefix('s')
        .and_then(|digits| digits.parse().ok());
    match number {
        Some(number @ 1..=9) => Ok(number),
        _ => bail!("{name:?} is no server; they are called s1 to s9"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_disks_of_two_servers_share_serial_or_wwn() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 1..=9 {
            for disk in &Spec::new(number).disks {
                assert!(seen.insert(disk.serial(number)), "{}", disk.serial(number));
                assert!(seen.insert(disk.wwn(number).to_string()));
            }
        }
    }

    #[test]
    fn a_missing_disk_is_named_with_those_that_are_there() {
        let text = Spec::new(2)
            .disk("d7")
            .expect_err("no such disk")
            .to_string();
        assert_eq!(text, "s2 has no disk \"d7\"; it has d1, d2, d3");
    }

    #[test]
    fn only_s1_to_s9_are_servers() {
        assert_eq!(number_of("s3").expect("a server"), 3);
        for name in ["s0", "s10", "s", "x1", ""] {
            assert!(number_of(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_number_of_a_removed_disk_is_given_again() {
        let mut spec = Spec::new(1);
        spec.disks.retain(|disk| disk.number != 2);
        assert_eq!(spec.free_disk_number().expect("a number"), 2);
    }
}
