//! Health checks: what is asked, checked before it is ever asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http::Uri;
use toml::Spanned;

use super::Wrong;
use crate::config::duration::show;
use crate::config::maintenance::HealthCheck;

/// What a check may take, where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What it may take at all: it is over before it is due again.
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// A health check that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthProbe {
    pub how: HealthHow,
    pub timeout: Duration,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthHow {
    /// GET; well is any answer of 200 to 299. Redirects are not followed.
    Http(Uri),
    /// A program by its absolute path, and its arguments; well is exit code 0.
    Command(Vec<String>),
}

pub(super) fn probes(
    all: &BTreeMap<String, Spanned<HealthCheck>>,
) -> Result<BTreeMap<String, HealthProbe>, Wrong> {
    let probes = all
        .iter()
        .map(|(name, check)| Ok((name.clone(), probe(name, check)?)));
    probes.collect()
}

fn probe(name: &str, check: &Spanned<HealthCheck>) -> Result<HealthProbe, Wrong> {
    let said = check.get_ref();
    let how = match (&said.http, &said.command) {
        (Some(url), None) => {
            let wrong = |problem| Wrong::at(&format!("health.{name}.http"), url, problem);
            HealthHow::Http(address(url.get_ref()).map_err(wrong)?)
        }
        (None, Some(command)) => {
            let wrong = |problem| Wrong::at(&format!("health.{name}.command"), command, problem);
            program(command.get_ref()).map_err(wrong)?;
            HealthHow::Command(command.get_ref().clone())
        }
        (Some(_), Some(_)) | (None, None) => {
            let problem = "needs either `http` or `command`";
            return Err(Wrong::at(&format!("health.{name}"), check, problem));
        }
    };
    let timeout = said.timeout.as_ref().map_or(TIMEOUT, |t| t.get_ref().0);
    let (least, most) = TIMEOUTS;
    if let Some(at) = &said.timeout
        && !(least..=most).contains(&timeout)
    {
        let problem = format!(
            "{} is outside {} to {}",
            show(timeout),
            show(least),
            show(most)
        );
        return Err(Wrong::at(&format!("health.{name}.timeout"), at, problem));
    }
    Ok(HealthProbe { how, timeout })
}

fn address(text: &str) -> Result<Uri, String> {
    let uri: Uri = text
        .parse()
        .map_err(|e| format!("{text:?} is no address: {e}"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(
                "https is not spoken here; ask over http, or let a `command` ask".to_owned(),
            );
        }
        _ => return Err(format!("{text:?} does not begin with http://")),
    }
    match uri.authority() {
        Some(to) if to.as_str().contains('@') => {
            Err("a name and password are not sent; leave them out".to_owned())
        }
        Some(to) if !to.host().is_empty() => Ok(uri),
        _ => Err(format!("{text:?} names no server")),
    }
}

fn program(command: &[String]) -> Result<(), String> {
    let program = command.first().ok_or("names no program")?;
    if !Path::new(program).is_absolute() {
        return Err(format!(
            "{program:?} is not an absolute path; no shell and no PATH is used"
        ));
    }
    if command.iter().any(|word| word.contains('\0')) {
        return Err("a word has a zero byte in it".to_owned());
    }
    Ok(())
}
