//! Join tokens made by others, and private files.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use h8lio_model::section::Digest;
use h8lio_tls::files::{FileError, read_private, write_atomic, write_private};
use h8lio_tls::spiffe::SpiffeId;
use h8lio_tls::token::{JoinToken, NotAToken};

use crate::fleet::NODE;

/// A token whose check digits are right, whatever is in it.
fn token(secret: &str, pin: &str, more: &str) -> String {
    let json = format!(r#"{{"i":"t1","s":"{secret}","p":"{pin}","a":["h:1"]{more}}}"#);
    let check = hex::encode(&Digest::of(json.as_bytes()).0[..4]);
    format!("h8lio1.{}.{check}", URL_SAFE_NO_PAD.encode(json))
}

#[test]
fn right_check_digits_do_not_excuse_a_wrong_content() {
    let (secret, pin) = ("07".repeat(32), format!("sha256:{}", "09".repeat(32)));
    let good: JoinToken = token(&secret, &pin, "").parse().expect("a token");
    assert_eq!(good.secret_hash(), Digest::of(&[7; 32]));
    assert_eq!(good.to_string(), "join token t1");
    for wrong in [
        token(&"07".repeat(31), &pin, ""),
        token(&"07".repeat(33), &pin, ""),
        token("", &pin, ""),
        token(&"zz".repeat(32), &pin, ""),
        token(&secret, "sha256:09", ""),
        token(&secret, &pin, r#","x":1"#),
    ] {
        let e = wrong.parse::<JoinToken>().expect_err("refused");
        assert_eq!(e, NotAToken::Damaged, "{wrong}");
    }
}

#[test]
fn a_foreign_text_is_told_from_a_damaged_token() {
    for text in ["", "h8lio2.e30.00000000", "h8lio1", "h8lio12.x.y"] {
        let e = text.parse::<JoinToken>().expect_err("refused");
        assert_eq!(e, NotAToken::Foreign, "{text}");
    }
    for text in ["h8lio1.", "h8lio1.e30", "h8lio1.!.00000000"] {
        let e = text.parse::<JoinToken>().expect_err("refused");
        assert_eq!(e, NotAToken::Damaged, "{text}");
    }
}

#[test]
fn a_hostile_name_is_quoted_cut() {
    let long = "x".repeat(10_000);
    let e = long.parse::<SpiffeId>().expect_err("nobody");
    assert_eq!(e.0.len(), 200);
    assert!(NODE.parse::<SpiffeId>().is_ok());
}

#[test]
fn files_are_made_with_their_mode_and_only_private_ones_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("f");
    let mode = || path.metadata().expect("a file").mode() & 0o777;
    write_private(&path, b"x").expect("written");
    assert_eq!(mode(), 0o600);
    write_atomic(&path, b"x", 0o644).expect("written");
    assert_eq!(mode(), 0o644);
    for open in [0o601, 0o602, 0o604, 0o610, 0o620, 0o640, 0o677] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open)).expect("chmod");
        let e = read_private(&path).expect_err("too open");
        assert!(
            matches!(e, FileError::TooOpen { mode, .. } if mode == open),
            "{open:o}: {e}"
        );
        assert!(!e.is_missing());
    }
    for private in [0o600, 0o400, 0o700] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(private)).expect("chmod");
        read_private(&path).expect("read");
    }
}

#[test]
fn a_private_file_of_one_mebibyte_is_read_and_no_larger_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("f");
    write_private(&path, &vec![7; 1 << 20]).expect("written");
    assert_eq!(read_private(&path).expect("read").len(), 1 << 20);
    write_private(&path, &vec![7; (1 << 20) + 1]).expect("written");
    let e = read_private(&path).expect_err("too large");
    assert!(matches!(e, FileError::TooLarge { .. }), "{e}");
}

#[test]
fn what_cannot_be_written_leaves_the_old_content_and_no_litter() {
    let dir = tempfile::tempdir().expect("a folder");
    // A folder in the place of the file: the rename fails after all was written.
    let path = dir.path().join("f");
    std::fs::create_dir(&path).expect("a folder");
    let e = write_private(&path, b"x").expect_err("a folder is there");
    assert!(matches!(e, FileError::Write { .. }) && !e.is_missing());
    assert!(!dir.path().join("f.new").exists());
    // A folder in the place of the temporary file is not a crash's leftover.
    let path = dir.path().join("g");
    write_private(&path, b"old").expect("written");
    std::fs::create_dir(dir.path().join("g.new")).expect("a folder");
    let e = write_private(&path, b"new").expect_err("blocked");
    let FileError::Write { source, .. } = &e else {
        panic!("not about writing: {e}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::IsADirectory, "{source}");
    assert_eq!(read_private(&path).expect("read").as_slice(), b"old");
}

/// The only test here that has paths without a folder: it moves the whole process.
#[test]
fn a_path_without_a_folder_is_in_the_present_one() {
    let dir = tempfile::tempdir().expect("a folder");
    std::env::set_current_dir(dir.path()).expect("moved");
    write_private("f".as_ref(), b"x").expect("written");
    assert_eq!(
        read_private(&dir.path().join("f"))
            .expect("read")
            .as_slice(),
        b"x"
    );
}
