//! `kube`: Kubernetes over three servers; a Deployment whose budget stops a drain, then lets it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Extent, three_servers};
use crate::checks::{Checks, say};
use crate::kube::{Cluster, Kubectl, Workload};
use crate::lab::Lab;

/// Pods start in seconds on an idle machine.
const PODS: Duration = Duration::from_secs(240);

const DRAIN: Duration = Duration::from_secs(180);

/// Plays it.
///
/// # Errors
/// When servers or cluster do not come up.
pub(super) fn run(checks: &mut Checks, lab: &Lab, _: Extent) -> Result<()> {
    let servers = three_servers(checks, lab)?;
    let cluster = checks.need("the control plane is ready", || {
        Cluster::up(lab, &|line| say(&format!("       {line}")))
    })?;
    checks.need("a kubelet on each server is ready", || {
        cluster.add_nodes(&servers)
    })?;
    let kubectl = cluster.kubectl();
    let strict = Workload {
        name: "web".to_owned(),
        replicas: 3,
        min_available: 3,
    };
    let loose = Workload {
        min_available: 2,
        ..strict.clone()
    };
    a_deployment_runs(checks, &kubectl, &strict);
    pods_reach_each_other(checks, &kubectl, &strict);
    a_budget_stops_an_eviction(checks, &kubectl, &strict);
    a_server_is_drained(checks, &kubectl, &loose);
    checks.check("the cluster goes", || {
        Cluster::down(lab, &servers)?;
        let left = servers[0].run("ctr -n k8s.io container list -q")?;
        ensure!(left.is_empty(), "containers are left: {left}");
        Ok(String::new())
    });
    Ok(())
}

fn a_deployment_runs(checks: &mut Checks, kubectl: &Kubectl, web: &Workload) {
    checks.check("a Deployment of three runs on three servers", || {
        web.apply(kubectl)?;
        let pods = web.wait_until_ready(kubectl, PODS)?;
        let nodes = Workload::nodes(&pods);
        ensure!(nodes.len() == 3, "its pods run on {nodes:?}");
        Ok(nodes.into_iter().collect::<Vec<_>>().join(", "))
    });
}

fn pods_reach_each_other(checks: &mut Checks, kubectl: &Kubectl, web: &Workload) {
    checks.check("a pod reaches pods on the other servers", || {
        let pods = web.pods(kubectl)?;
        let [first, others @ ..] = pods.as_slice() else {
            bail!("it has no pods")
        };
        for other in others {
            Workload::fetch(kubectl, first, other)?;
        }
        let others: Vec<&str> = others.iter().map(|pod| pod.node.as_str()).collect();
        Ok(format!("from {} to {}", first.node, others.join(" and ")))
    });
}

fn a_budget_stops_an_eviction(checks: &mut Checks, kubectl: &Kubectl, web: &Workload) {
    checks.check("a budget of three of three lets no pod go", || {
        let pods = web.pods(kubectl)?;
        let pod = pods.first().context("it has no pods")?;
        let refused = web.evict(kubectl, &pod.name)?;
        refused.with_context(|| format!("{} was evicted", pod.name))?;
        ensure!(web.pods(kubectl)? == pods, "the pods changed all the same");
        Ok("refused".to_owned())
    });
}

fn a_server_is_drained(checks: &mut Checks, kubectl: &Kubectl, web: &Workload) {
    checks.check(
        "with two of three a server is drained, and its pod runs elsewhere",
        || {
            web.apply(kubectl)?;
            Workload::drain(kubectl, "s1", DRAIN)?;
            let pods = web.wait_until_ready(kubectl, PODS)?;
            let nodes = Workload::nodes(&pods);
            ensure!(!nodes.contains("s1"), "it still runs on {nodes:?}");
            Ok(format!(
                "three ready on {}",
                nodes.into_iter().collect::<Vec<_>>().join(", ")
            ))
        },
    );
    checks.check("uncordoned, it takes pods again", || {
        kubectl.tell(&["uncordon", "s1"])?;
        let more = Workload {
            replicas: 5,
            ..web.clone()
        };
        more.apply(kubectl)?;
        let pods = more.wait_until_ready(kubectl, PODS)?;
        let nodes = Workload::nodes(&pods);
        ensure!(nodes.contains("s1"), "its pods run on {nodes:?}");
        web.delete(kubectl)?;
        Ok(nodes.into_iter().collect::<Vec<_>>().join(", "))
    });
}
