//! `lab disk`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::checks::say;
use crate::lab::Lab;
use crate::server::{Bus, Fault};

#[derive(Debug, Args)]
pub(super) struct DiskCommand {
    server: String,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show its disks
    List,
    /// Give it a new, empty one
    Add {
        #[arg(value_enum, default_value_t = Bus::Scsi)]
        bus: Bus,
        /// Size in GiB
        #[arg(long, default_value_t = 10)]
        size: u64,
    },
    /// Take one away
    Remove { disk: String },
    /// Let reads of a sector fail, or every write
    Break {
        disk: String,
        /// The sector that cannot be read, 512 bytes each
        #[arg(long, default_value_t = 2048)]
        sector: u64,
        /// Fail writes instead
        #[arg(long)]
        writes: bool,
    },
    /// Undo that
    Heal { disk: String },
    /// Let an NVMe disk's SMART warn, or (--clear) not
    Smart {
        disk: String,
        #[arg(long)]
        clear: bool,
    },
}

impl DiskCommand {
    pub(super) fn run(&self, lab: &Lab) -> Result<()> {
        let server = lab.server(&self.server)?;
        match &self.action {
            Action::List => {
                let spec = server.spec()?;
                for disk in &spec.disks {
                    let fault = disk
                        .fault
                        .map_or(String::new(), |fault| format!("  {fault:?}"));
                    say(&format!(
                        "{}  {:?}  {} GiB  {}{fault}",
                        disk.id(),
                        disk.bus,
                        disk.size_gib,
                        disk.serial(spec.number)
                    ));
                }
            }
            Action::Add { bus, size } => say(&server.add_disk(*bus, *size)?.id()),
            Action::Remove { disk } => server.remove_disk(disk)?,
            Action::Break {
                disk, writes: true, ..
            } => server.break_disk(disk, Fault::Write)?,
            Action::Break { disk, sector, .. } => {
                server.break_disk(disk, Fault::Read { sector: *sector })?;
            }
            Action::Heal { disk } => server.heal_disk(disk)?,
            Action::Smart { disk, clear } => server.set_smart_warning(disk, !clear)?,
        }
        Ok(())
    }
}
