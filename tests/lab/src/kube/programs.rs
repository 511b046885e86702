//! The programs, built from the source package once and kept in the cache.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::build::{self, BUILT, GO, VERSION};
use super::source;
use crate::cache::{Cache, Recipe};

/// Built programs.
#[derive(Debug, Clone)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Takes them from the cache, or builds them; `say` is told of every step.
    ///
    /// # Errors
    /// When a tool is missing or fails.
    pub fn get(cache: &Cache, say: &dyn Fn(&str)) -> Result<Self> {
        let recipe = Recipe::new("kubernetes")
            .with("release", source::RELEASE)
            .with("go", GO)
            .with("version", VERSION)
            .with("programs", BUILT.join(" "))
            // The steps themselves: what they do differently makes other programs.
            .with("build", include_str!("build.rs"))
            .with("openapi", include_str!("openapi.rs"));
        let folder = cache.entry(&recipe, |folder| build::run(folder, say))?;
        Ok(Self { folder })
    }

    /// Where they all lie, with a note of what they were made from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the program lies: one of [`BUILT`], or `pause`.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}
