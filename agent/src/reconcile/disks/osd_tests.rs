//! OSDs found on a server, and the conditions of disks and OSDs.

use super::*;

fn dir(layout: RawLayout, id: u32, fsid: Option<&str>) -> RawOsdDir {
    RawOsdDir {
        layout,
        path: format!("/osd/{id}"),
        id: Some(id),
        fsid: fsid.map(Into::into),
        cluster_fsid: fsid.map(|_| CLUSTER.into()),
        devices: Vec::new(),
    }
}

fn process(id: u32, cluster: Option<&str>) -> RawOsdProcess {
    RawOsdProcess {
        pid: 1000 + id,
        id,
        cluster_fsid: cluster.map(Into::into),
    }
}

fn drives_with_sda() -> (RawDrives, Vec<Disk>) {
    let raw = alone(drive("sda", "S1"));
    let disks = judged(&raw, &found([("sda", looked_at())]), &healthy())
        .facts
        .disks;
    (raw, disks)
}

#[rstest]
#[case(RawVolumes::CephVolume(parsed(fixture!("ceph-volume-lvm-list.json"))))]
#[case(RawVolumes::Lvs(parsed(fixture!("lvs.json"))))]
fn ceph_volume_and_lvs_tell_the_same_osd(#[case] volumes: RawVolumes) {
    let (raw, mut disks) = drives_with_sda();
    let here = RawOsds {
        dirs: vec![dir(RawLayout::Packages, 0, Some(OSD))],
        running: Some(vec![process(0, None)]),
        problems: Vec::new(),
    };
    let facts = osds::assess(&here, &Ok(Some(volumes)), &raw, &disks);
    assert_eq!(facts.problems, []);
    let [osd] = &facts.osds[..] else {
        panic!("{:?}", facts.osds)
    };
    assert_eq!((osd.id, osd.fsid.as_deref()), (0, Some(OSD)));
    assert_eq!(osd.cluster_fsid.as_deref(), Some(CLUSTER));
    assert_eq!(osd.device_class.as_deref(), Some("hdd"));
    assert_eq!((osd.encrypted, osd.running), (Some(false), Some(true)));
    assert_eq!(osd.manager, OsdManager::Packages);
    assert_eq!(osd.disks, [DiskKey::Serial("S1".into())]);

    osds::mark(&mut disks, &facts.osds);
    let reason = No::CephOsd {
        osd_id: Some(0),
        cluster_fsid: Some(CLUSTER.into()),
    };
    assert_eq!(disks[0].unusable, [reason]);
}

#[test]
fn the_dmcrypt_secret_is_in_no_fact() {
    let (raw, disks) = drives_with_sda();
    let text = fixture!("ceph-volume-lvm-list-dmcrypt.json");
    assert!(text.contains("NOT-A-REAL-SECRET"), "the fixture has one");
    let mut broken = parsed(text);
    broken["2"][0]["devices"] = json!(["/dev/sda", 7, "NOT-A-REAL-SECRET"]);
    for json in [parsed(text), broken] {
        let volumes = Ok(Some(RawVolumes::CephVolume(json)));
        let facts = osds::assess(&RawOsds::default(), &volumes, &raw, &disks);
        assert!(!format!("{facts:?}").contains("SECRET"));
    }
}

#[test]
fn a_disk_of_another_cluster_with_the_same_id_is_another_osd() {
    let (raw, disks) = drives_with_sda();
    let here = RawOsds {
        dirs: vec![dir(
            RawLayout::Cephadm,
            0,
            Some("11111111-6e38-40a7-91ff-ab62c3f44440"),
        )],
        running: Some(Vec::new()),
        problems: Vec::new(),
    };
    let volumes = RawVolumes::CephVolume(parsed(fixture!("ceph-volume-lvm-list.json")));
    let facts = osds::assess(&here, &Ok(Some(volumes)), &raw, &disks);
    let managers: Vec<_> = facts.osds.iter().map(|o| (o.id, o.manager)).collect();
    assert_eq!(
        managers,
        [(0, OsdManager::Cephadm), (0, OsdManager::Unknown)]
    );
}

#[test]
fn an_empty_package_directory_left_by_cephadm_does_not_hide_the_real_manager() {
    let (raw, disks) = drives_with_sda();
    for order in [[0, 1], [1, 0]] {
        let both = [
            dir(RawLayout::Packages, 3, None),
            dir(RawLayout::Cephadm, 3, Some(OSD)),
        ];
        let here = RawOsds {
            dirs: order.map(|n| both[n].clone()).into(),
            running: Some(Vec::new()),
            problems: Vec::new(),
        };
        let facts = osds::assess(&here, &Ok(None), &raw, &disks);
        let seen: Vec<_> = facts.osds.iter().map(|o| (o.id, o.manager)).collect();
        assert_eq!(seen, [(3, OsdManager::Cephadm)]);
    }
}

