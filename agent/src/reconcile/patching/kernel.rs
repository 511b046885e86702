//! Whether a newer kernel of the running flavour is installed.

use std::cmp::Ordering;

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

/// Compares `running` with the releases of installed kernel packages of the same flavour (what
/// follows the version, for example `-cloud-amd64`); which of several flavours boots is the boot
/// loader's business and not told here.
pub(super) fn judge(running: &str, installed: &[String]) -> Kernel {
    let (own, flavour) = split(running);
    let newest = installed
        .iter()
        .filter(|r| split(r).1 == flavour)
        .max_by(|a, b| version::compare(split(a).0, split(b).0));
    match newest {
        Some(n) if version::compare(split(n).0, own) == Ordering::Greater => Kernel::Behind {
            installed: n.clone(),
        },
        _ if installed.iter().any(|r| r == running) => Kernel::Newest,
        _ => Kernel::NotPackaged,
    }
}

/// Version and flavour, split where a dash is followed by a letter.
fn split(release: &str) -> (&str, &str) {
    let bytes = release.as_bytes();
    let at = bytes
        .windows(2)
        .position(|w| w[0] == b'-' && w[1].is_ascii_alphabetic());
    release.split_at(at.unwrap_or(release.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
