//! The agent as a witness of the coordinator's audit log: it remembers the newest head that it
//! was ever shown, so that a log that was cut or rewritten shows.

use h8lio_model::audit::AuditHead;
use h8lio_model::ids::Incarnation;
use serde::{Deserialize, Serialize};

/// Name of the file in the state directory.
pub const FILE: &str = "witness.json";

/// What is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Witness {
    /// The life of the coordinator's data in which the head was shown.
    pub incarnation: Incarnation,
    pub head: AuditHead,
}

/// What a newly shown head means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing new.
    Known,
    /// Remember this one.
    Remember(Witness),
    /// The log was cut or rewritten. What was remembered is kept: it is the evidence.
    Rewritten { message: String },
}

/// Compares. A restored coordinator has a new incarnation and its log may rightly be shorter; the
/// restore is itself on record.
pub fn judge(remembered: Option<Witness>, incarnation: Incarnation, head: AuditHead) -> Verdict {
    let shown = Witness { incarnation, head };
    let Some(old) = remembered.filter(|w| w.incarnation == incarnation) else {
        return Verdict::Remember(shown);
    };
    let what = match head.seq.cmp(&old.head.seq) {
        std::cmp::Ordering::Greater => return Verdict::Remember(shown),
        std::cmp::Ordering::Equal if head.hash == old.head.hash => return Verdict::Known,
        std::cmp::Ordering::Equal => format!("entry {} has another hash than before", head.seq),
        std::cmp::Ordering::Less => format!(
            "it ends at entry {} and once ended at entry {}",
            head.seq, old.head.seq
        ),
    };
    Verdict::Rewritten {
        message: format!(
            "the coordinator's audit log was cut or rewritten: {what}; run h8lctl audit verify"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use h8lio_model::section::Digest;
    use uuid::Uuid;

    const LIFE: Incarnation = Incarnation(Uuid::from_u128(1));
    const NEXT_LIFE: Incarnation = Incarnation(Uuid::from_u128(2));

    fn head(seq: u64, hash: u8) -> AuditHead {
        AuditHead {
            seq,
            hash: Digest([hash; 32]),
        }
    }

    fn knows(seq: u64) -> Option<Witness> {
        Some(Witness {
            incarnation: LIFE,
            head: head(seq, 1),
        })
    }

    #[test]
    fn a_growing_log_is_remembered_and_a_standing_one_costs_nothing() {
        assert!(matches!(
            judge(None, LIFE, head(0, 0)),
            Verdict::Remember(_)
        ));
        assert!(
            matches!(judge(knows(5), LIFE, head(6, 2)), Verdict::Remember(w) if w.head.seq == 6)
        );
        assert_eq!(judge(knows(5), LIFE, head(5, 1)), Verdict::Known);
    }

    #[test]
    fn a_log_that_goes_back_or_differs_is_called_out_and_not_remembered() {
        for bad in [head(4, 1), head(0, 0), head(5, 9)] {
            let v = judge(knows(5), LIFE, bad);
            assert!(matches!(v, Verdict::Rewritten { .. }), "{bad:?} {v:?}");
        }
    }

    #[test]
    fn a_restored_coordinator_may_have_a_shorter_log() {
        let v = judge(knows(5), NEXT_LIFE, head(2, 7));
        assert!(matches!(v, Verdict::Remember(w) if w.head.seq == 2));
    }
}
