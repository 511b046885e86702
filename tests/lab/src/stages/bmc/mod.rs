//! The BMCs, asked by the clients that operators and h8lio use: over a server that is only written
//! down, whose every act is on record, and at last over a real one.

mod clients;
mod faults;
mod ipmi;
mod redfish;
mod server;

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Extent;
use crate::bmc::scripted::Scripted;
use crate::bmc::{Bmc, Mode, Power, PowerSwitch as _};
use crate::checks::Checks;
use crate::clock::{now, until};
use crate::lab::Lab;
use crate::space::Network;
use clients::Clients;

/// How soon an act must come that a BMC has said yes to.
const ACTS_WITHIN: Duration = Duration::from_secs(20);

/// Nothing more may come in this time after the last act that was expected.
const QUIET: Duration = Duration::from_secs(2);

/// A BMC under test, with its server that is only written down.
struct Bench<'a> {
    lab: &'a Lab,
    bmc: Bmc<'a>,
    switch: Scripted,
    clients: Clients<'a>,
}

pub(super) fn run(checks: &mut Checks, lab: &Lab, extent: Extent) -> Result<()> {
    let bench = checks.need("a BMC over a scripted server answers", || Bench::make(lab))?;
    ipmi::core(checks, &bench);
    redfish::core(checks, &bench);
    faults::core(checks, &bench);
    if extent == Extent::Whole {
        ipmi::rest(checks, &bench);
        redfish::rest(checks, &bench);
        faults::rest(checks, &bench);
    }
    server::run(checks, lab)
}

impl<'a> Bench<'a> {
    fn make(lab: &'a Lab) -> Result<Self> {
        // Beyond the BMCs of the nine servers that a lab can have.
        let bmc = Bmc::add_scripted(lab, "x1", Network::Mgmt.address(40))?;
        let folder = bmc.folder();
        let clients = Clients::new(lab, &folder)?;
        let switch = Scripted::at(folder.path());
        Ok(Self {
            lab,
            bmc,
            switch,
            clients,
        })
    }

    fn set(&self, power: Power) -> Result<()> {
        self.bmc.set_mode(Mode::Normal)?;
        match power {
            Power::On => self.switch.on(),
            Power::Off => self.switch.off(),
        }
    }

    fn is(&self, power: Power) -> Result<()> {
        let is = self.switch.state()?;
        ensure!(is == power, "the server is {is:?}, not {power:?}");
        Ok(())
    }

    /// Exactly these acts reach the server while `work` runs, or soon after: a BMC may say yes a
    /// little before it is done. Once they are there it must stay so for a while: an act that comes
    /// late, or twice, is one too many.
    fn sees(&self, expected: &str, work: impl FnOnce() -> Result<()>) -> Result<String> {
        let before = self.switch.acts()?.len();
        work()?;
        let acts = || Ok::<_, anyhow::Error>(self.switch.acts()?[before..].join(" "));
        let came = until(expected, ACTS_WITHIN, || {
            Ok((acts()? == expected).then_some(()))
        });
        ensure!(
            came.is_ok(),
            "the server saw {:?}, not {expected:?}",
            acts()?
        );
        let came = now();
        until("nothing more comes", QUIET * 10, || {
            let seen = acts()?;
            ensure!(
                seen == expected,
                "the server saw {seen:?}, not {expected:?}"
            );
            Ok((came.elapsed() >= QUIET).then_some(()))
        })?;
        Ok(match expected {
            "" => "nothing was done".to_owned(),
            acts => acts.to_owned(),
        })
    }
}
