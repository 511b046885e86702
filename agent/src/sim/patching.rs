//! apt and dpkg of a simulated server.

use std::fmt::Write as _;

use jiff::Timestamp;
use uuid::Uuid;

use super::changes;
use super::server::SimHost;
use super::state::State;
use crate::host::packages::PackagesHost as _;
use crate::host::patching::{
    Ended, LockHolder, MayAct, PatchError, PatchHost, Pinned, RawAnswer, RawDatabase, RawPlan,
    RawRoom, RawTrace, Room, Spec, Written,
};
use crate::host::services::{RestartError, ServicesHost};
use crate::host::tool::ToolError;

impl PatchHost for SimHost {
    fn database(&self) -> RawDatabase {
        let raw = self.packages();
        let state = self.read("packages");
        let works = state
            .changes_made
            .transactions
            .values()
            .any(Option::is_none);
        let holder = LockHolder {
            file: "/var/lib/dpkg/lock-frontend".into(),
            pid: Some(4242),
            command: Some("apt-get".into()),
        };
        let broken = !state.server.packages.broken.is_empty();
        RawDatabase {
            installed: raw.installed,
            audit: raw.audit,
            journal: Some(if broken { vec!["0000".into()] } else { vec![] }),
            locks: Some(if works { vec![holder] } else { vec![] }),
            problems: raw.problems,
        }
    }

    fn plan(&self, wanted: &[Pinned]) -> RawPlan {
        let state = self.read("packages");
        let (simulation, archives) = match planned(&state, wanted) {
            Ok(both) => both,
            Err(stderr) => {
                let refused = RawAnswer {
                    code: 100,
                    stdout: Vec::new(),
                    stderr,
                };
                return RawPlan {
                    simulation: Some(refused.clone()),
                    archives: Some(refused),
                    ..RawPlan::default()
                };
            }
        };
        let answer = |text: String| {
            Some(RawAnswer {
                code: 0,
                stdout: text.into_bytes(),
                stderr: String::new(),
            })
        };
        RawPlan {
            simulation: answer(simulation),
            archives: answer(archives),
            free: Some(10 << 30),
            room: Some(room(&state)),
            problems: Vec::new(),
        }
    }

    fn index_updated_at(&self) -> Option<Timestamp> {
        self.packages().index_updated_at
    }

    /// What waits stands in the scenario, and is always known.
    fn refresh(&self, _: MayAct) -> Result<(), PatchError> {
        Ok(())
    }

    fn download(&self, wanted: &[Pinned], _: MayAct) -> Result<(), PatchError> {
        let state = self.read("packages");
        planned(&state, wanted).map(|_| ()).map_err(|said| {
            PatchError::Tool(ToolError::Refused {
                tool: "apt-get",
                code: 100,
                said,
            })
        })
    }

    fn keep_old(&self, _: &[Pinned], _: MayAct) -> Result<Vec<Pinned>, PatchError> {
        Ok(Vec::new())
    }

    /// Archives take no room here.
    fn clean(&self, _: &[Pinned], _: &[Pinned], _: MayAct) -> Result<(), PatchError> {
        Ok(())
    }

    fn hold(&self, names: &[String], _: MayAct) -> Result<(), PatchError> {
        let attempt = Uuid::nil();
        names.iter().try_for_each(|name| {
            self.act(&format!("package.hold {name}"))
                .map_err(|source| PatchError::Write { attempt, source })
        })
    }

    fn unhold(&self, names: &[String], _: MayAct) -> Result<(), PatchError> {
        let attempt = Uuid::nil();
        names.iter().try_for_each(|name| {
            self.act(&format!("package.unhold {name}"))
                .map_err(|source| PatchError::Write { attempt, source })
        })
    }

    fn start(&self, spec: &Spec, _: MayAct) -> Result<(), PatchError> {
        let attempt = spec.attempt;
        let trace = self.trace(attempt);
        if trace.begun || trace.withdrawn {
            return Err(PatchError::Known { attempt });
        }
        self.act(&changes::line(attempt, &spec.action))
            .map_err(|source| PatchError::Write { attempt, source })
    }

