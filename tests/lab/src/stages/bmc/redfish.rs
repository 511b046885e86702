//! Redfish through curl, fence_redfish and DMTF's own redfishtool.

use anyhow::{Context as _, Result, ensure};

use super::Bench;
use crate::bmc::Power;
use crate::checks::Checks;

const RESET: &str = "/Systems/x1/Actions/ComputerSystem.Reset";
const SESSIONS: &str = "/SessionService/Sessions";

pub(super) fn core(checks: &mut Checks, bench: &Bench<'_>) {
    let clients = &bench.clients;
    checks.check("fence_redfish fences: off, off again, on, reboot", || {
        bench.set(Power::On)?;
        bench.sees("off on off on", || {
            clients.fence_redfish("-o status")?.says("Status: ON")?;
            clients.fence_redfish("-o off")?.ended(0)?;
            clients.fence_redfish("-o status")?.ended(2)?;
            for action in ["off", "on", "reboot"] {
                clients.fence_redfish(&format!("-o {action}"))?.ended(0)?;
            }
            Ok(())
        })
    });
}

pub(super) fn rest(checks: &mut Checks, bench: &Bench<'_>) {
    let clients = &bench.clients;
    checks.check("curl trusts the BMC's certificate, and no other", || {
        clients.bare_curl(&[], "/")?.says("RedfishVersion")?;
        // 60: the certificate is not trusted. The last --cacert counts.
        clients
            .bare_curl(&["--cacert", "/etc/ssl/certs/ca-certificates.crt"], "/")?
            .ended(60)?;
        Ok(String::new())
    });
    checks.check("nobody reads or switches without a login", || {
        bench.set(Power::On)?;
        bench.sees("", || {
            let status = ["--write-out", "%{http_code}", "--output", "/dev/null"];
            clients.bare_curl(&status, "/Systems/x1")?.says("401")?;
            let off = ["--data", r#"{"ResetType":"ForceOff"}"#];
            clients
                .bare_curl(&[&status[..], &off[..]].concat(), RESET)?
                .says("401")?;
            Ok(())
        })
    });
    checks.check(
        "a session's token opens the door until it is deleted",
        || {
            bench.set(Power::On)?;
            session(bench)
        },
    );
    checks.check("fence_redfish raises a non-maskable interrupt", || {
        bench.set(Power::On)?;
        bench.sees("nmi", || {
            clients.fence_redfish("-o diag")?.ended(0).map(drop)
        })
    });
    checks.check(
        "redfishtool finds the server by itself and resets it",
        || {
            bench.set(Power::On)?;
            bench.sees("reset", || {
                clients.redfishtool(&["Systems", "-1"])?.says("H8LAB-x1")?;
                clients
                    .redfishtool(&["Systems", "-1", "reset", "ForceRestart"])?
                    .ended(0)?;
                clients.redfishtool(&["Chassis", "-1"])?.says("RackMount")?;
                clients.redfishtool(&["Managers", "-1"])?.says("\"BMC\"")?;
                Ok(())
            })
        },
    );
    checks.check("both protocols tell the same state", || {
        bench.set(Power::On)?;
        clients.fence_redfish("-o off")?.ended(0)?;
        clients.ipmitool("power status")?.says("Power is off")?;
        clients.ipmitool("power on")?.ended(0)?;
        clients.fence_redfish("-o status")?.says("Status: ON")
    });
}

fn session(bench: &Bench<'_>) -> Result<String> {
    let clients = &bench.clients;
    let folder = bench.bmc.folder().settings()?;
    let login = serde_json::json!({ "UserName": folder.user, "Password": folder.password });
    let login = login.to_string();
    let answer = clients
        .bare_curl(&["--include", "--data", &login], SESSIONS)?
        .ended(0)?;
    let header = |name: &str| {
        answer.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let token = header("x-auth-token").context("no token in the answer")?;
    let place = header("location").context("no place in the answer")?;
    let place = place.strip_prefix("/redfish/v1").context("an odd place")?;
    let token = format!("X-Auth-Token: {token}");
    clients
        .bare_curl(&["--header", &token], "/Systems/x1")?
        .says("\"PowerState\":\"On\"")?;
    clients
        .bare_curl(&["--header", &token, "--request", "DELETE"], place)?
        .ended(0)?;
    let refused = clients
        .bare_curl(&["--header", &token], "/Systems/x1")?
        .ended(0)?;
    ensure!(refused.contains("NoValidSession"), "still open: {refused}");
    Ok(String::new())
}
