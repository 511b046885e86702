//! The collectors over file trees of odd servers, and over the server that runs the tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use h8lio_agent::host::disks::DiskHost;
use h8lio_agent::host::hardware::HardwareHost;
use h8lio_agent::host::os::OsHost;
use h8lio_agent::host::osds::{OsdHost, RawLayout};
use h8lio_agent::host::vitals::VitalsHost;
use h8lio_agent::linux::disks::LinuxDisks;
use h8lio_agent::linux::hardware::LinuxHardware;
use h8lio_agent::linux::os::LinuxOs;
use h8lio_agent::linux::osds::LinuxOsds;
use h8lio_agent::linux::root::Root;
use h8lio_agent::linux::vitals::LinuxVitals;
use h8lio_agent::reconcile::disks::conditions::conditions as disk_conditions;
use h8lio_agent::reconcile::disks::watch::DiskWatch;
use h8lio_agent::reconcile::{problems_to_conditions, system};
use jiff::Timestamp;
use tempfile::TempDir;

/// As Linux 6.12 prints it.
const MEMINFO: &str = include_str!("fixtures/proc/meminfo");

struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, bytes).expect("a file");
        self
    }

    fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        symlink(target, path).expect("a link");
        self
    }

    fn folder(&self, path: &str) -> &Self {
        fs::create_dir_all(self.0.path().join(path)).expect("folders");
        self
    }

    fn root(&self) -> Root {
        Root::at(self.0.path())
    }
}

fn reasons(problems: &[h8lio_model::inventory::Problem]) -> Vec<(&str, &str)> {
    let pairs = problems
        .iter()
        .map(|p| (p.what.as_str(), p.reason.as_str()));
    pairs.collect()
}

#[test]
fn an_empty_tree_gives_problems_and_no_facts() {
    let tree = Tree::new();
    let hardware = LinuxHardware::new(tree.root()).hardware();
    assert_eq!(
        reasons(&hardware.problems),
        [
            ("/proc/cpuinfo", "Failed"),
            ("/sys/class/dmi/id", "Failed"),
            ("/proc/meminfo", "Failed")
        ]
    );
    assert_eq!((hardware.uefi, hardware.bmc), (None, None));
    let drives = LinuxDisks::new(tree.root()).drives();
    assert_eq!(reasons(&drives.problems), [("/sys/block", "Failed")]);
    let os = LinuxOs::new(tree.root()).os();
    assert_eq!(os.problems.len(), 2, "{:?}", os.problems);
    let osds = LinuxOsds::new(tree.root()).osds();
    assert_eq!(osds.running, None);
    let vitals = LinuxVitals::new(tree.root(), "/var/lib/x".into()).vitals();
    assert_eq!(vitals.problems.len(), 4, "{:?}", vitals.problems);
}

#[test]
fn a_server_without_drives_has_nothing_to_complain_about() {
    let tree = Tree::new();
    tree.folder("sys/block");
    let disks = LinuxDisks::new(tree.root());
    let raw = disks.drives();
    assert_eq!((raw.drives.len(), raw.problems.len()), (0, 0));
}

#[test]
fn a_tree_that_is_not_the_server_is_never_mixed_with_the_answers_of_its_tools() {
    let tree = Tree::new();
    let disks = LinuxDisks::new(tree.root());
    assert_eq!(disks.signatures().expect_err("refused").what, "lsblk");
    assert_eq!(disks.smart("sda").expect_err("refused").what, "smartctl");
    let osds = LinuxOsds::new(tree.root());
    assert_eq!(osds.volumes().expect_err("refused").what, "ceph-volume");
}

#[test]
fn the_boot_time_does_not_wobble_with_the_clock() {
    let tree = Tree::new();
    let os = LinuxOs::new(tree.root());
    let read = |btime: &str| {
        let rest = "processes 7\nprocs_running 1\nprocs_blocked 0\n";
        let text = format!("cpu  1 2 3 4 5 6 7 8 9 0\ncpu0 1 2 3 4\nctxt 5\nbtime {btime}\n{rest}");
        tree.file("proc/stat", text);
        os.os().booted_at_seconds
    };
    assert_eq!(read("1700000000"), Some(1_700_000_000));
    assert_eq!(read("1700000001"), Some(1_700_000_000), "slewed by NTP");
    assert_eq!(read("1700000003"), Some(1_700_000_003), "really set");
}

