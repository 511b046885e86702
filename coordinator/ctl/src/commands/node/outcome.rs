//! What a change did, and the frame of every command that changes a node.

use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::find;
use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::connect::Api;
use crate::errors::{CtlError, Exit};
use crate::output;

/// The node as it is, and the operator's consent to change it.
pub(super) struct Agreed {
    pub(super) api: Api,
    /// Its id: what was shown is what is changed, even if a name moves in between.
    pub(super) node: String,
    pub(super) change: v1::Change,
}

/// Finds the node, shows `preview` and asks.
pub(super) async fn agree(
    ctl: &mut Ctl<'_>,
    name: &str,
    args: &ChangeArgs,
    consent: fn(&NodeView) -> Consent<'_>,
    preview: impl FnOnce(&NodeView) -> String,
) -> Result<Agreed, CtlError> {
    args.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let (detail, _) = find::node(&mut api, name).await?;
    let node = detail.node;
    let text = output::lines(&preview(&node));
    let change = args.confirm(ctl.terminal(), &text, consent(&node))?;
    Ok(Agreed {
        api,
        node: node.id.to_string(),
        change,
    })
}

/// `y` is enough.
pub(super) fn yes(_: &NodeView) -> Consent<'_> {
    Consent::Yes
}

/// Prints the node after the change; `done` is for people, such as `banned`.
pub(super) fn print(
    ctl: &mut Ctl<'_>,
    node: Option<v1::Node>,
    done: &str,
) -> Result<Exit, CtlError> {
    let node = find::read(node)?;
    let format = ctl.format;
    output::one(ctl.terminal(), format, &node, node.name.as_str(), |_| {
        format!("node {} {done}\n", node.name)
    })?;
    Ok(Exit::Done)
}
