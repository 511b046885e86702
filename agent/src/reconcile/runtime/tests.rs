use h8lio_model::condition::{ConditionType, Status};
use jiff::Timestamp;

use super::*;
use crate::host::runtime::{CriAnswer, CriAnswerCondition, Secret};

fn answering(conditions: &[(&str, bool, &str)]) -> Result<CriAnswer, CriFault> {
    Ok(CriAnswer {
        api: "v1".into(),
        runtime: "containerd".into(),
        version: "1.7".into(),
        conditions: conditions
            .iter()
            .map(|(kind, status, message)| CriAnswerCondition {
                kind: (*kind).into(),
                status: *status,
                reason: String::new(),
                message: (*message).into(),
            })
            .collect(),
    })
}

fn judged(answer: Result<CriAnswer, CriFault>, kubelet: RawKubelet) -> Vec<(Status, String)> {
    let raw = RawRuntime {
        endpoints: vec![RawCri {
            socket: "/run/containerd/containerd.sock".into(),
            answer,
        }],
        kubelet,
        problems: vec![],
    };
    conditions(&facts(&raw), Timestamp::UNIX_EPOCH)
        .into_iter()
        .map(|c| {
            assert!(!c.message.contains('\n'), "{}", c.message);
            (c.status, c.reason)
        })
        .collect()
}

#[test]
fn a_runtime_is_ready_only_when_it_says_so() {
    let ready = answering(&[("RuntimeReady", true, ""), ("NetworkReady", true, "")]);
    assert_eq!(judged(ready, RawKubelet::default()), []);
    let cases = [
        (answering(&[]), Status::Unknown, "NotTold"),
        (
            answering(&[("RuntimeReady", false, "x\ny")]),
            Status::True,
            "RuntimeNotReady",
        ),
        (
            answering(&[("RuntimeReady", true, ""), ("NetworkReady", false, "cni")]),
            Status::True,
            "NetworkNotReady",
        ),
        (Err(CriFault::Refused), Status::True, "Refused"),
        (
            Err(CriFault::TimedOut { seconds: 2 }),
            Status::True,
            "TimedOut",
        ),
        (Err(CriFault::NotPermitted), Status::Unknown, "NotPermitted"),
    ];
    for (answer, status, reason) in cases {
        assert_eq!(
            judged(answer, RawKubelet::default()),
            [(status, reason.to_owned())]
        );
    }
}

#[test]
fn a_socket_without_the_interface_matters_only_beside_a_kubelet() {
    let stranger = || {
        Err(CriFault::NotCri {
            detail: "neither".into(),
        })
    };
    assert_eq!(judged(stranger(), RawKubelet::default()), []);
    let got = judged(stranger(), installed());
    assert_eq!(got, [(Status::Unknown, "NotCri".to_owned())]);
}

fn installed() -> RawKubelet {
    RawKubelet {
        installed: true,
        process: Some(false),
        ..RawKubelet::default()
    }
}

fn joined(process: Option<bool>, health: KubeletHealth) -> RawKubelet {
    let config = "clusters: [{name: a, cluster: {server: 'https://a:6443'}}]";
    RawKubelet {
        process,
        health,
        kubeconfig: Some(Secret(config.into())),
        ..installed()
    }
}

fn answered(status: u16) -> KubeletHealth {
    KubeletHealth::Answered {
        status,
        body: String::new(),
    }
}

#[test]
fn a_kubelet_is_judged_by_its_health_and_by_whether_anyone_expects_it() {
    let ready = || answering(&[("RuntimeReady", true, "")]);
    assert_eq!(judged(ready(), installed()), []);
    assert_eq!(judged(ready(), joined(Some(true), answered(200))), []);
    let cases = [
        (joined(Some(true), answered(500)), Status::True, "Unhealthy"),
        (
            joined(Some(false), KubeletHealth::Refused),
            Status::True,
            "NotRunning",
        ),
        (
            joined(Some(true), KubeletHealth::Refused),
            Status::Unknown,
            "NoAnswer",
        ),
        (
            joined(None, KubeletHealth::TimedOut),
            Status::Unknown,
            "NotSeen",
        ),
    ];
    for (kubelet, status, reason) in cases {
        assert_eq!(judged(ready(), kubelet), [(status, reason.to_owned())]);
    }
}

fn kubelet_facts(raw: RawKubelet) -> (Kubelet, Vec<Problem>) {
    let got = facts(&RawRuntime {
        kubelet: raw,
        ..RawRuntime::default()
    });
    (got.kubelet.expect("installed"), got.problems)
}

#[test]
fn the_version_is_read_from_each_distributions_line_and_junk_is_a_problem() {
    for (printed, want) in [
        ("Kubernetes v1.29.3\n", Some("v1.29.3")),
        (
            "k3s version v1.31.1+k3s1 (452dbbc1)\ngo version go1.22\n",
            Some("v1.31.1+k3s1"),
        ),
        ("", None),
        ("violently broken\n", None),
        ("Kubernetes v$(reboot)\n", None),
    ] {
        let raw = RawKubelet {
            version: Some(printed.into()),
            ..installed()
        };
        let (got, problems) = kubelet_facts(raw);
        assert_eq!(got.version.as_deref(), want, "{printed:?}");
        assert_eq!(problems.len(), usize::from(want.is_none()), "{printed:?}");
    }
}

#[test]
fn one_mark_names_the_manager_and_two_name_none() {
    let marked = |marks: &[&str]| {
        kubelet_facts(RawKubelet {
            marks: marks.iter().map(|m| (*m).to_owned()).collect(),
            ..installed()
        })
    };
    let kubeadm = "/var/lib/kubelet/kubeadm-flags.env";
    let k3s = "/var/lib/rancher/k3s/agent";
    assert_eq!(marked(&[kubeadm]).0.manager.as_deref(), Some("kubeadm"));
    assert_eq!(marked(&[k3s]).0.manager.as_deref(), Some("k3s"));
    let (both, problems) = marked(&[kubeadm, k3s]);
    assert_eq!(both.manager, None);
    assert!(problems[0].message.contains("kubeadm, k3s"));
}

#[test]
fn a_server_without_runtime_and_kubelet_has_no_conditions() {
    let got = facts(&RawRuntime::default());
    assert_eq!(got, RuntimeFacts::default());
    assert_eq!(conditions(&got, Timestamp::UNIX_EPOCH), []);
    let kind = ConditionType::KubeletNotReady;
    assert!(
        conditions(&got, Timestamp::UNIX_EPOCH)
            .iter()
            .all(|c| c.kind != kind)
    );
}
