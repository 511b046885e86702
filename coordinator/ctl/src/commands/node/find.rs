//! Finding the one node that the operator means.

use h8lio_model::inventory::Inventory;
use h8lio_model::node::{NodeDetail, NodeView};
use h8lio_proto::convert::read_timestamp;
use h8lio_proto::v1;
use jiff::Timestamp;

use crate::connect::Api;
use crate::errors::{CallError, CtlError};

const LIST: &str = "h8lctl node list";

/// The node with this name or id, and the coordinator's time. For a name that does not exist the
/// error offers those that look like it.
pub(super) async fn node(api: &mut Api, name: &str) -> Result<(NodeDetail, Timestamp), CtlError> {
    let request = api.request(v1::GetNodeRequest {
        node: name.to_owned(),
    });
    let answer = match api.nodes.get_node(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let error = CallError::about(&status, "node", name, LIST);
            return Err(suggest(api, error).await.into());
        }
    };
    let as_of = read_timestamp("as_of", answer.as_of)?;
    let inventory: Inventory = if answer.inventory.is_empty() {
        Inventory::default()
    } else {
        serde_json::from_slice(&answer.inventory).map_err(CtlError::answer)?
    };
    let node = read(answer.node)?;
    Ok((NodeDetail { node, inventory }, as_of))
}

/// The node of an answer.
pub(super) fn read(node: Option<v1::Node>) -> Result<NodeView, CtlError> {
    let node = node.ok_or_else(|| CtlError::answer("field node: is missing"))?;
    Ok(node.try_into()?)
}

/// Fills in names that look like the one that was not found. Failing to list leaves the error
/// as it is.
async fn suggest(api: &mut Api, error: CallError) -> CallError {
    let CallError::NotFound {
        what, name, list, ..
    } = error
    else {
        return error;
    };
    let request = api.request(v1::ListNodesRequest::default());
    let names: Vec<String> = match api.nodes.list_nodes(request).await {
        Ok(answer) => answer
            .into_inner()
            .nodes
            .into_iter()
            .map(|n| n.name)
            .collect(),
        Err(_) => Vec::new(),
    };
    let suggestions = alike(&name, &names);
    CallError::NotFound {
        what,
        name,
        suggestions,
        list,
    }
}

/// At most three of `names` that are like `wanted`, the best first.
fn alike(wanted: &str, names: &[String]) -> Vec<String> {
    let mut scored: Vec<(f64, &String)> = names
        .iter()
        .map(|n| (strsim::jaro_winkler(wanted, n), n))
        .filter(|(score, _)| *score >= 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, n)| n.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn a_slip_finds_its_node_and_a_strange_name_finds_none() {
        let names: Vec<String> = ["r1-s1", "r1-s2", "gateway"]
            .iter()
            .map(|s| (*s).to_owned())
            .collect();
        assert_eq!(alike("r1s1", &names)[0], "r1-s1");
        assert_eq!(alike("gatway", &names), ["gateway"]);
        assert!(alike("qqq", &names).is_empty());
    }
}
