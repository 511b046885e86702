//! What a reason reads like, and what would end it.

use std::fmt;

use jiff::Timestamp;

use super::{Absence, FactName, WaitingOn};

fn or_unknown(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "at no known time".to_owned(), |t| format!("at {t}"))
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slot => "has a slot",
            Self::NotOnline => "is not online",
            Self::InMaintenance => "was taken out of service by an operator",
        })
    }
}

impl fmt::Display for WaitingOn {
    /// One sentence: the thing and the cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrozenCoordinator { because } => {
                write!(f, "the coordinator is frozen: {because}")
            }
            Self::Paused { by } => write!(f, "{by} paused the rollout"),
            Self::Cancelled { by } => write!(f, "{by} cancelled the rollout"),
            Self::FailureThreshold { failed, threshold } => {
                write!(
                    f,
                    "{failed} nodes failed, and the rollout stops at {threshold}"
                )
            }
            Self::KeptSlot { node, outcome } => {
                write!(
                    f,
                    "the attempt on {node} ended as {outcome}, and its slot is kept"
                )
            }
            Self::Window { next } => {
                write!(
                    f,
                    "no window is open that lasts long enough; the next one opens {}",
                    or_unknown(*next)
                )
            }
            Self::Freeze { name, until } => write!(f, "freeze {name} ends {}", or_unknown(*until)),
            Self::HealthCheck { name, says } => write!(f, "health check {name}: {says}"),
            Self::HealthCheckUnasked { name, since } => write!(
                f,
                "health check {name} has not passed since a node was changed at {since}"
            ),
            Self::CanarySoak { until } => write!(f, "the canary is watched until {until}"),
            Self::Soak { wave, until } => write!(f, "wave {wave} is watched until {until}"),
            Self::Wave { current, mine } => {
                write!(f, "wave {current} goes on, and this is wave {mine}")
            }
            Self::OtherRollout { rollout } => {
                write!(f, "rollout {rollout} wants the same node first")
            }
            Self::DeadlineImpossible {
                deadline,
                finish,
                because,
            } => {
                write!(
                    f,
                    "cannot finish by {deadline} because of {because}; it would be over {}",
                    or_unknown(*finish)
                )
            }
            Self::Quota {
                constraint,
                domain,
                limit,
                taken,
            } => {
                write!(
                    f,
                    "constraint {constraint}: {taken} of {limit} are taken in {domain}"
                )
            }
            Self::DomainTaken {
                constraint,
                domain,
                by,
                absence,
            } => {
                write!(f, "constraint {constraint}: {by} in {domain} {absence}")
            }
            Self::QuorumTogether { constraint, by } => {
                write!(
                    f,
                    "quorum {constraint}: {by} is not there, and two members never go together"
                )
            }
            Self::QuorumLast {
                constraint,
                remaining,
            } => {
                write!(
                    f,
                    "quorum {constraint} goes last, and {remaining} other nodes are not done"
                )
            }
            Self::After {
                constraint,
                remaining,
            } => {
                write!(
                    f,
                    "constraint {constraint} goes first, and {remaining} of its nodes are not done"
                )
            }
            Self::NotEnrolled { admission } => write!(f, "the node is {admission}"),
            Self::Restricted { how } => write!(f, "the node is {how}"),
            Self::NotOnline { availability } => write!(f, "the node is {availability}"),
            Self::InMaintenance { by } => write!(f, "{by} took the node out of service"),
            Self::StaleFact { fact, age, limit } => {
                write!(
                    f,
                    "it is not known any more, {}: {age:#} old, at most {limit:#} are taken",
                    fact.as_str()
                )
            }
            Self::MissingFact { fact } => write!(f, "it is not known, {}", fact.as_str()),
            Self::OutdatedFact { fact, before } => write!(
                f,
                "it is not known any more, {}: that was read before {}",
                fact.as_str(),
                before.as_str()
            ),
            Self::NoOracle { tenant } => {
                write!(
                    f,
                    "the node has {}, and there is nobody to ask whether it may stop",
                    tenant.as_str()
                )
            }
            Self::Oracle { tenant, says } => {
                write!(
                    f,
                    "the node has {}, and whether it may stop: {says}",
                    tenant.as_str()
                )
            }
            Self::ForeignManager { domain, name } => {
                write!(f, "{name} manages {domain} on the node")
            }
            Self::NotAllowedToAct { domain, mode } => {
                write!(f, "the node's owner set {domain} to {mode:?}")
            }
            Self::PackagesBroken { package, state } => write!(f, "package {package} is {state}"),
            Self::PackageManagerBusy { by } => write!(f, "{by} is at work on the node"),
            Self::PackageHeld { package } => write!(f, "an administrator holds package {package}"),
            Self::HeldAfterFallback { package, since } => write!(
                f,
                "h8lio holds package {package} since {since}, because the node went back from a newer one"
            ),
            Self::OlderAgent { version, before } => {
                write!(f, "its agent is {version}, and was {before} before")
            }
            Self::ChangedByHand => f.write_str(
                "somebody else changed packages that its order rested on, and its ticket was taken back",
            ),
            Self::NoWayBack { why } => {
                write!(f, "the previous kernel could not be booted again: {why}")
            }
            Self::TerminalState { step: Some(step) } => write!(f, "its attempt goes on ({step})"),
            Self::TerminalState { step: None } => f.write_str("its attempt has no reported end"),
            Self::Withdrawal => f.write_str(
                "its ticket was taken back, and the node has not said yet that it was not begun",
            ),
            Self::UnknownEnd => f.write_str("nobody saw how its attempt ended"),
            Self::LeftTheFleet { node } => write!(
                f,
                "{node} left the fleet in its slot, and what became of its attempt is not known"
            ),
            Self::PersonsWord { outcome } => {
                write!(
                    f,
                    "its attempt ended as {outcome}, and its slot is kept until a person has looked"
                )
            }
        }
    }
}

