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
    let (session, _) = EXAMPLE.split_once("[certificates]").expect("both tables");
    let text: String = session
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
        "[maintenance]\n",
        "[[maintenance.windows]]\n",
        "[[maintenance.freezes]]\n",
        "[[maintenance.constraints]]\n",
        "[maintenance.health.a]\n",
        "[log]\n",
    ] {
        let text = format!("{LEAST}{table}zzzzzzzzzzzzzzzzzzzzzzzz = 1\n");
        let text = parse(&text).expect_err("refused").to_string();
        let (_, keys) = text.split_once("possible here: ").expect("a list");
        for key in keys.split(", ") {
            let explained = EXAMPLE.lines().any(|l| {
                let l = l.trim_start_matches('#');
                let tables = [
                    format!("[{key}]"),
                    format!("[[maintenance.{key}]]"),
                    format!("[maintenance.{key}."),
                ];
                l.starts_with(&format!("{key} =")) || tables.iter().any(|t| l.starts_with(t))
            });
            assert!(explained, "{key}");
        }
    }
}

/// The tables of `[maintenance]` that the example shows commented out.
#[test]
fn the_examples_of_windows_budgets_and_checks_can_be_used_as_they_are() {
    let (_, rest) = EXAMPLE.split_once("[maintenance]\n").expect("the table");
    let (tables, _) = rest.split_once("[log]").expect("the next table");
    let shown = tables.lines().filter_map(|line| {
        let shown = line.strip_prefix('#')?;
        (!shown.starts_with(' ')).then_some(shown)
    });
    let text = format!(
        "{LEAST}[maintenance]\n{}\n",
        shown.collect::<Vec<_>>().join("\n")
    );
    let settings = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let rules = settings.maintenance.rules().expect("checked");
    assert_eq!(
        (rules.policy.windows.len(), rules.policy.freezes.len()),
        (1, 2)
    );
    assert_eq!((rules.constraints.len(), rules.health.len()), (4, 2));
}

#[test]
fn what_maintenance_allows_reaches_the_planner() {
    let text = format!(
        "{LEAST}[maintenance]\nestimate = \"20m\"\nwindows = [\n  {{ cron = \"0 22 * * *\", lasts = \"4h\", zone = \"Europe/Paris\" }},\n]\n\
         [[maintenance.freezes]]\nname = \"new year\"\nfrom = 2026-12-20T00:00:00Z\nuntil = \"2027-01-03T00:00:00Z\"\n\
         [[maintenance.constraints]]\nname = \"ceph\"\nselector = \"role=storage\"\nrule = \"domains\"\nlevel = \"rack\"\nmost = 2\nafter = [\"etcd\"]\n\
         [[maintenance.constraints]]\nname = \"etcd\"\nselector = \"name=s1,name=s2,name=s3\"\nrule = \"quorum\"\n\
         [maintenance.health.shop]\nhttp = \"http://shop.example:8080/ready\"\ntimeout = \"5s\"\n"
    );
    let rules = parse(&text)
        .expect("valid")
        .maintenance
        .rules()
        .expect("checked");
    assert_eq!(rules.estimate, jiff::SignedDuration::from_mins(20));
    let ceph = &rules.constraints[0];
    let level = h8lio_planner::constraints::Level::Rack;
    let rule = h8lio_planner::constraints::Rule::Domains { level, most: 2 };
    assert_eq!(
        (&*ceph.name, ceph.rule, &*ceph.after),
        ("ceph", rule, &["etcd".to_owned()][..])
    );
    let at = |text: &str| text.parse().expect("a time");
    let summer = rules.policy.windows[0].next(at("2026-07-01T12:00:00Z"));
    assert_eq!(
        summer,
        Some(at("2026-07-01T20:00:00Z")),
        "on the clock of Paris"
    );
    assert_eq!(rules.health["shop"].timeout, Duration::from_secs(5));
}

const WINDOW: &str =
    "[[maintenance.windows]]\ncron = \"0 22 * * *\"\nlasts = \"4h\"\nzone = \"UTC\"\n";
const SET: &str =
    "[[maintenance.constraints]]\nname = \"a\"\nselector = \"all\"\nrule = \"nodes\"\nmost = 1\n";