    fn trace(&self, attempt: Uuid) -> RawTrace {
        let state = self.read("packages");
        let known = state.changes_made.transactions.get(&attempt);
        let written = |ended: &Ended| Written {
            attempt,
            boot_id: state.boot_id,
            ended: ended.clone(),
        };
        let result = known.and_then(Option::as_ref).map(written);
        RawTrace {
            specified: state.changes_made.specified.contains(&attempt),
            withdrawn: state.changes_made.withdrawn.contains(&attempt),
            begun: known.is_some(),
            running: Some(known.is_some_and(Option::is_none)),
            result: result.and_then(|w| serde_json::to_vec(&w).ok()),
            ..RawTrace::default()
        }
    }

    fn at_work(&self) -> Option<Vec<Uuid>> {
        let state = self.read("packages");
        let works = state.changes_made.transactions.iter();
        let works = works.filter(|(_, ended)| ended.is_none());
        Some(works.map(|(attempt, _)| *attempt).collect())
    }

    fn withdraw(&self, attempt: Uuid) -> Result<(), PatchError> {
        match self.trace(attempt).begun {
            true => Err(PatchError::Begun { attempt }),
            false => self
                .act(&format!("transaction.withdrawn {attempt}"))
                .map_err(|source| PatchError::Write { attempt, source }),
        }
    }
}

impl ServicesHost for SimHost {
    fn restart(&self, unit: &str, _: MayAct) -> Result<(), RestartError> {
        self.act(&format!("unit.restarted {unit}"))
            .map_err(|e| RestartError {
                unit: unit.to_owned(),
                said: crate::chain(&e),
            })
    }
}

/// What is free: `/var` fills by a fault, and holds 100 GB.
fn room(state: &State) -> RawRoom {
    let left = 100_u64.saturating_sub(state.server.os.var_used_percent);
    let of = |place, device, free| Room {
        place,
        device,
        free,
    };
    RawRoom {
        rooms: vec![
            of("/", 1, 10_000_000_000),
            of("/boot", 2, 1_000_000_000),
            of("/var", 3, left * 1_000_000_000),
        ],
        kernel: 80_000_000,
    }
}

/// What apt-get would print, with `--simulate` and with `--print-uris`; or its complaint.
fn planned(state: &State, wanted: &[Pinned]) -> Result<(String, String), String> {
    let (mut lines, mut uris) = (String::new(), String::new());
    let (mut replaced, mut new) = (0, 0);
    for pin in wanted {
        let (name, version) = (pin.name(), pin.version());
        let offered = state
            .server
            .packages
            .upgrade
            .iter()
            .find(|u| u.name == name);
        match offered {
            Some(u) if [&u.candidate, &u.installed].iter().any(|v| *v == version) => {
                let now = state.version_of(u);
                if now == version {
                    continue;
                }
                replaced += 1;
                let arriving = state.changes_made.arriving(u);
                if let Some((image, version)) = arriving.filter(|(image, _)| {
                    version == u.candidate && !wanted.iter().any(|w| w.name() == image)
                }) {
                    new += 1;
                    let _ = writeln!(lines, "Inst {image} ({version} Sim:1/stable [amd64])");
                }
                let _ = writeln!(
                    lines,
                    "Inst {name} [{now}] ({version} Sim:1/stable [amd64])"
                );
            }
            None if name.starts_with("linux-image-") => {
                new += 1;
                let _ = writeln!(lines, "Inst {name} ({version} Sim:1/stable [amd64])");
            }
            Some(_) => {
                return Err(format!(
                    "E: Version '{version}' for '{name}' was not found\n"
                ));
            }
            None => return Err(format!("E: Unable to locate package {name}\n")),
        }
        let _ = writeln!(uris, "'http://sim/{name}.deb' {name}.deb 1000 SHA256:0");
    }
    let summary =
        format!("{replaced} upgraded, {new} newly installed, 0 to remove and 0 not upgraded.\n");
    Ok((summary + &lines, uris))
}
