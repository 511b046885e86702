//! `h8lctl operator create NAME --role ROLE`

use std::path::{Path, PathBuf};
use std::time::Duration;

use h8lio_model::ids::OperatorName;
use h8lio_model::operator::{Operator, OperatorRole};
use h8lio_proto::{convert, v1};
use h8lio_tls::bundle::{TrustBundle, certificates_to_pem};
use h8lio_tls::{files, identity};
use rustls::pki_types::CertificateDer;

use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::context::Context;
use crate::errors::{CtlError, Exit};
use crate::output::{self, duration, instant};
use crate::parse;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operator
    pub name: OperatorName,
    /// viewer, operator, approver or admin; each includes those before it
    #[arg(long)]
    pub role: OperatorRole,
    /// Life of the certificate: 1h to 400d
    #[arg(long, value_name = "TIME", default_value = "90d",
          value_parser = parse::duration_within("1h", "400d"))]
    pub ttl: Duration,
    /// Where to write the context file; NAME.toml in this folder otherwise
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub change: ChangeArgs,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    let file = args
        .file
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.toml", args.name)));
    if file.exists() {
        let text = format!("{} exists; choose another --file", file.display());
        return Err(CtlError::Usage(text));
    }
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty());
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        let text = format!(
            "folder {} does not exist; choose another --file",
            folder.display()
        );
        return Err(CtlError::Usage(text));
    }
    let mine = ctl.context()?;
    let mut api = ctl.connect().await?;
    let preview = format!(
        "operator {}, role {}, certificate for {}\n  an older certificate of that name stops working\n  key and certificate go to {}\n",
        args.name,
        args.role,
        duration(args.ttl),
        file.display()
    );
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let making = |e| CtlError::local("make a key", e);
    let key = identity::generate_key().map_err(making)?;
    let request = api.request(v1::CreateOperatorRequest {
        name: args.name.to_string(),
        role: v1::OperatorRole::from(args.role) as i32,
        csr: identity::csr(&key).map_err(making)?,
        ttl: Some(convert::duration(args.ttl)),
        change: Some(change),
    });
    // Found out now, not after the coordinator has signed: can the file be written?
    files::write_private(&file, b"").map_err(|e| CtlError::local("keep the context", e))?;
    let made = async {
        let answer = api.fleet.create_operator(request).await?.into_inner();
        let operator = answer.operator.clone();
        let context = context(&mine, answer, &identity::key_to_pem(&key))?;
        write(&file, &context)?;
        Ok::<_, CtlError>(operator)
    };
    let operator = match made.await {
        Ok(operator) => operator,
        Err(e) => {
            let _ = std::fs::remove_file(&file);
            return Err(e);
        }
    };
    let operator = Operator::try_from(
        operator.ok_or_else(|| CtlError::answer("field operator: is missing"))?,
    )?;
    print(ctl, &operator, &file)
}

/// The new operator's context: the same fleet and coordinators as mine.
fn context(
    mine: &Context,
    answer: v1::CreateOperatorResponse,
    key: &str,
) -> Result<Context, CtlError> {
    let der = |bytes: Vec<Vec<u8>>| -> Vec<CertificateDer<'static>> {
        bytes.into_iter().map(CertificateDer::from).collect()
    };
    let roots = answer.trust_bundle.map(|b| b.roots).unwrap_or_default();
    let bundle = TrustBundle::new(der(roots)).map_err(CtlError::answer)?;
    let chain = der(answer.chain);
    let context = Context {
        name: mine.name.clone(),
        fleet: mine.fleet.clone(),
        addresses: mine.addresses.clone(),
        ca: bundle.to_pem(),
        certificate: certificates_to_pem(&chain),
        key: Some(key.to_owned()),
        key_file: None,
    };
    context.identity()?;
    Ok(context)
}

fn write(file: &Path, context: &Context) -> Result<(), CtlError> {
    let text = context.to_toml()?;
    files::write_private(file, text.as_bytes()).map_err(|e| CtlError::local("keep the context", e))
}

fn print(ctl: &mut Ctl<'_>, operator: &Operator, file: &Path) -> Result<Exit, CtlError> {
    let format = ctl.format;
    let name = operator.name.as_str();
    output::one(ctl.terminal(), format, operator, name, |_| {
        format!(
            "operator {name} ({}) may work until {}\n",
            operator.role,
            instant(operator.expires_at)
        )
    })?;
    let note = format!(
        "{} holds the key: hand it over safely, then `h8lctl context import {}` there\n",
        file.display(),
        file.display()
    );
    ctl.terminal().err(&note)?;
    Ok(Exit::Done)
}
