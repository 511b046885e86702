use super::*;

#[test]
fn files_of_other_managers_are_found_below_a_root_of_their_own() {
    let root = tempfile::tempdir().expect("tempdir");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("has one")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("etc/netplan/50-cloud-init.yaml", "");
    write("etc/network/interfaces", "iface eth0 inet dhcp\n");
    write("etc/network/interfaces.d/$(reboot)\n", "auto x\n");
    write("var/lib/kubelet/kubeadm-flags.env", "");
    write("proc/1/comm", "keepalived\n");
    let host = LinuxManagers {
        root: root.path().to_owned(),
    };
    let got = host.traces();
    let files: Vec<_> = got.files.iter().map(String::as_str).collect();
    let want = [
        "/etc/netplan/50-cloud-init.yaml",
        "/var/lib/kubelet/kubeadm-flags.env",
    ];
    assert_eq!(files, want);
    let paths: Vec<_> = got
        .interfaces_files
        .iter()
        .map(|(p, _)| p.as_str())
        .collect();
    let want = [
        "/etc/network/interfaces",
        "/etc/network/interfaces.d/$(reboot)\n",
    ];
    assert_eq!(paths, want);
    assert_eq!(
        got.processes,
        Some(BTreeSet::from(["keepalived".to_owned()]))
    );
    assert_eq!(got.units, None);
    assert!(
        got.problems.iter().any(|p| p.what == "systemd"),
        "{:?}",
        got.problems
    );
}

#[test]
fn only_installed_packages_count_and_junk_is_not_understood() {
    let got = installed(b"ii \tfrr\nrc \tkeepalived\nun \tbird\n").expect("understood");
    assert_eq!(got, BTreeSet::from(["frr".to_owned()]));
    assert_eq!(installed(b""), Some(BTreeSet::new()));
    assert_eq!(installed(b"frr\n"), None);
    assert_eq!(installed(b"\xff\t\n"), None);
}
