//! Kernel packages by their names, as Debian and Ubuntu give them: read by who plans and by who
//! carries out, and so in one place.

/// What begins the names of packages that belong to a kernel: images, their modules, the packages
/// that only point to the newest of a flavour, and what is built for exactly one kernel.
const KERNEL: [&str; 23] = [
    "linux-image-",
    "linux-modules-",
    "linux-main-modules-",
    "linux-signed-",
    "linux-headers-",
    "linux-kbuild-",
    "linux-compiler-",
    "linux-generic",
    "linux-virtual",
    "linux-lowlatency",
    "linux-aws",
    "linux-azure",
    "linux-gcp",
    "linux-gke",
    "linux-ibm",
    "linux-intel",
    "linux-kvm",
    "linux-nvidia",
    "linux-oem-",
    "linux-oracle",
    "linux-raspi",
    "linux-realtime",
    "linux-cloud-amd64",
];

/// Of those, what is only built against.
const BUILT_AGAINST: [&str; 3] = ["linux-headers-", "linux-kbuild-", "linux-compiler-"];

fn begins(name: &str, with: &[&str]) -> bool {
    with.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the package (without architecture) belongs to a kernel. Debug symbols do not.
pub fn is_kernel(name: &str) -> bool {
    begins(name, &KERNEL) && !name.ends_with("-dbg") && !name.ends_with("-dbgsym")
}

/// Whether the package changes what boots: an image, its modules, or what points to them.
pub fn is_booted(name: &str) -> bool {
    is_kernel(name) && !begins(name, &BUILT_AGAINST)
}

/// The release of the kernel in an image package (without architecture): `6.1.0-28-amd64` in
/// `linux-image-6.1.0-28-amd64`. Packages that only point to one, and debug symbols, have none.
pub fn image_release(name: &str) -> Option<&str> {
    let release = name.strip_prefix("linux-image-")?;
    let release = release.strip_prefix("unsigned-").unwrap_or(release);
    let release = release.strip_suffix("-unsigned").unwrap_or(release);
    let is_release = release.starts_with(|c: char| c.is_ascii_digit())
        && release.contains('.')
        && !release.ends_with("-dbg")
        && !release.ends_with("-dbgsym");
    is_release.then_some(release)
}

/// Version and flavour of a release, split where a dash is followed by a letter: `6.1.0-50` and
/// `-cloud-amd64`.
pub fn split(release: &str) -> (&str, &str) {
    let letter = |w: &[u8]| w[0] == b'-' && w[1].is_ascii_alphabetic();
    let at = release.as_bytes().windows(2).position(letter);
    release.split_at(at.unwrap_or(release.len()))
}

/// What stays the same in the name of a package from one kernel to the next: what comes before the
/// version and what comes after it. `None` for a name without a version.
pub fn line(name: &str) -> Option<(&str, &str)> {
    let digit = |w: &[u8]| w[0] == b'-' && w[1].is_ascii_digit();
    let at = name.as_bytes().windows(2).position(digit)?;
    let (before, release) = (&name[..at], &name[at + 1..]);
    let (version, flavour) = split(release);
    let is_release = version.contains('.') && !flavour.is_empty();
    is_release.then_some((before, flavour))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_and_ubuntus_kernel_packages_are_known_by_their_names() {
        for name in [
            "linux-image-amd64",
            "linux-image-cloud-amd64",
            "linux-image-6.1.0-57-amd64",
            "linux-image-6.12.48+deb13-amd64",
            "linux-image-generic",
            "linux-image-virtual",
            "linux-image-generic-hwe-22.04",
            "linux-image-6.8.0-50-generic",
            "linux-image-unsigned-6.8.0-50-generic",
            "linux-modules-6.8.0-50-generic",
            "linux-modules-extra-6.8.0-50-generic",
            "linux-generic",
            "linux-generic-hwe-22.04",
            "linux-virtual",
            "linux-virtual-hwe-24.04",
            "linux-aws",
        ] {
            assert!(is_kernel(name) && is_booted(name), "{name}");
        }
        for name in [
            "linux-headers-amd64",
            "linux-headers-generic",
            "linux-kbuild-6.1",
        ] {
            assert!(is_kernel(name) && !is_booted(name), "{name}");
        }
        for name in [
            "linux-base",
            "linux-libc-dev",
            "linux-firmware",
            "linux-tools-common",
            "linux-doc-6.1",
            "linux-image-6.1.0-57-amd64-dbg",
            "linux-image-amd64-dbg",
            "util-linux",
        ] {
            assert!(!is_kernel(name) && !is_booted(name), "{name}");
        }
    }

    #[test]
    fn an_image_has_the_release_that_uname_prints() {
        assert_eq!(
            image_release("linux-image-6.1.0-57-cloud-amd64"),
            Some("6.1.0-57-cloud-amd64")
        );
        assert_eq!(
            image_release("linux-image-unsigned-6.8.0-50-generic"),
            Some("6.8.0-50-generic")
        );
        for name in [
            "linux-image-amd64",
            "linux-image-generic-hwe-22.04",
            "linux-image-6.1.0-57-amd64-dbg",
            "linux-modules-6.8.0-50-generic",
        ] {
            assert_eq!(image_release(name), None, "{name}");
        }
    }

    #[test]
    fn the_flavour_and_the_line_stay_from_one_kernel_to_the_next() {
        assert_eq!(split("6.1.0-50-cloud-amd64"), ("6.1.0-50", "-cloud-amd64"));
        assert_eq!(split("6.12.48+deb13-amd64"), ("6.12.48+deb13", "-amd64"));
        assert_eq!(split("6.18.44"), ("6.18.44", ""));
        assert_eq!(
            line("linux-image-6.1.0-57-amd64"),
            line("linux-image-6.1.0-58-amd64")
        );
        assert_eq!(
            line("linux-modules-extra-6.8.0-50-generic"),
            Some(("linux-modules-extra", "-generic"))
        );
        assert_ne!(
            line("linux-image-6.1.0-57-amd64"),
            line("linux-image-6.1.0-57-cloud-amd64")
        );
        assert_eq!(line("linux-image-amd64"), None);
        assert_eq!(line("linux-image-generic-hwe-22.04"), None);
    }
}
