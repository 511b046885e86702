//! The Debian packages that `make packages` built.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{command, run};

const LIMIT: Duration = Duration::from_secs(120);

/// Where the packages are, from the top of the checkout, in which the lab is started.
const BUILT: &str = "target/packages";

/// The packages of one build.
#[derive(Debug)]
pub struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// Those of this checkout.
    ///
    /// # Errors
    /// When they were not built.
    pub fn built() -> Result<Self> {
        let folder = std::path::absolute(BUILT)?;
        let packages = Self { folder };
        for name in ["h8lio-agent", "h8lio-coordinator", "h8lctl"] {
            packages.file(name)?;
        }
        Ok(packages)
    }

    /// The one file of the package with this name.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).with_context(|| {
            format!("{} is not there; run: make packages", self.folder.display())
        })?;
        let begin = format!("{name}_");
        let files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                file.starts_with(&begin) && file.ends_with(".deb")
            })
            .collect();
        match files.as_slice() {
            [one] => Ok(one.clone()),
            _ => bail!(
                "{} packages {name} in {}; run: make packages",
                files.len(),
                self.folder.display()
            ),
        }
    }

    /// The version of a package.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn version(&self, name: &str) -> Result<String> {
        let mut field = command("dpkg-deb");
        field.arg("--field").arg(self.file(name)?).arg("Version");
        run(field, LIMIT)
    }

    /// Unpacks the programs that run in the namespace, and returns their folder.
    ///
    /// # Errors
    /// When they cannot be unpacked.
    pub fn unpack(&self, to: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        for name in ["h8lio-coordinator", "h8lctl"] {
            let mut extract = command("dpkg-deb");
            extract.arg("--extract").arg(self.file(name)?).arg(to);
            run(extract, LIMIT)?;
        }
        Ok(to.join("usr/bin"))
    }

    /// The same package with another version, as the next release would have it: in each of its
    /// configuration files a comment says so, and so a file that an administrator changed too is a
    /// conflict that dpkg has to decide.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn with_version(&self, name: &str, version: &str, to: &Path) -> Result<PathBuf> {
        let tree = to.join(format!("{name}-{version}"));
        let mut raw = command("dpkg-deb");
        raw.arg("--raw-extract").arg(self.file(name)?).arg(&tree);
        run(raw, LIMIT)?;
        let control = tree.join("DEBIAN/control");
        let text = std::fs::read_to_string(&control)?;
        let old = format!("Version: {}", self.version(name)?);
        std::fs::write(&control, text.replace(&old, &format!("Version: {version}")))?;
        for path in configuration_files(&tree)? {
            let mut text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            text.push_str(&Self::comment_of(version));
            text.push('\n');
            std::fs::write(&path, text)?;
        }
        let file = to.join(format!("{name}_{version}.deb"));
        let mut build = command("dpkg-deb");
        // What is measured here is not how well it is packed.
        build.args(["--root-owner-group", "-Zgzip", "-z1", "--build"]);
        build.arg(&tree).arg(&file);
        run(build, LIMIT)?;
        std::fs::remove_dir_all(&tree)?;
        Ok(file)
    }

    /// The comment in the configuration files of such a version.
    pub fn comment_of(version: &str) -> String {
        format!("# as in {version}")
    }
}

/// Those of an unpacked package, where they are in its tree.
fn configuration_files(tree: &Path) -> Result<Vec<PathBuf>> {
    let list = tree.join("DEBIAN/conffiles");
    if !list.exists() {
        return Ok(Vec::new());
    }
    let list = std::fs::read_to_string(&list)?;
    let files = list.lines().map(|line| line.trim_start_matches('/'));
    Ok(files
        .filter(|line| !line.is_empty())
        .map(|line| tree.join(line))
        .collect())
}
