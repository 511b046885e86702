//! What operators ask for: a rollout with its target, its selection and its rules of time.

mod selector;
mod spec;
mod target;
pub mod view;

pub use selector::{NoSelector, Selector};
pub use spec::{BadRollout, Lane, RolloutSpec, WaveSize, WindowSpec};
pub use target::RolloutTarget;