#[test]
fn a_vendor_who_filled_in_nothing_leaves_no_serial() {
    let tree = Tree::new();
    let dmi = "sys/class/dmi/id";
    tree.file(&format!("{dmi}/sys_vendor"), "Supermicro\n")
        .file(&format!("{dmi}/product_serial"), "To be filled by O.E.M.\n")
        .file(&format!("{dmi}/board_serial"), b"\xff\xfe\x00junk")
        .file(
            &format!("{dmi}/product_uuid"),
            "4C4C4544-0042-3510-8051-B7C04F4E3332\n",
        )
        .folder("sys/firmware/efi")
        .file("dev/ipmi0", "")
        .file(
            "proc/cpuinfo",
            "processor : 0\nmodel name : X 9\nflags : fpu vme\n",
        )
        .file("proc/meminfo", MEMINFO);
    for (cpu, core) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        let at = format!("sys/devices/system/cpu/cpu{cpu}");
        tree.file(&format!("{at}/topology/physical_package_id"), "0\n")
            .file(&format!("{at}/topology/core_id"), format!("{core}\n"));
    }
    tree.file("sys/devices/system/cpu/cpu3/online", "0\n")
        .folder("sys/devices/system/cpu/cpufreq")
        .file("sys/devices/system/node/node0/cpulist", "0-3\n")
        .file(
            "sys/devices/system/node/node0/meminfo",
            "Node 0 MemTotal:  12 kB\n",
        );

    let facts = system::hardware::assess(&LinuxHardware::new(tree.root()).hardware());
    assert_eq!(facts.manufacturer.as_deref(), Some("Supermicro"));
    assert_eq!((facts.serial, facts.board_serial), (None, None));
    let uuid = "4c4c4544-0042-3510-8051-b7c04f4e3332";
    assert_eq!(facts.system_uuid.as_deref(), Some(uuid));
    assert_eq!(
        (facts.uefi, facts.bmc, facts.virtualization),
        (Some(true), Some(true), None)
    );
    let cpu = &facts.cpu;
    assert_eq!(
        (cpu.sockets, cpu.cores, cpu.threads),
        (1, 2, 3),
        "one thread is offline"
    );
    assert_eq!(cpu.model.as_deref(), Some("X 9"));
    assert_eq!(facts.memory.total_bytes, 16 << 10);
    assert_eq!(facts.memory.numa_nodes[0].memory_bytes, 12 << 10);
    assert_eq!(facts.problems, []);
}

fn sas_drive(tree: &Tree, name: &str, serial: &[u8]) {
    let at = format!("sys/block/{name}");
    let mut page = vec![0, 0x80, 0, u8::try_from(serial.len()).expect("short")];
    page.extend(serial);
    tree.file(&format!("{at}/size"), "12582912\n")
        .file(&format!("{at}/dev"), "8:0\n")
        .file(&format!("{at}/queue/rotational"), "1\n")
        .file(&format!("{at}/device/wwid"), "naa.5000c50000000011\n")
        .file(&format!("{at}/device/vendor"), "SEAGATE \n")
        .file(&format!("{at}/device/vpd_pg80"), page)
        .folder(&format!("{at}/holders/dm-0"))
        .folder(&format!("{at}/device/enclosure_device:Slot 07"))
        .file(&format!("{at}/{name}1/partition"), "1\n")
        .file(&format!("{at}/{name}1/size"), "8\n")
        .link(
            "dev/disk/by-id/wwn-0x5000c50000000011",
            &format!("../../{name}"),
        );
}

#[test]
fn drives_are_told_from_everything_else_below_sys_block() {
    let tree = Tree::new();
    sas_drive(&tree, "sda", b"  SN-1\x00");
    for other in [
        "loop0",
        "ram1",
        "zram0",
        "sr0",
        "fd0",
        "nbd3",
        "rbd0",
        "md127",
        "dm-0",
        "zd16",
        "mmcblk0boot0",
    ] {
        tree.file(&format!("sys/block/{other}/size"), "8\n");
    }
    tree.file("sys/block/nvme0c0n1/hidden", "1\n")
        .file("sys/block/cciss!c0d0/size", "8\n")
        .file("sys/block/dm-0/dm/name", "vg-lv\n")
        .file("sys/block/md127/md127p1/partition", "1\n");

    let raw = LinuxDisks::new(tree.root()).drives();
    let names: Vec<_> = raw.drives.iter().map(|d| d.device.as_str()).collect();
    assert_eq!(names, ["cciss/c0d0", "sda"]);
    let built: Vec<_> = raw.virtuals.keys().map(String::as_str).collect();
    assert_eq!(built, ["dm-0", "md127", "md127p1"]);
    assert_eq!(raw.virtuals["md127"].holders, ["md127p1"]);

    let sda = &raw.drives[1];
    assert_eq!(sda.serial.as_deref(), Some("SN-1"));
    assert_eq!(sda.vendor.as_deref(), Some("SEAGATE"));
    assert_eq!(sda.size_bytes, 6 << 30);
    assert_eq!(sda.slot.as_deref(), Some("Slot 07"));
    assert_eq!(sda.holders, ["dm-0"]);
    assert_eq!(sda.partitions[0].size_bytes, 4096);
    assert_eq!(sda.by_id, ["wwn-0x5000c50000000011"]);
}

