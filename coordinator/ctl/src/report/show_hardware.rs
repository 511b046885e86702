//! The tables of `node show`: system, disks, interfaces, OSDs.

use h8lio_model::inventory::{
    Carrier, Disk, Health, Interface, InterfaceKind, Inventory, Osd, OsdManager, Transport,
    UnusableReason,
};
use jiff::Timestamp;

use crate::output::{Cell, Table, Text, Tone, ago, bytes, count, joined, or_dash};

pub(super) fn system(text: &mut Text, inventory: &Inventory, as_of: Timestamp) {
    text.heading("System");
    match &inventory.os {
        None => text.field("os", "not reported"),
        Some(os) => {
            let name = os
                .name
                .clone()
                .unwrap_or_else(|| format!("{} {}", os.id, or_dash(os.version.as_ref())));
            text.field("os", name);
            text.field("hostname", &os.hostname);
            text.field("kernel", &os.kernel);
            text.field("boot id", or_dash(os.boot_id.as_ref()));
            if os.booted_at.is_some() {
                text.field("up for", ago(os.booted_at, as_of));
            }
            let daemon = or_dash(os.clock.daemon.as_ref());
            let clock = match os.clock.synchronized {
                Some(true) => format!("synchronised by {daemon}"),
                Some(false) => format!("NOT synchronised (daemon: {daemon})"),
                None => "synchronisation unknown".to_owned(),
            };
            text.field("clock", clock);
        }
    }
    if let Some(h) = &inventory.hardware {
        let names = [h.manufacturer.as_deref(), h.product.as_deref()];
        let model: Vec<&str> = names.into_iter().flatten().collect();
        text.field("model", or_dash(Some(&model.join(" "))));
        text.field("serial", or_dash(h.serial.as_ref()));
        text.field("bios", or_dash(h.bios_version.as_ref()));
        if let Some(v) = &h.virtualization {
            text.field("virtual", v);
        }
    }
    if let Some(c) = &inventory.cpu {
        text.field(
            "cpu",
            format!(
                "{} × {}, {}, {}, {}",
                c.sockets,
                or_dash(c.model.as_ref()),
                count(c.cores as usize, "core"),
                count(c.threads as usize, "thread"),
                c.architecture
            ),
        );
    }
    if let Some(m) = &inventory.memory {
        let nodes = m.numa_nodes.len();
        text.field(
            "memory",
            format!(
                "{}, {}",
                bytes(m.total_bytes, false),
                count(nodes, "NUMA node")
            ),
        );
    }
}

pub(super) fn disks(text: &mut Text, disks: Option<&[Disk]>, wide: bool) {
    text.heading("Disks");
    let Some(disks) = disks else {
        return text.line(1, "not reported");
    };
    let mut header = vec![
        "DEVICE", "SIZE", "TYPE", "MODEL", "SERIAL", "SLOT", "HEALTH", "USE",
    ];
    if wide {
        header.extend(["WWN", "FIRMWARE"]);
    }
    let mut table = Table::new(&header);
    for d in disks {
        let mut row = vec![
            d.device.as_str().into(),
            bytes(d.size_bytes, true).into(),
            kind(d).into(),
            or_dash(d.model.as_ref()).into(),
            or_dash(d.serial.as_ref()).into(),
            or_dash(d.slot.as_ref()).into(),
            health(&d.health, wide),
            usage(d).into(),
        ];
        if wide {
            row.extend([
                or_dash(d.wwn.as_ref()).into(),
                or_dash(d.firmware.as_ref()).into(),
            ]);
        }
        table.row(row);
    }
    text.table(&table, "none");
}

fn kind(d: &Disk) -> String {
    let transport = match d.transport {
        Transport::Sata => "sata",
        Transport::Sas => "sas",
        Transport::Scsi => "scsi",
        Transport::Nvme => "nvme",
        Transport::Virtio => "virtio",
        Transport::Usb => "usb",
        Transport::Mmc => "mmc",
        Transport::Other => "other",
    };
    match d.rotational {
        Some(true) => format!("{transport} hdd"),
        Some(false) => format!("{transport} ssd"),
        None => transport.to_owned(),
    }
}

fn health(h: &Health, wide: bool) -> Cell {
    match h {
        Health::Healthy => Cell::toned("healthy", Tone::Good),
        Health::Failing { evidence } => {
            Cell::toned(format!("FAILING: {}", evidence.join("; ")), Tone::Bad)
        }
        Health::Unknown { .. } if !wide => Cell::toned("unknown", Tone::Warn),
        Health::Unknown { reason } => Cell::toned(format!("unknown: {reason}"), Tone::Warn),
    }
}

/// `free`, or every reason why not.
fn usage(d: &Disk) -> String {
    if d.unusable.is_empty() {
        return "free".to_owned();
    }
    let mut uses: Vec<String> = Vec::new();
    let mut system: Vec<&str> = Vec::new();
    for reason in &d.unusable {
        match reason {
            UnusableReason::SystemDisk { mount } => system.push(mount),
            other => uses.push(unusable(other)),
        }
    }
    if !system.is_empty() {
        uses.insert(0, format!("system disk ({})", system.join(", ")));
    }
    uses.join("; ")
}

