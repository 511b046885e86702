use h8lio_model::inventory::{Kubelet, Osd, OsdManager};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn osd(id: u32, cluster: Option<&str>) -> Osd {
    Osd {
        id,
        fsid: None,
        cluster_fsid: cluster.map(str::to_owned),
        device_class: None,
        encrypted: None,
        disks: Vec::new(),
        running: None,
        manager: OsdManager::Unknown,
    }
}

fn with_osds(osds: Vec<Osd>) -> Inventory {
    Inventory {
        osds: Some(osds),
        ..Inventory::default()
    }
}

#[test]
fn sections_come_together_with_their_age_and_problems() {
    let hardware = br#"{"cpu":{"threads":8},"memory":{"totalBytes":1024},"problems":
        [{"what":"dmi","reason":"NotPermitted","message":"run the agent as root"}]}"#;
    let network = br#"{"interfaces":[],"routes":[{"destination":"default"}],"problems":
        [{"what":"lldpctl","reason":"ToolMissing","message":"install lldpd"}]}"#;
    let (inventory, bad) = assemble([
        (SectionKind::Network, network.as_slice(), at(2)),
        (SectionKind::Hardware, hardware.as_slice(), at(1)),
        (
            SectionKind::Vitals,
            br#"{"uptimeSeconds":5}"#.as_slice(),
            at(3),
        ),
    ]);
    assert_eq!(bad, []);
    assert_eq!(inventory.cpu.as_ref().map(|c| c.threads), Some(8));
    assert_eq!(inventory.memory.as_ref().map(|m| m.total_bytes), Some(1024));
    assert_eq!(inventory.routes.as_ref().map(Vec::len), Some(1));
    assert_eq!(inventory.vitals.as_ref().map(|v| v.uptime_seconds), Some(5));
    let what: Vec<_> = inventory.problems.iter().map(|p| p.what.as_str()).collect();
    assert_eq!(what, ["dmi", "lldpctl"]);
    assert_eq!(inventory.observed_at["network"], at(2));
    // Never reported is not the same as empty.
    assert_eq!((inventory.disks, inventory.os), (None, None));
}

#[test]
fn a_section_that_is_not_understood_leaves_its_place_empty_and_says_why() {
    let (inventory, bad) = assemble([
        (SectionKind::Disks, b"{\"disks\":7}".as_slice(), at(1)),
        (SectionKind::Os, b"{\"kernel\":\"6.1\"}".as_slice(), at(1)),
    ]);
    assert_eq!(inventory.disks, None);
    assert!(!inventory.observed_at.contains_key("disks"));
    assert_eq!(inventory.os.map(|o| o.kernel).as_deref(), Some("6.1"));
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].kind(), SectionKind::Disks);
    assert_eq!(inventory.problems[0].what, "section disks");
    assert_eq!(inventory.problems[0].message, bad[0].to_string());
}

#[test]
fn a_server_belongs_to_the_clusters_found_on_it() {
    let mut inventory = with_osds(vec![osd(1, Some("a")), osd(2, None), osd(3, Some("a"))]);
    inventory.runtime = Some(RuntimeFacts {
        kubelet: Some(Kubelet {
            api_server: Some("https://10.0.0.9:6443".into()),
            ..Kubelet::default()
        }),
        ..RuntimeFacts::default()
    });
    let clusters = clusters(&inventory);
    assert_eq!(clusters.ceph_fsid.as_deref(), Some("a"));
    assert_eq!(
        clusters.kubernetes.as_deref(),
        Some("https://10.0.0.9:6443")
    );
    assert_eq!(several_clusters(&inventory), None);
}

#[test]
fn osds_of_two_clusters_mean_no_cluster_and_a_problem() {
    let inventory = with_osds(vec![osd(1, Some("a")), osd(1, Some("b"))]);
    assert_eq!(clusters(&inventory).ceph_fsid, None);
    let problem = several_clusters(&inventory).expect("a problem");
    assert!(
        problem.message.contains("2 Ceph clusters (a, b)"),
        "{problem:?}"
    );
    let body = serde_json::to_vec(&OsdFacts {
        osds: inventory.osds.expect("set above"),
        problems: Vec::new(),
    });
    let (assembled, _) = assemble([(SectionKind::Osds, body.expect("JSON").as_slice(), at(1))]);
    assert_eq!(assembled.problems, [problem]);
}

#[rstest]
#[case(SectionKind::Os, r#"{"kernel":7}"#, "kernel")]
#[case(
    SectionKind::Network,
    r#"{"routes":[{"destination":"default"},{}]}"#,
    "routes[1]"
)]
#[case(
    SectionKind::Managers,
    r#"{"modes":{"a\u001b[2J":"sing"}}"#,
    "modes.a\\u{1b}[2J"
)]
#[case(SectionKind::Conditions, r#"[{"type":"Bored"}]"#, "[0].type")]
#[case(SectionKind::Os, "{} {}", "its end")]
#[case(SectionKind::Os, "", ".")]
fn the_field_that_is_wrong_is_named(
    #[case] kind: SectionKind,
    #[case] body: &str,
    #[case] field: &str,
) {
    let error = check(kind, body.as_bytes()).expect_err("refused");
    assert!(
        error
            .to_string()
            .contains(&format!("understood at {field}: ")),
        "{error}"
    );
    assert!(!error.to_string().chars().any(char::is_control));
}

#[test]
fn size_and_depth_have_bounds_even_where_the_fields_are_unknown() {
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(MAX_BYTES));
    let bytes = large.len();
    assert_eq!(
        check(SectionKind::Os, large.as_bytes()),
        Err(BadSection::TooLarge {
            kind: SectionKind::Os,
            bytes
        })
    );
    let nested = |levels: usize| {
        let body = format!("{{\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        check(SectionKind::Os, body.as_bytes())
    };
    assert_eq!(nested(MAX_DEPTH - 1), Ok(()));
    let kind = SectionKind::Os;
    assert_eq!(nested(MAX_DEPTH), Err(BadSection::TooDeep { kind }));
    let in_a_string = format!("{{\"x\":\"\\\"{}\"}}", "[".repeat(100));
    assert_eq!(check(kind, in_a_string.as_bytes()), Ok(()));
}

#[test]
fn fields_of_a_newer_agent_are_passed_over() {
    assert_eq!(
        check(SectionKind::Os, br#"{"kernel":"6.1","mood":{"a":[1]}}"#),
        Ok(())
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(kind in proptest::sample::select(SectionKind::ALL.to_vec()), body: Vec<u8>) {
        let (inventory, bad) = assemble([(kind, body.as_slice(), at(0))]);
        prop_assert_eq!(check(kind, &body).err(), bad.first().cloned());
        prop_assert_eq!(inventory.problems.len(), bad.len());
    }
}
