//! Services and timers of systemd, from systemctl's JSON.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::inventory::Problem;
use serde::Deserialize;

use crate::host::managers::UnitTrace;
use crate::linux::exec::{self, Argv};
use crate::linux::refusal;

#[derive(Deserialize)]
struct Loaded {
    unit: String,
    active: String,
}

#[derive(Deserialize)]
struct Installed {
    unit_file: String,
    state: String,
}

/// Units that are active or start by themselves; `None` when systemd could not be asked.
pub(super) fn read(problems: &mut Vec<Problem>) -> Option<Vec<UnitTrace>> {
    let loaded = ask("list-units", problems)?;
    let installed = ask("list-unit-files", problems)?;
    match merge(&loaded, &installed) {
        Ok(units) => Some(units),
        Err(e) => {
            problems.push(Problem {
                what: "systemctl".to_owned(),
                reason: "NotUnderstood".to_owned(),
                message: format!("its JSON is not understood: {e}"),
            });
            None
        }
    }
}

fn ask(verb: &'static str, problems: &mut Vec<Problem>) -> Option<Vec<u8>> {
    let args = Argv::of(&[verb, "--type=service,timer", "--output=json", "--no-pager"]);
    let what = format!("systemctl {verb}");
    match exec::run("systemctl", &args, &[], super::DEADLINE) {
        Ok(answer) if answer.code == 0 => return Some(answer.stdout),
        Ok(answer) => problems.push(refusal(&what, &answer)),
        Err(e) => problems.push(e.problem(&what)),
    }
    None
}

fn merge(loaded: &[u8], installed: &[u8]) -> serde_json::Result<Vec<UnitTrace>> {
    let loaded: Vec<Loaded> = serde_json::from_slice(loaded)?;
    let installed: Vec<Installed> = serde_json::from_slice(installed)?;
    let running = ["active", "activating", "reloading"];
    let active: BTreeSet<_> = loaded
        .into_iter()
        .filter(|u| running.contains(&u.active.as_str()))
        .map(|u| u.unit)
        .collect();
    // A generated unit stands for a script that starts at boot.
    let starting = ["enabled", "enabled-runtime", "generated"];
    let mut units: BTreeMap<_, _> = installed
        .into_iter()
        .filter(|u| starting.contains(&u.state.as_str()))
        .map(|u| (u.unit_file, true))
        .collect();
    for name in &active {
        units.entry(name.clone()).or_insert(false);
    }
    Ok(units
        .into_iter()
        .map(|(name, enabled)| UnitTrace {
            active: active.contains(&name),
            enabled,
            name,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_and_enabled_units_are_told_apart_and_others_left_out() {
        let loaded = br#"[{"unit":"frr.service","load":"loaded","active":"active","sub":"running","description":"x"},
            {"unit":"$(reboot)\n.service","load":"loaded","active":"activating","sub":"x","description":"x"},
            {"unit":"dead.service","load":"loaded","active":"failed","sub":"failed","description":"x"}]"#;
        let installed = br#"[{"unit_file":"apt-daily.timer","state":"enabled","preset":"enabled"},
            {"unit_file":"frr.service","state":"disabled","preset":null},
            {"unit_file":"kured.service","state":"masked","preset":null}]"#;
        let got = merge(loaded, installed).expect("understood");
        let told: Vec<_> = got
            .iter()
            .map(|u| (&*u.name, u.active, u.enabled))
            .collect();
        let want = [
            ("$(reboot)\n.service", true, false),
            ("apt-daily.timer", false, true),
            ("frr.service", true, false),
        ];
        assert_eq!(told, want);
    }

    #[test]
    fn half_an_answer_is_none() {
        assert!(merge(b"[{\"unit\":\"a\"", b"[]").is_err());
        assert!(merge(b"[]", b"").is_err());
        assert!(merge(b"[{\"unit\":\"a.service\"}]", b"[]").is_err());
    }
}
