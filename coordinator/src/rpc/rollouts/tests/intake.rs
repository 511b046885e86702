//! What is not taken in, each with one clear error, and nothing half-created.

use h8lio_model::lifecycle::Admission;
use h8lio_model::rollout::{RolloutSpec, WaveSize, WindowSpec};
use h8lio_proto::v1;
use h8lio_proto::v1::rollout_service_server::RolloutService as _;
use jiff::SignedDuration;
use rstest::rstest;
use tonic::Code;

use super::desk::{Desk, as_admin, change, id, refused, spec, t0};

fn window(cron: &str, zone: &str) -> WindowSpec {
    WindowSpec {
        cron: cron.into(),
        lasts: SignedDuration::from_hours(4),
        zone: zone.into(),
    }
}

#[rstest]
#[case::nobody(
    |s: &mut RolloutSpec| s.selector = "rack=r9".parse().expect("a selector"),
    "no enrolled node is selected by rack=r9; there are name=s1, name=s2, name=s3, name=s4, role=storage, rack=r1, rack=r2, label:tier=gold"
)]
#[case::deadline_in_the_past(
    |s: &mut RolloutSpec| s.deadline = Some(t0()),
    "the deadline 2026-03-02T10:00:00Z has passed; it is 2026-03-02T10:00:00Z"
)]
#[case::unknown_package(
    |s: &mut RolloutSpec| s.target = "packages:openssl,opnessl".parse().expect("a target"),
    "no selected node is offered an update of package opnessl; look at its name"
)]
#[case::unknown_health_check(
    |s: &mut RolloutSpec| s.health_checks = vec!["shop-font".into()],
    "there is no health check called \"shop-font\"; there are: shop-front"
)]
#[case::never_opens(
    |s: &mut RolloutSpec| s.windows = vec![window("0 0 31 6 *", "Europe/Paris")],
    "the window \"0 0 31 6 *\" in Europe/Paris never opens"
)]
#[case::no_such_zone(
    |s: &mut RolloutSpec| s.windows = vec![window("0 22 * * *", "Moon/Base")],
    "time zone \"Moon/Base\" does not exist; use an IANA name like Europe/Paris"
)]
#[case::no_cron(
    |s: &mut RolloutSpec| s.windows = vec![window("at night", "Europe/Paris")],
    "\"at night\" is no cron expression of five fields"
)]
#[case::threshold(
    |s: &mut RolloutSpec| s.failure_threshold = 0,
    "the failure threshold is 0, which would stop the rollout before it begins; use 1 or more"
)]
#[case::empty_wave(
    |s: &mut RolloutSpec| s.waves = vec![WaveSize::Nodes(0)],
    "wave 1 has the size 0 nodes; use at least one node, or 1 to 100 percent"
)]
#[tokio::test]
async fn what_cannot_be_is_one_clear_error_and_creates_nothing(
    #[case] spoil: fn(&mut RolloutSpec),
    #[case] told: &str,
) {
    let desk = Desk::new().await;
    let mut bad = spec("march");
    spoil(&mut bad);
    for dry_run in [true, false] {
        let (code, text) = refused(desk.ask(&bad, dry_run).await);
        assert_eq!(code, Code::InvalidArgument);
        assert!(text.contains(told), "{text}");
    }
    assert!(desk.maintenance().rollouts.list().is_empty());
    // Who asked for it in earnest is on record; the dry run is not.
    let expected = ("rollout.create".into(), "rollout/march".into(), true);
    assert_eq!(desk.audited().await, [expected]);
    let stored = desk.server.0.store.get("/h8lio/rollout/march").await;
    assert_eq!(stored.expect("asked"), None);
}