#[rstest]
#[case(json!([]))]
#[case(json!({"x": []}))]
#[case(json!({"0": {}}))]
#[case(json!("junk"))]
fn an_answer_of_another_shape_is_a_problem_and_no_osd(#[case] json: Value) {
    let (raw, disks) = drives_with_sda();
    let volumes = Ok(Some(RawVolumes::CephVolume(json)));
    let facts = osds::assess(&RawOsds::default(), &volumes, &raw, &disks);
    assert_eq!(facts.osds, []);
    assert_eq!(facts.problems[0].reason, "NotUnderstood");
}

// ---- conditions ---------------------------------------------------------------------------

#[test]
fn a_missing_smartctl_is_one_condition_and_a_failing_disk_names_its_evidence() {
    let now = Timestamp::UNIX_EPOCH;
    let none: SmartAnswers = ["sda", "sdb"]
        .map(|d| {
            (
                d.to_owned(),
                Err(problem("ToolMissing", "smartctl is not installed")),
            )
        })
        .into();
    let raw = RawDrives {
        drives: vec![drive("sda", "S1"), drive("sdb", "S2")],
        ..RawDrives::default()
    };
    let Assessment { facts, .. } = judged(&raw, &found([]), &none);
    assert_eq!(facts.problems.len(), 1);
    let unknown = conditions(&facts, &Default::default(), now);
    assert_eq!(unknown.len(), 1);
    assert_eq!(unknown[0].key(), (ConditionType::DiskHealthUnknown, ""));
    assert_eq!(unknown[0].reason, "ToolMissing");

    let failing = answer(parsed(fixture!("smartctl-nvme-failing.json")));
    let answers = SmartAnswers::from([("sda".to_owned(), Ok(failing))]);
    let facts = judged(&alone(drive("sda", "NV-ERR-0006")), &found([]), &answers).facts;
    let all = conditions(&facts, &Default::default(), now);
    assert_eq!(all[0].key(), (ConditionType::DiskFailing, "NV-ERR-0006"));
    assert_eq!(all[0].status, Status::True);
    assert!(
        all[0].message.contains("reliability is degraded"),
        "{}",
        all[0].message
    );
}

#[test]
fn an_osd_that_does_not_run_is_down_and_one_that_cannot_be_seen_is_unknown() {
    let (raw, disks) = drives_with_sda();
    let now = Timestamp::UNIX_EPOCH;
    let state = |running: Option<Vec<RawOsdProcess>>| {
        let here = RawOsds {
            dirs: vec![dir(RawLayout::Packages, 7, Some(OSD))],
            running,
            problems: Vec::new(),
        };
        let facts = osds::assess(&here, &Ok(None), &raw, &disks);
        let all = conditions(&Default::default(), &facts, now);
        all.into_iter()
            .map(|c| (c.subject, c.status))
            .collect::<Vec<_>>()
    };
    assert_eq!(state(Some(vec![process(7, Some(CLUSTER))])), []);
    assert_eq!(state(Some(vec![])), [("osd.7".into(), Status::True)]);
    let other = "22222222-dbc5-47ec-98a3-1cae9470c1a9";
    let others = state(Some(vec![process(7, Some(other))]));
    assert_eq!(
        others[0],
        ("osd.7".into(), Status::True),
        "another cluster's osd.7 runs"
    );
    assert_eq!(state(None), [("osd.7".into(), Status::Unknown)]);
}

#[test]
fn a_volume_is_silent_while_its_disks_speak_and_says_so_when_none_is_found() {
    let volume = RawDrive {
        scsi_driver: Some("hpsa".into()),
        ..drive("sda", "VOLUME")
    };
    let unasked = SmartAnswers::new();
    let raw = alone(volume);
    let mut facts = judged(&raw, &found([("sda", looked_at())]), &unasked).facts;
    let osds = h8lio_model::inventory::OsdFacts::default();
    let told = conditions(&facts, &osds, Timestamp::UNIX_EPOCH);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].reason, "BehindController");
    assert!(
        told[0].message.contains("driver hpsa"),
        "{}",
        told[0].message
    );

    let mut behind = facts.disks[0].clone();
    behind.key = DiskKey::Serial("S-8".into());
    behind.raid = Some(h8lio_model::inventory::RaidRole::Member {
        controller: "/dev/bus/0".into(),
        position: "megaraid,8".into(),
    });
    facts.disks.push(behind);
    let told = conditions(&facts, &osds, Timestamp::UNIX_EPOCH);
    let subjects: Vec<_> = told.iter().map(|c| c.subject.as_str()).collect();
    assert_eq!(subjects, ["S-8"], "the disk's own health is unknown");
    let by_hand = "`smartctl -a -d megaraid,8 /dev/bus/0`";
    assert!(told[0].message.contains(by_hand), "{}", told[0].message);
}
