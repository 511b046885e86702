//! Who asks: basic authentication, or the token of a session.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Bmc;
use super::fault::Fault;

/// The header that carries a session's token.
pub(super) const TOKEN: &str = "x-auth-token";

/// Lets a request pass whose sender is known.
pub(super) async fn check(
    State(bmc): State<Bmc>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    if bmc.knows(request.headers()) {
        Ok(next.run(request).await)
    } else {
        Err(Fault::nobody())
    }
}

impl Bmc {
    fn knows(&self, headers: &HeaderMap) -> bool {
        match headers.get(TOKEN) {
            // A token that is wrong is not mended by a password beside it.
            Some(token) => token.to_str().is_ok_and(|token| self.sessions.knows(token)),
            None => basic(headers).is_some_and(|(user, password)| self.admits(&user, &password)),
        }
    }

    /// Whether user and password are those of the BMC.
    pub(super) fn admits(&self, user: &str, password: &str) -> bool {
        user == self.settings.user && password == self.settings.password
    }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
