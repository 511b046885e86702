//! Files made by an administrator for a service that runs as another user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

/// Gives `path`, and everything below it, to the owner of `reference`. Does nothing when that is
/// who owns it already, as for everybody but root.
///
/// # Errors
/// When the owner cannot be changed.
pub(crate) fn give_to_owner_of(reference: &Path, path: &Path) -> io::Result<()> {
    let owner = fs::metadata(reference)?;
    give(path, owner.uid(), owner.gid())
}

fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if (meta.uid(), meta.gid()) != (uid, gid) {
        lchown(path, Some(uid), Some(gid))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_below_gets_the_owner_of_the_reference() {
        let dir = tempfile::tempdir().expect("a folder");
        let (reference, made) = (dir.path().join("service"), dir.path().join("made"));
        fs::create_dir_all(made.join("sub")).expect("made");
        fs::write(made.join("sub/key"), b"x").expect("written");
        fs::create_dir(&reference).expect("made");
        // Only root can give files away; for others this is a no-op that must not fail.
        let given = lchown(&reference, Some(4711), Some(4712)).is_ok();
        give_to_owner_of(&reference, &made).expect("given");
        let meta = fs::metadata(made.join("sub/key")).expect("there");
        let wanted = fs::metadata(&reference).expect("there");
        assert_eq!((meta.uid(), meta.gid()), (wanted.uid(), wanted.gid()));
        assert!(!given || meta.uid() == 4711);
    }
}
