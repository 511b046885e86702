//! QEMU's arguments for a server.

use std::path::Path;

use serde_json::{Value, json};

use super::devices;
use super::places::Places;
use super::spec::Spec;
use crate::space::Network;

pub(super) const QEMU: &str = "qemu-system-x86_64";

/// UEFI firmware of Debian's package ovmf, and its empty variables.
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
pub(super) const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Always emulated: a /dev/kvm that opens is no promise that it works. Nothing that QEMU adds by
/// itself, so that a server has the devices of this file and no others.
pub(super) fn of(spec: &Spec, places: &Places, ssh_key: &Path) -> Vec<String> {
    let mut list = Arguments::default();
    list.word("-name").word(&spec.name());
    // QEMU's default processor and what Ceph needs beyond it (its erasure code uses SSSE3). Not one
    // of Intel's: for those the kernel changes page tables at every system call, which emulation
    // pays for by forgetting all it has translated.
    list.words("-cpu qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt");
    list.words("-M q35 -accel tcg -smp 1 -nodefaults -no-user-config -display none");
    list.word("-m").word(&spec.memory_mib.to_string());
    identity(&mut list, spec, ssh_key);
    controls(&mut list, places);
    firmware(&mut list, spec, places);
    management(&mut list);
    for network in Network::ALL {
        nic(&mut list, spec, network);
    }
    boot_disk(&mut list, spec, places);
    data_disks(&mut list, spec, places);
    list.0
}

/// QEMU's command line under construction.
#[derive(Debug, Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn word(&mut self, word: &str) -> &mut Self {
        self.0.push(word.to_owned());
        self
    }

    fn words(&mut self, words: &str) -> &mut Self {
        self.0.extend(words.split_whitespace().map(str::to_owned));
        self
    }

    fn json(&mut self, option: &str, value: &Value) -> &mut Self {
        self.word(option).word(&value.to_string())
    }
}

/// Who the server is, in its firmware's tables, and who may log in.
fn identity(list: &mut Arguments, spec: &Spec, ssh_key: &Path) {
    let (serial, uuid) = (spec.serial(), spec.uuid());
    list.word("-smbios").word(&format!(
        "type=1,manufacturer=h8lio,product=Lab Server,serial={serial},uuid={uuid}"
    ));
    list.word("-smbios").word(&format!(
        "type=2,manufacturer=h8lio,product=Lab Board,serial={serial}-B"
    ));
    list.word("-smbios")
        .word(&format!("type=3,manufacturer=h8lio,serial={serial}-C"));
    list.word("-fw_cfg").word(&format!(
        "name=opt/h8lio/ssh-key,file={}",
        ssh_key.display()
    ));
}

/// Two monitors, since one serves one client at a time, and the serial line with its log.
fn controls(list: &mut Arguments, places: &Places) {
    for monitor in [places.monitor(), places.second_monitor()] {
        list.word("-qmp")
            .word(&format!("unix:{},server=on,wait=off", monitor.display()));
    }
    list.word("-chardev").word(&format!(
        "socket,id=console,path={},server=on,wait=off,logfile={},logappend=on",
        places.console().display(),
        places.console_log().display()
    ));
    list.words("-serial chardev:console");
}

fn firmware(list: &mut Arguments, spec: &Spec, places: &Places) {
    if !spec.flavour.has_uefi() {
        return;
    }
    list.word("-drive")
        .word(&format!("if=pflash,format=raw,readonly=on,file={FIRMWARE}"));
    list.word("-drive").word(&format!(
        "if=pflash,format=raw,file={}",
        places.variables().display()
    ));
}

/// The server's own view of its BMC, and a hardware watchdog that resets it.
fn management(list: &mut Arguments) {
    list.words("-device ipmi-bmc-sim,id=bmc0 -device isa-ipmi-kcs,bmc=bmc0");
    list.words("-device i6300esb -action watchdog=reset");
    list.words("-device virtio-rng-pci -device virtio-scsi-pci,id=scsi0");
    for port in devices::PORTS {
        list.word("-device").word(&format!(
            "pcie-root-port,id=port{port},chassis={port},slot={port}"
        ));
    }
}

/// At a fixed place on the bus, so that its name never changes.
fn nic(list: &mut Arguments, spec: &Spec, network: Network) {
    let (name, tap) = (network.name(), network.tap(&spec.name()));
    let slot = match network {
        Network::Mgmt => "0x10",
        Network::Priv => "0x11",
    };
    list.word("-netdev").word(&format!(
        "tap,id={name},ifname={tap},script=no,downscript=no"
    ));
    list.word("-device").word(&format!(
        "virtio-net-pci,id={name}-nic,netdev={name},mac={},addr={slot},romfile=",
        network.mac(spec.number)
    ));
}

fn boot_disk(list: &mut Arguments, spec: &Spec, places: &Places) {
    list.json(
        "-blockdev",
        &json!({"driver": "qcow2", "node-name": "os", "discard": "unmap",
                "file": {"driver": "file", "filename": places.os()}}),
    );
    list.json(
        "-device",
        &json!({"driver": "scsi-hd", "id": "os-device", "drive": "os", "bus": "scsi0.0",
                "channel": 0, "scsi-id": 0, "lun": 0, "bootindex": 1,
                "serial": format!("{}-OS", spec.serial()),
                "vendor": "H8LAB", "product": "BOOT", "rotation_rate": 1}),
    );
}

fn data_disks(list: &mut Arguments, spec: &Spec, places: &Places) {
    for disk in &spec.disks {
        for node in devices::nodes(disk, &places.disk(&disk.id())) {
            list.json("-blockdev", &node);
        }
        list.json("-device", &devices::device(disk, spec.number));
    }
}
