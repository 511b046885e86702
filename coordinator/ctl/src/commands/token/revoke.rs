//! `h8lctl token revoke ID`

use h8lio_model::ids::TokenId;
use h8lio_model::token::Token;
use h8lio_proto::v1;

use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::connect::Api;
use crate::errors::{CallError, CtlError, Exit};
use crate::output::{self, instant};

const LIST: &str = "h8lctl token list";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Id of the token
    pub id: TokenId,
    #[command(flatten)]
    pub change: ChangeArgs,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let before = find(&mut api, &args.id).await?;
    let what = match before.revoked_at {
        Some(at) => format!("nothing to revoke: it was revoked at {}", instant(at)),
        None => "make it useless; servers that joined with it stay".to_owned(),
    };
    let preview = format!("token {}\n  {what}\n", args.id);
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let request = api.request(v1::RevokeTokenRequest {
        id: args.id.to_string(),
        change: Some(change),
    });
    let answer = api
        .fleet
        .revoke_token(request)
        .await
        .map_err(|status| CallError::about(&status, "token", args.id.as_str(), LIST))?;
    let token = answer
        .into_inner()
        .token
        .ok_or_else(|| CtlError::answer("field token: is missing"))?;
    let token = Token::try_from(token)?;
    let format = ctl.format;
    let done = if token == before {
        "unchanged"
    } else {
        "revoked"
    };
    output::one(ctl.terminal(), format, &token, token.id.as_str(), |_| {
        format!("token {} {done}\n", token.id)
    })?;
    Ok(Exit::Done)
}

/// The token as it is.
async fn find(api: &mut Api, id: &TokenId) -> Result<Token, CtlError> {
    let request = api.request(v1::ListTokensRequest {});
    let listed = api.fleet.list_tokens(request).await?.into_inner().tokens;
    let found = listed.into_iter().find(|t| t.id == id.as_str());
    let found = found.ok_or_else(|| {
        let missing = tonic::Status::not_found("");
        CallError::about(&missing, "token", id.as_str(), LIST)
    })?;
    Ok(Token::try_from(found)?)
}
