//! What `apt-get --simulate dist-upgrade` prints.

use h8lio_model::inventory::UpgradablePackage;

use super::{NotUnderstood, whole};

/// What a full upgrade would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// Installed packages that it would replace, sorted; new packages are not among them.
    pub upgradable: Vec<UpgradablePackage>,
    pub kept_back: Vec<String>,
}

/// Reads a simulation.
///
/// # Errors
/// [`NotUnderstood`] when there is no summary, a line is unexpected, or the lines do not add up
/// to the summary's numbers: half an answer is none.
pub fn simulation(bytes: &[u8]) -> Result<Simulation, NotUnderstood> {
    let mut out = Simulation::default();
    let mut summary = None;
    let (mut new, mut in_kept) = (0, false);
    for line in whole(bytes)?.lines() {
        if in_kept && line.starts_with(' ') {
            out.kept_back
                .extend(line.split_whitespace().map(str::to_owned));
            continue;
        }
        in_kept = line.starts_with("The following packages have been kept back");
        if let Some(rest) = line.strip_prefix("Inst ") {
            match install(rest).ok_or_else(|| NotUnderstood::line(line))? {
                Some(upgrade) => out.upgradable.push(upgrade),
                None => new += 1,
            }
        } else if line.contains(" upgraded, ") && line.ends_with(" not upgraded.") {
            summary = Some(counts(line).ok_or_else(|| NotUnderstood::line(line))?);
        }
    }
    let told = summary.ok_or_else(|| NotUnderstood("it has no summary".to_owned()))?;
    let seen = (out.upgradable.len(), new);
    if told != seen {
        return Err(NotUnderstood(format!(
            "its summary counts {} replaced and {} new packages, its lines {} and {}",
            told.0, told.1, seen.0, seen.1
        )));
    }
    out.upgradable.sort();
    out.kept_back.sort();
    Ok(out)
}

/// `NAME [INSTALLED] (CANDIDATE ORIGIN, ORIGIN [ARCH]) …`; `Some(None)` for a new package.
fn install(rest: &str) -> Option<Option<UpgradablePackage>> {
    let (name, rest) = rest.split_once(' ')?;
    if !super::dpkg::is_name(name) {
        return None;
    }
    let (installed, rest) = match rest.strip_prefix('[') {
        Some(r) => {
            let (installed, rest) = r.split_once("] ")?;
            (Some(installed), rest)
        }
        None => (None, rest),
    };
    // What follows the parenthesis lists packages that are broken for the moment.
    let (inner, _) = rest.strip_prefix('(')?.split_once("])")?;
    let (head, architecture) = inner.rsplit_once(" [")?;
    let (candidate, origin) = head.split_once(' ').unwrap_or((head, ""));
    let version = |v: &str| !v.is_empty() && v.bytes().all(|b| b.is_ascii_graphic());
    if !version(candidate) || !installed.is_none_or(version) {
        return None;
    }
    Some(installed.map(|installed| UpgradablePackage {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        installed: installed.to_owned(),
        candidate: candidate.to_owned(),
        security: origin.split(", ").any(is_security),
        origin: origin.trim().to_owned(),
    }))
}

/// `LABEL:VERSION/ARCHIVE`. Debian's label is `Debian-Security`; Ubuntu's archives, those of its
/// extended maintenance too, end in `-security`.
fn is_security(origin: &str) -> bool {
    let label = origin.split(':').next().unwrap_or_default();
    let archive = origin.rsplit('/').next().unwrap_or_default();
    label == "Debian-Security" || (origin.contains('/') && archive.ends_with("-security"))
}

/// Replaced (upgraded, reinstalled, downgraded) and new packages of the summary.
fn counts(line: &str) -> Option<(usize, usize)> {
    let (mut replaced, mut new) = (0, None);
    for part in line.split(" and ").next()?.split(", ") {
        let (number, word) = part.split_once(' ')?;
        let number: usize = number.parse().ok()?;
        match word {
            "upgraded" | "reinstalled" | "downgraded" => replaced += number,
            "newly installed" => new = Some(number),
            "to remove" => {}
            _ => return None,
        }
    }
    Some((replaced, new?))
}
