//! What is dear to make and the same for every run: images, built programs. It lives outside the
//! checkout, each entry named by the hash of what it is made from, so that a fresh clone finds it
//! and a changed recipe never meets an old entry.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{Context as Hash, SHA256};
use nix::fcntl::{Flock, FlockArg};

/// A file in each entry, written whenever the entry is used.
const USED: &str = ".used";

/// Entries of one kind that stay.
const KEPT: usize = 3;

/// Entries below `$XDG_CACHE_HOME/h8lio/lab`, or `~/.cache/h8lio/lab`.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// What an entry is made from: the same ingredients give the same key.
#[derive(Debug, Clone)]
pub struct Recipe {
    kind: String,
    ingredients: Vec<(String, Vec<u8>)>,
}

impl Recipe {
    /// `kind` names the entry for people: `root`, `kubernetes`.
    pub fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            ingredients: Vec::new(),
        }
    }

    /// Adds an ingredient: a version, a list of packages, the text of a script.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.ingredients
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Name of the entry: the kind, and 16 hexadecimal digits of the ingredients' SHA-256.
    pub fn key(&self) -> String {
        let mut hash = Hash::new(&SHA256);
        // Lengths go in too, so that no two lists of ingredients read the same.
        for part in self
            .ingredients
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value.as_slice()])
        {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        let digest = hex::encode(hash.finish());
        format!("{}-{}", self.kind, &digest[..16])
    }
}

impl Cache {
    /// This user's cache.
    ///
    /// # Errors
    /// When neither `XDG_CACHE_HOME` nor `HOME` is set, or the folder cannot be made.
    pub fn open() -> Result<Self> {
        let of = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let base = of("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| of("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .context("neither XDG_CACHE_HOME nor HOME is set; the cache needs one of them")?;
        Self::at(base.join("h8lio/lab"))
    }

    /// A cache in this folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(Self { root })
    }

    /// The folder that holds the entry, made by `make` unless it is there. `make` gets an empty
    /// folder beside it, which becomes the entry when all of it succeeded. Whoever asks for the
    /// same entry meanwhile waits.
    ///
    /// # Errors
    /// What `make` says, or the file system.
    pub fn entry(
        &self,
        recipe: &Recipe,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let key = recipe.key();
        let entry = self.root.join(&key);
        let _turn = self.lock(&key)?;
        if entry.is_dir() {
            self.used(&entry)?;
            return Ok(entry);
        }
        self.forget_unfinished();
        // Only the holder of the lock is here, so what lies here is of a run that was killed.
        let making = self.root.join(format!(".making-{key}"));
        remove(&making)?;
        fs::create_dir(&making).with_context(|| format!("cannot make {}", making.display()))?;
        make(&making).with_context(|| format!("cannot make {key} for the cache"))?;
        fs::rename(&making, &entry).with_context(|| format!("cannot move {key} into the cache"))?;
        self.used(&entry)?;
        self.forget_old(&recipe.kind)?;
        Ok(entry)
    }

    /// Where the entry is or would be.
    pub fn path(&self, recipe: &Recipe) -> PathBuf {
        self.root.join(recipe.key())
    }

