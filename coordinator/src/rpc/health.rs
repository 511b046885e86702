//! gRPC's own health service: whether this coordinator takes calls.
//!
//! It does from its start until it is told to stop. A store that takes no writes does not change
//! that: sessions, lists and metrics go on, and whoever restarts or avoids a coordinator
//! because its disk is full only adds an outage. The store's state is in `GetStatus` and in the
//! metrics.

use std::time::Duration;

use h8lio_proto::v1::enrollment_service_server::EnrollmentServiceServer;
use h8lio_proto::v1::fleet_service_server::FleetServiceServer;
use h8lio_proto::v1::node_service_server::NodeServiceServer;
use h8lio_proto::v1::session_service_server::SessionServiceServer;
use tokio::sync::watch;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// The coordinator as a whole, and its services.
const NAMES: [&str; 5] = [
    "",
    SessionServiceServer::<()>::NAME,
    EnrollmentServiceServer::<()>::NAME,
    NodeServiceServer::<()>::NAME,
    FleetServiceServer::<()>::NAME,
];

/// How long the end is told before nobody is answered any more: who watches would hold up the stop.
const TOLD_FOR: Duration = Duration::from_secs(1);

/// Says that all is served, until `stopping` says otherwise.
pub async fn report(mut reporter: HealthReporter, mut stopping: watch::Receiver<bool>) {
    tell(&reporter, ServingStatus::Serving).await;
    // An error means that the sender is gone: stop as well.
    let _ = stopping.wait_for(|stop| *stop).await;
    tell(&reporter, ServingStatus::NotServing).await;
    tokio::time::sleep(TOLD_FOR).await;
    for name in NAMES {
        reporter.clear_service_status(name).await;
    }
}

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for name in NAMES {
        reporter.set_service_status(name, status).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;
    use tonic::Request;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_server::Health as _;
    use tonic_health::server::HealthService;

    use super::*;

    fn about(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest {
            service: service.to_owned(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn every_service_is_served_until_the_coordinator_stops_and_watchers_are_let_go() {
        let reporter = HealthReporter::new();
        let service = HealthService::from_health_reporter(reporter.clone());
        let (stop, stopping) = watch::channel(false);
        let reporting = tokio::spawn(report(reporter, stopping));
        tokio::task::yield_now().await;
        let (serving, not_serving) = (1, 2);
        for name in NAMES {
            let answer = service.check(about(name)).await.expect("known");
            assert_eq!(answer.into_inner().status, serving, "{name}");
        }
        let mut watching = service.watch(about("")).await.expect("known").into_inner();
        let first = watching.next().await.expect("a word").expect("a status");
        assert_eq!(first.status, serving);
        stop.send(true).expect("it listens");
        let second = watching.next().await.expect("a word").expect("a status");
        assert_eq!(second.status, not_serving);
        for name in NAMES {
            let answer = service.check(about(name)).await.expect("known");
            assert_eq!(answer.into_inner().status, not_serving, "{name}");
        }
        assert!(watching.next().await.is_none(), "the stop waits for nobody");
        reporting.await.expect("ended");
    }
}
