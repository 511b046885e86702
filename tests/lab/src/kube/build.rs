//! The build: some seven minutes of processor time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{openapi, source};
use crate::clock::now;
use crate::process;

/// The Go compiler of that release, which this source is built with there.
pub(super) const GO: &str = "/usr/lib/go-1.19/bin/go";

/// Whoever asks what they are is told so; the base version decides what the API serves.
pub(super) const VERSION: &str = "v1.20.2-lab";

/// In the order of building: what the API server needs, the others share.
pub(super) const BUILT: &[&str] = &[
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubectl",
];

/// Seven minutes of processor time for all on a machine that takes 22 s to boot a server.
const BUILD: Duration = Duration::from_secs(45 * 60);

/// Builds them all into `folder`.
pub(super) fn run(folder: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let work = folder.join("work");
    Build { folder, work, say }.run()
}

/// A build in progress. What it leaves beside the programs is removed at the end.
struct Build<'a> {
    folder: &'a Path,
    work: PathBuf,
    say: &'a dyn Fn(&str),
}

impl Build<'_> {
    fn run(&self) -> Result<()> {
        self.step("fetching Debian's source of Kubernetes", || self.fetch())?;
        self.step("generating its OpenAPI definitions", || self.generate())?;
        for (number, program) in BUILT.iter().enumerate() {
            let what = format!("building {program} ({} of {})", number + 1, BUILT.len());
            self.step(&what, || self.build(program))?;
        }
        self.step("building pause", || self.build_pause())?;
        fs::remove_dir_all(&self.work).context("cannot remove what the build left")
    }

    fn step(&self, what: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
        (self.say)(&format!("{what} …"));
        let began = now();
        make().with_context(|| format!("failed while {what}"))?;
        (self.say)(&format!("{what}: {} s", began.elapsed().as_secs()));
        Ok(())
    }

    fn fetch(&self) -> Result<()> {
        let source = self.source();
        let above = source.parent().context("the source has no folder")?;
        fs::create_dir_all(above).with_context(|| format!("cannot make {}", above.display()))?;
        let fetched = self.work.join("apt");
        let name = source::fetch(&fetched, &source)?;
        fs::write(self.folder.join("made-from"), name + "\n").context("cannot note the version")
    }

    fn generate(&self) -> Result<()> {
        let generator = self.work.join("openapi-gen");
        let mut build = self.go(&["build", "-o"]);
        build
            .arg(&generator)
            .arg("./vendor/k8s.io/kube-openapi/cmd/openapi-gen");
        process::run(build, BUILD)?;
        let mut generate = process::command(&generator);
        self.surround(&mut generate);
        generate
            .args([
                "--go-header-file",
                "hack/boilerplate/boilerplate.generatego.txt",
            ])
            .args(["--output-file-base", "zz_generated.openapi"])
            .args([
                "--output-package",
                "k8s.io/kubernetes/pkg/generated/openapi",
            ])
            .arg("--output-base")
            .arg(self.work.join("go/src"))
            .arg("--report-filename")
            .arg(self.work.join("violations"))
            .arg("--input-dirs")
            .arg(openapi::packages(&self.source())?.join(","));
        process::run(generate, BUILD).map(|_| ())
    }

    fn build(&self, program: &str) -> Result<()> {
        let flags = format!("-s -w {}", stamps());
        // Without the clouds' own code, which is a quarter of the work and of no use here.
        let tags = ["-tags", "providerless"];
        let mut build = self.go(&["build", "-ldflags", &flags]);
        build.args(tags).arg("-o");
        build
            .arg(self.folder.join(program))
            .arg(format!("./cmd/{program}"));
        process::run(build, BUILD).map(|_| ())
    }

    /// The process that holds a pod's namespaces, from the same source.
    fn build_pause(&self) -> Result<()> {
        let mut compile = process::command("cc");
        compile.args(["-Os", "-static", "-s", "-DVERSION=lab", "-o"]);
        compile
            .arg(self.folder.join("pause"))
            .arg(self.source().join("build/pause/linux/pause.c"));
        process::run(compile, BUILD).map(|_| ())
    }

    fn source(&self) -> PathBuf {
        self.work.join("go/src/k8s.io/kubernetes")
    }

    fn go(&self, words: &[&str]) -> Command {
        let mut command = process::command(GO);
        self.surround(&mut command);
        command.args(words);
        command
    }

    /// Go looks at nothing but the source and at folders of this build.
    fn surround(&self, command: &mut Command) {
        command
            .current_dir(self.source())
            .env("GOPATH", self.work.join("go"))
            .env("GOCACHE", self.work.join("cache"))
            .env("GOENV", "off")
            .env("GO111MODULE", "off")
            .env("GOPROXY", "off")
            .env("GOFLAGS", "-trimpath")
            .env("CGO_ENABLED", "0");
        // The generator runs go by its name.
        let mut path = std::ffi::OsString::from("/usr/lib/go-1.19/bin:");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path);
    }
}

/// What the linker writes into both places that programs take their version from.
fn stamps() -> String {
    let mut words = Vec::new();
    for package in ["component-base/version", "client-go/pkg/version"] {
        for (name, value) in [
            ("gitVersion", VERSION),
            ("gitMajor", "1"),
            ("gitMinor", "20"),
        ] {
            words.push(format!(
                "-X k8s.io/kubernetes/vendor/k8s.io/{package}.{name}={value}"
            ));
        }
    }
    words.join(" ")
}
