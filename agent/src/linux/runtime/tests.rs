use std::convert::Infallible;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;

use futures::future::BoxFuture;
use http::{Request, Response};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic_prost::ProstCodec;

use super::messages::{
    RuntimeCondition, RuntimeStatus, StatusRequest, StatusResponse, VersionRequest, VersionResponse,
};
use super::*;
use crate::host::runtime::{CriAnswer, CriAnswerCondition};

/// A container runtime that speaks one of the two API versions.
#[derive(Clone)]
struct Fake<const ALPHA: bool>;

impl<const ALPHA: bool> NamedService for Fake<ALPHA> {
    const NAME: &'static str = if ALPHA {
        "runtime.v1alpha2.RuntimeService"
    } else {
        "runtime.v1.RuntimeService"
    };
}

impl<const ALPHA: bool> tower::Service<Request<Body>> for Fake<ALPHA> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let status = request.uri().path().ends_with("/Status");
        Box::pin(async move {
            Ok(if status {
                let answer =
                    |_: tonic::Request<StatusRequest>| async { Ok(tonic::Response::new(ready())) };
                Grpc::new(ProstCodec::<StatusResponse, StatusRequest>::default())
                    .unary(tower::service_fn(answer), request)
                    .await
            } else {
                let answer =
                    |r: tonic::Request<VersionRequest>| async move { version(r.get_ref()) };
                Grpc::new(ProstCodec::<VersionResponse, VersionRequest>::default())
                    .unary(tower::service_fn(answer), request)
                    .await
            })
        })
    }
}

fn version(request: &VersionRequest) -> Result<tonic::Response<VersionResponse>, tonic::Status> {
    assert!(request.version.starts_with('v'));
    Ok(tonic::Response::new(VersionResponse {
        runtime_name: "containerd".into(),
        runtime_version: "1.7.24".into(),
    }))
}

fn ready() -> StatusResponse {
    let condition = |kind: &str, status, message: &str| RuntimeCondition {
        kind: kind.into(),
        status,
        reason: String::new(),
        message: message.into(),
    };
    StatusResponse {
        status: Some(RuntimeStatus {
            conditions: vec![
                condition("RuntimeReady", true, ""),
                condition("NetworkReady", false, "cni plugin not initialized"),
            ],
        }),
    }
}

/// Serves `fake` on containerd's socket below a new root until the end of the test.
fn serving<S>(fake: S) -> tempfile::TempDir
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let (root, path) = root_with("run/containerd");
    let (bound, is_bound) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime");
        runtime.block_on(async {
            let listener = tokio::net::UnixListener::bind(path.join("containerd.sock"));
            let incoming = UnixListenerStream::new(listener.expect("bound"));
            bound.send(()).expect("awaited");
            let server = tonic::transport::Server::builder().add_service(fake);
            server.serve_with_incoming(incoming).await.expect("served");
        });
    });
    is_bound.recv().expect("the fake runtime is up");
    root
}

fn root_with(folder: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().expect("tempdir");
    let path = root.path().join(folder);
    fs::create_dir_all(&path).expect("made");
    (root, path)
}

fn host(root: &Path, kubelet: SocketAddr) -> LinuxRuntime {
    LinuxRuntime {
        root: root.to_owned(),
        kubelet,
        version: Mutex::new(None),
    }
}

fn asked(root: &Path) -> Result<CriAnswer, CriFault> {
    let raw = host(root, nobody()).runtime();
    assert_eq!(raw.endpoints.len(), 1, "{raw:?}");
    assert!(raw.endpoints[0].socket.ends_with(".sock"));
    raw.endpoints[0].answer.clone()
}

/// A port on which nobody listens.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.local_addr().expect("has one")
}

#[test]
fn a_runtime_answers_with_its_version_and_conditions() {
    let root = serving(Fake::<false>);
    let got = asked(root.path()).expect("answers");
    let condition = |kind: &str, status, message: &str| CriAnswerCondition {
        kind: kind.into(),
        status,
        reason: String::new(),
        message: message.into(),
    };
    let want = CriAnswer {
        api: "v1".into(),
        runtime: "containerd".into(),
        version: "1.7.24".into(),
        conditions: vec![
            condition("RuntimeReady", true, ""),
            condition("NetworkReady", false, "cni plugin not initialized"),
        ],
    };
    assert_eq!(got, want);
}

#[test]
fn an_old_runtime_is_asked_in_the_old_api() {
    let root = serving(Fake::<true>);
    assert_eq!(asked(root.path()).expect("answers").api, "v1alpha2");
}

/// A runtime that says that it cannot answer.
#[derive(Clone)]
struct Failing;

impl NamedService for Failing {
    const NAME: &'static str = "runtime.v1.RuntimeService";
}

impl tower::Service<Request<Body>> for Failing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let status = tonic::Status::unavailable("server is not initialized yet\n");
        Box::pin(async move { Ok(status.into_http()) })
    }
}

#[test]
fn a_runtime_that_answers_with_an_error_is_told_from_a_stranger() {
    let root = serving(Failing);
    let detail = "server is not initialized yet\\n".to_owned();
    assert_eq!(asked(root.path()), Err(CriFault::Failed { detail }));
}

