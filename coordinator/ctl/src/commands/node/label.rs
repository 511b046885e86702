//! `h8lctl node label NAME key=value key-`

use h8lio_model::lifecycle::Admission;
use h8lio_model::node::NodeView;
use h8lio_model::role::Role;
use h8lio_model::topology::Topology;
use h8lio_proto::v1;

use super::outcome::{self, Agreed};
use crate::Ctl;
use crate::change::ChangeArgs;
use crate::errors::{CtlError, Exit};
use crate::output::{joined, or_dash};
use crate::parse::{self, LabelEdit};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    pub node: String,
    /// `key=value` sets a label, `key-` removes it
    #[arg(value_name = "EDIT", value_parser = parse::label_edit)]
    pub edits: Vec<LabelEdit>,
    /// Replace the roles: cloud, storage or both
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',')]
    pub roles: Vec<Role>,
    /// Replace the topology: region/datacenter/zone/rack[/slot]
    #[arg(long, value_name = "PLACE")]
    pub topology: Option<Topology>,
    #[command(flatten)]
    pub change: ChangeArgs,
}

pub(crate) async fn run(ctl: &mut Ctl<'_>, args: &Args) -> Result<Exit, CtlError> {
    if args.edits.is_empty() && args.roles.is_empty() && args.topology.is_none() {
        let text = "nothing to change: give key=value, key-, --roles or --topology";
        return Err(CtlError::Usage(text.to_owned()));
    }
    let preview = |n: &NodeView| preview(n, args);
    let agreed = outcome::agree(ctl, &args.node, &args.change, outcome::yes, preview).await?;
    let node = agreed.node();
    let Agreed {
        mut api,
        before,
        change,
    } = agreed;
    let mut message = v1::UpdateNodeRequest {
        node,
        roles: h8lio_proto::convert::roles(&args.roles),
        topology: args.topology.clone().map(Into::into),
        change: Some(change),
        ..v1::UpdateNodeRequest::default()
    };
    for edit in &args.edits {
        match edit {
            LabelEdit::Set(k, v) => {
                message.set_labels.insert(k.clone(), v.clone());
            }
            LabelEdit::Remove(k) => message.remove_labels.push(k.clone()),
        }
    }
    let request = api.request(message);
    let answer = api.nodes.update_node(request).await?.into_inner();
    outcome::print(ctl, Some(&before), answer.node, "updated")
}

/// Old and new value of everything that is touched.
fn preview(node: &NodeView, args: &Args) -> Result<String, String> {
    if node.admission == Admission::Decommissioned {
        return Err(outcome::gone(node));
    }
    let mut out = format!("node {} ({})\n", node.name, node.id);
    let mut line = |what: &str, old: &str, new: &str| {
        let change = if old == new {
            format!("{old} (as it is)")
        } else {
            format!("{old} -> {new}")
        };
        out.push_str(&format!("  {what}: {change}\n"));
    };
    for edit in &args.edits {
        let (key, new) = match edit {
            LabelEdit::Set(k, v) => (k, Some(v)),
            LabelEdit::Remove(k) => (k, None),
        };
        line(key, &or_dash(node.labels.get(key)), &or_dash(new));
    }
    if !args.roles.is_empty() {
        line("roles", &joined(&node.roles), &joined(&args.roles));
    }
    if args.topology.is_some() {
        let new = or_dash(args.topology.as_ref());
        line("topology", &or_dash(node.topology.as_ref()), &new);
    }
    Ok(out)
}