impl WaitingOn {
    /// What would end it: the next move.
    pub fn unblocked_by(&self) -> String {
        match self {
            Self::FrozenCoordinator { .. } => {
                "it decides again by itself once that is over; what was lost with an old backup an \
                 admin accepts (h8lctl backup accept)"
                    .into()
            }
            Self::Paused { .. } => "resume the rollout".into(),
            Self::Cancelled { .. } => "nothing; create a new rollout".into(),
            Self::FailureThreshold { .. } => {
                "look at the failed nodes, then allow another try or cancel the rollout".into()
            }
            Self::KeptSlot { node, .. } => format!("look at {node}, then acknowledge its attempt"),
            Self::Window { next: Some(_) } => {
                "the window opens by itself; the CVE lane does not wait for it".into()
            }
            Self::Window { next: None } => {
                "give the rollout a window that comes and is long enough".into()
            }
            Self::Freeze { until: Some(_), .. } => "the freeze ends by itself".into(),
            Self::Freeze { name, until: None } => format!("take freeze {name} out of the policy"),
            Self::HealthCheck { name, .. } => {
                format!("mend what {name} complains of; it is asked again")
            }
            Self::HealthCheckUnasked { .. } => "it is asked again within a minute".into(),
            Self::CanarySoak { .. } | Self::Soak { .. } => "time, if nothing goes wrong".into(),
            Self::Wave { current, .. } => format!("wave {current} is done and was watched"),
            Self::OtherRollout { rollout } => {
                format!("{rollout} is done with the node, paused ones too; or cancel it")
            }
            Self::DeadlineImpossible { .. } => {
                "move the deadline, widen the windows or raise the budget".into()
            }
            Self::Quota { .. }
            | Self::DomainTaken {
                absence: Absence::Slot,
                ..
            } => "one of them is done".into(),
            Self::DomainTaken {
                by,
                absence: Absence::NotOnline,
                ..
            } => format!("{by} is back, or is decommissioned"),
            Self::DomainTaken {
                by,
                absence: Absence::InMaintenance,
                ..
            } => format!("an operator puts {by} back into service"),
            Self::QuorumTogether { by, .. } => format!("{by} is done and back"),
            Self::QuorumLast { .. } | Self::After { .. } => "they are done".into(),
            Self::NotEnrolled { .. } => "approve the node, or leave it out".into(),
            Self::Restricted { .. } => "unban or approve the node".into(),
            Self::NotOnline { .. } => "the node is heard again and stays".into(),
            Self::InMaintenance { .. } => "put the node back into service".into(),
            Self::StaleFact {
                fact: FactName::PackageIndex,
                ..
            }
            | Self::MissingFact {
                fact: FactName::PackageIndex,
            } => {
                "the agent fetches it daily in act mode: see `apt-get update` on the node, or `h8lctl node doctor`"
                    .into()
            }
            Self::OutdatedFact { .. } => "the agent reads it again, which takes some seconds".into(),
            Self::StaleFact { .. } | Self::MissingFact { .. } => {
                "the agent reports it; see `h8lctl node doctor`".into()
            }
            Self::NoOracle { .. } => {
                "a release of h8lio that can ask, or move it off the node".into()
            }
            Self::Oracle { .. } => "it says that all that are reserved may stop together".into(),
            Self::ForeignManager { domain, name } => {
                format!("hand {domain} over from {name} to h8lio")
            }
            Self::NotAllowedToAct { domain, .. } => {
                format!("set {domain} = \"act\" in the agent's configuration")
            }
            Self::PackagesBroken { .. } => {
                "repair the packages (dpkg --configure -a, apt-get -f install)".into()
            }
            Self::PackageManagerBusy { .. } => "it ends".into(),
            Self::PackageHeld { package } => {
                format!("apt-mark unhold {package}, or leave it out of the rollout")
            }
            Self::HeldAfterFallback { .. } => {
                "see why it went back, then let it go: `h8lctl rollout retry ROLLOUT --node NODE`".into()
            }
            Self::OlderAgent { version, .. } => format!(
                "bring its agent up to date; where the older one is wanted, set maintenance.accept_agent \
                 = \"{version}\" in the coordinator's configuration"
            ),
            Self::ChangedByHand => {
                "the node says that it did not begin; then it is planned anew from what is there".into()
            }
            Self::NoWayBack { .. } => {
                "make one of GRUB's environment, UEFI BootNext or kexec usable".into()
            }
            Self::TerminalState { .. } => {
                "the agent reports the end; time alone does nothing".into()
            }
            Self::Withdrawal => {
                "the node is heard and follows the order without the ticket; time alone does nothing"
                    .into()
            }
            Self::UnknownEnd => {
                "the agent observes what is there, or a person acknowledges it".into()
            }
            Self::LeftTheFleet { node } => format!(
                "see that whatever {node} served can do without it, then acknowledge its attempt as unknown"
            ),
            Self::PersonsWord { .. } => "look at the server, then acknowledge the attempt".into(),
        }
    }
}
