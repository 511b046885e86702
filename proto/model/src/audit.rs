//! The audit log: a hash chain over every mutating call.
//!
//! Each entry's hash covers its content and the hash before it, so an edited, removed or
//! reordered entry shows when the chain is walked. A cut *tail* leaves a valid chain; it shows
//! because the head (sequence and hash) is also kept by the agents and the journal, see
//! [`verify`] and its `witnesses`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::section::Digest;

/// What became of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Outcome {
    /// Done; written in the same transaction as its effect.
    Accepted,
    /// Refused; nothing was changed.
    Refused { why: String },
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Position in the chain, from 1.
    pub seq: u64,
    /// Hash of the entry before; all zeros for the first.
    pub previous: Digest,
    pub at: Timestamp,
    /// `operator/<name>`, `node/<uuid>` or `coordinator`.
    pub actor: String,
    /// The operation, for example `node.ban`.
    pub action: String,
    /// What it acts on, for example `node/<uuid>`.
    pub target: String,
    /// Why, as the caller said.
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Id of the request, chosen by the caller.
    pub request_id: String,
    /// The request as JSON text, without secrets.
    pub request: String,
    pub outcome: Outcome,
    /// SHA-256 over the JSON of all fields above.
    pub hash: Digest,
}

/// A position in the chain that somebody else remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditHead {
    pub seq: u64,
    pub hash: Digest,
}

impl AuditHead {
    /// The head of an empty log.
    pub const EMPTY: Self = Self {
        seq: 0,
        hash: Digest([0; 32]),
    };
}

impl AuditEntry {
    /// Links `self` behind `head`: sets sequence, previous hash and hash.
    pub fn link(mut self, head: AuditHead) -> Self {
        self.seq = head.seq + 1;
        self.previous = head.hash;
        self.hash = self.compute_hash();
        self
    }

    /// The head after this entry.
    pub const fn head(&self) -> AuditHead {
        AuditHead {
            seq: self.seq,
            hash: self.hash,
        }
    }

    /// Hash of everything but `hash`.
    pub fn compute_hash(&self) -> Digest {
        let mut plain = self.clone();
        plain.hash = Digest([0; 32]);
        // Strings, integers and enums only: this form always exists.
        let bytes = serde_json::to_vec(&plain).unwrap_or_default();
        Digest::of(&bytes)
    }
}

/// What is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    #[error(
        "audit entry {found} stands where entry {expected} belongs: entries were removed or reordered"
    )]
    Gap { expected: u64, found: u64 },
    #[error("audit entry {seq} does not follow from entry {}: the chain was cut and joined there", .seq - 1)]
    Broken { seq: u64 },
    #[error("audit entry {seq} was edited: its content does not have its hash")]
    Edited { seq: u64 },
    #[error(
        "the log ends at entry {last}, but {witness} remembers entry {seq}: its tail was cut off"
    )]
    Cut {
        last: u64,
        seq: u64,
        witness: String,
    },
    #[error("audit entry {seq} is not the one {witness} remembers: the log was rewritten")]
    Rewritten { seq: u64, witness: String },
}

/// Walks a log entry by entry, from the first, and compares it with what witnesses remember.
/// Keeps two heads in memory, however long the log is.
#[derive(Debug)]
pub struct Verifier {
    head: AuditHead,
    witnesses: Vec<Witness>,
    faults: Vec<AuditFault>,
}

#[derive(Debug)]
struct Witness {
    name: String,
    remembers: AuditHead,
    found: bool,
}

impl Verifier {
    /// Nothing walked yet. A witness is named as people know it, for example `node s1`.
    pub fn new(witnesses: impl IntoIterator<Item = (String, AuditHead)>) -> Self {
        let witness = |(name, remembers): (String, AuditHead)| Witness {
            name,
            remembers,
            found: remembers.seq == 0,
        };
        Self {
            head: AuditHead::EMPTY,
            witnesses: witnesses.into_iter().map(witness).collect(),
            faults: Vec::new(),
        }
    }

    /// The next entry of the log.
    pub fn entry(&mut self, e: &AuditEntry) {
        let expected = self.head.seq + 1;
        if e.seq != expected {
            let found = e.seq;
            self.faults.push(AuditFault::Gap { expected, found });
        } else if e.previous != self.head.hash {
            self.faults.push(AuditFault::Broken { seq: e.seq });
        }
        if e.compute_hash() != e.hash {
            self.faults.push(AuditFault::Edited { seq: e.seq });
        }
        self.head = e.head();
        for w in &mut self.witnesses {
            w.found |= w.remembers == self.head;
        }
    }

    /// An entry that cannot be read any more stands at `seq`.
    pub fn unreadable(&mut self, seq: u64) {
        self.faults.push(AuditFault::Edited { seq });
        self.head.seq = seq;
    }

    /// The log ends here. Every fault found; an empty answer means that the log is whole.
    pub fn finish(mut self) -> Vec<AuditFault> {
        let last = self.head.seq;
        for w in self.witnesses.into_iter().filter(|w| !w.found) {
            let (seq, witness) = (w.remembers.seq, w.name);
            self.faults.push(if seq > last {
                AuditFault::Cut { last, seq, witness }
            } else {
                AuditFault::Rewritten { seq, witness }
            });
        }
        self.faults
    }
}

