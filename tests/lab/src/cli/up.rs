//! `lab up`.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::bmc::Bmc;
use crate::checks::say;
use crate::clock::now;
use crate::image::{Flavour, Release};
use crate::lab::Lab;
use crate::server::Spec;
use crate::space::Lifetime;

#[derive(Debug, Args)]
pub(super) struct Up {
    /// How many servers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    servers: u8,
    /// bookworm (Debian 12) or trixie (Debian 13)
    #[arg(long, default_value_t = Release::Bookworm)]
    release: Release,
    /// How they boot: bios, uefi, md, md-uefi
    #[arg(long, default_value_t = Flavour::Bios)]
    flavour: Flavour,
    /// Memory of each, in MiB
    #[arg(long, default_value_t = 1536)]
    memory: u32,
}

impl Up {
    pub(super) fn run(&self, folder: &Path) -> Result<()> {
        let began = now();
        let step = |what: &str| {
            say(&format!(
                "[{:>5.0} s] {what}",
                began.elapsed().as_secs_f64()
            ));
        };
        let _turn = Lab::turn(folder)?;
        let lab = Lab::create(folder, Lifetime::Kept)?;
        self.boot(&lab, &step)
            .context("the lab stays up as it is, to be looked at; end it with: make lab-down")?;
        say(
            "scripts/lab.sh: status · ssh s1 · console s1 (serial line) · bmc s1 · power s1 off · --help",
        );
        Ok(())
    }

    fn boot(&self, lab: &Lab, step: &dyn Fn(&str)) -> Result<()> {
        for number in 1..=self.servers {
            let spec = Spec {
                release: self.release,
                flavour: self.flavour,
                memory_mib: self.memory,
                ..Spec::new(number)
            };
            let server = lab.add_server(&spec, step)?;
            Bmc::add(&server, lab)?;
            server.start()?;
        }
        step("the servers boot");
        for server in lab.servers()? {
            server.wait_for_ssh()?;
            step(&format!("{} answers", server.name()));
        }
        Ok(())
    }
}
