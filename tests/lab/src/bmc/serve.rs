//! The process of one BMC: both wires, one board.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{SignalKind, signal};

use super::board::Board;
use super::folder::{BmcFolder, IPMI_PORT, REDFISH_PORT, Settings};
use super::ipmi::{config, relay, sim, socket};
use super::log::log;
use super::mode::ModeFile;
use super::power::PowerSwitch;
use super::redfish;

/// Serves until SIGTERM or SIGINT. Ends with an error when one of its parts ends.
///
/// `lab` is the program whose `bmc-hook` is called by `ipmi_sim`.
pub fn serve(folder: &BmcFolder, switch: Box<dyn PowerSwitch>, lab: &Path) -> anyhow::Result<()> {
    let settings = folder.settings()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(run(folder, &settings, switch, lab));
    let _ = fs::remove_file(folder.ready());
    // An act that still runs must not keep the process.
    runtime.shutdown_background();
    served.with_context(|| format!("the BMC of {} ended", settings.name))
}

async fn run(
    folder: &BmcFolder,
    settings: &Settings,
    switch: Box<dyn PowerSwitch>,
    lab: &Path,
) -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let modes = Arc::new(ModeFile::new(folder.mode_file()));
    let board = Arc::new(Board::new(&settings.name, switch, Arc::clone(&modes)));
    let at = |port| SocketAddr::from((settings.address, port));
    let bound = |what, port| format!("cannot listen for {what} on {}", at(port));
    let ipmi = UdpSocket::bind(at(IPMI_PORT))
        .await
        .with_context(|| bound("IPMI", IPMI_PORT))?;
    let https = TcpListener::bind(at(REDFISH_PORT))
        .await
        .with_context(|| bound("Redfish", REDFISH_PORT))?;
    let hooks = socket::bind(&settings.hook)?;
    let tls = redfish::tls::acceptor(folder, settings.address.into())?;

    let mut parts = tokio::task::JoinSet::new();
    parts.spawn(socket::serve(hooks, Arc::clone(&board)));
    let inside = SocketAddr::V4(config::inside(settings.address));
    parts.spawn(relay::relay(ipmi, inside, Arc::clone(&modes)));
    let routes = redfish::routes(settings.clone(), board, Arc::clone(&modes));
    parts.spawn(redfish::listen::serve(https, tls, modes, routes));
    let mut sim = sim::start(settings, folder, lab).await?;
    fs::write(folder.ready(), std::process::id().to_string())?;
    log(&format!(
        "{} answers on {}",
        settings.name, settings.address
    ));

    tokio::select! {
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
        ended = sim.wait() => bail!("ipmi_sim ended: {}", ended?),
        Some(ended) = parts.join_next() => match ended? {
            Ok(()) => bail!("one of its parts ended without a reason"),
            Err(e) => Err(e),
        },
    }
}
