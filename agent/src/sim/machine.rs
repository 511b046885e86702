//! Hardware, operating system, clock, vitals.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::inventory::{Cpu, FilesystemUsage, Memory, NumaNode, Pressure, Problem, Vitals};

use super::server::SimHost;
use crate::host::hardware::{HardwareHost, RawDmi, RawHardware};
use crate::host::os::{OsHost, RawClock, RawOs};
use crate::host::vitals::{RawVitals, VitalsHost};

/// The part of faults that these hang by.
const PART: &str = "system";

impl HardwareHost for SimHost {
    fn hardware(&self) -> RawHardware {
        let state = self.read(PART);
        let h = &state.server.hardware;
        let name = &state.server.hostname;
        let serial = if h.serial.is_empty() {
            format!("SIM-{}", name.to_uppercase())
        } else {
            h.serial.clone()
        };
        RawHardware {
            dmi: RawDmi {
                sys_vendor: Some(h.manufacturer.clone()),
                product_name: Some(h.product.clone()),
                product_uuid: Some(uuid_of(&serial)),
                board_serial: Some(format!("{serial}-B")),
                bios_version: Some("1.0.0".into()),
                product_serial: Some(serial),
            },
            cpu: Cpu {
                architecture: "x86_64".into(),
                model: Some("Simulated CPU".into()),
                sockets: h.sockets,
                cores: h.cores,
                threads: h.threads,
            },
            hypervisor_flag: Some(false),
            hypervisor_type: None,
            memory: Memory {
                total_bytes: h.memory_gib << 30,
                numa_nodes: (0..h.sockets)
                    .map(|id| numa(id, h.sockets, h.threads, h.memory_gib))
                    .collect(),
            },
            uefi: Some(true),
            bmc: Some(h.bmc),
            problems: Vec::new(),
        }
    }
}

fn numa(id: u32, nodes: u32, threads: u32, memory_gib: u64) -> NumaNode {
    let share = (threads / nodes).max(1);
    NumaNode {
        id,
        cpus: format!("{}-{}", id * share, (id + 1) * share - 1),
        memory_bytes: (memory_gib << 30) / u64::from(nodes),
    }
}

/// A UUID that is the same for the same serial, as a board's is.
fn uuid_of(serial: &str) -> String {
    let digest = h8lio_model::section::Digest::of(serial.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.0[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

impl OsHost for SimHost {
    fn os(&self) -> RawOs {
        let state = self.read(PART);
        let (name, os) = (&state.server.hostname, &state.server.os);
        RawOs {
            os_release: Some(format!(
                "ID={}\nVERSION_ID=\"{}\"\nPRETTY_NAME=\"{}\"\n",
                os.id, os.version, os.name
            )),
            hostname: Some(name.clone()),
            kernel: Some(os.kernel.clone()),
            boot_id: Some(state.boot_id.to_string()),
            booted_at_seconds: Some(state.booted_at.as_second()),
            machine_id: Some(uuid_of(name).replace('-', "")),
            init: Some("systemd".into()),
            command_line: Some(format!("BOOT_IMAGE=/boot/vmlinuz-{} ro quiet", os.kernel)),
            problems: Vec::new(),
        }
    }

    fn clock(&self) -> RawClock {
        let state = self.read(PART);
        let daemon = state.server.os.clock.clone();
        RawClock {
            kernel_synchronized: Some(!daemon.is_empty()),
            daemons: Some(daemon).filter(|d| !d.is_empty()).into_iter().collect(),
            ..RawClock::default()
        }
    }

    fn running(&self, names: &[&str]) -> Result<BTreeSet<String>, Problem> {
        let state = self.read(PART);
        let server = &state.server;
        let osds = server.disk.iter().filter_map(|d| d.osd);
        let down = server.ceph.as_ref().map_or(&[][..], |c| &c.down);
        let osd = osds.filter(|id| !down.contains(id)).map(|_| "ceph-osd");
        let kubelet = server.runtime.iter().filter(|r| r.kubelet_up);
        let named = server.traces.processes.iter().map(String::as_str);
        let all = osd.chain(kubelet.map(|_| "kubelet")).chain(named);
        Ok(all
            .filter(|name| names.contains(name))
            .map(str::to_owned)
            .collect())
    }
}

impl VitalsHost for SimHost {
    fn vitals(&self) -> RawVitals {
        let state = self.read(PART);
        let memory = state.server.hardware.memory_gib << 30;
        let up = self.now().duration_since(state.booted_at).as_secs();
        let used = state.server.os.var_used_percent;
        let calm = Pressure {
            some_avg10: 0.0,
            full_avg10: Some(0.0),
        };
        let resources = ["cpu", "io", "memory"];
        let vitals = Vitals {
            uptime_seconds: u64::try_from(up).unwrap_or(0),
            load1: 1.5,
            memory_available_bytes: memory / 2,
            pressure: resources.map(|r| (r.to_owned(), calm)).into(),
            filesystems: vec![filesystem("/", 35), filesystem("/var", used)],
            ..Vitals::default()
        };
        RawVitals {
            vitals,
            problems: Vec::new(),
        }
    }

    fn sensors(&self) -> BTreeMap<String, i32> {
        let sockets = self.read(PART).server.hardware.sockets;
        let name = |n| format!("coretemp Package id {n}");
        (0..sockets).map(|n| (name(n), 48)).collect()
    }
}

fn filesystem(mount: &str, used_percent: u64) -> FilesystemUsage {
    let total: u64 = 200 << 30;
    FilesystemUsage {
        mount: mount.to_owned(),
        total_bytes: total,
        available_bytes: total / 100 * (100 - used_percent.min(100)),
        read_only: false,
        inodes_total: Some(1 << 24),
        inodes_free: Some(1 << 23),
    }
}
