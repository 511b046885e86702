//! The routes, asked without a wire.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::bmc::board::Board;
use crate::bmc::folder::{Settings, Switches};
use crate::bmc::mode::{Mode, ModeFile};
use crate::bmc::power::{Power, PowerSwitch as _};
use crate::bmc::scripted::Scripted;

const LIMIT: Duration = Duration::from_secs(10);

/// `lab:secret`.
const BASIC: (&str, &str) = ("authorization", "Basic bGFiOnNlY3JldA==");

const SYSTEM: &str = "/redfish/v1/Systems/s1";
const RESET: &str = "/redfish/v1/Systems/s1/Actions/ComputerSystem.Reset";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

struct Bench {
    routes: Router,
    switch: Scripted,
    mode: PathBuf,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |v| v.to_str().expect("text"))
    }

    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().expect("folder");
    let mode = folder.path().join("mode");
    let modes = Arc::new(ModeFile::new(mode.clone()));
    let switch = Scripted::make(folder.path(), Power::On).expect("switch");
    let board = Board::new("s1", Box::new(switch.clone()), Arc::clone(&modes));
    let settings = Settings {
        name: "s1".to_owned(),
        address: std::net::Ipv4Addr::LOCALHOST,
        user: "lab".to_owned(),
        password: "secret".to_owned(),
        serial: "LAB0001".to_owned(),
        uuid: uuid::Uuid::from_u128(1),
        hook: "unused".into(),
        switches: Switches::Scripted,
    };
    let routes = super::routes(settings, Arc::new(board), modes);
    Bench {
        routes,
        switch,
        mode,
        _folder: folder,
    }
}

impl Bench {
    async fn ask(&self, method: &str, path: &str, header: (&str, &str), body: &Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header.0, header.1)
            .body(Body::from(if body.is_null() {
                String::new()
            } else {
                body.to_string()
            }))
            .expect("a request");
        let answer = timeout(LIMIT, self.routes.clone().oneshot(request)).await;
        let answer = answer.expect("in time").expect("infallible");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer {
            status,
            headers,
            body,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, BASIC, &Value::Null).await
    }

    async fn reset(&self, kind: &str) -> Answer {
        self.ask("POST", RESET, BASIC, &json!({ "ResetType": kind }))
            .await
    }

    async fn power(&self) -> String {
        let system = self.get(SYSTEM).await;
        system.body["PowerState"]
            .as_str()
            .expect("a power state")
            .to_owned()
    }

    async fn log_in(&self, password: &str) -> Answer {
        let login = json!({ "UserName": "lab", "Password": password });
        self.ask("POST", SESSIONS, ("accept", "*/*"), &login).await
    }
}

