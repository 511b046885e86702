//! `h8lctl token revoke ID`

use h8lio_model::ids::TokenId;
use h8lio_model::token::Token;
use h8lio_proto::v1;

use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::errors::{CallError, CtlError, Exit};
use crate::output;

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
    let preview = format!(
        "token {}\n  make it useless; servers that joined with it stay\n",
        args.id
    );
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let request = api.request(v1::RevokeTokenRequest {
        id: args.id.to_string(),
        change: Some(change),
    });
    let answer = api.fleet.revoke_token(request).await.map_err(|status| {
        CallError::about(&status, "token", args.id.as_str(), "h8lctl token list")
    })?;
    let token = answer
        .into_inner()
        .token
        .ok_or_else(|| CtlError::answer("field token: is missing"))?;
    let token = Token::try_from(token)?;
    let format = ctl.format;
    output::one(ctl.terminal(), format, &token, token.id.as_str(), |_| {
        format!("token {} revoked\n", token.id)
    })?;
    Ok(Exit::Done)
}
