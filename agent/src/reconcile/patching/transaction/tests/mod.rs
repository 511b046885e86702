mod ending;
mod judging;
mod repairing;

use h8lio_model::inventory::{Problem, RebootReason, RebootRequired};
use h8lio_model::order::{PackageChange, PatchTarget};
use rstest::rstest;

use super::after::{After, Why, after};
use super::class::{Class, Restart, Way};
use super::database::{self, Database, Diagnosis, Repair, Step, repair};
use super::judge::{Change, Direction, Held, Refusal, Wanted, judge, sort};
use super::outcome::{Outcome, outcome};
use crate::host::patching::{
    Ended, LockHolder, Pinned, RawAnswer, RawDatabase, RawPlan, RawRoom, RawTrace, Room, Written,
};
use crate::reconcile::patching::parse::progress::{Stage, progress};
use crate::reconcile::patching::parse::{apt, complaint, uris};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../tests/fixtures/patching/", $name))
    };
}

const URIS: &[u8] = fixture!("apt-get-print-uris.txt");
const STATUS: &[u8] = fixture!("apt-status-fd.txt");
const UNPACK_STATE: &[u8] = fixture!("powercut-1-unpack-state.txt");
const UNPACK_REPAIR: &[u8] = fixture!("powercut-1-unpack-repair.txt");
const POSTINST: &[u8] = fixture!("powercut-2-postinst.txt");

/// The part of a recorded session between the line `from` and the line `to`.
fn part(session: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(session);
    let after = &text[text.find(from).expect("begins") + from.len()..];
    after.as_bytes()[..after.find(to).expect("ends")].to_vec()
}

fn pin(text: &str) -> Pinned {
    text.parse().expect("valid")
}

fn lines(rows: &[(&str, &str, &str)]) -> Vec<u8> {
    let own = ("ii ", "dpkg", "1.21.22");
    let rows = rows.iter().chain([&own]);
    let text = rows.map(|(status, name, version)| format!("{status}\t{name}\tamd64\t{version}\n"));
    text.collect::<String>().into_bytes()
}

/// What the server had before the power cut samples were taken.
fn raw(rows: &[(&str, &str, &str)]) -> RawDatabase {
    RawDatabase {
        installed: Some(lines(rows)),
        audit: Some(vec![]),
        journal: Some(vec!["tmp.i".into()]),
        locks: Some(vec![]),
        problems: vec![],
    }
}

fn have(rows: &[(&str, &str, &str)]) -> Database {
    database::read(&raw(rows)).expect("understood")
}

const BEFORE: &[(&str, &str, &str)] = &[
    ("ii ", "labdep", "1.0"),
    ("ii ", "labslow", "1.0"),
    ("ii ", "linux-image-cloud-amd64", "6.1.176-1"),
];

/// `NAME FROM TO`, with `-` for a package that comes anew.
fn order(changes: &[&str]) -> Wanted {
    let change = |text: &&str| {
        let words: Vec<_> = text.split(' ').collect();
        let from = (words[1] != "-").then(|| words[1].parse().expect("valid"));
        PackageChange {
            name: words[0].parse().expect("valid"),
            architecture: "amd64".parse().expect("valid"),
            from,
            to: words[2].parse().expect("valid"),
        }
    };
    Wanted {
        target: PatchTarget::new(changes.iter().map(change).collect()).expect("some"),
        held: Held::Refuse,
        direction: Direction::Forward,
    }
}

fn answer(stdout: &[u8]) -> Option<RawAnswer> {
    Some(RawAnswer {
        code: 0,
        stdout: stdout.to_vec(),
        stderr: String::new(),
    })
}

fn plan(stdout: &[u8]) -> RawPlan {
    RawPlan {
        simulation: answer(stdout),
        archives: answer(URIS),
        free: Some(1 << 30),
        room: Some(RawRoom::default()),
        problems: vec![],
    }
}

/// Two plain packages, and a kernel with what points to it.
fn all_four() -> Vec<Pinned> {
    [
        "labdep=2.0",
        "labslow=2.0",
        "linux-image-6.1.0-56-cloud-amd64=6.1.192-2",
        "linux-image-cloud-amd64=6.1.192-2",
    ]
    .map(pin)
    .to_vec()
}

/// Cut off while unpacking: state `iHR`.
fn cut_in_unpack() -> RawDatabase {
    let mut audit = b"The following".to_vec();
    audit.extend(part(UNPACK_STATE, "The following", "rc=0"));
    RawDatabase {
        installed: Some(lines(&[
            ("ii ", "labdep", "1.0"),
            ("iHR", "labslow", "1.0"),
        ])),
        audit: Some(audit),
        journal: Some(["0000", "0001", "0002"].map(String::from).to_vec()),
        locks: Some(vec![]),
        problems: vec![],
    }
}

/// Cut off in a postinst: states `iF` and `iU`.
fn cut_in_postinst() -> RawDatabase {
    RawDatabase {
        installed: Some(lines(&[
            ("iU ", "labdep", "2.0"),
            ("iF ", "labslow", "2.0"),
        ])),
        audit: Some(part(POSTINST, "== audit\n", "rc=0")),
        journal: Some(["0000", "0001", "tmp.i"].map(String::from).to_vec()),
        locks: Some(vec![]),
        problems: vec![],
    }
}