/// Walks `entries` (the whole log, in order) and compares it with what `witnesses` remember.
/// Returns every fault found; an empty answer means the log is whole.
pub fn verify(entries: &[AuditEntry], witnesses: &[(String, AuditHead)]) -> Vec<AuditFault> {
    let mut verifier = Verifier::new(witnesses.iter().cloned());
    for e in entries {
        verifier.entry(e);
    }
    verifier.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(n: u64) -> Vec<AuditEntry> {
        let mut head = AuditHead::EMPTY;
        (0..n)
            .map(|i| {
                let e = AuditEntry {
                    seq: 0,
                    previous: Digest([0; 32]),
                    at: Timestamp::from_second(i as i64).expect("in range"),
                    actor: "operator/ada".into(),
                    action: "node.ban".into(),
                    target: format!("node/{i}"),
                    reason: "test".into(),
                    ticket: None,
                    request_id: i.to_string(),
                    request: "{}".into(),
                    outcome: Outcome::Accepted,
                    hash: Digest([0; 32]),
                }
                .link(head);
                head = e.head();
                e
            })
            .collect()
    }

    #[test]
    fn a_whole_log_has_no_fault() {
        let l = log(5);
        assert_eq!(verify(&l, &[("node s1".into(), l[2].head())]), vec![]);
        assert_eq!(verify(&[], &[("node s1".into(), AuditHead::EMPTY)]), vec![]);
    }

    #[test]
    fn an_edited_entry_shows_and_so_does_one_edited_and_rehashed() {
        let mut l = log(5);
        l[2].reason = "nothing to see".into();
        assert_eq!(verify(&l, &[]), vec![AuditFault::Edited { seq: 3 }]);
        l[2].hash = l[2].compute_hash();
        assert_eq!(verify(&l, &[]), vec![AuditFault::Broken { seq: 4 }]);
    }

    #[test]
    fn every_single_field_is_covered_by_the_hash() {
        let l = log(1);
        let base = l[0].compute_hash();
        let edits: Vec<fn(&mut AuditEntry)> = vec![
            |e| e.seq += 1,
            |e| e.previous = Digest([9; 32]),
            |e| e.at = Timestamp::MAX,
            |e| e.actor.push('x'),
            |e| e.action.push('x'),
            |e| e.target.push('x'),
            |e| e.reason.push('x'),
            |e| e.ticket = Some("T-1".into()),
            |e| e.request_id.push('x'),
            |e| e.request.push('x'),
            |e| e.outcome = Outcome::Refused { why: String::new() },
        ];
        for (i, edit) in edits.iter().enumerate() {
            let mut e = l[0].clone();
            edit(&mut e);
            assert_ne!(e.compute_hash(), base, "edit {i} does not change the hash");
        }
    }

    #[test]
    fn a_removed_entry_shows() {
        let mut l = log(5);
        l.remove(1);
        assert!(verify(&l, &[]).contains(&AuditFault::Gap {
            expected: 2,
            found: 3
        }));
    }

    #[test]
    fn a_cut_tail_shows_only_through_a_witness() {
        let mut l = log(5);
        let witness = [("node s1".to_owned(), l[4].head())];
        l.truncate(3);
        assert_eq!(verify(&l, &[]), vec![]);
        let cut = AuditFault::Cut {
            last: 3,
            seq: 5,
            witness: "node s1".into(),
        };
        assert_eq!(verify(&l, &witness), vec![cut]);
    }

    #[test]
    fn a_log_cut_and_grown_again_is_told_from_the_true_one() {
        let l = log(5);
        let witness = [("node s1".to_owned(), l[4].head())];
        let mut forged = l[..3].to_vec();
        for _ in 0..3 {
            let mut e = l[0].clone();
            e.reason = "forged".into();
            let head = forged.last().map_or(AuditHead::EMPTY, AuditEntry::head);
            forged.push(e.link(head));
        }
        let want = AuditFault::Rewritten {
            seq: 5,
            witness: "node s1".into(),
        };
        assert_eq!(verify(&forged, &witness), vec![want]);
    }

    #[test]
    fn an_unreadable_entry_shows_at_its_place_and_breaks_the_chain_behind_it() {
        let l = log(3);
        let mut v = Verifier::new([]);
        v.entry(&l[0]);
        v.unreadable(2);
        v.entry(&l[2]);
        let want = [AuditFault::Edited { seq: 2 }, AuditFault::Broken { seq: 3 }];
        assert_eq!(v.finish(), want);
    }

    #[test]
    fn a_last_entry_that_a_witness_remembers_otherwise_is_rewritten_and_not_cut() {
        let l = log(3);
        let hash = Digest([1; 32]);
        let witness = [("node s1".to_owned(), AuditHead { seq: 3, hash })];
        let want = AuditFault::Rewritten {
            seq: 3,
            witness: "node s1".into(),
        };
        assert_eq!(verify(&l, &witness), vec![want]);
    }

    #[test]
    fn a_doubled_entry_is_a_gap_and_its_witness_still_finds_it() {
        let mut l = log(3);
        l.push(l[2].clone());
        let gap = AuditFault::Gap {
            expected: 4,
            found: 3,
        };
        assert_eq!(verify(&l, &[("node s1".into(), l[2].head())]), vec![gap]);
    }

    #[test]
    fn an_entry_that_follows_from_another_one_is_told_from_one_in_the_wrong_place() {
        let mut l = log(2);
        l[1].previous = Digest([1; 32]);
        l[1].hash = l[1].compute_hash();
        assert_eq!(verify(&l, &[]), vec![AuditFault::Broken { seq: 2 }]);
    }

    #[test]
    fn entries_are_numbered_from_one_and_follow_from_each_other() {
        let l = log(3);
        assert_eq!((l[0].seq, l[0].previous), (1, Digest([0; 32])));
        for pair in l.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq + 1);
            assert_eq!(pair[1].previous, pair[0].hash);
            let AuditHead { seq, hash } = pair[0].head();
            assert_eq!((seq, hash), (pair[0].seq, pair[0].compute_hash()));
        }
    }
}