#[test]
fn the_controller_above_a_drive_and_its_failed_commands_are_read() {
    let tree = Tree::new();
    let at = "../devices/pci0000:00/0000:3b:00.0/host2/target2:2:0/2:2:0:0/block/sda";
    tree.link("sys/block/sda", at)
        .file("sys/devices/pci0000:00/0000:3b:00.0/host2/target2:2:0/2:2:0:0/block/sda/size", "8\n")
        .file("sys/devices/pci0000:00/0000:3b:00.0/host2/target2:2:0/2:2:0:0/block/sda/device/ioerr_cnt", "0x1f\n")
        .file("sys/class/scsi_host/host2/proc_name", "megaraid_sas\n");
    let drives = LinuxDisks::new(tree.root()).drives().drives;
    assert_eq!(drives[0].scsi_driver.as_deref(), Some("megaraid_sas"));
    assert_eq!(drives[0].failed_commands, Some(31));
}

#[test]
fn a_serial_page_that_lies_about_its_length_is_read_to_its_end_only() {
    let tree = Tree::new();
    sas_drive(&tree, "sda", b"SN");
    tree.file(
        "sys/block/sda/device/vpd_pg80",
        [0, 0x80, 0xff, 0xff, b'S', b'N'],
    );
    let disks = LinuxDisks::new(tree.root());
    assert_eq!(disks.drives().drives[0].serial.as_deref(), Some("SN"));
    tree.file("sys/block/sda/device/vpd_pg80", [0, 0x80]);
    assert_eq!(disks.drives().drives[0].serial, None);
}

#[test]
fn the_fingerprint_changes_with_devices_udev_and_mounts_and_with_nothing_else() {
    let tree = Tree::new();
    sas_drive(&tree, "sda", b"SN");
    tree.file("run/udev/data/b8:0", "E:X=1\n")
        .file("run/udev/data/n5", "I:1\n")
        .file("proc/1/mountinfo", "");
    let disks = LinuxDisks::new(tree.root());
    let mut last = disks.fingerprint();
    assert_eq!(disks.fingerprint(), last, "nothing changed");
    let pod = "99 27 252:0 / /pod rw - ext4 /dev/rbd0 rw\n22 27 0:9 / /p rw - proc proc rw\n";
    tree.file("proc/1/mountinfo", pod)
        .file("run/udev/data/n6", "I:2\n");
    assert_eq!(
        disks.fingerprint(),
        last,
        "a pod's volume and link are no disk"
    );

    let mut changed = |what: &str| {
        let next = disks.fingerprint();
        assert_ne!(next, last, "{what}");
        last = next;
    };
    tree.file("run/udev/data/b8:1", "E:X=1\n");
    changed("udev saw a partition");
    tree.file(
        "proc/1/mountinfo",
        "27 1 8:1 / /data rw - ext4 /dev/sda1 rw\n",
    );
    changed("a mount");
    sas_drive_gone(&tree, "sda");
    changed("a drive is gone");
}

fn sas_drive_gone(tree: &Tree, name: &str) {
    fs::remove_dir_all(tree.0.path().join("sys/block").join(name)).expect("removed");
}

#[test]
fn osds_of_three_managers_are_found_in_their_folders() {
    let cluster = "ce6ede7c-dbc5-47ec-98a3-1cae9470c1a9";
    let osd = "3f5208bc-6e38-40a7-91ff-ab62c3f44440";
    let tree = Tree::new();
    tree.file("var/lib/ceph/osd/ceph-3/fsid", format!("{osd}\n"))
        .file("var/lib/ceph/osd/ceph-3/ceph_fsid", format!("{cluster}\n"))
        .file("dev/dm-4", "")
        .link("var/lib/ceph/osd/ceph-3/block", "/dev/dm-4")
        .folder("var/lib/ceph/bootstrap-osd")
        .file(&format!("var/lib/ceph/{cluster}/osd.12/whoami"), "12\n")
        .folder(&format!("var/lib/ceph/{cluster}/mon.a"))
        .file(
            &format!("var/lib/rook/rook-ceph/{cluster}_{osd}/whoami"),
            b"\xff",
        )
        .folder("var/lib/rook/rook-ceph/log")
        .file("proc/77/comm", "ceph-osd\n")
        .file("proc/77/cmdline", "ceph-osd\0-n\0osd.12\0")
        .file("proc/78/comm", "ceph-osd\n")
        .file("proc/78/cmdline", "");
    let osds = LinuxOsds::new(tree.root());
    let raw = osds.osds();
    let seen: Vec<_> = raw.dirs.iter().map(|d| (d.layout, d.id)).collect();
    assert_eq!(
        seen,
        [
            (RawLayout::Packages, Some(3)),
            (RawLayout::Cephadm, Some(12)),
            (RawLayout::Rook, None)
        ]
    );
    assert!(
        raw.dirs
            .iter()
            .all(|d| d.cluster_fsid.as_deref() == Some(cluster))
    );
    assert_eq!(
        raw.dirs[2].fsid.as_deref(),
        Some(osd),
        "from the folder's name"
    );
    let running = raw.running.expect("a list");
    assert_eq!(
        running.iter().map(|p| p.id).collect::<Vec<_>>(),
        [12],
        "no zombie"
    );

    let before = osds.fingerprint();
    assert_eq!(osds.fingerprint(), before);
    fs::remove_dir_all(tree.0.path().join("proc/77")).expect("the process ends");
    assert_ne!(
        osds.fingerprint(),
        before,
        "an OSD's end is seen without a walk"
    );
}

