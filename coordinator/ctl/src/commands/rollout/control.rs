//! `h8lctl rollout pause|resume|cancel NAME`

use h8lio_model::ids::RolloutName;
use h8lio_model::rollout::view::{RolloutView, WishView};
use h8lio_proto::v1;
use h8lio_proto::v1::control_rollout_request::Act;

use super::find;
use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::errors::{CtlError, Exit};
use crate::output;
use crate::report::rollouts;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the rollout
    pub name: RolloutName,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// What is wanted of the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Pause,
    Resume,
    Cancel,
}

impl Wish {
    const fn act(self) -> Act {
        match self {
            Self::Pause => Act::Pause,
            Self::Resume => Act::Resume,
            Self::Cancel => Act::Cancel,
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
        }
    }

    /// What will happen, or why the coordinator would refuse it.
    fn preview(self, view: &RolloutView) -> Result<String, String> {
        let name = &view.spec.name;
        if let (WishView::Cancel { by, .. }, Self::Pause | Self::Resume) = (&view.wish, self) {
            return Err(format!(
                "rollout {name} was cancelled by {by}, and does not come back; create a new one"
            ));
        }
        let what = match self {
            Self::Pause => "begin no further node; what has begun is finished",
            Self::Resume => "go on with the nodes that have not begun",
            Self::Cancel => {
                "give it up for good; nodes that have not begun stay as they are, those that have \
                 come to their end"
            }
        };
        Ok(format!("{}\n  {what}\n", rollouts::line(view)))
    }
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args, wish: Wish) -> Result<Exit, CtlError> {
    args.change.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let before = find::rollout(&mut api, &args.name).await?;
    let preview = wish.preview(&before).map_err(CtlError::Refused)?;
    let preview = output::lines(&preview);
    let change = args
        .change
        .confirm(ctl.terminal(), &preview, Consent::Yes)?;
    let request = api.request(v1::ControlRolloutRequest {
        name: args.name.to_string(),
        act: wish.act() as i32,
        change: Some(change),
    });
    let answer = api.rollouts.control_rollout(request).await?.into_inner();
    let after = find::read(&answer.rollout)?;
    let done = match after.wish == before.wish {
        true => "unchanged",
        false => wish.done(),
    };
    let format = ctl.format;
    let name = args.name.as_str();
    output::one(ctl.terminal(), format, &after, name, |_| {
        format!("rollout {name} {done}\n")
    })?;
    Ok(Exit::Done)
}
