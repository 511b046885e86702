//! A Deployment with a PodDisruptionBudget, and the drain of a server that runs its pods.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Kubectl, image};
use crate::clock::until;

/// Where its pods serve their own root.
const PORT: u16 = 8080;

/// One Deployment in the namespace `default`, spread over the servers.
#[derive(Debug, Clone)]
pub struct Workload {
    pub name: String,
    pub replicas: u32,
    /// How many of its pods must stay available in a drain.
    pub min_available: u32,
}

/// A pod, as far as the lab asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub node: String,
    pub address: String,
    pub ready: bool,
}

impl Workload {
    /// Creates it, or changes it to what it is now.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn apply(&self, kubectl: &Kubectl) -> Result<()> {
        kubectl.apply(&self.deployment())?;
        kubectl.apply(&self.budget())
    }

    /// Removes it with its pods.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn delete(&self, kubectl: &Kubectl) -> Result<()> {
        for kind in ["deployment", "poddisruptionbudget"] {
            kubectl.tell(&["delete", kind, &self.name, "--ignore-not-found"])?;
        }
        Ok(())
    }

    /// Its pods that are not ending.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn pods(&self, kubectl: &Kubectl) -> Result<Vec<Pod>> {
        let selector = format!("app={}", self.name);
        let list = kubectl.ask(&["get", "pods", "--selector", &selector])?;
        Ok(pods(&list))
    }

    /// Waits until all its pods are ready and its budget knows them, and returns them.
    ///
    /// # Errors
    /// When they are not within the limit; the message says how they are.
    pub fn wait_until_ready(&self, kubectl: &Kubectl, limit: Duration) -> Result<Vec<Pod>> {
        let mut seen = Vec::new();
        let what = format!("{} pods of {} are ready", self.replicas, self.name);
        let waited = until(&what, limit, || {
            seen = self.pods(kubectl)?;
            let ready = seen.iter().filter(|pod| pod.ready).count() == self.replicas as usize;
            Ok(
                (ready && seen.len() == self.replicas as usize && self.is_budgeted(kubectl)?)
                    .then_some(()),
            )
        });
        waited.with_context(|| format!("its pods: {seen:?}"))?;
        Ok(seen)
    }

    /// Asks for the eviction of a pod, as a drain does. `Ok(Some)` is the API server's refusal.
    ///
    /// # Errors
    /// When there is no answer, or one that is neither yes nor "too many requests".
    pub fn evict(&self, kubectl: &Kubectl, pod: &str) -> Result<Option<String>> {
        let eviction = json!({
            "apiVersion": "policy/v1beta1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": "default"},
        });
        let file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
        std::fs::write(file.path(), eviction.to_string()).context("cannot write an eviction")?;
        let path = format!("/api/v1/namespaces/default/pods/{pod}/eviction");
        let file = file.path().display().to_string();
        match kubectl.tell(&["create", "--raw", &path, "--filename", &file]) {
            Ok(_) => Ok(None),
            Err(e) if is_refusal(&format!("{e:#}")) => Ok(Some(format!("{e:#}"))),
            Err(e) => Err(e),
        }
    }

    /// Fetches a file from a pod, out of another one: its list of hosts, which names its address.
    /// Not with wget, which looks names up even where there are none, and crashes as a static
    /// program.
    ///
    /// # Errors
    /// When it is not reached within ten seconds, or another one answers.
    pub fn fetch(kubectl: &Kubectl, from: &Pod, to: &Pod) -> Result<()> {
        let request = format!(
            "printf 'GET /etc/hosts HTTP/1.0\\r\\n\\r\\n' | /bin/nc -w 10 {} {PORT}",
            to.address
        );
        let answer = kubectl.tell(&["exec", &from.name, "--", "/bin/sh", "-c", &request])?;
        ensure!(
            answer.contains(" 200 ") && answer.contains(&to.address),
            "{} answers {} with {answer:?}",
            to.address,
            from.name
        );
        Ok(())
    }

    /// Empties a server of pods as an operator does, within a limit. It stays cordoned.
    ///
    /// # Errors
    /// When a budget does not let the last pod go in time.
    pub fn drain(kubectl: &Kubectl, node: &str, limit: Duration) -> Result<()> {
        let timeout = format!("--timeout={}s", limit.as_secs());
        let words = ["drain", node, "--ignore-daemonsets", &timeout];
        kubectl
            .tell_within(&words, limit + Duration::from_secs(30))
            .map(|_| ())
    }

    /// The nodes of these pods.
    pub fn nodes(pods: &[Pod]) -> BTreeSet<&str> {
        pods.iter().map(|pod| pod.node.as_str()).collect()
    }

    /// The budget's controller has seen the pods: before that it refuses everything.
    fn is_budgeted(&self, kubectl: &Kubectl) -> Result<bool> {
        let budget = kubectl.ask(&["get", "poddisruptionbudget", &self.name])?;
        let (seen, made) = (
            &budget["status"]["observedGeneration"],
            &budget["metadata"]["generation"],
        );
        let healthy = budget["status"]["currentHealthy"].as_u64();
        Ok(seen == made && healthy == Some(self.replicas.into()))
    }

    fn deployment(&self) -> Value {
        let labels = json!({"app": self.name});
        let spread = json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels},
        }]);
        let container = json!({
            "name": "web",
            "image": image::BUSYBOX,
            "imagePullPolicy": "Never",
            "command": ["/bin/httpd", "-f", "-p", PORT.to_string(), "-h", "/"],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        });
        let pod = json!({
            // httpd as a first process does not hear SIGTERM.
            "terminationGracePeriodSeconds": 1,
            "topologySpreadConstraints": spread,
            "containers": [container],
        });
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": "default"},
            "spec": {
                "replicas": self.replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        })
    }

    /// 1.20 serves this kind as a beta alone.
    fn budget(&self) -> Value {
        json!({
            "apiVersion": "policy/v1beta1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": self.name, "namespace": "default"},
            "spec": {
                "minAvailable": self.min_available,
                "selector": {"matchLabels": {"app": self.name}},
            },
        })
    }
}

/// The API server says 429, in words.
fn is_refusal(text: &str) -> bool {
    text.contains("TooManyRequests") || text.contains("violate the pod's disruption budget")
}

fn pods(list: &Value) -> Vec<Pod> {
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array();
        conditions.is_some_and(|all| {
            all.iter()
                .any(|one| one["type"] == "Ready" && one["status"] == "True")
        })
    };
    let items = list["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let staying = items
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    staying
        .map(|pod| Pod {
            name: text(&pod["metadata"]["name"]),
            node: text(&pod["spec"]["nodeName"]),
            address: text(&pod["status"]["podIP"]),
            ready: ready(pod),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_is_ending_is_not_counted() {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let list = json!({"items": [
            {"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"nodeName": "s1"}, "status": ready},
            {"metadata": {"name": "b"}, "spec": {"nodeName": "s2"}, "status": ready},
            {"metadata": {"name": "c"}, "spec": {}, "status": {}},
        ]});
        let seen: Vec<(String, bool)> = pods(&list)
            .into_iter()
            .map(|pod| (pod.name, pod.ready))
            .collect();
        assert_eq!(seen, [("b".to_owned(), true), ("c".to_owned(), false)]);
    }
}
