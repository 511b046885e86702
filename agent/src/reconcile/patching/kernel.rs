//! Whether a newer kernel of the running flavour is installed.

use std::cmp::Ordering;

use h8lio_model::kernel::split;

use super::version;

/// What the installed kernel packages say of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kernel {
    /// It is the newest installed one of its flavour.
    Newest,
    /// This one is newer.
    Behind { installed: String },
    /// It is in no package: somebody built it, or its package was removed.
    NotPackaged,
}

/// The newest of `installed` of the flavour of `running`, unless it is older than that. One whose
/// package somebody holds is not booted into, whoever that is: the server went back from it, or a
/// person wants it left alone. The one that runs is known to boot.
pub fn to_boot<'a>(running: &str, installed: &'a [String], held: &[String]) -> Option<&'a String> {
    let own = split(running).0;
    let free = |r: &&String| *r == running || !held.contains(r);
    newest(running, installed.iter().filter(free))
        .filter(|n| version::compare(split(n).0, own) != Ordering::Less)
}

/// The newest of `installed` that is of the flavour of `running`.
fn newest<'a>(running: &str, installed: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let flavour = split(running).1;
    installed
        .filter(|r| split(r).1 == flavour)
        .max_by(|a, b| version::compare(split(a).0, split(b).0))
}

/// Compares `running` with the releases of installed kernel packages of the same flavour (what
/// follows the version, for example `-cloud-amd64`); which of several flavours boots is the boot
/// loader's business and not told here.
pub(super) fn judge(running: &str, installed: &[String]) -> Kernel {
    let own = split(running).0;
    match newest(running, installed.iter()) {
        Some(n) if version::compare(split(n).0, own) == Ordering::Greater => Kernel::Behind {
            installed: n.clone(),
        },
        _ if installed.iter().any(|r| r == running) => Kernel::Newest,
        _ => Kernel::NotPackaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_booted_is_never_older_than_what_runs() {
        let installed = ["6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-11-cloud-amd64"];
        let installed = installed.map(str::to_owned);
        let found = |running| to_boot(running, &installed, &[]).map(String::as_str);
        assert_eq!(found("6.1.0-9-amd64"), Some("6.1.0-10-amd64"));
        assert_eq!(found("6.1.0-10-amd64"), Some("6.1.0-10-amd64"));
        assert_eq!(found("6.1.0-12-amd64"), None);
        assert_eq!(found("6.1.0-9-rt-amd64"), None);
    }

    #[test]
    fn a_kernel_that_is_held_is_not_booted_unless_it_runs() {
        let installed = ["6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-11-amd64"].map(str::to_owned);
        let held = [installed[2].clone()];
        let found = |running| to_boot(running, &installed, &held).map(String::as_str);
        assert_eq!(found("6.1.0-9-amd64"), Some("6.1.0-10-amd64"));
        assert_eq!(found("6.1.0-10-amd64"), Some("6.1.0-10-amd64"));
        assert_eq!(found("6.1.0-11-amd64"), Some("6.1.0-11-amd64"));
    }

    fn judged(running: &str, installed: &[&str]) -> Kernel {
        let installed: Vec<_> = installed.iter().map(|s| (*s).to_owned()).collect();
        judge(running, &installed)
    }

    #[test]
    fn abi_numbers_are_compared_as_numbers() {
        let behind = Kernel::Behind {
            installed: "6.1.0-10-amd64".into(),
        };
        assert_eq!(
            judged("6.1.0-9-amd64", &["6.1.0-10-amd64", "6.1.0-9-amd64"]),
            behind
        );
        assert_eq!(
            judged("6.1.0-10-amd64", &["6.1.0-10-amd64", "6.1.0-9-amd64"]),
            Kernel::Newest
        );
        assert_eq!(
            judged(
                "6.12.9+deb13-amd64",
                &["6.12.48+deb13-amd64", "6.12.9+deb13-amd64"]
            ),
            Kernel::Behind {
                installed: "6.12.48+deb13-amd64".into()
            }
        );
    }

    #[test]
    fn another_flavour_is_no_reason_and_an_unpackaged_kernel_is_not_current() {
        let installed = ["6.1.0-56-amd64", "6.1.0-50-cloud-amd64"];
        assert_eq!(judged("6.1.0-50-cloud-amd64", &installed), Kernel::Newest);
        assert_eq!(judged("6.18.44-custom", &installed), Kernel::NotPackaged);
        assert_eq!(judged("6.1.0-50-cloud-amd64", &[]), Kernel::NotPackaged);
    }
}
