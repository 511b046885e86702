//! A kubelet with containerd on a server.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::control::{Control, NETWORK};
use super::image;
use crate::lab::Lab;
use crate::parcel::Parcel;

/// Unpacking 100 MB, importing images and starting two daemons, on an emulated processor.
const PLACE: Duration = Duration::from_secs(300);

const CONFIG: &str = "/var/lib/kubelet/config.yaml";
const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
const AUTHORITY: &str = "/etc/kubernetes/pki/ca.crt";
const RUNTIME_CONFIG: &str = "/etc/containerd/lab.toml";
const RUNTIME_UNIT: &str = "/etc/systemd/system/containerd.service.d/lab.conf";
const SOCKET: &str = "unix:///run/containerd/containerd.sock";

/// Places everything on a server and starts it. Done again, it changes nothing but restarts.
///
/// # Errors
/// When the server cannot be reached, or lacks containerd.
pub(super) fn place(control: &Control, lab: &Lab, server: u8, servers: &[u8]) -> Result<()> {
    let mut parcel = Parcel::new()?;
    parcel.file(
        "/usr/bin/kubelet",
        &control.programs().path("kubelet"),
        0o755,
    )?;
    parcel.text(KUBECONFIG, &control.kubelet_config(&name(server))?, 0o600)?;
    parcel.text(AUTHORITY, control.authority(), 0o644)?;
    parcel.text(CONFIG, &config(), 0o644)?;
    parcel.text(
        "/etc/systemd/system/kubelet.service",
        &unit(server, servers),
        0o644,
    )?;
    parcel.text(RUNTIME_CONFIG, &containerd(), 0o644)?;
    parcel.text(RUNTIME_UNIT, &runtime_unit(), 0o644)?;
    parcel.text("/etc/cni/net.d/10-lab.conflist", &network(server), 0o644)?;
    for image in control.images()? {
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        parcel.file(&format!("{IMAGES}/{name}"), &image, 0o644)?;
    }
    parcel.send(lab.ssh(), server)?;
    let started = lab.ssh().run(server, &start(), PLACE);
    started.with_context(|| format!("cannot start the kubelet of {}", name(server)))?;
    Ok(())
}

/// Where the archives lie on a server.
const IMAGES: &str = "/var/lib/lab-images";

/// Stops the kubelet and every container of a server, and forgets its node's data.
///
/// # Errors
/// When the server cannot be reached.
pub(super) fn remove(lab: &Lab, server: u8) -> Result<()> {
    lab.ssh().run(server, REMOVE, PLACE).map(|_| ())
}

const REMOVE: &str = "\
set -u
systemctl disable --now kubelet.service 2>/dev/null
for task in $(ctr -n k8s.io task list -q); do ctr -n k8s.io task delete --force \"$task\" >/dev/null; done
for one in $(ctr -n k8s.io container list -q); do ctr -n k8s.io container delete \"$one\"; done
# What pods had mounted: their volumes and namespaces.
awk '$2 ~ /^\\/(var\\/lib\\/kubelet|run\\/netns\\/cni)/ {print $2}' /proc/mounts | sort -r | xargs -r umount
rm -rf /etc/containerd/lab.toml /etc/systemd/system/containerd.service.d/lab.conf \
  /var/lib/kubelet /etc/kubernetes /etc/systemd/system/kubelet.service /usr/bin/kubelet \
  /etc/cni/net.d/10-lab.conflist /var/lib/cni /run/netns/cni-* /var/lib/lab-images
ip link delete cni0 2>/dev/null
systemctl daemon-reload
systemctl restart containerd.service
";

/// What a server is called, by its number.
fn name(server: u8) -> String {
    format!("s{server}")
}

