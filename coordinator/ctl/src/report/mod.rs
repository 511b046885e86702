//! What pages and tables say: model in, text out. No network, no clock: `as_of` is the
//! coordinator's time of the answer.

pub mod doctor;
pub mod explain;
mod handover;
pub mod nodes;
pub mod rollouts;
#[cfg(test)]
mod sample_rollouts;
#[cfg(test)]
mod samples;
pub mod show;
mod show_hardware;
pub mod status;

use h8lio_model::condition::Status;
use h8lio_model::lifecycle::Availability;

use crate::output::Tone;

/// The colour of an availability.
pub(crate) const fn availability_tone(a: Availability) -> Tone {
    match a {
        Availability::Online => Tone::Good,
        Availability::WarmingUp => Tone::Faint,
        Availability::Suspect => Tone::Warn,
        Availability::Unreachable | Availability::Fenced => Tone::Bad,
    }
}

/// Whether a condition of this status wants a look: something is wrong, or cannot be told.
pub(crate) const fn wants_a_look(status: Status) -> bool {
    matches!(status, Status::True | Status::Unknown)
}