    /// Notes that an entry was of use.
    fn used(&self, entry: &Path) -> Result<()> {
        let mark = entry.join(USED);
        fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))
    }

    /// Removes all entries of a kind but those that were used last: each change of a recipe leaves
    /// an old one behind, and an image takes gigabytes.
    fn forget_old(&self, kind: &str) -> Result<()> {
        let entries = fs::read_dir(&self.root)
            .with_context(|| format!("cannot list {}", self.root.display()))?;
        let of_kind = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            let key = name.and_then(|name| name.strip_prefix(kind)?.strip_prefix('-'));
            key.is_some_and(|key| key.len() == 16 && key.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        let mut entries: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(of_kind)
            .filter_map(|path| Some((fs::metadata(path.join(USED)).ok()?.modified().ok()?, path)))
            .collect();
        entries.sort_by(|a, b| b.cmp(a));
        entries
            .iter()
            .skip(KEPT)
            .try_for_each(|(_, path)| remove(path))
    }

    /// Removes what killed runs were making: whoever is making an entry holds its lock. What cannot
    /// be removed is in nobody's way.
    fn forget_unfinished(&self) {
        let entries = fs::read_dir(&self.root).into_iter().flatten();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(key) = name.and_then(|name| name.strip_prefix(".making-")) else {
                continue;
            };
            let lock = File::create(self.root.join(format!(".{key}.lock")));
            let free = lock.map(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).ok());
            if let Ok(Some(_turn)) = free {
                let _ = remove(&path);
            }
        }
    }

    fn lock(&self, key: &str) -> Result<Flock<File>> {
        let path = self.root.join(format!(".{key}.lock"));
        let file =
            File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)
            .with_context(|| format!("cannot lock {}", path.display()))
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::at(folder.path().join("lab")).expect("a cache");
        (folder, cache)
    }

    #[test]
    fn an_entry_is_made_once_and_found_again() {
        let (_folder, cache) = cache();
        let recipe = Recipe::new("root").with("release", "bookworm");
        let first = cache.entry(&recipe, |dir| Ok(fs::write(dir.join("x"), "made")?));
        let first = first.expect("it is made");
        let again = cache.entry(&recipe, |_| bail!("made twice"));
        assert_eq!(again.expect("it is found"), first);
        assert_eq!(fs::read(first.join("x")).expect("its file"), b"made");
    }

    #[test]
    fn another_ingredient_is_another_entry() {
        let key = |value: &str| Recipe::new("root").with("release", value).key();
        assert_ne!(key("bookworm"), key("trixie"));
        let moved = Recipe::new("root").with("releasebook", "worm").key();
        assert_ne!(key("bookworm"), moved);
    }

    #[test]
    fn what_a_killed_run_was_making_goes_and_what_another_is_making_stays() {
        let (_folder, cache) = cache();
        let left = |key: &str| {
            let path = cache.root.join(format!(".making-{key}"));
            fs::create_dir(&path).expect("a folder");
            path
        };
        let (killed, busy) = (left("disk-0"), left("disk-1"));
        let turn = cache.lock("disk-1").expect("its lock");
        cache
            .entry(&Recipe::new("root"), |_| Ok(()))
            .expect("another entry");
        assert!(!killed.exists() && busy.exists());
        drop(turn);
    }

    #[test]
    fn of_each_kind_the_last_used_stay() {
        let (_folder, cache) = cache();
        let make = |kind: &str, value: u8| {
            let recipe = Recipe::new(kind).with("value", [value]);
            let entry = cache.entry(&recipe, |_| Ok(())).expect("it is made");
            // Stamps of files are as coarse as the kernel's tick.
            std::thread::sleep(std::time::Duration::from_millis(20));
            entry
        };
        let other = make("root", 0);
        let entries: Vec<PathBuf> = (0..3).map(|value| make("disk", value)).collect();
        let again = make("disk", 0);
        assert_eq!(again, entries[0], "it is used again");
        let newest = make("disk", 9);
        assert!(
            !entries[1].exists(),
            "the one that was not used for longest"
        );
        for stays in [&other, &entries[0], &entries[2], &newest] {
            assert!(stays.exists(), "{}", stays.display());
        }
    }

    #[test]
    fn what_failed_half_way_is_no_entry_and_is_made_anew() {
        let (_folder, cache) = cache();
        let recipe = Recipe::new("root");
        let failed = cache.entry(&recipe, |dir| {
            fs::write(dir.join("half"), "")?;
            bail!("the disk is full")
        });
        let text = format!("{:#}", failed.expect_err("making it fails"));
        assert!(text.ends_with("for the cache: the disk is full"), "{text}");
        let entry = cache.entry(&recipe, |dir| Ok(fs::write(dir.join("whole"), "")?));
        let entry = entry.expect("it is made now");
        assert!(entry.join("whole").exists() && !entry.join("half").exists());
    }
}