fn start() -> String {
    let wait = "for _ in $(seq 60); do ctr version >/dev/null 2>&1 && break; sleep 0.5; done";
    format!(
        "set -eu\n\
         # A sandbox does not start without it.\n\
         [ -e /etc/hosts ] || echo '127.0.0.1 localhost' >/etc/hosts\n\
         systemctl daemon-reload\n\
         systemctl enable --quiet containerd.service kubelet.service\n\
         systemctl restart containerd.service\n\
         {wait}\n\
         for image in {IMAGES}/*.tar; do ctr -n k8s.io images import \"$image\" >/dev/null; done\n\
         systemctl restart kubelet.service\n"
    )
}

/// JSON is YAML. What differs from the defaults: this server has no iptables, no resolver, a
/// small disk, no registry to pull an image again from, and a change of its state is to be seen
/// soon.
fn config() -> String {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": AUTHORITY},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd",
        "makeIPTablesUtilChains": false,
        "resolvConf": "",
        "failSwapOn": false,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "nodeStatusUpdateFrequency": "2s",
    })
    .to_string()
}

/// The unit, in the places where kubeadm's packages have things. Routes to the other servers'
/// pods belong to it, so that they are there again after a reboot.
fn unit(server: u8, servers: &[u8]) -> String {
    let others = servers.iter().filter(|other| **other != server);
    let routes: String = others
        .map(|other| {
            let (pods, via) = (pods(*other), NETWORK.server(*other));
            format!("ExecStartPre=-/sbin/ip route replace {pods} via {via}\n")
        })
        .collect();
    let (name, address) = (name(server), NETWORK.server(server));
    format!(
        "[Unit]\n\
         Description=Kubernetes node agent\n\
         After=network-online.target containerd.service\n\
         Wants=network-online.target containerd.service\n\
         \n\
         [Service]\n\
         {routes}\
         ExecStartPre=-/sbin/sysctl -q -w net.ipv4.ip_forward=1\n\
         ExecStart=/usr/bin/kubelet --config={CONFIG} --kubeconfig={KUBECONFIG} \
         --hostname-override={name} --node-ip={address} --container-runtime=remote \
         --container-runtime-endpoint={SOCKET} --cert-dir=/var/lib/kubelet/pki\n\
         Restart=always\n\
         RestartSec=2\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

/// containerd reads another file than its package's, which stays as the package made it: an
/// upgrade must not ask whose it is.
fn runtime_unit() -> String {
    format!("[Service]\nExecStart=\nExecStart=/usr/bin/containerd --config {RUNTIME_CONFIG}\n")
}

fn containerd() -> String {
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    format!(
        "version = 2\n\
         [{cri}]\n\
         sandbox_image = \"{pause}\"\n\
         [{cri}.cni]\n\
         bin_dir = \"/usr/lib/cni\"\n\
         conf_dir = \"/etc/cni/net.d\"\n\
         [{cri}.containerd.runtimes.runc]\n\
         runtime_type = \"io.containerd.runc.v2\"\n\
         [{cri}.containerd.runtimes.runc.options]\n\
         SystemdCgroup = true\n",
        pause = image::PAUSE,
    )
}

/// The addresses of a server's pods.
fn pods(number: u8) -> String {
    format!("10.78.{number}.0/24")
}

fn network(server: u8) -> String {
    let addresses = json!({
        "type": "host-local",
        "ranges": [[{"subnet": pods(server)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    let bridge = json!({
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": true,
        "ipMasq": false,
        "ipam": addresses,
    });
    json!({"cniVersion": "0.4.0", "name": "lab", "plugins": [bridge]}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_unit_knows_the_way_to_the_other_servers_pods() {
        let unit = unit(1, &[1, 2]);
        assert!(
            unit.contains("ip route replace 10.78.2.0/24 via 10.77.1.12\n"),
            "{unit}"
        );
        assert!(
            !unit.contains("10.78.1.0"),
            "its own pods need no route: {unit}"
        );
        assert!(
            unit.contains("--hostname-override=s1 --node-ip=10.77.1.11 "),
            "{unit}"
        );
    }

    #[test]
    fn every_server_has_pod_addresses_of_its_own() {
        let [one, two] = [1, 2].map(network);
        assert!(one.contains("10.78.1.0/24") && two.contains("10.78.2.0/24"));
    }
}
