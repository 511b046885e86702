//! The files of the repository, read once: what git tracks or would track, or, where there is no
//! git, all that is not a build's or the demo's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lexer::{Lexed, lex};
use super::paths::{Named, module_of, named_paths};

/// A text file of the repository.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// From the top of the repository, with `/`.
    pub path: String,
    pub text: String,
}

impl SourceFile {
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// A file of nothing but tests, by its name.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
    }

    /// Code that a program wrote: long, and not ours to style.
    pub fn is_generated(&self) -> bool {
        self.path.contains("/gen/")
            || self.path.contains("/generated/")
            || self.path.ends_with("_gen.rs")
            || self
                .text
                .lines()
                .take(5)
                .any(|line| line.contains("@generated"))
    }

    pub fn lexed(&self) -> Lexed {
        lex(&self.text)
    }

    /// The absolute paths that the file names; a file outside a `src/` is a root module.
    pub fn named_paths(&self) -> Vec<Named> {
        let module = match self.path.split_once("/src/") {
            Some((_, inside)) => module_of(inside),
            None => Vec::new(),
        };
        named_paths(&self.lexed().tokens, &module)
    }

    /// Its lines, numbered from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }
}

/// All text files, sorted by path. Files that are not UTF-8 are left out.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    pub files: Vec<SourceFile>,
}

impl Tree {
    /// The repository that this crate stands in.
    ///
    /// # Errors
    /// A folder or file could not be read.
    pub fn read() -> io::Result<Self> {
        Self::read_at(&top())
    }

    /// # Errors
    /// A folder or file could not be read.
    pub fn read_at(top: &Path) -> io::Result<Self> {
        let mut paths = match listed_by_git(top) {
            Some(paths) => paths,
            None => walked(top)?,
        };
        paths.sort();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            match fs::read_to_string(top.join(&path)) {
                Ok(text) => files.push(SourceFile { path, text }),
                Err(e) if is_no_text_file(e.kind()) => {}
                Err(e) => return Err(io::Error::new(e.kind(), format!("cannot read {path}: {e}"))),
            }
        }
        Ok(Self { files })
    }

    /// A tree of these files alone, for the tests of the rules.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| SourceFile::new(path, text))
                .collect(),
        }
    }

    pub fn get(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    pub fn rust(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// Whether a file or a folder of this name exists.
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files
            .iter()
            .any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

/// Listed by git and deleted in the working tree; a binary; a link to a folder.
fn is_no_text_file(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{InvalidData, IsADirectory, NotFound};
    matches!(kind, NotFound | InvalidData | IsADirectory)
}

/// The top of the repository.
pub fn top() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Tracked files and new ones that are not ignored; `None` where git cannot say.
fn listed_by_git(top: &Path) -> Option<Vec<String>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test tool asks git; no host tool of a server"
    )]
    let mut git = std::process::Command::new("git");
    let output = git
        .arg("-C")
        .arg(top)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .ok()?;
    let text = output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).ok())??;
    let paths: Vec<String> = text
        .split('\0')
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect();
    (!paths.is_empty()).then_some(paths)
}

fn walked(top: &Path) -> io::Result<Vec<String>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(top.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            let skip = matches!(name.as_str(), ".git" | ".demo" | ".lab")
                || name == "target"
                || name.starts_with("mutants.out");
            if kind.is_dir() && !skip {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_walking_find_the_same_sources() {
        let by_git = Tree::read().expect("the repository can be read");
        let by_walk = walked(&top()).expect("the repository can be walked");
        for file in by_git.rust() {
            assert!(
                by_walk.contains(&file.path),
                "{} was not found by walking",
                file.path
            );
        }
        assert!(by_git.get("Cargo.toml").is_some() && by_git.has("tests/src"));
    }
}