#[test]
fn each_way_in_which_a_socket_cannot_be_opened_has_its_fault() {
    let fault = |kind: io::ErrorKind| cri::connect_fault(&kind.into());
    assert_eq!(fault(io::ErrorKind::ConnectionRefused), CriFault::Refused);
    assert_eq!(
        fault(io::ErrorKind::PermissionDenied),
        CriFault::NotPermitted
    );
    assert!(matches!(
        fault(io::ErrorKind::Other),
        CriFault::Failed { .. }
    ));
}

/// A grpc server that is no container runtime, such as containerd without its CRI plugin.
#[derive(Clone)]
struct Stranger(Fake<false>);

impl NamedService for Stranger {
    const NAME: &'static str = "containerd.services.version.v1.Version";
}

impl tower::Service<Request<Body>> for Stranger {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

#[test]
fn a_grpc_server_without_the_interface_is_named_as_such() {
    let root = serving(Stranger(Fake));
    match asked(root.path()) {
        Err(CriFault::NotCri { detail }) => assert!(detail.contains("neither"), "{detail}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_socket_on_which_nobody_listens_refuses() {
    let (root, path) = root_with("run/crio");
    drop(UnixListener::bind(path.join("crio.sock")).expect("bound"));
    assert_eq!(asked(root.path()), Err(CriFault::Refused));
}

#[test]
fn a_silent_socket_times_out_after_two_seconds() {
    let (root, path) = root_with("run/k3s/containerd");
    let _silent = UnixListener::bind(path.join("containerd.sock")).expect("bound");
    assert_eq!(asked(root.path()), Err(CriFault::TimedOut { seconds: 2 }));
}

#[test]
fn garbage_on_a_socket_is_not_a_runtime() {
    let (root, path) = root_with("run/containerd");
    let listener = UnixListener::bind(path.join("containerd.sock")).expect("bound");
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            // The peer may hang up at any byte; that is its right.
            let _ = stream.write_all(&[0xa5; 4096]);
            let _ = stream.read(&mut [0; 64]);
        }
    });
    match asked(root.path()) {
        Err(CriFault::NotCri { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_in_place_of_a_socket_is_not_a_runtime_and_nothing_is_nothing() {
    let (root, path) = root_with("run/crio");
    assert_eq!(host(root.path(), nobody()).runtime().endpoints, []);
    fs::write(path.join("crio.sock"), "x").expect("written");
    let detail = "it is no socket".to_owned();
    assert_eq!(asked(root.path()), Err(CriFault::NotCri { detail }));
}

/// Answers one connection with `bytes`, then keeps it open until the peer hangs up.
fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let at = listener.local_addr().expect("has one");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("asked");
        let mut request = [0; 512];
        let _ = stream.read(&mut request).expect("a request");
        assert!(request.starts_with(b"GET /healthz HTTP/1.1\r\n"));
        stream.write_all(bytes).expect("written");
        if bytes.is_empty() {
            let _ = stream.read(&mut request);
        }
    });
    at
}

#[test]
fn the_kubelet_is_asked_and_its_traces_are_found() {
    let (root, path) = root_with("var/lib/kubelet");
    fs::write(path.join("kubeadm-flags.env"), "").expect("written");
    fs::create_dir_all(root.path().join("etc/kubernetes")).expect("made");
    fs::write(root.path().join("etc/kubernetes/kubelet.conf"), "secret").expect("written");
    let at = answering(b"HTTP/1.1 500 Internal Server Error\r\n\r\nhealthz check failed\n");
    let raw = host(root.path(), at).runtime();
    let want = KubeletHealth::Answered {
        status: 500,
        body: "healthz check failed".into(),
    };
    assert_eq!(raw.kubelet.health, want);
    assert_eq!(raw.kubelet.process, None, "it answered, so it runs");
    assert_eq!(raw.kubelet.marks, ["/var/lib/kubelet/kubeadm-flags.env"]);
    assert_eq!(raw.kubelet.kubeconfig, Some(Secret(b"secret".to_vec())));
    assert!(
        !format!("{raw:?}").contains("secret"),
        "credentials are never printed"
    );
}

#[test]
fn a_kubelet_that_refuses_or_hangs_is_told_apart() {
    let (root, _) = root_with("var/lib/kubelet");
    fs::create_dir_all(root.path().join("proc")).expect("made");
    let ask = |at| host(root.path(), at).runtime().kubelet.health;
    let silent = host(root.path(), nobody()).runtime().kubelet;
    assert_eq!(
        (silent.health, silent.process),
        (KubeletHealth::Refused, Some(false))
    );
    fs::create_dir_all(root.path().join("proc/9")).expect("made");
    fs::write(root.path().join("proc/9/comm"), "kubelet\n").expect("written");
    let hidden = host(root.path(), nobody()).runtime().kubelet;
    assert_eq!(hidden.process, Some(true));
    assert_eq!(ask(answering(b"")), KubeletHealth::TimedOut);
    assert_eq!(ask(answering(b"\xff\xfe")), KubeletHealth::NotUnderstood);
}

#[test]
fn a_server_without_a_kubelet_is_not_asked() {
    let (root, _) = root_with("proc");
    let raw = host(root.path(), nobody()).runtime();
    if !raw.kubelet.installed {
        assert_eq!(raw.kubelet, RawKubelet::default());
    }
    assert_eq!(raw.problems, []);
}
