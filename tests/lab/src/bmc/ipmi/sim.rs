//! Starts `ipmi_sim` and waits until it answers.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};
use tokio::time;

use super::config;
use crate::bmc::folder::{BmcFolder, Settings};
use crate::process;

/// "Are you there?" of RMCP (ASF 2.0, presence ping), which needs no session.
const PING: [u8; 12] = [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0];

/// It takes 0.1 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Starts the simulator; it ends with the returned child, and with this process.
pub async fn start(settings: &Settings, folder: &BmcFolder, lab: &Path) -> anyhow::Result<Child> {
    let lan = folder.path().join("lan.conf");
    let commands = folder.path().join("ipmi.cmd");
    fs::write(&lan, config::lan(settings, lab)?)?;
    fs::write(&commands, config::COMMANDS)?;
    let log = folder.path().join("ipmi_sim.log");
    let mut sim = spawn(&lan, &commands, folder, &log)
        .context("cannot start ipmi_sim; install the package openipmi")?;
    let id = sim.id().context("ipmi_sim ended at once")?;
    fs::write(folder.ipmi_pid(), id.to_string())?;
    let address = SocketAddr::V4(config::inside(settings.address));
    tokio::select! {
        up = answers(address) => up.with_context(|| format!("see {}", log.display()))?,
        ended = sim.wait() => bail!("ipmi_sim ended at once ({}); see {}", ended?, log.display()),
    }
    Ok(sim)
}

fn spawn(lan: &Path, commands: &Path, folder: &BmcFolder, log: &Path) -> anyhow::Result<Child> {
    let log = File::create(log)?;
    // setpriv: a BMC that is killed must not leave a simulator that keeps the address.
    let child = Command::from(process::command("setpriv"))
        .args(["--pdeathsig", "KILL", "ipmi_sim", "-n", "-c"])
        .arg(lan)
        .arg("-f")
        .arg(commands)
        .arg("-s")
        .arg(folder.ipmi_state())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// Returns when something answers RMCP there.
async fn answers(address: SocketAddr) -> anyhow::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(address).await?;
    let asking = async {
        loop {
            // Refused while nobody listens yet, and then asked again.
            let _ = socket.send(&PING).await;
            let answer = time::timeout(Duration::from_millis(100), socket.recv(&mut [0; 64])).await;
            match answer {
                Ok(Ok(_)) => return,
                Ok(Err(_)) => time::sleep(Duration::from_millis(20)).await,
                Err(_) => {}
            }
        }
    };
    time::timeout(START_LIMIT, asking)
        .await
        .with_context(|| format!("ipmi_sim does not answer on {address} within {START_LIMIT:?}"))
}
