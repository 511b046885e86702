//! What `apt-get --simulate` prints, of a full upgrade and of named versions alike.

use h8lio_model::inventory::{NewPackage, UpgradablePackage};

use super::{NotUnderstood, whole};

/// What apt would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// Installed packages that it would replace, sorted; new packages are not among them.
    pub upgradable: Vec<UpgradablePackage>,
    /// Packages that it would add, sorted.
    pub new: Vec<NewPackage>,
    /// Packages that it would remove, sorted.
    pub removed: Vec<String>,
    pub kept_back: Vec<String>,
    /// Held back because the distribution offers the update to a part of all servers at a time.
    pub phased: Vec<String>,
    /// Packages that an earlier run left half-done.
    pub unfinished: usize,
}

/// A list of names, indented below its heading.
#[derive(Clone, Copy)]
enum List {
    KeptBack,
    Phased,
    Other,
}

const LISTS: [(&str, List); 3] = [
    ("The following packages have been kept back", List::KeptBack),
    (
        "The following upgrades have been deferred due to phasing",
        List::Phased,
    ),
    (
        "The following upgrades are deferred due to phasing",
        List::Phased,
    ),
];

/// Reads a simulation.
///
/// # Errors
/// [`NotUnderstood`] when there is no summary, a line is unexpected, or the lines do not add up
/// to the summary's numbers: half an answer is none.
pub fn simulation(bytes: &[u8]) -> Result<Simulation, NotUnderstood> {
    let mut out = Simulation::default();
    let mut summary = None;
    let mut list = List::Other;
    for line in whole(bytes)?.lines() {
        let odd = || NotUnderstood::line(line);
        if line.starts_with(' ') {
            let names = line.split_whitespace().map(str::to_owned);
            match list {
                List::KeptBack => out.kept_back.extend(names),
                List::Phased => out.phased.extend(names),
                List::Other => {}
            }
            continue;
        }
        let heading = LISTS.iter().find(|(text, _)| line.starts_with(text));
        list = heading.map_or(List::Other, |(_, list)| *list);
        if let Some(rest) = line.strip_prefix("Inst ") {
            install(rest, &mut out).ok_or_else(odd)?;
        } else if let Some(rest) = line.strip_prefix("Remv ").or(line.strip_prefix("Purg ")) {
            out.removed.push(removal(rest).ok_or_else(odd)?);
        } else if line.contains(" upgraded, ") && line.ends_with(" not upgraded.") {
            summary = Some(counts(line).ok_or_else(odd)?);
        } else if let Some(number) = line.strip_suffix(" not fully installed or removed.") {
            out.unfinished = number.parse().map_err(|_| odd())?;
        }
    }
    let told = summary.ok_or_else(|| NotUnderstood("it has no summary".to_owned()))?;
    let seen = Counts {
        replaced: out.upgradable.len(),
        new: out.new.len(),
        removed: out.removed.len(),
    };
    if told != seen {
        return Err(NotUnderstood(format!(
            "its summary counts {told}, its lines {seen}"
        )));
    }
    out.upgradable.sort();
    out.new.sort();
    out.removed.sort();
    out.kept_back.sort();
    out.phased.sort();
    Ok(out)
}

/// `NAME [INSTALLED] (CANDIDATE ORIGIN, ORIGIN [ARCH]) …`; without INSTALLED for a new package.
fn install(rest: &str, out: &mut Simulation) -> Option<()> {
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
    let (name, architecture) = (name.to_owned(), architecture.to_owned());
    let security = origin.split(", ").any(is_security);
    let (candidate, origin) = (candidate.to_owned(), origin.trim().to_owned());
    match installed {
        None => out.new.push(NewPackage {
            name,
            architecture,
            version: candidate,
            security,
            origin,
        }),
        Some(installed) => out.upgradable.push(UpgradablePackage {
            name,
            architecture,
            installed: installed.to_owned(),
            candidate,
            security,
            origin,
        }),
    }
    Some(())
}

/// `NAME [VERSION] …`
fn removal(rest: &str) -> Option<String> {
    let name = rest.split(' ').next()?;
    super::dpkg::is_name(name).then(|| name.to_owned())
}

/// `LABEL:VERSION/ARCHIVE`. Debian's label is `Debian-Security`; Ubuntu's archives, those of its
/// extended maintenance too, end in `-security`.
fn is_security(origin: &str) -> bool {
    let label = origin.split(':').next().unwrap_or_default();
    let archive = origin.rsplit('/').next().unwrap_or_default();
    label == "Debian-Security" || (origin.contains('/') && archive.ends_with("-security"))
}

/// Packages of the summary, by what happens to them.
#[derive(PartialEq, Eq)]
struct Counts {
    /// Upgraded, reinstalled, downgraded.
    replaced: usize,
    new: usize,
    removed: usize,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} replaced, {} new and {} removed packages",
            self.replaced, self.new, self.removed
        )
    }
}

fn counts(line: &str) -> Option<Counts> {
    let (mut replaced, mut new, mut removed) = (0, None, None);
    for part in line.split(" and ").next()?.split(", ") {
        let (number, word) = part.split_once(' ')?;
        let number: usize = number.parse().ok()?;
        match word {
            "upgraded" | "reinstalled" | "downgraded" => replaced += number,
            "newly installed" => new = Some(number),
            "to remove" => removed = Some(number),
            _ => return None,
        }
    }
    Some(Counts {
        replaced,
        new: new?,
        removed: removed?,
    })
}
