//! Lines of `dpkg-query -W` in the format of [`crate::host::packages::DPKG_FORMAT`].

use h8lio_model::inventory::BrokenPackage;
use h8lio_model::kernel::image_release;

use super::{NotUnderstood, whole};

/// What dpkg's database says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    pub installed: u32,
    pub held: Vec<String>,
    pub broken: Vec<BrokenPackage>,
    /// Releases of installed kernel packages, for example `6.1.0-50-cloud-amd64`.
    pub kernels: Vec<String>,
}

/// Reads the database.
///
/// # Errors
/// [`NotUnderstood`] for an empty answer and for any line that is not four fields with a status.
pub fn database(bytes: &[u8]) -> Result<Database, NotUnderstood> {
    let text = whole(bytes)?;
    if text.is_empty() {
        return Err(NotUnderstood("it is empty".to_owned()));
    }
    let mut out = Database::default();
    for line in text.lines() {
        read(line, &mut out).ok_or_else(|| NotUnderstood::line(line))?;
    }
    Ok(out)
}

/// One package at one version, as dpkg knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// With the architecture behind a colon where dpkg writes it (`Multi-Arch: same`).
    pub name: String,
    pub architecture: String,
    pub version: String,
    pub held: bool,
    /// Unpacked, configured, triggered; nothing left to do.
    pub whole: bool,
}

/// Packages that are there in any state, by name.
///
/// # Errors
/// As [`database`].
pub fn known(bytes: &[u8]) -> Result<std::collections::BTreeMap<String, Known>, NotUnderstood> {
    let mut out = std::collections::BTreeMap::new();
    for line in whole(bytes)?.lines() {
        let Some(seen) = parse(line).ok_or_else(|| NotUnderstood::line(line))? else {
            continue;
        };
        let known = Known {
            name: seen.name.to_owned(),
            architecture: seen.architecture.to_owned(),
            version: seen.version.to_owned(),
            held: seen.held,
            whole: seen.state == INSTALLED && !seen.reinstall,
        };
        out.insert(known.name.clone(), known);
    }
    if out.is_empty() {
        return Err(NotUnderstood("it is empty".to_owned()));
    }
    Ok(out)
}

const INSTALLED: &str = "installed";

/// One line, of a package that is there.
struct Seen<'a> {
    name: &'a str,
    architecture: &'a str,
    version: &'a str,
    held: bool,
    state: &'static str,
    reinstall: bool,
}

/// `None`: not understood; `Some(None)`: not there, or only its configuration.
fn parse(line: &str) -> Option<Option<Seen<'_>>> {
    let mut fields = line.split('\t');
    let status = fields.next()?;
    let (name, architecture, version) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || !is_name(name) {
        return None;
    }
    let mut letters = status.chars();
    let (want, state, flag) = (letters.next()?, letters.next()?, letters.next());
    if !"uihrp".contains(want) || letters.next().is_some() {
        return None;
    }
    let state = match state {
        'n' | 'c' => return Some(None),
        'i' => INSTALLED,
        'H' => "half-installed",
        'U' => "unpacked",
        'F' => "half-configured",
        'W' => "triggers-awaited",
        't' => "triggers-pending",
        _ => return None,
    };
    let reinstall = match flag {
        Some('R') => true,
        None | Some(' ') => false,
        Some(_) => return None,
    };
    Some(Some(Seen {
        name,
        architecture,
        version,
        held: want == 'h',
        state,
        reinstall,
    }))
}

fn read(line: &str, out: &mut Database) -> Option<()> {
    let Some(seen) = parse(line)? else {
        return Some(());
    };
    if seen.held {
        out.held.push(seen.name.to_owned());
    }
    if seen.reinstall {
        out.broken.push(broken(seen.name, "reinst-required"));
    } else if seen.state != INSTALLED {
        out.broken.push(broken(seen.name, seen.state));
    }
    // Half-installed is not installed; what waits for triggers or its configuration is there.
    if seen.state != "half-installed" {
        out.installed += 1;
        out.kernels.extend(kernel(seen.name));
    }
    Some(())
}

fn broken(name: &str, state: &str) -> BrokenPackage {
    BrokenPackage {
        name: name.to_owned(),
        state: state.to_owned(),
    }
}

/// Debian's rule for names (policy 5.6.7), with an architecture behind a colon.
pub fn is_name(name: &str) -> bool {
    name.len() >= 2
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.:_~".contains(&b))
}

/// Release of the kernel in an image package; metapackages and debug symbols have none.
pub fn kernel(package: &str) -> Option<String> {
    let name = package.split(':').next()?;
    image_release(name).map(str::to_owned)
}
