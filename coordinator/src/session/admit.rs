//! What a new session means beside the one that is there. Pure.
//!
//! A **clone** is two live sessions of one identity, or a rotation that goes back behind one that was
//! already used. From different boots, the newcomer waits until it is known whether the present one
//! lives; from one boot it takes the place at once, and the old stream is listened to (`remains`).
//! Neither a restart of the agent, nor a reboot, nor power
//! lost between a certificate's issue and its first use looks like that.

use h8lio_model::ids::{AgentInstance, BootId, Rotation};

/// What tells sessions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub boot_id: BootId,
    pub instance: AgentInstance,
    /// From the certificate's serial.
    pub rotation: Rotation,
}

/// What to do with a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// Nobody else is there.
    Open,
    /// The same boot: the agent restarted or moved to a new connection. The old session ends.
    Replace,
    /// Another boot while the old session is open. Wait: a rebooted server's old session is
    /// silent, a clone's is not.
    Contest,
    /// The certificate was replaced by a newer one that has been used: this one is a copy.
    RotationWentBack {
        shown: Rotation,
        acknowledged: Rotation,
    },
}

/// Judges a new session.
pub fn admit(open: Option<&Claim>, new: &Claim, acknowledged: Rotation) -> Admit {
    if new.rotation < acknowledged {
        return Admit::RotationWentBack {
            shown: new.rotation,
            acknowledged,
        };
    }
    match open {
        None => Admit::Open,
        Some(old) if old.boot_id == new.boot_id => Admit::Replace,
        Some(_) => Admit::Contest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn claim(boot: u128, instance: u128, rotation: u64) -> Claim {
        Claim {
            boot_id: BootId(Uuid::from_u128(boot)),
            instance: AgentInstance(Uuid::from_u128(instance)),
            rotation: Rotation(rotation),
        }
    }

    #[test]
    fn a_restarted_agent_and_a_renewed_certificate_replace_the_old_session() {
        let old = claim(1, 1, 4);
        assert_eq!(
            admit(Some(&old), &claim(1, 2, 4), Rotation(4)),
            Admit::Replace
        );
        assert_eq!(
            admit(Some(&old), &claim(1, 1, 5), Rotation(4)),
            Admit::Replace
        );
    }

    /// scenario: 35 (unit)
    #[test]
    fn another_boot_is_contested_while_the_old_session_is_open() {
        let old = claim(1, 1, 4);
        assert_eq!(
            admit(Some(&old), &claim(2, 2, 4), Rotation(4)),
            Admit::Contest
        );
        assert_eq!(admit(None, &claim(2, 2, 4), Rotation(4)), Admit::Open);
    }

    /// scenario: 35 (unit)
    #[test]
    fn a_certificate_older_than_one_already_used_is_a_copy() {
        let back = Admit::RotationWentBack {
            shown: Rotation(3),
            acknowledged: Rotation(4),
        };
        assert_eq!(admit(None, &claim(1, 1, 3), Rotation(4)), back);
    }

    /// scenario: 35 (unit)
    #[test]
    fn power_lost_between_issue_and_first_use_is_no_clone() {
        // 5 was issued and never used: the acknowledged rotation is still 4.
        assert_eq!(admit(None, &claim(2, 2, 4), Rotation(4)), Admit::Open);
        // 5 was saved, 6 issued and lost: 5 may still be used.
        assert_eq!(admit(None, &claim(2, 2, 5), Rotation(4)), Admit::Open);
    }
}
