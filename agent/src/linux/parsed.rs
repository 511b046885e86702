//! `/proc` through the crate `procfs`, below an injectable root and without its panics.
//!
//! `procfs` expects what the kernel writes, whole: one odd line fails a file, and some of its
//! parsers cut strings at fixed bytes. The packaged agent ends upon a panic, so text that is not
//! ASCII is refused before it gets there.

use h8lio_model::inventory::Problem;
use procfs::{FromRead, ProcError, ProcResult};

use super::root::{Root, not_understood, unreadable};

/// The file `/<path>` as one of `procfs`'s types.
///
/// # Errors
/// When it cannot be read, or is not what the kernel writes.
pub fn parsed<T: FromRead>(root: &Root, path: &str) -> Result<T, Problem> {
    parsed_by(root, path, |bytes| T::from_read(bytes))
}

/// As [`parsed`], through a reader of the caller's choice.
///
/// # Errors
/// As for [`parsed`].
pub fn parsed_by<T>(
    root: &Root,
    path: &str,
    read: impl FnOnce(&[u8]) -> ProcResult<T>,
) -> Result<T, Problem> {
    let what = format!("/{path}");
    let bytes = root.bytes(path).map_err(|e| unreadable(&what, &e))?;
    if !bytes.is_ascii() {
        return Err(not_understood(&what, "it holds bytes that are no text"));
    }
    read(&bytes).map_err(|e| not_understood(&what, &cause(e)))
}

/// Without the file and line of procfs's own source.
fn cause(e: ProcError) -> String {
    match e {
        ProcError::Incomplete(_) => "it is incomplete".to_owned(),
        ProcError::InternalError(e) => crate::words::first_line(&e.msg),
        other => crate::words::first_line(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use procfs::{LoadAverage, Meminfo};

    use super::*;

    #[test]
    fn half_a_file_and_bytes_that_are_no_text_are_problems_and_no_panic() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = Root::at(dir.path());
        let write = |bytes: &[u8]| std::fs::write(dir.path().join("x"), bytes).expect("a file");
        for junk in [
            &b"MemTotal: 12 kB\n"[..],
            b"MemTotal\xc3\xa9 12 kB\n",
            b"",
            b"\xff",
        ] {
            write(junk);
            let problem = parsed::<Meminfo>(&root, "x").expect_err("no meminfo");
            assert_eq!(problem.reason, "NotUnderstood");
            assert!(problem.message.starts_with("/x: "), "{}", problem.message);
        }
        write(b"0.10 0.20");
        assert!(parsed::<LoadAverage>(&root, "x").is_err());
        write(b"0.10 0.20 0.30 1/2 3\n");
        assert!(parsed::<LoadAverage>(&root, "x").is_ok());
        let problem = parsed::<LoadAverage>(&root, "none").expect_err("not there");
        assert_eq!(problem.reason, "Failed");
    }
}
