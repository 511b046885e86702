//! Each way to cut a network does what its name says, and is undone.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::checks::Checks;
use crate::clock::until;
use crate::lab::Lab;
use crate::process;
use crate::server::Server;
use crate::space::{End, Network};
use crate::stages::expect_all;

/// Names of the servers' NICs, by their place on the bus.
const MGMT_NIC: &str = "enp0s16";
const PRIV_NIC: &str = "enp0s17";

const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn run(checks: &mut Checks, lab: &Lab, s1: Server<'_>, s3: Server<'_>) {
    checks.check(
        "a pulled management cable is seen by the server, and ends ssh",
        || management_cable(lab, s3),
    );
    checks.check("a pulled private cable leaves management alone", || {
        s3.set_carrier(Network::Priv, false)?;
        wait_for_carrier(s3, "0")?;
        expect_silence(s1, s3)?;
        s3.set_carrier(Network::Priv, true)?;
        wait_for_carrier(s3, "1")?;
        wait_for_ping(s1, s3)?;
        Ok("carrier 0, no ping; then 1 and ping".to_owned())
    });
    checks.check("a silent network has a carrier and no traffic", || {
        lab.space().silence("s3", Network::Priv)?;
        expect_silence(s1, s3)?;
        wait_for_carrier(s3, "1")?;
        lab.space().unsilence("s3", Network::Priv)?;
        wait_for_ping(s1, s3)?;
        Ok("carrier 1, no ping; then ping".to_owned())
    });
    checks.check("a cut of one direction lets the other through", || {
        one_way(lab, s1, s3)
    });
}

/// With ssh gone, the server is asked over its serial line.
fn management_cable(lab: &Lab, server: Server<'_>) -> Result<String> {
    server.set_carrier(Network::Mgmt, false)?;
    let from = server.console_length();
    server.type_on_console("")?;
    server.type_on_console(&format!(
        "echo carrier=$(cat /sys/class/net/{MGMT_NIC}/carrier)"
    ))?;
    server.wait_for_console("carrier=0", from, LIMIT)?;
    lab.ssh().forget(server.number());
    if lab
        .ssh()
        .run(server.number(), "true", Duration::from_secs(20))
        .is_ok()
    {
        bail!("ssh works over a pulled cable");
    }
    server.set_carrier(Network::Mgmt, true)?;
    lab.ssh().wait(server.number(), LIMIT)?;
    Ok("carrier=0 on the serial line, no ssh; then ssh".to_owned())
}

/// What s1 sends to s3 vanishes: s3 hears nothing of it, while s1 goes on hearing s3.
fn one_way(lab: &Lab, s1: Server<'_>, s3: Server<'_>) -> Result<String> {
    let server = |server: Server<'_>| End::Server(server.name());
    lab.space()
        .drop_one_way(Network::Priv, &server(s1), &server(s3))?;
    let before = received(s1)?;
    expect_silence(s3, s1)?;
    let heard = received(s1)? - before;
    lab.space().drop_nothing()?;
    wait_for_ping(s3, s1)?;
    if heard < 3 {
        bail!("s1 heard {heard} packets of s3's three pings");
    }
    Ok(format!("s1 heard {heard} packets and was not heard"))
}

/// Packets that came in over the private NIC.
fn received(server: Server<'_>) -> Result<u64> {
    let count = server.run(&format!(
        "cat /sys/class/net/{PRIV_NIC}/statistics/rx_packets"
    ))?;
    Ok(count.parse()?)
}

fn wait_for_carrier(server: Server<'_>, wanted: &str) -> Result<()> {
    let what = format!("carrier {wanted} of {}'s private NIC", server.name());
    until(&what, LIMIT, || {
        let carrier = server.run(&format!("cat /sys/class/net/{PRIV_NIC}/carrier"))?;
        Ok((carrier == wanted).then_some(()))
    })
}

/// Three pings, none answered.
fn expect_silence(from: Server<'_>, to: Server<'_>) -> Result<()> {
    let ping = ping(from, to, 3)?;
    expect_all(&ping, &["3 packets transmitted, 0 received"])
}

fn wait_for_ping(from: Server<'_>, to: Server<'_>) -> Result<()> {
    let what = format!("{} hears {}", from.name(), to.name());
    until(&what, LIMIT, || {
        let answer = ping(from, to, 1)?;
        Ok(answer.contains(" 1 received").then_some(()))
    })
}

fn ping(from: Server<'_>, to: Server<'_>, count: u8) -> Result<String> {
    let address = Network::Priv.server(to.number());
    let output = from.output(&format!("ping -n -c {count} -i 0.3 -W 1 {address}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a server answers to the namespace's pings.
pub(super) fn answers_ping(lab: &Lab, server: Server<'_>) -> Result<bool> {
    let mut ping = lab.space().command("ping");
    ping.args(["-n", "-c", "1", "-W", "2"]);
    ping.arg(Network::Mgmt.server(server.number()).to_string());
    Ok(process::output(ping, LIMIT)?.status.success())
}
