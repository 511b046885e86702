//! Lines of `dpkg-query -W` in the format of [`crate::host::packages::DPKG_FORMAT`].

use h8lio_model::inventory::BrokenPackage;

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

fn read(line: &str, out: &mut Database) -> Option<()> {
    let mut fields = line.split('\t');
    let status = fields.next()?;
    let (name, _architecture, _version) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || !is_name(name) {
        return None;
    }
    let mut letters = status.chars();
    let (want, state, flag) = (letters.next()?, letters.next()?, letters.next());
    if !"uihrp".contains(want) || letters.next().is_some() {
        return None;
    }
    let state = match state {
        'n' | 'c' => return Some(()),
        'i' => "installed",
        'H' => "half-installed",
        'U' => "unpacked",
        'F' => "half-configured",
        'W' => "triggers-awaited",
        't' => "triggers-pending",
        _ => return None,
    };
    if want == 'h' {
        out.held.push(name.to_owned());
    }
    match flag {
        Some('R') => out.broken.push(broken(name, "reinst-required")),
        None | Some(' ') if state != "installed" => out.broken.push(broken(name, state)),
        None | Some(' ') => {}
        Some(_) => return None,
    }
    // Half-installed is not installed; what waits for triggers or its configuration is there.
    if state != "half-installed" {
        out.installed += 1;
        out.kernels.extend(kernel(name));
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
pub(super) fn is_name(name: &str) -> bool {
    name.len() >= 2
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.:_~".contains(&b))
}

/// Release of the kernel in an image package; metapackages and debug symbols have none.
fn kernel(package: &str) -> Option<String> {
    let name = package.split(':').next()?;
    let release = name.strip_prefix("linux-image-")?;
    let release = release.strip_prefix("unsigned-").unwrap_or(release);
    let release = release.strip_suffix("-unsigned").unwrap_or(release);
    (release.starts_with(|c: char| c.is_ascii_digit())
        && release.contains('.')
        && !release.ends_with("-dbg"))
    .then(|| release.to_owned())
}
