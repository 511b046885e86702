//! Container images made on this machine, as archives that `ctr image import` takes: nothing of
//! the lab can pull any.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use crate::parcel::pack;

/// What holds a pod's namespaces.
pub(super) const PAUSE: &str = "lab.local/pause:1";

/// What pods run.
pub(super) const BUSYBOX: &str = "lab.local/busybox:1";

/// Where the program lies in it.
const PLACE: &str = "/bin/busybox";

/// Debian's `busybox-static`.
const BUSYBOX_PROGRAM: &str = "/usr/bin/busybox";

/// The names that pods of the lab call it by.
const APPLETS: &[&str] = &[
    "sh", "sleep", "httpd", "cat", "echo", "ls", "ip", "nc", "hostname",
];

/// The image of one static program.
#[derive(Debug)]
struct Image<'a> {
    name: &'a str,
    program: &'a Path,
    /// Where the program lies in the image.
    place: &'a str,
    links: &'a [&'a str],
    command: &'a [&'a str],
}

/// Makes both archives in `folder`.
///
/// # Errors
/// When busybox is not installed, or the folder cannot be written.
pub(super) fn make(folder: &Path, pause: &Path) -> Result<[PathBuf; 2]> {
    let pause = Image {
        name: PAUSE,
        program: pause,
        place: "pause",
        links: &[],
        command: &["/pause"],
    };
    let busybox = Image {
        name: BUSYBOX,
        program: Path::new(BUSYBOX_PROGRAM),
        place: PLACE.trim_start_matches('/'),
        links: APPLETS,
        command: &["/bin/sh"],
    };
    Ok([
        pause.archive(&folder.join("pause.tar"))?,
        busybox.archive(&folder.join("busybox.tar"))?,
    ])
}

impl Image<'_> {
    /// Writes the archive: the layer, its description, and the list of both (image spec 1.2 of
    /// Docker, which `docker save` writes too).
    fn archive(&self, file: &Path) -> Result<PathBuf> {
        let work = tempfile::tempdir().context("cannot make a temporary folder")?;
        let (root, parts) = (work.path().join("root"), work.path().join("parts"));
        self.fill(&root)
            .with_context(|| format!("cannot lay out {}", self.name))?;
        fs::create_dir(&parts).context("cannot make a folder for an image")?;
        pack(&root, &parts.join("layer.tar"))?;
        let layer = fs::read(parts.join("layer.tar")).context("cannot read a layer")?;
        let description = self.description(&layer);
        let config = format!("{}.json", sha256(description.as_bytes()));
        let list = json!([{"Config": config, "RepoTags": [self.name], "Layers": ["layer.tar"]}]);
        fs::write(parts.join(&config), description)
            .and_then(|()| fs::write(parts.join("manifest.json"), list.to_string()))
            .with_context(|| format!("cannot describe {}", self.name))?;
        pack(&parts, file)?;
        Ok(file.to_owned())
    }

    fn fill(&self, root: &Path) -> Result<()> {
        let program = root.join(self.place);
        let folder = program.parent().context("a program lies in a folder")?;
        for part in [folder, &root.join("tmp"), &root.join("etc")] {
            fs::create_dir_all(part)?;
        }
        fs::copy(self.program, &program)
            .with_context(|| format!("cannot read {}", self.program.display()))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        for link in self.links {
            symlink("busybox", folder.join(link))?;
        }
        Ok(())
    }

    fn description(&self, layer: &[u8]) -> String {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let layers = json!({"type": "layers", "diff_ids": [format!("sha256:{}", sha256(layer))]});
        json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": self.command, "Env": ["PATH=/bin"]},
            "rootfs": layers,
        })
        .to_string()
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_gives_the_same_archive_and_its_hash_is_true() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("program");
        fs::write(&program, "static").expect("a program");
        let image = Image {
            name: "lab.local/x:1",
            program: &program,
            place: "bin/busybox",
            links: &["sh"],
            command: &["/bin/sh"],
        };
        let [one, two] = ["one.tar", "two.tar"].map(|name| {
            let file = image
                .archive(&folder.path().join(name))
                .expect("an archive");
            fs::read(file).expect("its bytes")
        });
        assert!(one == two, "two archives of one program differ");
        let layer = b"a layer";
        let text = image.description(layer);
        assert!(
            text.contains(&format!("sha256:{}", sha256(layer))),
            "{text}"
        );
    }
}