#[rstest]
#[case(
    "[maintenance]\naccept_agent = \"0.1.0\"\n",
    "0.1.0",
    "v0.1",
    4,
    "maintenance.accept_agent: \"v0.1\" is no release; they are written like 1.2.3 or 1.2.3-rc.1"
)]
#[case(
    WINDOW,
    "UTC",
    "Europe/Pariss",
    6,
    "maintenance.windows.zone: time zone \"Europe/Pariss\" does not exist"
)]
#[case(
    WINDOW,
    "0 22 * * *",
    "0 0 30 2 *",
    4,
    "maintenance.windows.cron: the window \"0 0 30 2 *\" in UTC never opens"
)]
#[case(
    WINDOW,
    "0 22 * * *",
    "at ten",
    4,
    "maintenance.windows.cron: \"at ten\" is no cron expression"
)]
#[case(WINDOW, "4h", "0s", 5, "maintenance.windows.lasts: the window")]
#[case(
    WINDOW,
    "4h",
    "long",
    5,
    "maintenance.windows.lasts: \"long\" is not a duration"
)]
#[case(
    WINDOW,
    "zone",
    "zoned",
    6,
    "unknown key \"zoned\"; did you mean \"zone\"?"
)]
#[case(
    "[maintenance]\nwindows = [\n  { cron = \"0 22 * * *\", lasts = \"4h\", zone = \"Mars\" },\n]\n",
    "",
    "",
    5,
    "maintenance.windows.zone: time zone \"Mars\" does not exist"
)]
#[case(
    "[maintenance]\nwindows = [\n  { cron = \"0 22 * * *\", lasts = \"x\", zone = \"UTC\" },\n]\n",
    "",
    "",
    5,
    "maintenance.windows: \"x\" is not a duration"
)]
#[case(
    "[maintenance]\nestimate = \"0s\"\n",
    "",
    "",
    4,
    "maintenance.estimate: 0ms is outside 1s to 1d"
)]
#[case(
    "[[maintenance.freezes]]\nname = \"f\"\n",
    "",
    "",
    4,
    "maintenance.freezes: freeze \"f\" needs either `from`"
)]
#[case(
    "[[maintenance.freezes]]\nname = \"f\"\nfrom = \"2026-01-02T00:00:00Z\"\nuntil = \"2026-01-02T00:00:00Z\"\n",
    "",
    "",
    6,
    "maintenance.freezes.until: freeze \"f\" ends before it begins"
)]
#[case(
    "[[maintenance.freezes]]\nname = \"f\"\nfrom = 2026-01-02\n",
    "",
    "",
    5,
    "maintenance.freezes.from: \"2026-01-02\" is no moment"
)]
#[case(
    SET,
    "most = 1",
    "most = 0",
    7,
    "maintenance.constraints.most: constraint a allows 0 to be away"
)]
#[case(
    SET,
    "most = 1",
    "most = -1",
    7,
    "maintenance.constraints.most: invalid value"
)]
#[case(
    SET,
    "\"all\"",
    "\"\"",
    5,
    "maintenance.constraints.selector: constraint \"a\": the selection is empty"
)]
#[case(
    SET,
    "\"all\"",
    "\"rak=r1\"",
    5,
    "maintenance.constraints.selector: constraint \"a\": \"rak=r1\" is no term"
)]
#[case(SET, "\"all\"", "\"name=A B\"", 5, "is not valid: ")]
#[case(
    SET,
    "\"nodes\"",
    "\"node\"",
    6,
    "maintenance.constraints.rule: unknown variant `node`"
)]
#[case(
    SET,
    "\"nodes\"",
    "\"domains\"",
    6,
    "maintenance.constraints.rule: constraint \"a\": this rule takes `level` and `most`"
)]
#[case(
    SET,
    "\"nodes\"",
    "\"quorum\"",
    6,
    "maintenance.constraints.rule: constraint \"a\": this rule takes neither"
)]
#[case(
    SET,
    "\"a\"",
    "\"undeclared\"",
    4,
    "maintenance.constraints.name: \"undeclared\" cannot be used"
)]
#[case(
    SET,
    "most = 1",
    "most = 1\nafter = [\"b\"]",
    8,
    "maintenance.constraints.after: constraint a goes after b, which is not declared"
)]
#[case(
    SET,
    "most = 1",
    "most = 1\nafter = [\"a\"]",
    8,
    "maintenance.constraints.after: constraints wait for one another in a circle: a after a"
)]
#[case(
    "[maintenance.health.x]\nhttp = \"https://shop/\"\n",
    "",
    "",
    4,
    "maintenance.health.x.http: https is not spoken here"
)]
#[case(
    "[maintenance.health.x]\nhttp = \"shop\"\n",
    "",
    "",
    4,
    "maintenance.health.x.http: \"shop\" does not begin with http://"
)]
#[case(
    "[maintenance.health.x]\nhttp = \"http://me:secret@shop/\"\n",
    "",
    "",
    4,
    "maintenance.health.x.http: a name and password are not sent"
)]
#[case(
    "[maintenance.health.x]\ncommand = [\"check\"]\n",
    "",
    "",
    4,
    "maintenance.health.x.command: \"check\" is not an absolute path"
)]
#[case(
    "[maintenance.health.x]\ncommand = []\n",
    "",
    "",
    4,
    "maintenance.health.x.command: names no program"
)]
#[case(
    "[maintenance.health.x]\ntimeout = \"5s\"\n",
    "",
    "",
    3,
    "maintenance.health.x: needs either `http` or `command`"
)]
#[case(
    "[maintenance.health.x]\nhttp = \"http://a/\"\ntimeout = \"31s\"\n",
    "",
    "",
    5,
    "maintenance.health.x.timeout: 31s is outside 100ms to 30s"
)]
fn what_is_wrong_with_maintenance_is_said_with_line_and_key(
    #[case] table: &str,
    #[case] right: &str,
    #[case] wrong: &str,
    #[case] line: usize,
    #[case] says: &str,
) {
    let changed = match right {
        "" => table.to_owned(),
        right => table.replacen(right, wrong, 1),
    };
    let e = parse(&format!("{LEAST}{changed}"))
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
fn two_constraints_of_one_name_are_told_at_the_second() {
    let e = parse(&format!("{LEAST}{SET}{SET}"))
        .expect_err("refused")
        .to_string();
    assert!(
        e.contains(":9: maintenance.constraints.name: constraint a is declared twice"),
        "{e}"
    );
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
