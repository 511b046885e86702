//! The frame of every command that changes a node: find it, show what will happen, ask, have it
//! done, say what it did.

use h8lio_model::node::NodeView;
use h8lio_proto::v1;

use super::find;
use crate::Ctl;
use crate::change::{ChangeArgs, Consent};
use crate::connect::Api;
use crate::errors::{CtlError, Exit};
use crate::output;

/// The arguments of a command that changes one node and needs to know nothing else.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// Name or id
    pub node: String,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// The node as it is, and the operator's consent to change it.
pub(super) struct Agreed {
    pub(super) api: Api,
    /// What was shown.
    pub(super) before: NodeView,
    pub(super) change: v1::Change,
}

impl Agreed {
    /// Its id: what was shown is what is changed, even if a name moves in between.
    pub(super) fn node(&self) -> String {
        self.before.id.to_string()
    }
}

/// What a command says about its change.
pub(super) struct Words {
    pub(super) consent: fn(&NodeView) -> Consent<'_>,
    /// What will happen, or why the coordinator would refuse it: then nobody is asked.
    pub(super) preview: fn(&NodeView) -> Result<String, String>,
    /// For people, such as `banned`.
    pub(super) done: &'static str,
}

/// Carries out one change of the node that `target` names, by `call`.
pub(super) async fn change<M>(
    ctl: &mut Ctl<'_>,
    target: &Target,
    words: Words,
    message: impl FnOnce(String, v1::Change) -> M,
    call: impl AsyncFnOnce(&mut Api, tonic::Request<M>) -> Result<Option<v1::Node>, tonic::Status>,
) -> Result<Exit, CtlError> {
    let agreed = agree(
        ctl,
        &target.node,
        &target.change,
        words.consent,
        words.preview,
    )
    .await?;
    let node = agreed.node();
    let Agreed {
        mut api,
        before,
        change,
    } = agreed;
    let request = api.request(message(node, change));
    let after = call(&mut api, request).await?;
    print(ctl, Some(&before), after, words.done)
}

/// Finds the node, shows `preview` and asks.
pub(super) async fn agree(
    ctl: &mut Ctl<'_>,
    name: &str,
    args: &ChangeArgs,
    consent: fn(&NodeView) -> Consent<'_>,
    preview: impl FnOnce(&NodeView) -> Result<String, String>,
) -> Result<Agreed, CtlError> {
    args.check(ctl.terminal())?;
    let mut api = ctl.connect().await?;
    let (detail, _) = find::node(&mut api, name).await?;
    let node = detail.node;
    let text = preview(&node).map_err(CtlError::Refused)?;
    let change = args.confirm(ctl.terminal(), &output::lines(&text), consent(&node))?;
    Ok(Agreed {
        api,
        before: node,
        change,
    })
}

/// `y` is enough.
pub(super) fn yes(_: &NodeView) -> Consent<'_> {
    Consent::Yes
}

/// What every change of a decommissioned node is refused with.
pub(super) fn gone(node: &NodeView) -> String {
    format!(
        "node {} was decommissioned; enroll the server anew instead",
        node.name
    )
}

/// Prints the node after the change; `done` is for people, such as `banned`. A node that is as it
/// was `before` is called unchanged; without `before` that cannot be seen on the node.
pub(super) fn print(
    ctl: &mut Ctl<'_>,
    before: Option<&NodeView>,
    after: Option<v1::Node>,
    done: &str,
) -> Result<Exit, CtlError> {
    let node = find::read(after)?;
    let done = match before {
        Some(before) if same(before, &node) => "unchanged",
        _ => done,
    };
    let format = ctl.format;
    output::one(ctl.terminal(), format, &node, node.name.as_str(), |_| {
        format!("node {} {done}\n", node.name)
    })?;
    Ok(Exit::Done)
}

/// Whether all that an operator's change can touch is as it was; what the server reports meanwhile
/// does not count.
fn same(before: &NodeView, after: &NodeView) -> bool {
    before.admission == after.admission
        && before.scheduling == after.scheduling
        && before.restriction == after.restriction
        && before.roles == after.roles
        && before.topology == after.topology
        && before.labels == after.labels
}
