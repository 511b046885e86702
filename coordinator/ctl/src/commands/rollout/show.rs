//! `h8lctl rollout show NAME`

use h8lio_model::ids::RolloutName;
use h8lio_model::rollout::view::RolloutView;

use super::find;
use crate::Ctl;
use crate::connect::Api;
use crate::errors::{CtlError, Exit};
use crate::follow::POLL;
use crate::output::{self, Format, instant};
use crate::report::rollouts;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the rollout
    pub name: RolloutName,
    /// Stay, look every 2 s and print again when something changed; ctrl-c ends it
    #[arg(short, long)]
    pub watch: bool,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    let mut api = ctl.connect().await?;
    let view = find::rollout(&mut api, &args.name).await?;
    if args.watch {
        return watch(ctl, api, view).await;
    }
    print(ctl, &view)?;
    Ok(Exit::Done)
}

/// Prints the page of a rollout.
pub(super) fn print(ctl: &mut Ctl<'_>, view: &RolloutView) -> Result<(), CtlError> {
    let format = ctl.format;
    output::one(
        ctl.terminal(),
        format,
        view,
        view.spec.name.as_str(),
        |_| rollouts::page(view),
    )?;
    if !format.is_data() {
        let note = format!("as of {}\n", instant(view.as_of));
        ctl.terminal().err(&note)?;
    }
    Ok(())
}

/// A look that fails is said once, and the next one connects anew.
async fn watch(ctl: &mut Ctl<'_>, api: Api, first: RolloutView) -> Result<Exit, CtlError> {
    let interrupt = ctl.world.interrupt.clone();
    let name = first.spec.name.clone();
    let (mut api, mut shown, mut failing) = (Some(api), first, false);
    redraw(ctl, &shown)?;
    while interrupt.or(tokio::time::sleep(POLL)).await.is_some() {
        let Some(look) = interrupt.or(look(ctl, api.take(), &name)).await else {
            break;
        };
        match look {
            Ok((connected, view)) => {
                if failing || rollouts::differ(&shown, &view) {
                    redraw(ctl, &view)?;
                    shown = view;
                }
                (api, failing) = (Some(connected), false);
            }
            Err(e) if e.passes() => {
                if !failing {
                    let line = output::clean(&e.line());
                    ctl.terminal().err(&format!("{line}; still trying\n"))?;
                }
                failing = true;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(Exit::Done)
}

async fn look(
    ctl: &Ctl<'_>,
    api: Option<Api>,
    name: &RolloutName,
) -> Result<(Api, RolloutView), CtlError> {
    let mut api = match api {
        Some(api) => api,
        None => ctl.connect().await?,
    };
    let view = find::rollout(&mut api, name).await?;
    Ok((api, view))
}

fn redraw(ctl: &mut Ctl<'_>, view: &RolloutView) -> Result<(), CtlError> {
    if ctl.terminal().is_screen() && matches!(ctl.format, Format::Table | Format::Wide) {
        // Home, and clear from there to the end of the screen.
        ctl.terminal().out("\u{1b}[H\u{1b}[2J")?;
    }
    match ctl.format {
        Format::Json => {
            let line = serde_json::to_string(view).map_err(CtlError::answer)?;
            return Ok(ctl.terminal().out(&format!("{line}\n"))?);
        }
        Format::Yaml => ctl.terminal().out("---\n")?,
        Format::Table | Format::Wide | Format::Name => {}
    }
    print(ctl, view)
}
