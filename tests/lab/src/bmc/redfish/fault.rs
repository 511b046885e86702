//! Answers that say no, in the form of DSP0266: an error with one message of the Base registry.

use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::body;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    /// The message's id in the Base registry.
    id: &'static str,
    message: String,
    resolution: &'static str,
}

impl Fault {
    pub(super) fn missing(path: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            id: "ResourceMissingAtURI",
            message: format!("The resource at the URI '{path}' was not found."),
            resolution: "Follow the links from /redfish/v1.",
        }
    }

    pub(super) fn nobody() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            id: "NoValidSession",
            message: "There is no valid session established with the implementation.".to_owned(),
            resolution: "Log in with basic authentication or make a session.",
        }
    }

    pub(super) fn too_many_sessions() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            id: "SessionLimitExceeded",
            message: "The session establishment failed due to the number of simultaneous sessions \
                      exceeding the limit of the implementation."
                .to_owned(),
            resolution: "Delete sessions that are no longer used.",
        }
    }

    pub(super) fn malformed(why: &serde_json::Error) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            id: "MalformedJSON",
            message: format!("The request body is not what is expected here: {why}."),
            resolution: "Send a JSON object with the parameters that the action names.",
        }
    }

    pub(super) fn parameter_missing(action: &str, parameter: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            id: "ActionParameterMissing",
            message: format!(
                "The action {action} requires that the parameter {parameter} be present in the \
                 request body."
            ),
            resolution: "Supply the parameter.",
        }
    }

    pub(super) fn not_in_list(action: &str, parameter: &str, value: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            id: "ActionParameterValueNotInList",
            message: format!(
                "The value '{value}' for the parameter {parameter} in the action {action} is not in \
                 the list of acceptable values."
            ),
            resolution: "Choose a value from the action's AllowableValues.",
        }
    }

    pub(super) fn internal(why: &anyhow::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            id: "InternalError",
            message: format!("The request failed inside the BMC: {why:#}."),
            resolution: "Read the BMC's log.",
        }
    }

    fn not_allowed(method: &Method) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            id: "OperationNotAllowed",
            message: format!("The HTTP method {method} is not allowed on this resource."),
            resolution: "Use a method that the header Allow names.",
        }
    }

    fn to_json(&self) -> Value {
        let id = format!("Base.1.8.{}", self.id);
        let info = json!({
            "@odata.type": "#Message.v1_1_1.Message",
            "MessageId": id,
            "Message": self.message,
            "Severity": "Critical",
            "Resolution": self.resolution,
        });
        let mut error = Map::new();
        error.insert("code".to_owned(), id.into());
        error.insert("message".to_owned(), self.message.clone().into());
        error.insert("@Message.ExtendedInfo".to_owned(), json!([info]));
        json!({ "error": error })
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = body::json(self.status, &self.to_json());
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = axum::http::HeaderValue::from_static("Basic realm=\"bmc\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

pub(super) async fn no_such_resource(uri: Uri) -> Fault {
    Fault::missing(uri.path())
}

pub(super) async fn no_such_method(method: Method) -> Fault {
    Fault::not_allowed(&method)
}
