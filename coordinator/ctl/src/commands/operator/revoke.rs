//! `h8lctl operator revoke NAME`

use h8lio_model::ids::OperatorName;
use h8lio_model::operator::Operator;
use h8lio_proto::v1;

use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::errors::{CallError, CtlError, Exit};
use crate::output;

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
    let preview = format!("operator {}\n  end all access at once\n", args.name);
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let request = api.request(v1::RevokeOperatorRequest {
        name: args.name.to_string(),
        change: Some(change),
    });
    let answer = api.fleet.revoke_operator(request).await.map_err(|status| {
        CallError::about(
            &status,
            "operator",
            args.name.as_str(),
            "h8lctl operator list",
        )
    })?;
    let operator = answer
        .into_inner()
        .operator
        .ok_or_else(|| CtlError::answer("field operator: is missing"))?;
    let operator = Operator::try_from(operator)?;
    let format = ctl.format;
    let name = operator.name.as_str();
    output::one(ctl.terminal(), format, &operator, name, |_| {
        format!("operator {name} revoked\n")
    })?;
    Ok(Exit::Done)
}
