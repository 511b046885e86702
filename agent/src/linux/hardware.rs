//! The machine, from `/sys/class/dmi/id`, `/proc/cpuinfo` and `/sys/devices/system`.

use std::collections::BTreeSet;

use h8lio_model::inventory::{Cpu, Memory, NumaNode, Problem};
use procfs::{CpuInfo, FromRead, Meminfo};

use super::parsed::parsed;
use super::root::{Root, unreadable};
use crate::host::hardware::{HardwareHost, RawDmi, RawHardware};

/// Reads the machine below a root.
#[derive(Debug, Clone, Default)]
pub struct LinuxHardware {
    root: Root,
}

impl LinuxHardware {
    pub fn new(root: Root) -> Self {
        Self { root }
    }
}

impl HardwareHost for LinuxHardware {
    fn hardware(&self) -> RawHardware {
        let root = &self.root;
        let mut problems = Vec::new();
        let cpuinfo = root.text("proc/cpuinfo").unwrap_or_else(|e| {
            problems.push(unreadable("/proc/cpuinfo", &e));
            String::new()
        });
        let first = first_processor(&cpuinfo);
        RawHardware {
            dmi: dmi(root, &mut problems),
            cpu: cpu(root, &cpuinfo, first.as_ref()),
            hypervisor_flag: hypervisor_flag(first.as_ref()),
            hypervisor_type: root.value("sys/hypervisor/type"),
            memory: memory(root, &mut problems),
            uefi: root
                .exists("sys/firmware")
                .then(|| root.exists("sys/firmware/efi")),
            bmc: root.exists("dev").then(|| has_bmc(root)),
            problems,
        }
    }
}

fn dmi(root: &Root, problems: &mut Vec<Problem>) -> RawDmi {
    let folder = "sys/class/dmi/id";
    if !root.exists(folder) {
        problems.push(Problem {
            what: "/sys/class/dmi/id".into(),
            reason: "Failed".into(),
            message: "the kernel shows no DMI table, so vendor, model and serial are unknown; \
                      the firmware offers none or the kernel lacks DMI support"
                .into(),
        });
        return RawDmi::default();
    }
    let mut read = |name: &str| match root.text(format!("{folder}/{name}")) {
        Ok(text) => {
            let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
            (!text.is_empty()).then(|| text.to_owned())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => {
            problems.push(unreadable(&format!("/{folder}/{name}"), &e));
            None
        }
    };
    RawDmi {
        sys_vendor: read("sys_vendor"),
        product_name: read("product_name"),
        product_serial: read("product_serial"),
        product_uuid: read("product_uuid"),
        board_serial: read("board_serial"),
        bios_version: read("bios_version"),
    }
}

fn has_bmc(root: &Root) -> bool {
    ["dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0"]
        .iter()
        .any(|p| root.exists(p))
}

/// What `/proc/cpuinfo` says of the first processor. Only its lines are parsed: procfs makes a
/// map for each, which is a megabyte on a server with 256 of them, and they differ in nothing
/// that is reported.
fn first_processor(cpuinfo: &str) -> Option<CpuInfo> {
    let end = cpuinfo.find("\n\n").unwrap_or(cpuinfo.len());
    CpuInfo::from_read(&cpuinfo.as_bytes()[..end]).ok()
}

/// Only x86 has flags; elsewhere nothing is said.
fn hypervisor_flag(first: Option<&CpuInfo>) -> Option<bool> {
    let flags = first?.flags(0)?;
    Some(flags.contains(&"hypervisor"))
}

/// x86 and some others name the model with each processor; ARM boards on a line of their own at
/// the end, which procfs passes over.
fn model(cpuinfo: &str, first: Option<&CpuInfo>) -> Option<String> {
    let named = ["model name", "cpu model"]
        .into_iter()
        .find_map(|name| first?.get_field(0, name));
    let board = || {
        let lines = cpuinfo.lines().filter_map(|l| l.split_once(':'));
        let named = lines.filter(|(key, _)| ["Model", "Hardware"].contains(&key.trim()));
        named.map(|(_, value)| value.trim()).next()
    };
    named
        .or_else(board)
        .filter(|m| !m.is_empty())
        .map(str::to_owned)
}

fn cpu(root: &Root, cpuinfo: &str, first: Option<&CpuInfo>) -> Cpu {
    let folder = "sys/devices/system/cpu";
    let (mut sockets, mut cores, mut threads) = (BTreeSet::new(), BTreeSet::new(), 0);
    for name in root.names(folder) {
        let numbered = name.strip_prefix("cpu").is_some_and(is_number);
        // Processor 0 often has no `online` file: it cannot be taken offline.
        if !numbered || root.flag(format!("{folder}/{name}/online")) == Some(false) {
            continue;
        }
        threads += 1;
        let topology = |what: &str| root.value(format!("{folder}/{name}/topology/{what}"));
        let socket = topology("physical_package_id");
        if let Some(core) = topology("core_id") {
            // A core id is unique within its die, a die within its socket.
            cores.insert((socket.clone(), topology("die_id"), core));
        }
        sockets.extend(socket);
    }
    let listed = cpuinfo
        .lines()
        .filter(|l| {
            l.split_once(':')
                .is_some_and(|(k, _)| k.trim() == "processor")
        })
        .count();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Cpu {
        architecture: std::env::consts::ARCH.to_owned(),
        model: model(cpuinfo, first),
        sockets: count(sockets.len()),
        cores: count(cores.len()),
        threads: if threads > 0 { threads } else { count(listed) },
    }
}

fn memory(root: &Root, problems: &mut Vec<Problem>) -> Memory {
    let meminfo = parsed::<Meminfo>(root, "proc/meminfo");
    Memory {
        total_bytes: meminfo.map(|m| m.mem_total).unwrap_or_else(|problem| {
            problems.push(problem);
            0
        }),
        numa_nodes: numa_nodes(root),
    }
}

fn numa_nodes(root: &Root) -> Vec<NumaNode> {
    let folder = "sys/devices/system/node";
    let mut nodes: Vec<NumaNode> = root
        .names(folder)
        .iter()
        .filter_map(|name| {
            let id = name.strip_prefix("node").filter(|n| is_number(n))?;
            let meminfo = root.text(format!("{folder}/{name}/meminfo"));
            Some(NumaNode {
                id: id.parse().ok()?,
                cpus: root
                    .value(format!("{folder}/{name}/cpulist"))
                    .unwrap_or_default(),
                memory_bytes: meminfo.ok().and_then(|t| total_of_node(&t)).unwrap_or(0),
            })
        })
        .collect();
    nodes.sort_by_key(|n| n.id);
    nodes
}

/// Bytes of the line `Node 0 MemTotal: 12 kB`: a form of `/sys` that procfs does not know.
fn total_of_node(text: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|w| *w != "MemTotal:");
        words.next()?;
        words.next()?.parse::<u64>().ok()?.checked_mul(1024)
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