#[rstest]
#[case::empty_selector(r#""selector":"""#, "selector: the selection is empty; name nodes")]
#[case::no_term(
    r#""selector":"host=s1""#,
    "selector: \"host=s1\" is no term of a selection"
)]
#[case::no_target(
    r#""target":"everything""#,
    "target: invalid rollout target \"everything\""
)]
#[case::typo(r#""canaries":1"#, "unknown field `canaries`")]
#[tokio::test]
async fn a_specification_that_cannot_be_read_is_told_with_its_place(
    #[case] part: &str,
    #[case] told: &str,
) {
    let desk = Desk::new().await;
    let whole = serde_json::to_value(spec("march")).expect("JSON");
    let part: serde_json::Value = serde_json::from_str(&format!("{{{part}}}")).expect("JSON");
    let mut bad = whole.as_object().expect("an object").clone();
    bad.extend(part.as_object().expect("an object").clone());
    let message = v1::CreateRolloutRequest {
        spec: serde_json::to_vec(&bad).expect("JSON"),
        dry_run: false,
        change: change("r"),
    };
    let (code, text) = refused(desk.server.create_rollout(as_admin(message)).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(text.contains(told), "{text}");
    assert!(!text.contains(" at line "), "{text}");
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let desk = Desk::new().await;
    let message = v1::CreateRolloutRequest {
        spec: b"name: march".to_vec(),
        dry_run: true,
        change: None,
    };
    let (code, text) = refused(desk.server.create_rollout(as_admin(message)).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(text.contains("is no JSON"), "{text}");
}

#[tokio::test]
async fn a_fleet_without_members_says_so() {
    let mut desk = Desk::new().await;
    for node in desk.world.inventory.nodes.values_mut() {
        node.admission = Admission::Pending;
    }
    desk.publish();
    let (_, text) = refused(desk.create(&spec("march")).await);
    assert!(text.ends_with("no node is enrolled"), "{text}");
}

#[tokio::test]
async fn a_health_check_that_no_rollout_has_asked_for_is_known_from_the_configuration() {
    let mut desk = Desk::new().await;
    desk.world.health.clear();
    desk.publish();
    let mut checked = spec("march");
    checked.health_checks = vec!["shop-front".into()];
    let view = desk.create(&checked).await.expect("taken in");
    assert_eq!(
        view.waiting[0].on["is"], "healthCheck",
        "it was never asked"
    );
}

#[tokio::test]
async fn before_the_first_look_at_the_fleet_nothing_is_said_about_it() {
    let mut desk = Desk::new().await;
    desk.world.inventory.nodes.clear();
    desk.world.frozen = Some("it started just now".to_owned());
    desk.publish();
    let (code, text) = refused(desk.create(&spec("march")).await);
    assert_eq!(code, Code::Unavailable);
    let told = "the coordinator has not looked at its nodes yet: it started just now; ask again in \
                a moment";
    assert_eq!(text, told);
    assert!(desk.maintenance().rollouts.list().is_empty());
}

#[tokio::test]
async fn a_large_fleet_is_not_listed_whole() {
    let mut desk = Desk::new().await;
    let one = desk.world.inventory.nodes[&id(1)].clone();
    for n in 5..40 {
        let mut more = one.clone();
        more.name = format!("s{n}").parse().expect("a name");
        desk.world.inventory.nodes.insert(id(n), more);
    }
    desk.publish();
    let mut bad = spec("march");
    bad.selector = "rack=r9".parse().expect("a selector");
    let (_, text) = refused(desk.create(&bad).await);
    assert!(
        text.contains("27 more of this kind, role=storage"),
        "{text}"
    );
}

#[tokio::test]
async fn a_name_is_never_used_for_another_rollout() {
    let desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    let mut other = spec("march");
    other.selector = "rack=r1".parse().expect("a selector");
    other.canary = 1;
    for dry_run in [true, false] {
        let (code, text) = refused(desk.ask(&other, dry_run).await);
        assert_eq!(code, Code::AlreadyExists);
        let told = "rollout march exists with another specification (canary, selector); names are \
                    never used twice, choose another one, or look at it: h8lctl rollout show march";
        assert_eq!(text, told);
    }
}