/// Every `@odata.id` in a body.
fn links(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(path) if key == "@odata.id" || key == "url" => found.push(path.to_owned()),
                    _ => links(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| links(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_link_leads_to_a_resource_that_names_itself() {
    let bench = bench();
    bench.log_in("secret").await;
    let mut found = vec!["/redfish/v1/".to_owned(), "/redfish/v1/odata".to_owned()];
    let mut at = 0;
    while let Some(path) = found.get(at).cloned() {
        let answer = bench.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("odata-version"), "4.0", "{path}");
        if !path.ends_with("/odata") {
            assert_eq!(answer.body["@odata.id"], *path, "{path}");
            assert!(answer.body["@odata.type"].is_string() && answer.body["Name"].is_string());
        }
        let mut new = Vec::new();
        links(&answer.body, &mut new);
        new.retain(|path| !found.contains(path));
        found.extend(new);
        at += 1;
    }
    for path in [SYSTEM, "/redfish/v1/Chassis/s1", "/redfish/v1/Managers/s1"] {
        assert!(found.iter().any(|known| known == path), "no link to {path}");
    }
}

#[tokio::test]
async fn the_root_is_found_with_and_without_a_slash_and_without_a_login() {
    let bench = bench();
    for path in ["/redfish", "/redfish/v1", "/redfish/v1/"] {
        let answer = bench
            .ask("GET", path, ("accept", "*/*"), &Value::Null)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn who_has_no_login_learns_and_changes_nothing() {
    let bench = bench();
    let wrong = ("authorization", "Basic bGFiOndyb25n");
    for header in [
        ("accept", "*/*"),
        wrong,
        ("authorization", "Bearer x"),
        ("x-auth-token", "x"),
    ] {
        let answer = bench.ask("GET", SYSTEM, header, &Value::Null).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{header:?}");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
        let off = json!({ "ResetType": "ForceOff" });
        let answer = bench.ask("POST", RESET, header, &off).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{header:?}");
    }
    assert!(bench.switch.acts().expect("acts").is_empty());
}

#[tokio::test]
async fn a_session_is_good_until_it_is_deleted() {
    let bench = bench();
    assert_eq!(bench.log_in("wrong").await.status, StatusCode::UNAUTHORIZED);
    let login = bench.log_in("secret").await;
    assert_eq!(login.status, StatusCode::CREATED);
    let token = ("x-auth-token", login.header("x-auth-token"));
    let place = login.header("location");
    let ask = |method, path| bench.ask(method, path, token, &Value::Null);
    assert_eq!(ask("GET", SYSTEM).await.status, StatusCode::OK);
    assert_eq!(ask("GET", place).await.body["UserName"], "lab");
    assert_eq!(ask("DELETE", place).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ask("GET", SYSTEM).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bench.get(place).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_client_that_never_logs_out_is_locked_out() {
    let bench = bench();
    for _ in 0..super::sessions::MOST {
        assert_eq!(bench.log_in("secret").await.status, StatusCode::CREATED);
    }
    let answer = bench.log_in("secret").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.code(), "Base.1.8.SessionLimitExceeded");
}

#[tokio::test]
async fn every_offered_reset_type_does_its_act() {
    let bench = bench();
    let system = bench.get(SYSTEM).await;
    let action = &system.body["Actions"]["#ComputerSystem.Reset"];
    assert_eq!(action["target"], RESET);
    let cases = [
        ("ForceOff", "Off", &["off"][..]),
        ("On", "On", &["on"]),
        ("ForceOn", "On", &[]),
        ("PowerCycle", "On", &["off", "on"]),
        ("ForceRestart", "On", &["reset"]),
        ("Nmi", "On", &["nmi"]),
        ("GracefulShutdown", "Off", &["button"]),
        ("PushPowerButton", "On", &["button"]),
    ];
    let offered = action["ResetType@Redfish.AllowableValues"]
        .as_array()
        .expect("a list");
    assert_eq!(offered.len(), cases.len(), "{offered:?}");
    for (kind, power, acts) in cases {
        assert!(
            offered.iter().any(|value| value == kind),
            "{kind} is not offered"
        );
        let before = bench.switch.acts().expect("acts").len();
        assert_eq!(
            bench.reset(kind).await.status,
            StatusCode::NO_CONTENT,
            "{kind}"
        );
        assert_eq!(bench.power().await, power, "after {kind}");
        assert_eq!(
            bench.switch.acts().expect("acts")[before..],
            *acts,
            "after {kind}"
        );
    }
}

#[tokio::test]
async fn an_unknown_reset_type_is_refused_and_named() {
    let bench = bench();
    let answer = bench.reset("GracefulRestart").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.code(), "Base.1.8.ActionParameterValueNotInList");
    assert!(answer.body.to_string().contains("GracefulRestart"));
    let answer = bench.ask("POST", RESET, BASIC, &json!({})).await;
    assert_eq!(answer.code(), "Base.1.8.ActionParameterMissing");
    let answer = bench.ask("POST", RESET, BASIC, &Value::Null).await;
    assert_eq!(answer.code(), "Base.1.8.MalformedJSON");
    assert!(bench.switch.acts().expect("acts").is_empty());
}

#[tokio::test]
async fn another_servers_paths_are_not_served() {
    let bench = bench();
    for path in ["/redfish/v1/Systems/s2", "/redfish/v1/Nothing", "/"] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.code(), "Base.1.8.ResourceMissingAtURI", "{path}");
    }
    let other = RESET.replace("s1", "s2");
    let answer = bench
        .ask("POST", &other, BASIC, &json!({ "ResetType": "ForceOff" }))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.power().await, "On");
    let answer = bench.ask("PATCH", SYSTEM, BASIC, &json!({})).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.code(), "Base.1.8.OperationNotAllowed");
}

#[tokio::test]
async fn a_switch_that_fails_is_told_and_never_taken_for_a_state() {
    let bench = bench();
    bench.switch.break_it("the fuse is blown").expect("broken");
    for answer in [bench.get(SYSTEM).await, bench.reset("ForceOff").await] {
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.body.to_string().contains("the fuse is blown"));
    }
}

#[tokio::test]
async fn a_liar_says_off_and_stays_on() {
    let bench = bench();
    ModeFile::write(&bench.mode, Mode::Lying).expect("mode");
    assert_eq!(bench.reset("ForceOff").await.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.power().await, "Off");
    assert_eq!(bench.switch.state().expect("a state"), Power::On);
}

#[tokio::test]
async fn a_dead_bmc_serves_nothing_even_on_an_open_connection() {
    let bench = bench();
    ModeFile::write(&bench.mode, Mode::Dead).expect("mode");
    let asked = timeout(Duration::from_millis(300), bench.reset("ForceOff")).await;
    assert!(asked.is_err(), "a dead BMC answered");
    assert!(bench.switch.acts().expect("acts").is_empty());
}

#[tokio::test]
async fn a_slow_bmc_acts_late_even_though_its_client_has_gone() {
    let bench = bench();
    ModeFile::write(&bench.mode, Mode::Slow(Duration::from_millis(400))).expect("mode");
    let asked = timeout(Duration::from_millis(100), bench.reset("ForceOff")).await;
    assert!(asked.is_err(), "a slow BMC was quick");
    assert_eq!(bench.switch.state().expect("a state"), Power::On);
    let off = async {
        while bench.switch.state().expect("a state") == Power::On {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, off)
        .await
        .expect("the order of a client that has gone is carried out");
}
