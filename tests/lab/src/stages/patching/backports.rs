//! A newer kernel of the distribution: the newest one that this machine's own apt offers from
//! backports, without the drivers that no emulated server has.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cache::{Cache, Recipe};
use crate::process::{command, run};

/// 100 MB over the network, or unpacked.
const LIMIT: Duration = Duration::from_secs(600);

/// The package that depends on the newest one.
pub(super) const META: &str = "linux-image-amd64";

/// Below `drivers/` and `net/`; nine tenths of the package.
const DROPPED: &str = "drivers/{gpu,media,infiniband,staging,iio,usb,isdn,mmc,input,platform,hid,\
     net/wireless,net/ethernet,net/can,net/usb,comedi,accel,video,hwmon,mtd} sound net/{mac80211,wireless,bluetooth} \
     fs/{ocfs2,gfs2,xfs,btrfs,bcachefs,ceph,smb,nfs,nfsd,f2fs,reiserfs,jfs}";

/// A kernel that can be installed.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) packages: Vec<PathBuf>,
    pub(super) version: String,
    /// What `uname -r` says in it.
    pub(super) release: String,
}

impl Kernel {
    /// Fetches it, or takes it from the cache.
    ///
    /// # Errors
    /// When this machine's apt knows no such kernel (`apt-get update`), or it cannot be fetched.
    pub(super) fn get(cache: &Cache) -> Result<Self> {
        let suite = format!("{META}/bookworm-backports");
        let mut ask = command("apt-get");
        ask.args(["--print-uris", "download", &suite]);
        let offered = run(ask, LIMIT).context("no newer kernel is offered; run: apt-get update")?;
        // An address, a file name, a size and a digest; the name has the version.
        let file = offered.split_whitespace().nth(1).unwrap_or_default();
        let recipe = Recipe::new("newer-kernel")
            .with("file", file)
            .with("making", include_str!("backports.rs"));
        let folder = cache.entry(&recipe, |folder| make(folder, &suite))?;
        let meta = one(&folder, META)?;
        let image = one(&folder, "linux-image-6")?;
        let name = field(&image, "Package")?;
        let release = name.trim_start_matches("linux-image-").to_owned();
        Ok(Self {
            version: field(&meta, "Version")?,
            packages: vec![meta, image],
            release,
        })
    }
}

fn make(folder: &Path, suite: &str) -> Result<()> {
    let script = format!(
        "set -e; cd \"$1\"; apt-get -qq download {suite}; \
         image=$(dpkg-deb --field {META}_*.deb Depends | sed 's/ .*//'); \
         apt-get -qq download $image/${{2#*/}}; \
         dpkg-deb --raw-extract $image*.deb tree; rm $image*.deb; \
         cd tree/lib/modules/*/kernel; rm -rf {DROPPED}; cd \"$1\"; \
         sed -i '/^Installed-Size:/d' tree/DEBIAN/control; rm -f tree/DEBIAN/md5sums; \
         dpkg-deb --root-owner-group -Zgzip -z1 --build tree .; rm -rf tree"
    );
    let mut make = command("bash");
    make.args(["-c", &script, "make"]).arg(folder).arg(suite);
    run(make, LIMIT)?;
    Ok(())
}

/// The one package in the folder whose file name begins so.
fn one(folder: &Path, begin: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder)?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(begin)
    };
    files
        .find(is)
        .with_context(|| format!("no package {begin} in {}", folder.display()))
}

fn field(deb: &Path, name: &str) -> Result<String> {
    let mut ask = command("dpkg-deb");
    ask.arg("--field").arg(deb).arg(name);
    run(ask, LIMIT)
}
