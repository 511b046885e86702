//! What an attempt is about, from its ticket and the order that it was begun for.

use h8lio_model::kernel::{is_booted, split};
use h8lio_model::order::{AttemptId, OrderContent, PatchTarget, RebootWish, Ticket};
use h8lio_model::section::Digest;
use uuid::Uuid;

use crate::reconcile::patching::parse::dpkg::kernel;
use crate::reconcile::patching::transaction::class::{Class, Reboot, Way};
use crate::reconcile::patching::transaction::judge::Change;
use crate::reconcile::patching::way::log::{Record, before, ground};
use crate::reconcile::patching::way::machine::Terms;

/// The subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) attempt: AttemptId,
    pub(super) terms: Terms,
    pub(super) target: Option<PatchTarget>,
    pub(super) wish: Option<RebootWish>,
    /// What is to change, as ordered.
    pub(super) changes: Vec<Change>,
    /// The kernel that the boot is to bring; `None`: the one that runs.
    pub(super) kernel: Option<String>,
}

impl Subject {
    pub(super) fn new(ticket: &Ticket, content: &OrderContent) -> Self {
        let target = content.patch.clone();
        let changes: Vec<Change> = target
            .iter()
            .flat_map(PatchTarget::changes)
            .map(|c| Change {
                name: match c.architecture.as_str() {
                    "all" => c.name.to_string(),
                    architecture => format!("{}:{architecture}", c.name),
                },
                from: c.from.as_ref().map(ToString::to_string),
                to: c.to.to_string(),
                class: Class::of(c.name.as_str()),
            })
            .collect();
        let forward = |c: &Change| c.class.strategy().way == Way::ForwardOnly;
        // Where nothing would go back, a fallback would be called one and change nothing.
        let stay = !changes.is_empty() && changes.iter().all(stays);
        Self {
            attempt: ticket.attempt,
            terms: Terms {
                act: ticket.act,
                on_failure: ticket.on_failure,
                forward_only: stay || changes.iter().any(forward),
                adds: changes.iter().any(|c| c.from.is_none() || stays(c)),
                other_kernel: false,
            },
            target,
            wish: content.reboot.clone(),
            changes,
            kernel: None,
        }
    }

    /// What follows from what was so before: which kernel a boot is to bring, and which packages
    /// are the server's own. Equal logs give equal answers, in every life.
    pub(super) fn know(&mut self, records: &[Record]) {
        let Some((_, running, _)) = before(records) else {
            return;
        };
        let ground = ground(records);
        if let Some(native) = ground.and_then(|g| g.native.as_deref()) {
            for change in &mut self.changes {
                let own = change.name.strip_suffix(native);
                if let Some(own) = own.and_then(|n| n.strip_suffix(':')) {
                    change.name = own.to_owned();
                }
            }
        }
        let wished = self.wish.as_ref().and_then(|w| w.kernel.as_ref());
        let newest = self
            .wish
            .as_ref()
            .and(ground.and_then(|g| g.newest.clone()));
        let kernel = wished.map(ToString::to_string);
        let kernel = kernel.or_else(|| self.brings(running)).or(newest);
        self.kernel = kernel.filter(|k| k != running);
        self.terms.other_kernel = self.kernel.is_some();
    }

    /// The kernel of the running flavour that comes anew.
    fn brings(&self, running: &str) -> Option<String> {
        let new = self.changes.iter().filter(|c| c.from.is_none());
        let mut releases = new.filter_map(|c| kernel(&c.name));
        releases.find(|r| split(r).1 == split(running).1)
    }

    /// Whether the order installs this kernel.
    pub(super) fn installs(&self, release: &str) -> bool {
        let mut all = self.changes.iter().filter_map(|c| kernel(&c.name));
        all.any(|r| r == release)
    }

    /// A change that replaces the files of the kernel that runs: then it is no way back any more.
    pub(super) fn replaces(&self, running: &str) -> Option<&Change> {
        let end = format!("-{running}");
        self.changes.iter().find(|c| {
            let name = c.name.split(':').next().unwrap_or(&c.name);
            let replaced = c.from.as_ref().is_some_and(|from| *from != c.to);
            replaced && is_booted(name) && name.ends_with(&end)
        })
    }

    /// Whether a boot is a part of what was ordered, so that its way back is put in place first. What
    /// else on the server asks for one (a sentinel, a kernel that somebody installed) waits for an
    /// order of its own.
    pub(super) fn boots(&self) -> bool {
        let always = |c: &Change| c.class.strategy().reboot == Reboot::Always;
        self.wish.is_some() || self.terms.other_kernel || self.changes.iter().any(always)
    }

    /// The way back of the changes: those that were not there before stay, and so does the agent, which
    /// carries this out and whose older version may not know what it wrote down.
    pub(super) fn reversed(&self) -> Vec<Change> {
        let back = self.changes.iter().filter(|c| !stays(c));
        let back = back.filter_map(|c| {
            Some(Change {
                name: c.name.clone(),
                from: Some(c.to.clone()),
                to: c.from.clone()?,
                class: c.class,
            })
        });
        back.collect()
    }

