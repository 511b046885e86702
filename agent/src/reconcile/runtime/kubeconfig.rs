//! The API server of a kubeconfig. The file holds credentials, so nothing of it appears in an
//! error: the reader's messages quote the text around a mistake.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    #[serde(default)]
    current_context: Option<String>,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
struct Cluster {
    server: String,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
}

/// The server of the current context's cluster, or of the only cluster.
pub(super) fn api_server(yaml: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(yaml).map_err(|_| "it is not text".to_owned())?;
    let config: Config =
        serde_saphyr::from_str(text).map_err(|_| "it is not a kubeconfig in YAML".to_owned())?;
    let current = config
        .contexts
        .iter()
        .find(|c| Some(&c.name) == config.current_context.as_ref())
        .map(|c| c.context.cluster.as_str());
    let cluster = match (current, config.clusters.as_slice()) {
        (Some(name), all) => all.iter().find(|c| c.name == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let server = cluster
        .map(|c| c.cluster.server.clone())
        .ok_or_else(|| "its current context leads to no cluster".to_owned())?;
    let is_url = server.starts_with("https://") || server.starts_with("http://");
    if !is_url || server.contains(|c: char| c.is_control() || c == '@' || c == ' ') {
        return Err("the server of its cluster is no plain URL".to_owned());
    }
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBEADM: &str = "\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: c2VjcmV0
    server: https://10.0.0.10:6443
  name: default-cluster
- cluster:
    server: https://10.9.9.9:6443
  name: other
contexts:
- context:
    cluster: default-cluster
    namespace: default
    user: default-auth
  name: default-context
current-context: default-context
kind: Config
preferences: {}
users:
- name: default-auth
  user:
    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem
";

    #[test]
    fn the_current_contexts_server_is_found() {
        assert_eq!(
            api_server(KUBEADM.as_bytes()).as_deref(),
            Ok("https://10.0.0.10:6443")
        );
    }

    #[test]
    fn half_a_file_junk_and_bombs_are_refused_without_quoting_them() {
        let no_context = KUBEADM.replace("current-context: default-context", "");
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c]\nclusters: [*d,*d,*d]\n";
        let token = "users: [{token: s3cr3t\n";
        let odd = KUBEADM.replace("https://10.0.0.10:6443", "$(reboot)");
        for text in ["", "\u{0}", "- 7", &no_context, bomb, token, &odd] {
            let e = api_server(text.as_bytes()).expect_err(text);
            assert!(!e.contains("s3cr3t") && !e.contains("reboot"), "{e}");
        }
        assert!(api_server(&[0xff]).is_err());
    }
}
