//! `h8lctl operator revoke NAME`

use h8lio_model::ids::OperatorName;
use h8lio_model::operator::Operator;
use h8lio_proto::v1;

use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::connect::Api;
use crate::errors::{CallError, CtlError, Exit};
use crate::output::{self, instant};

const LIST: &str = "h8lctl operator list";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operator
    pub name: OperatorName,
    #[command(flatten)]
    pub change: ChangeArgs,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let before = find(&mut api, &args.name).await?;
    let what = match before.revoked_at {
        Some(at) => format!("nothing to end: access was ended at {}", instant(at)),
        None => "end all access at once".to_owned(),
    };
    let preview = format!("operator {}\n  {what}\n", args.name);
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let request = api.request(v1::RevokeOperatorRequest {
        name: args.name.to_string(),
        change: Some(change),
    });
    let answer = api
        .fleet
        .revoke_operator(request)
        .await
        .map_err(|status| CallError::about(&status, "operator", args.name.as_str(), LIST))?;
    let operator = answer
        .into_inner()
        .operator
        .ok_or_else(|| CtlError::answer("field operator: is missing"))?;
    let operator = Operator::try_from(operator)?;
    let format = ctl.format;
    let name = operator.name.as_str();
    let done = if operator == before {
        "unchanged"
    } else {
        "revoked"
    };
    output::one(ctl.terminal(), format, &operator, name, |_| {
        format!("operator {name} {done}\n")
    })?;
    Ok(Exit::Done)
}

/// The operator as it is.
async fn find(api: &mut Api, name: &OperatorName) -> Result<Operator, CtlError> {
    let request = api.request(v1::ListOperatorsRequest {});
    let listed = api.fleet.list_operators(request).await?.into_inner();
    let mut listed = listed.operators.into_iter();
    let found = listed.find(|o| o.name == name.as_str()).ok_or_else(|| {
        let missing = tonic::Status::not_found("");
        CallError::about(&missing, "operator", name.as_str(), LIST)
    })?;
    Ok(Operator::try_from(found)?)
}
