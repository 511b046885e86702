//! `h8lctl rollout create NAME`

use std::time::Duration;

use h8lio_model::ids::RolloutName;
use h8lio_model::rollout::view::RolloutView;
use h8lio_model::rollout::{Lane, RolloutSpec, RolloutTarget, Selector, WaveSize, WindowSpec};
use h8lio_proto::v1;
use jiff::{SignedDuration, Timestamp};

use super::{find, show};
use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::connect::Api;
use crate::errors::{CallError, CtlError, Exit};
use crate::output;
use crate::parse;
use crate::report::rollouts;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the rollout; it is never used for another one
    pub name: RolloutName,
    /// What it brings: security, all, kernel, reboot-only or packages:NAME,NAME
    #[arg(long, value_name = "TARGET")]
    pub target: RolloutTarget,
    /// Which nodes: name=, role=, region=, datacenter=, zone=, rack=, label:KEY=VALUE, with commas
    /// between; `all` alone for every node
    #[arg(long, value_name = "TERM,…")]
    pub selector: Selector,
    /// How many nodes go first, by themselves
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Pace")]
    pub canary: u32,
    /// Size of a wave after the canary, in nodes or percent; may be given again, the last repeats.
    /// None: all in one wave
    #[arg(long = "wave", value_name = "N|P%", value_parser = parse::wave, help_heading = "Pace")]
    pub waves: Vec<WaveSize>,
    /// How long a wave is watched before the next one begins
    #[arg(long, value_name = "TIME", value_parser = parse::duration, help_heading = "Pace")]
    pub soak: Option<Duration>,
    /// So many failed nodes stop it
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..), help_heading = "Pace")]
    pub failure_threshold: u32,
    /// Health check of the coordinator's configuration that must pass before each node; may be
    /// given again
    #[arg(long = "health-check", value_name = "NAME", help_heading = "Pace")]
    pub health_checks: Vec<String>,
    /// When nodes may be begun: cron of five fields, length and zone, such as
    /// "0 22 * * FRI;4h;Europe/Paris"; may be given again. None: the fleet's windows
    #[arg(long = "window", value_name = "CRON;TIME;ZONE", value_parser = parse::window,
          help_heading = "Calendar")]
    pub windows: Vec<WindowSpec>,
    /// All done by then; whether that can be is said at once (2026-12-01T06:00:00Z)
    #[arg(long, value_name = "WHEN", help_heading = "Calendar")]
    pub deadline: Option<Timestamp>,
    /// A hole that is being used: do not wait for windows, and go before other rollouts. Freezes,
    /// budgets and every other gate hold as ever
    #[arg(long, help_heading = "Calendar")]
    pub cve: bool,
    /// Say what would come of it, and create nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub change: ChangeArgs,
}

impl Args {
    fn spec(&self) -> RolloutSpec {
        let soak = self.soak.map(SignedDuration::try_from);
        RolloutSpec {
            name: self.name.clone(),
            target: self.target.clone(),
            selector: self.selector.clone(),
            lane: if self.cve { Lane::Cve } else { Lane::Normal },
            windows: self.windows.clone(),
            canary: self.canary,
            waves: self.waves.clone(),
            soak: soak.and_then(Result::ok).unwrap_or_default(),
            failure_threshold: self.failure_threshold,
            deadline: self.deadline,
            health_checks: self.health_checks.clone(),
        }
    }
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let spec = serde_json::to_vec(&args.spec()).map_err(|e| CtlError::local("write JSON", e))?;
    if args.dry_run {
        let mut api = ctl.connect().await?;
        let view = ask(&mut api, spec, None).await?;
        show::print(ctl, &view)?;
        return Ok(Exit::Done);
    }
    args.change.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let known = match find::rollout(&mut api, &args.name).await {
        Ok(_) => true,
        Err(CtlError::Call(CallError::NotFound { .. })) => false,
        Err(e) => return Err(e),
    };
    // What is refused is refused here, before anybody is asked anything.
    let planned = ask(&mut api, spec.clone(), None).await?;
    let preview = match known {
        true => format!(
            "{}\n  nothing to create: it exists\n",
            rollouts::line(&planned)
        ),
        false => rollouts::preview(&planned),
    };
    let preview = output::lines(&preview);
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let view = ask(&mut api, spec, Some(change)).await?;
    let format = ctl.format;
    let (name, done) = (
        args.name.as_str(),
        if known { "unchanged" } else { "created" },
    );
    output::one(ctl.terminal(), format, &view, name, |_| {
        format!("rollout {name} {done}\n")
    })?;
    Ok(Exit::Done)
}

/// Creates it, or without a change has it planned only.
async fn ask(
    api: &mut Api,
    spec: Vec<u8>,
    change: Option<v1::Change>,
) -> Result<RolloutView, CtlError> {
    let request = api.request(v1::CreateRolloutRequest {
        spec,
        dry_run: change.is_none(),
        change,
    });
    let answer = api.rollouts.create_rollout(request).await?.into_inner();
    find::read(&answer.rollout)
}
