//! Redfish: as much of DMTF's DSP0266 as power control and its clients need.
//!
//! | Path below `/redfish/v1` | |
//! |---|---|
//! | (itself), `/odata` | open |
//! | `/SessionService`, `/SessionService/Sessions` | a login by POST is open |
//! | `/Systems/NAME`, `…/Actions/ComputerSystem.Reset` | the server |
//! | `/Chassis/NAME`, `/Managers/NAME` | what it is in, what it is looked after by |

mod auth;
mod body;
mod fault;
pub mod listen;
mod pace;
mod reset;
mod resources;
mod sessions;
pub mod tls;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::routing::{delete, get, post};
use axum::{Router, middleware};

use super::board::Board;
use super::folder::Settings;
use super::mode::ModeFile;
use sessions::Sessions;

/// What every route sees.
#[derive(Clone)]
pub(crate) struct Bmc {
    settings: Arc<Settings>,
    board: Arc<Board>,
    sessions: Arc<Sessions>,
}

/// All routes of one BMC. Requests are as late as the mode says, or never served.
pub fn routes(settings: Settings, board: Arc<Board>, modes: Arc<ModeFile>) -> Router {
    let bmc = Bmc {
        settings: Arc::new(settings),
        board,
        sessions: Arc::default(),
    };
    let v1 = open().merge(guarded(&bmc));
    Router::new()
        .route("/redfish", get(resources::versions))
        .route("/redfish/v1/", get(resources::root))
        .nest("/redfish/v1", v1)
        .fallback(fault::no_such_resource)
        .method_not_allowed_fallback(fault::no_such_method)
        .layer(middleware::map_response(body::headers))
        .layer(middleware::from_fn_with_state(modes, pace::pace))
        .with_state(bmc)
}

/// What a client may ask before it has logged in.
fn open() -> Router<Bmc> {
    Router::new()
        .route("/", get(resources::root))
        .route("/odata", get(resources::odata))
        .route("/SessionService/Sessions", post(sessions::log_in))
}

fn guarded(bmc: &Bmc) -> Router<Bmc> {
    Router::new()
        .route("/SessionService", get(sessions::service))
        .route("/SessionService/Sessions", get(sessions::list))
        .route("/SessionService/Sessions/{id}", get(sessions::show))
        .route("/SessionService/Sessions/{id}", delete(sessions::log_out))
        .route("/Systems", get(resources::systems))
        .route("/Systems/{id}", get(resources::system))
        .route(
            "/Systems/{id}/Actions/ComputerSystem.Reset",
            post(reset::reset),
        )
        .route("/Chassis", get(resources::all_chassis))
        .route("/Chassis/{id}", get(resources::chassis))
        .route("/Managers", get(resources::managers))
        .route("/Managers/{id}", get(resources::manager))
        .route_layer(middleware::from_fn_with_state(bmc.clone(), auth::check))
}
