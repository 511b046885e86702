//! What the daemon runs with: checked once, so that nothing further in has to doubt it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use h8lio_model::inventory::{Domain, DomainMode};

use super::inputs::{Inputs, Period};
use crate::reconcile::patching::boot::timer::LONGEST;
use crate::walk::Patience;

/// The owner's word on each domain.
pub type Modes = BTreeMap<Domain, DomainMode>;

/// Checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Absolute.
    pub state_dir: PathBuf,
    /// `NAME:PORT`, tried before the addresses that came with the join token.
    pub coordinators: Vec<String>,
    pub modes: Modes,
    /// Time between two rounds of the cheap collectors.
    pub report_every: Duration,
    /// With the steps of a patch.
    pub patience: Patience,
}

/// The shortest and longest round.
const REPORT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// The shortest and longest wait of a patch's steps.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(24 * 3600));
/// Shorter than any server needs to boot, it would be reset for nothing; longer ones the timer cannot
/// count.
const HUNG_BOOT: (Duration, Duration) = (Duration::from_secs(2 * 60), LONGEST);

/// Checks `inputs`; an error names the key.
pub(super) fn check(inputs: &Inputs) -> Result<Settings, (&'static str, String)> {
    if !inputs.state_dir.is_absolute() {
        let why = format!(
            "{:?} is not absolute; write the path from /",
            inputs.state_dir
        );
        return Err(("state_dir", why));
    }
    for address in &inputs.coordinators {
        check_address(address).map_err(|why| ("coordinators", why))?;
    }
    Ok(Settings {
        state_dir: inputs.state_dir.clone(),
        coordinators: inputs.coordinators.clone(),
        modes: modes(inputs)?,
        report_every: within("intervals.report", inputs.intervals.report, REPORT)?,
        patience: patience(inputs)?,
    })
}

fn patience(inputs: &Inputs) -> Result<Patience, (&'static str, String)> {
    let p = &inputs.patching;
    let span = |key, period| within(key, period, PATIENCE);
    let patience = Patience {
        lock: span("patching.lock_timeout", p.lock_timeout)?,
        transaction: span("patching.transaction_timeout", p.transaction_timeout)?,
        boot: span("patching.boot_timeout", p.boot_timeout)?,
        gates: span("patching.health_timeout", p.health_timeout)?,
        hang: within("patching.hung_boot_timeout", p.hung_boot_timeout, HUNG_BOOT)?,
    };
    // Else a server whose boot was refused, and that runs, would be reset before anybody gave up.
    if patience.hang <= patience.boot {
        let text = |d| String::from(Period(d));
        let why = format!(
            "{} must be longer than patching.boot_timeout ({})",
            text(patience.hang),
            text(patience.boot)
        );
        return Err(("patching.hung_boot_timeout", why));
    }
    Ok(patience)
}

fn modes(inputs: &Inputs) -> Result<Modes, (&'static str, String)> {
    let d = &inputs.domains;
    let mut out = Modes::new();
    for (key, domain, mode) in [
        ("domains.patching", Domain::Patching, d.patching),
        ("domains.disks", Domain::Disks, d.disks),
        ("domains.network", Domain::Network, d.network),
        ("domains.runtime", Domain::Runtime, d.runtime),
    ] {
        if mode == DomainMode::Act && domain != Domain::Patching {
            let why =
                "this release of h8lio-agent only observes here; write \"observe\" or \"off\"";
            return Err((key, why.to_owned()));
        }
        out.insert(domain, mode);
    }
    Ok(out)
}

fn within(
    key: &'static str,
    period: Period,
    (least, most): (Duration, Duration),
) -> Result<Duration, (&'static str, String)> {
    if (least..=most).contains(&period.0) {
        return Ok(period.0);
    }
    let text = |d| String::from(Period(d));
    let why = format!(
        "{} is outside {} to {}",
        text(period.0),
        text(least),
        text(most)
    );
    Err((key, why))
}

/// Checks `NAME:PORT`, `1.2.3.4:PORT` or `[v6]:PORT`.
///
/// # Errors
/// What is wrong and how to write it.
pub(super) fn check_address(address: &str) -> Result<(), String> {
    let Some((name, port)) = address.rsplit_once(':') else {
        return Err(format!("{address:?} has no port; write it as NAME:PORT"));
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|n| n.strip_suffix(']'))
        .map(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
    let name_fits = bare.unwrap_or_else(|| {
        !name.is_empty()
            && name
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_'))
    });
    if !name_fits {
        return Err(format!(
            "{address:?} is not an address; write it as NAME:PORT, 192.0.2.1:PORT or [2001:db8::1]:PORT"
        ));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!("{address:?}: the port must be 1 to 65535")),
    }
}
