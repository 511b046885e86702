use h8lio_model::availability::Timing;
use rstest::rstest;

use super::super::{EXAMPLE, Metrics};
use super::*;

fn parse(text: &str) -> Result<Settings, ConfigError> {
    super::parse(Path::new("/etc/h8lio/coordinator.toml"), text)
}

const LEAST: &str = "fleet = \"prod\"\nlisten = \"10.0.0.1:7443\"\n";

#[test]
fn the_example_says_what_the_defaults_are() {
    let example = parse(EXAMPLE).expect("valid");
    let mut defaults = Settings::defaults("example".parse().expect("valid"));
    defaults.advertise = vec!["coordinator.example.org:7443".into()];
    defaults.store = "/etc/h8lio/coordinator.db".into();
    defaults.pki = "/etc/h8lio/pki".into();
    assert_eq!(example, defaults);
}

#[test]
fn the_timings_in_the_examples_comments_are_the_defaults_too() {
    let text: String = EXAMPLE
        .lines()
        .map(|l| {
            l.strip_prefix('#')
                .filter(|l| l.contains(" = \""))
                .unwrap_or(l)
        })
        .map(|l| format!("{l}\n"))
        .collect();
    let session = parse(&text).expect("valid").session;
    assert!(session.suspect_after.is_some() && session.warm_up.is_some());
    assert_eq!(session.timing(), Timing::for_beat(session.beat));
}

#[test]
fn every_key_of_the_settings_is_explained_in_the_example() {
    // A key that is missing in the example would be missing in this list of unknown-key hints.
    for table in [
        "",
        "[session]\n",
        "[certificates]\n",
        "[limits]\n",
        "[log]\n",
    ] {
        let text = format!("{LEAST}{table}zzzzzzzzzzzzzzzzzzzzzzzz = 1\n");
        let text = parse(&text).expect_err("refused").to_string();
        let (_, keys) = text.split_once("possible here: ").expect("a list");
        for key in keys.split(", ") {
            let explained = EXAMPLE.lines().any(|l| {
                let l = l.trim_start_matches('#');
                l.starts_with(&format!("{key} =")) || l.starts_with(&format!("[{key}]"))
            });
            assert!(explained, "{key}");
        }
    }
}

#[test]
fn a_file_with_fleet_and_address_is_enough() {
    let s = parse(LEAST).expect("valid");
    assert_eq!(s.addresses(), ["10.0.0.1:7443"]);
    assert_eq!(s.store, Path::new("/etc/h8lio/coordinator.db"));
    assert_eq!(s.metrics, Metrics::default());
    let off = parse(&format!("{LEAST}metrics = \"off\"\n")).expect("valid");
    assert_eq!(off.metrics, Metrics::Off);
}

#[rstest]
#[case("lisen = \"x\"", 3, "unknown key \"lisen\"; did you mean \"listen\"?")]
#[case(
    "[session]\nbaet = \"1s\"",
    4,
    "unknown key \"baet\"; did you mean \"beat\"?"
)]
#[case(
    "[sesion]\nbeat = \"1s\"",
    3,
    "unknown key \"sesion\"; did you mean \"session\"?"
)]
#[case("metrics = 5", 3, "metrics: invalid type")]
#[case("metrics = \"of\"", 3, "metrics: \"of\" is neither")]
#[case("name = \"C 1\"", 3, "name: invalid operator name")]
#[case("[session]\nbeat = \"1\"", 4, "session.beat: \"1\" is not a duration")]
#[case(
    "[session]\nbeat = \"1ms\"",
    4,
    "session.beat: 1ms is outside 100ms to 10s"
)]
#[case(
    "[session]\n\nsuspect_after = \"1s\"",
    5,
    "session.suspect_after: 1s must be more than session.beat (1s)"
)]
#[case(
    "[session]\nwarm_up = \"1s\"",
    4,
    "session.warm_up: 1s must not be less than"
)]
#[case(
    "advertise = [\"no-port\"]",
    3,
    "advertise: \"no-port\" is not HOST:PORT"
)]
#[case("advertise = [\"a:0\"]", 3, "advertise: \"a:0\" is not HOST:PORT")]
#[case(
    "[limits]\npending_handshakes_per_source = 5000",
    4,
    "limits.pending_handshakes_per_source: 5000 is outside 1 to 1024"
)]
#[case("[limits]\nconnections = -1", 4, "limits.connections: invalid value")]
#[case(
    "[certificates]\nnode = \"0s\"",
    4,
    "certificates.node: 0ms is outside 15m to 90d"
)]
#[case("[log]\nformat = \"xml\"", 4, "log.format: unknown variant")]
#[case("fleet = \"twice\"", 3, "duplicate key")]
#[case("what", 3, "")]
fn what_is_wrong_is_said_with_line_and_key(
    #[case] addition: &str,
    #[case] line: usize,
    #[case] says: &str,
) {
    let e = parse(&format!("{LEAST}{addition}\n"))
        .expect_err("refused")
        .to_string();
    let place = format!("/etc/h8lio/coordinator.toml:{line}: ");
    let rest = e
        .strip_prefix(&place)
        .unwrap_or_else(|| panic!("no {place:?} in {e:?}"));
    assert!(rest.contains(says), "{e}");
    assert_eq!(e.lines().count(), 1, "{e}");
}

#[test]
fn an_address_that_nobody_can_dial_needs_another_to_advertise() {
    let e = parse("fleet = \"prod\"").expect_err("refused").to_string();
    assert!(e.contains("advertise: needed"), "{e}");
    parse("fleet = \"prod\"\nadvertise = [\"[2001:db8::1]:7443\", \"h:1\"]").expect("valid");
}

#[test]
fn a_file_without_a_fleet_is_refused_by_that_name() {
    let e = parse("listen = \"10.0.0.1:7443\"")
        .expect_err("refused")
        .to_string();
    assert!(e.contains("missing field `fleet`"), "{e}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let e = load(Path::new("/nonexistent/coordinator.toml")).expect_err("refused");
    assert_eq!(
        e.to_string(),
        "cannot read the configuration /nonexistent/coordinator.toml"
    );
}
