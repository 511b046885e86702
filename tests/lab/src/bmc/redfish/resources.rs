//! What can be read: the service, and the one server as system, chassis and manager.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::task;

use super::fault::Fault;
use super::reset::{self, RESET};
use super::{Bmc, body};
use crate::bmc::power::Power;

const V1: &str = "/redfish/v1";

pub(super) async fn versions() -> Response {
    body::found(&json!({ "v1": format!("{V1}/") }))
}

pub(super) async fn root(State(bmc): State<Bmc>) -> Response {
    body::found(&json!({
        "@odata.id": format!("{V1}/"),
        "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Root Service",
        "RedfishVersion": "1.8.0",
        "UUID": bmc.settings.uuid,
        "Systems": link("/Systems"),
        "Chassis": link("/Chassis"),
        "Managers": link("/Managers"),
        "SessionService": link("/SessionService"),
        "Links": { "Sessions": link("/SessionService/Sessions") },
    }))
}

pub(super) async fn odata() -> Response {
    let names = ["Systems", "Chassis", "Managers", "SessionService"];
    let mut entries: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "kind": "Singleton", "url": format!("{V1}/{name}") }))
        .collect();
    entries.insert(
        0,
        json!({ "name": "Service", "kind": "Singleton", "url": format!("{V1}/") }),
    );
    body::found(&json!({ "@odata.context": format!("{V1}/$metadata"), "value": entries }))
}

pub(super) async fn systems(State(bmc): State<Bmc>) -> Response {
    bmc.only("ComputerSystem", "Systems")
}

pub(super) async fn all_chassis(State(bmc): State<Bmc>) -> Response {
    bmc.only("Chassis", "Chassis")
}

pub(super) async fn managers(State(bmc): State<Bmc>) -> Response {
    bmc.only("Manager", "Managers")
}

pub(super) async fn system(
    State(bmc): State<Bmc>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Fault> {
    bmc.is_ours(&id, &uri)?;
    let power = bmc.power().await?;
    let settings = &bmc.settings;
    let name = &settings.name;
    Ok(body::found(&json!({
        "@odata.id": format!("{V1}/Systems/{name}"),
        "@odata.type": "#ComputerSystem.v1_10_0.ComputerSystem",
        "Id": name,
        "Name": name,
        "HostName": name,
        "SystemType": "Physical",
        "Manufacturer": "QEMU",
        "Model": "lab server",
        "SerialNumber": settings.serial,
        "UUID": settings.uuid,
        "PowerState": told(power),
        "Status": status(power),
        "Links": {
            "Chassis": [link(&format!("/Chassis/{name}"))],
            "ManagedBy": [link(&format!("/Managers/{name}"))],
        },
        "Actions": { format!("#{RESET}"): reset::described(name) },
    })))
}

pub(super) async fn chassis(
    State(bmc): State<Bmc>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Fault> {
    bmc.is_ours(&id, &uri)?;
    let power = bmc.power().await?;
    let name = &bmc.settings.name;
    Ok(body::found(&json!({
        "@odata.id": format!("{V1}/Chassis/{name}"),
        "@odata.type": "#Chassis.v1_10_0.Chassis",
        "Id": name,
        "Name": format!("chassis of {name}"),
        "ChassisType": "RackMount",
        "SerialNumber": bmc.settings.serial,
        "PowerState": told(power),
        "Status": status(power),
        "Links": {
            "ComputerSystems": [link(&format!("/Systems/{name}"))],
            "ManagedBy": [link(&format!("/Managers/{name}"))],
        },
    })))
}

pub(super) async fn manager(
    State(bmc): State<Bmc>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Fault> {
    bmc.is_ours(&id, &uri)?;
    let name = &bmc.settings.name;
    Ok(body::found(&json!({
        "@odata.id": format!("{V1}/Managers/{name}"),
        "@odata.type": "#Manager.v1_5_0.Manager",
        "Id": name,
        "Name": format!("BMC of {name}"),
        "ManagerType": "BMC",
        "Model": "h8lio lab BMC",
        "FirmwareVersion": env!("CARGO_PKG_VERSION"),
        "PowerState": "On",
        "Status": { "State": "Enabled", "Health": "OK" },
        "Links": {
            "ManagerForServers": [link(&format!("/Systems/{name}"))],
            "ManagerForChassis": [link(&format!("/Chassis/{name}"))],
        },
    })))
}

impl Bmc {
    /// A collection whose only member is this server.
    fn only(&self, kind: &str, segment: &str) -> Response {
        let path = format!("{V1}/{segment}");
        let member = format!("{path}/{}", self.settings.name);
        body::found(&collection(kind, segment, &path, &[member]))
    }

    pub(super) fn is_ours(&self, id: &str, uri: &Uri) -> Result<(), Fault> {
        if id == self.settings.name {
            Ok(())
        } else {
            Err(Fault::missing(uri.path()))
        }
    }

    async fn power(&self) -> Result<Power, Fault> {
        let board = std::sync::Arc::clone(&self.board);
        let state = task::spawn_blocking(move || board.state()).await;
        state
            .map_err(anyhow::Error::from)
            .flatten()
            .map_err(|e| Fault::internal(&e))
    }
}

/// A collection of resources of one kind.
pub(super) fn collection(kind: &str, name: &str, path: &str, members: &[String]) -> Value {
    let members: Vec<Value> = members
        .iter()
        .map(|path| json!({ "@odata.id": path }))
        .collect();
    json!({
        "@odata.id": path,
        "@odata.type": format!("#{kind}Collection.{kind}Collection"),
        "Name": format!("{name} collection"),
        "Members@odata.count": members.len(),
        "Members": members,
    })
}

fn link(below: &str) -> Value {
    json!({ "@odata.id": format!("{V1}{below}") })
}

fn told(power: Power) -> &'static str {
    match power {
        Power::On => "On",
        Power::Off => "Off",
    }
}

fn status(power: Power) -> Value {
    match power {
        Power::On => json!({ "State": "Enabled", "Health": "OK" }),
        Power::Off => json!({ "State": "Disabled", "Health": "OK" }),
    }
}