fn unusable(r: &UnusableReason) -> String {
    match r {
        UnusableReason::SystemDisk { mount } => format!("system disk ({mount})"),
        UnusableReason::Mounted { mount } => format!("mounted on {mount}"),
        UnusableReason::BehindController { controller } => {
            format!("behind the RAID controller {controller}")
        }
        UnusableReason::Held { by } => format!("held by {by}"),
        UnusableReason::Signature { kind, device } => format!("{kind} on {device}"),
        UnusableReason::Partitioned { count } => self::count(*count as usize, "partition"),
        UnusableReason::CephOsd { osd_id, .. } => {
            osd_id.map_or_else(|| "an OSD".to_owned(), |id| format!("osd.{id}"))
        }
        UnusableReason::NoStableIdentity => "no WWN and no serial".to_owned(),
        UnusableReason::ReadOnly => "read-only".to_owned(),
        UnusableReason::Removable => "removable".to_owned(),
        UnusableReason::TooSmall { .. } => "too small".to_owned(),
        UnusableReason::Failing => "failing".to_owned(),
        UnusableReason::SignaturesUnknown { why } => format!("signatures unknown ({why})"),
    }
}

/// Without `wide`, virtual interfaces of containers and the loopback are left out.
pub(super) fn interfaces(text: &mut Text, interfaces: Option<&[Interface]>, wide: bool) {
    text.heading("Interfaces");
    let Some(interfaces) = interfaces else {
        return text.line(1, "not reported");
    };
    let quiet =
        |i: &&Interface| matches!(i.kind, InterfaceKind::Veth | InterfaceKind::Loopback) && !wide;
    let mut table = Table::new(&[
        "NAME",
        "KIND",
        "LINK",
        "MTU",
        "MAC",
        "DRIVER",
        "ADDRESSES",
        "MEMBERS",
        "NEIGHBOUR",
    ]);
    for i in interfaces.iter().filter(|i| !quiet(i)) {
        let neighbours: Vec<String> = i
            .lldp
            .iter()
            .map(|n| {
                let system = or_dash(n.system_name.as_ref());
                format!("{system} {}", or_dash(n.port_id.as_ref()))
            })
            .collect();
        table.row(vec![
            i.name.as_str().into(),
            interface_kind(i).into(),
            link(i),
            i.mtu.to_string().into(),
            or_dash(i.mac.as_ref()).into(),
            or_dash(i.driver.as_ref()).into(),
            joined(&i.addresses).into(),
            members(i).into(),
            joined(&neighbours).into(),
        ]);
    }
    text.table(&table, "none");
    let hidden = interfaces.iter().filter(quiet).count();
    if hidden > 0 {
        text.line(1, format!("{hidden} loopback or veth not shown (-o wide)"));
    }
}

fn interface_kind(i: &Interface) -> String {
    match i.kind {
        InterfaceKind::Physical => "physical".to_owned(),
        InterfaceKind::Loopback => "loopback".to_owned(),
        InterfaceKind::Bond => {
            let mode = i.bond.as_ref().map(|b| b.mode.as_str());
            format!("bond {}", mode.unwrap_or_default())
                .trim()
                .to_owned()
        }
        InterfaceKind::Vlan => match &i.vlan {
            Some(v) => format!("vlan {} on {}", v.id, v.parent),
            None => "vlan".to_owned(),
        },
        InterfaceKind::Bridge => "bridge".to_owned(),
        InterfaceKind::Veth => "veth".to_owned(),
        InterfaceKind::Tunnel => "tunnel".to_owned(),
        InterfaceKind::Other => "other".to_owned(),
    }
}

fn link(i: &Interface) -> Cell {
    match (i.admin_up, i.carrier) {
        (false, _) => Cell::toned("off", Tone::Faint),
        (true, Carrier::Down) => Cell::toned("no carrier", Tone::Bad),
        (true, Carrier::Unknown) => "unknown".into(),
        (true, Carrier::Up) => match i.speed_mbps {
            Some(s) if s % 1000 == 0 => format!("up {} Gbit/s", s / 1000).into(),
            Some(s) => format!("up {s} Mbit/s").into(),
            None => "up".into(),
        },
    }
}

/// A bond's legs with those that are up, or a bridge's ports, or whom it belongs to.
fn members(i: &Interface) -> String {
    if let Some(b) = &i.bond {
        return format!(
            "{} ({} of {} up)",
            joined(&b.members),
            b.members_up.len(),
            b.members.len()
        );
    }
    if let Some(b) = &i.bridge {
        return joined(&b.members);
    }
    i.controller
        .as_ref()
        .map_or_else(|| "-".to_owned(), |c| format!("of {c}"))
}

pub(super) fn osds(text: &mut Text, osds: Option<&[Osd]>) {
    text.heading("OSDs");
    let Some(osds) = osds else {
        return text.line(1, "not reported");
    };
    let mut table = Table::new(&["OSD", "STATE", "CLASS", "MANAGER", "DISKS", "FSID"]);
    for o in osds {
        let state = match o.running {
            Some(true) => Cell::toned("running", Tone::Good),
            Some(false) => Cell::toned("not running", Tone::Bad),
            None => Cell::toned("unknown", Tone::Warn),
        };
        let manager = match o.manager {
            OsdManager::Packages => "packages",
            OsdManager::Cephadm => "cephadm",
            OsdManager::Rook => "rook",
            OsdManager::Unknown => "unknown",
        };
        let disks: Vec<&str> = o.disks.iter().map(|d| d.as_str()).collect();
        table.row(vec![
            format!("osd.{}", o.id).into(),
            state,
            or_dash(o.device_class.as_ref()).into(),
            manager.into(),
            joined(&disks).into(),
            or_dash(o.fsid.as_ref()).into(),
        ]);
    }
    text.table(&table, "none");
}
