use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use super::*;
use crate::identity::PrivateFolder;
use crate::identity::document::FILE;
use crate::identity::testing::{TestCa, document, issued};

/// A folder on a disk that can be full.
#[derive(Debug)]
struct Filling {
    dir: tempfile::TempDir,
    full: AtomicBool,
}

impl Filling {
    fn real(&self) -> PrivateFolder {
        PrivateFolder::new(self.dir.path())
    }
}

impl Disk for Filling {
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.real().read(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(FileError::Write {
                path: self.place(name),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.real().write(name, bytes)
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.real().remove(name)
    }
    fn probe(&self, name: &str) -> Result<(), FileError> {
        self.real().probe(name)
    }
    fn place(&self, name: &str) -> PathBuf {
        self.real().place(name)
    }
}

fn opened(ca: &TestCa) -> (Arc<Filling>, Vault) {
    let disk = Arc::new(Filling {
        dir: tempfile::tempdir().expect("a folder"),
        full: AtomicBool::new(false),
    });
    document(ca).save(disk.as_ref()).expect("saved");
    let vault = Vault::open(Arc::clone(&disk) as Arc<dyn Disk>);
    (disk, vault.expect("readable").expect("enrolled"))
}

fn kept(disk: &Filling) -> Document {
    let kept = Document::load(disk).expect("readable");
    kept.expect("enrolled")
}

fn serial(vault: &Vault) -> Serial {
    vault.member().identity.serial()
}

#[test]
fn a_server_that_is_not_enrolled_has_no_vault() {
    let dir = tempfile::tempdir().expect("a folder");
    let vault = Vault::open(Arc::new(PrivateFolder::new(dir.path())));
    assert!(vault.expect("readable").is_none());
}

#[test]
fn a_renewed_credential_is_kept_then_used_and_becomes_current_when_it_was_welcomed() {
    let ca = TestCa::new("test");
    let (disk, vault) = opened(&ca);
    let first = serial(&vault);
    let watch = vault.watch();
    assert!(!vault.member().unacknowledged);

    vault.keep_next(issued(&ca)).expect("kept");
    let second = serial(&vault);
    assert_ne!(first, second);
    assert!(vault.member().unacknowledged);
    assert!(watch.has_changed().expect("alive"), "told to the session");
    let next = kept(&disk).next.expect("on disk");
    assert_eq!(next.identity().expect("usable").serial(), second);

    vault.acknowledge(first).expect("nothing to do");
    assert!(vault.member().unacknowledged, "the old one was welcomed");
    vault.acknowledge(second).expect("saved");
    assert!(!vault.member().unacknowledged);
    assert_eq!(serial(&vault), second);
    assert!(kept(&disk).next.is_none());
    assert_eq!(kept(&disk).current, next);
}

#[test]
fn only_a_refused_certificate_that_was_never_welcomed_is_given_up() {
    let ca = TestCa::new("test");
    let (disk, vault) = opened(&ca);
    let first = serial(&vault);
    assert!(!vault.give_up_next(first).expect("nothing to do"));
    vault.keep_next(issued(&ca)).expect("kept");
    let second = serial(&vault);
    assert!(!vault.give_up_next(first).expect("nothing to do"));
    assert_eq!(serial(&vault), second, "another one was refused");
    assert!(vault.give_up_next(second).expect("saved"));
    assert_eq!(serial(&vault), first);
    assert!(kept(&disk).next.is_none());
    assert!(!vault.member().unacknowledged);
}

#[test]
fn a_certificate_for_somebody_else_is_not_used() {
    let ca = TestCa::new("test");
    let (disk, vault) = opened(&ca);
    let (first, before) = (serial(&vault), kept(&disk));
    let foreign = vault.keep_next(issued(&TestCa::new("other")));
    let Err(VaultError::NotOurs { expected, found }) = foreign else {
        panic!("{foreign:?}");
    };
    assert!(expected.starts_with("spiffe://test/node/"), "{expected}");
    assert!(found.starts_with("spiffe://other/node/"), "{found}");
    assert_eq!(serial(&vault), first);
    assert_eq!(kept(&disk), before);
}

#[test]
fn what_cannot_be_saved_is_not_used() {
    let ca = TestCa::new("test");
    let (disk, vault) = opened(&ca);
    let first = serial(&vault);
    disk.full.store(true, Ordering::SeqCst);
    let full = |r: Result<(), VaultError>| assert!(matches!(r, Err(VaultError::Save(_))), "{r:?}");
    full(vault.keep_next(issued(&ca)));
    assert_eq!(serial(&vault), first);
    assert!(!vault.member().unacknowledged);
    let other = TestCa::new("test").bundle();
    full(vault.adopt_bundle(&other));
    assert_eq!(vault.member().bundle.digest(), ca.bundle().digest());
    vault
        .adopt_bundle(&ca.bundle())
        .expect("the same roots need no disk");
}

#[test]
fn new_roots_are_on_disk_when_they_are_used() {
    let ca = TestCa::new("test");
    let (disk, vault) = opened(&ca);
    let other = TestCa::new("test").bundle();
    vault.adopt_bundle(&other).expect("saved");
    assert_eq!(vault.member().bundle.digest(), other.digest());
    let kept = kept(&disk).bundle().expect("usable");
    assert_eq!(kept.digest(), other.digest());
}

#[test]
fn an_identity_in_use_is_the_one_on_disk_with_its_name_and_addresses() {
    let ca = TestCa::new("test");
    let (disk, vault) = opened(&ca);
    let (member, kept) = (vault.member(), kept(&disk));
    assert_eq!(member.fleet, kept.fleet);
    assert_eq!((member.id, &member.name), (kept.node_id, &kept.node_name));
    assert_eq!(member.coordinators, kept.coordinators);
    std::fs::write(disk.place(FILE), "{").expect("written");
    let damaged = Vault::open(disk as Arc<dyn Disk>);
    assert!(
        matches!(damaged, Err(DocumentError::Damaged { .. })),
        "{damaged:?}"
    );
}
