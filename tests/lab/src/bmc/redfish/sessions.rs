//! Sessions: a token for a login.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fault::Fault;
use super::resources::collection;
use super::{Bmc, auth, body};

/// Real BMCs allow a handful, and a client that never logs out finds the door closed one day.
pub(super) const MOST: usize = 8;

const SERVICE: &str = "/redfish/v1/SessionService";

/// The sessions that are open. They last until they are deleted or the BMC ends.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    /// Token by id.
    tokens: BTreeMap<u64, String>,
}

impl Sessions {
    pub(super) fn knows(&self, token: &str) -> bool {
        self.open().tokens.values().any(|known| known == token)
    }

    fn add(&self) -> Option<(u64, String)> {
        let mut open = self.open();
        if open.tokens.len() >= MOST {
            return None;
        }
        open.last += 1;
        let (id, token) = (open.last, Uuid::new_v4().simple().to_string());
        open.tokens.insert(id, token.clone());
        Some((id, token))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
pub(super) struct Login {
    #[serde(rename = "UserName")]
    user: String,
    #[serde(rename = "Password")]
    password: String,
}

pub(super) async fn service() -> Response {
    body::found(&json!({
        "@odata.id": SERVICE,
        "@odata.type": "#SessionService.v1_1_8.SessionService",
        "Id": "SessionService",
        "Name": "Session Service",
        "ServiceEnabled": true,
        "Status": { "State": "Enabled", "Health": "OK" },
        "Sessions": { "@odata.id": format!("{SERVICE}/Sessions") },
    }))
}

pub(super) async fn log_in(State(bmc): State<Bmc>, body: Bytes) -> Result<Response, Fault> {
    let login: Login = body::read(&body)?;
    if !bmc.admits(&login.user, &login.password) {
        return Err(Fault::nobody());
    }
    let (id, token) = bmc.sessions.add().ok_or_else(Fault::too_many_sessions)?;
    let mut response = body::json(StatusCode::CREATED, &session(id, &login.user));
    let headers = response.headers_mut();
    let text = |value: &str| HeaderValue::from_str(value).map_err(|e| Fault::internal(&e.into()));
    headers.insert(auth::TOKEN, text(&token)?);
    headers.insert(header::LOCATION, text(&path_of(id))?);
    Ok(response)
}

pub(super) async fn list(State(bmc): State<Bmc>) -> Response {
    let paths: Vec<String> = bmc
        .sessions
        .open()
        .tokens
        .keys()
        .map(|id| path_of(*id))
        .collect();
    body::found(&collection(
        "Session",
        "Sessions",
        &format!("{SERVICE}/Sessions"),
        &paths,
    ))
}

pub(super) async fn show(
    State(bmc): State<Bmc>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Fault> {
    let id = bmc.session(&id, &uri)?;
    Ok(body::found(&session(id, &bmc.settings.user)))
}

pub(super) async fn log_out(
    State(bmc): State<Bmc>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Fault> {
    let id = bmc.session(&id, &uri)?;
    bmc.sessions.open().tokens.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

impl Bmc {
    fn session(&self, id: &str, uri: &Uri) -> Result<u64, Fault> {
        let known = id
            .parse()
            .ok()
            .filter(|id| self.sessions.open().tokens.contains_key(id));
        known.ok_or_else(|| Fault::missing(uri.path()))
    }
}

fn path_of(id: u64) -> String {
    format!("{SERVICE}/Sessions/{id}")
}

fn session(id: u64, user: &str) -> Value {
    json!({
        "@odata.id": path_of(id),
        "@odata.type": "#Session.v1_5_0.Session",
        "Id": id.to_string(),
        "Name": "User Session",
        "UserName": user,
    })
}