#[test]
fn vitals_are_read_and_junk_is_left_out() {
    let tree = Tree::new();
    tree.file("proc/uptime", "1234.56 1.0\n")
        .file("proc/loadavg", "NaN 0 0 1/2 3\n")
        .file("proc/meminfo", MEMINFO)
        .file("proc/pressure/cpu", "some avg10=1.53 avg60=0.00 avg300=0.00 total=1\n")
        .file("proc/pressure/memory", "some avg10=junk\n")
        .file("proc/pressure/io", "some\nfull\n")
        .file(
            "proc/net/dev",
            "Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n veth1: \
             1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n odd\u{2003}name: 1 2\n",
        )
        .folder("sys/class/net/eth0/device")
        .folder("sys/class/net/odd\u{2003}name/device")
        .folder("sys/class/net/veth1")
        .folder("var/lib/state");
    let raw = LinuxVitals::new(tree.root(), "/var/lib/state".into()).vitals();
    assert_eq!(reasons(&raw.problems), [("/proc/loadavg", "NotUnderstood")]);
    let v = raw.vitals;
    assert_eq!(
        (v.uptime_seconds, v.memory_available_bytes),
        (1234, 8 << 10)
    );
    assert_eq!(v.pressure.keys().collect::<Vec<_>>(), ["cpu"]);
    assert_eq!(v.pressure["cpu"].full_avg10, None, "an older kernel");
    let some = v.pressure["cpu"].some_avg10;
    assert!((some - 1.53).abs() < 1e-12, "two decimals, not {some}");
    assert_eq!(v.interfaces.keys().collect::<Vec<_>>(), ["eth0"]);
    let eth0 = v.interfaces["eth0"];
    assert_eq!(
        (
            eth0.rx_bytes,
            eth0.rx_dropped,
            eth0.tx_bytes,
            eth0.tx_dropped
        ),
        (1, 4, 9, 12)
    );
    assert_eq!(v.filesystems.len(), 1, "one file system below all paths");
}

#[test]
fn every_collector_runs_on_this_server_and_its_facts_are_json() {
    let now = Timestamp::from_second(1_800_000_000).expect("in range");
    let hardware = system::hardware::assess(&LinuxHardware::new(Root::default()).hardware());
    assert!(hardware.cpu.threads > 0 && hardware.memory.total_bytes > 0);
    let os_host = LinuxOs::new(Root::default());
    let clock = system::clock::assess(&os_host.clock(), now);
    let os = system::os::assess(&os_host.os(), clock);
    assert!(!os.kernel.is_empty() && os.boot_id.is_some() && os.booted_at.is_some());

    let (disks, osds) = (LinuxDisks::default(), LinuxOsds::default());
    let mut watch = DiskWatch::default();
    let view = watch.look(&disks, &osds, now).clone();
    let listed = Path::new("/sys/block").read_dir().expect("a list").count();
    assert!(view.disks.disks.len() <= listed);

    let state = std::env::temp_dir();
    let raw = LinuxVitals::new(Root::default(), state).vitals();
    let sensors = LinuxVitals::new(Root::default(), "/".into()).sensors();
    let vitals = system::vitals::assess(&raw, &view.temperatures, &sensors, None);
    assert!(vitals.uptime_seconds > 0 && vitals.memory_available_bytes > 0);

    let mut conditions = disk_conditions(&view.disks, &view.osds, now);
    conditions.extend(system::conditions::conditions(
        &os,
        &hardware.memory,
        &vitals,
        &[],
        now,
    ));
    conditions.extend(problems_to_conditions(&view.disks.problems, now));
    for c in &conditions {
        assert!(!c.message.is_empty() && !c.message.contains('\n'), "{c:?}");
    }
    let json = serde_json::json!({
        "hardware": hardware, "os": os, "disks": view.disks, "osds": view.osds,
        "vitals": vitals, "conditions": conditions,
    });
    println!("{json:#}");
}