    /// The id of one of the attempt's transactions: the same for the same thing, after any crash.
    pub(super) fn transaction(&self, what: &str) -> Uuid {
        AttemptId::derived(&Digest::of(format!("{} {what}", self.attempt).as_bytes())).0
    }
}

/// Whether it stays where it is while the rest goes back.
pub(super) fn stays(change: &Change) -> bool {
    change.class.strategy().way == Way::Stays
}

#[cfg(test)]
mod tests {
    use h8lio_model::ids::BootId;
    use h8lio_model::lifecycle::Scheduling;
    use h8lio_model::order::{Act, OnFailure, PackageChange};

    use super::*;
    use crate::host::patching::RawDatabase;
    use crate::reconcile::patching::transaction::database;
    use crate::reconcile::patching::way::log::Ground;

    fn subject(changes: &[(&str, &str, Option<&str>, &str)]) -> Subject {
        let mut content = OrderContent::quiet(Scheduling::InMaintenance);
        let changes = changes
            .iter()
            .map(|(name, architecture, from, to)| PackageChange {
                name: name.parse().expect("valid"),
                architecture: architecture.parse().expect("valid"),
                from: from.map(|v| v.parse().expect("valid")),
                to: to.parse().expect("valid"),
            });
        content.patch = Some(PatchTarget::new(changes.collect()).expect("some"));
        let ticket = Ticket {
            attempt: AttemptId(Uuid::from_u128(1)),
            act: Act::Patch,
            on_failure: OnFailure::FallBackOnce,
            begin_before: jiff::Timestamp::MAX,
        };
        Subject::new(&ticket, &content)
    }

    fn before(kernel: &str) -> Record {
        Record::Before {
            boot_id: BootId(Uuid::from_u128(2)),
            kernel: kernel.to_owned(),
            passed: Default::default(),
            ground: Some(Ground {
                native: Some("amd64".to_owned()),
                ..Ground::default()
            }),
        }
    }

    #[test]
    fn a_foreign_architecture_stays_in_the_name_on_the_way_forth_and_back() {
        let mut subject = subject(&[
            ("libc6", "amd64", Some("2.36-9"), "2.36-10"),
            ("libc6", "i386", Some("2.36-9"), "2.36-10"),
            ("tzdata", "all", Some("2024a"), "2024b"),
        ]);
        subject.know(&[before("6.1.0-40-amd64")]);
        let names: Vec<&str> = subject.changes.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["libc6", "libc6:i386", "tzdata"]);
        let back: Vec<String> = super::super::transactions::pins(&subject.reversed())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(back, ["libc6=2.36-9", "libc6:i386=2.36-9", "tzdata=2024a"]);
        // One of the two is where it shall be, and the other is not.
        let text = "ii \tdpkg\tamd64\t1.22\nii \tlibc6:amd64\tamd64\t2.36-10\n\
                    ii \tlibc6:i386\ti386\t2.36-9\nii \ttzdata\tall\t2024b\n";
        let raw = RawDatabase {
            installed: Some(text.as_bytes().to_vec()),
            audit: Some(Vec::new()),
            journal: Some(Vec::new()),
            locks: Some(Vec::new()),
            problems: Vec::new(),
        };
        let have = database::read(&raw).expect("understood");
        let missing: Vec<&str> = subject
            .changes
            .iter()
            .filter(|c| have.package(&c.name).is_none_or(|k| k.version != c.to))
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(missing, ["libc6:i386"]);
    }

    #[test]
    fn the_kernel_to_boot_is_of_the_flavour_that_runs() {
        let images = [
            ("linux-image-6.1.0-57-amd64", "amd64", None, "6.1.170-1"),
            (
                "linux-image-6.1.0-57-cloud-amd64",
                "amd64",
                None,
                "6.1.170-1",
            ),
        ];
        for (running, brings) in [
            ("6.1.0-56-amd64", Some("6.1.0-57-amd64")),
            ("6.1.0-56-cloud-amd64", Some("6.1.0-57-cloud-amd64")),
            ("6.1.0-56-rt-amd64", None),
        ] {
            let mut subject = subject(&images);
            subject.know(&[before(running)]);
            assert_eq!(subject.kernel.as_deref(), brings, "{running}");
            assert_eq!(subject.terms.other_kernel, brings.is_some());
            assert!(subject.replaces(running).is_none());
        }
    }

    #[test]
    fn whatever_replaces_files_of_the_running_kernel_is_found() {
        for (name, replaces) in [
            ("linux-image-6.8.0-50-generic", true),
            ("linux-modules-6.8.0-50-generic", true),
            ("linux-headers-6.8.0-50-generic", false),
            ("linux-image-6.8.0-49-generic", false),
            ("linux-image-generic", false),
        ] {
            let subject = subject(&[(name, "amd64", Some("1"), "2")]);
            assert_eq!(
                subject.replaces("6.8.0-50-generic").is_some(),
                replaces,
                "{name}"
            );
        }
    }
}
