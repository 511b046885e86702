//! The policy, step by step.

pub(crate) mod ask;
pub(crate) mod begin;
pub(crate) mod forecast;
pub(crate) mod gates;
pub(crate) mod grant;
pub(crate) mod holds;
pub(crate) mod packages;
pub(crate) mod reconsider;
pub(crate) mod report;
pub(crate) mod rollout;
pub(crate) mod scheduling;
pub(crate) mod settle;
pub(crate) mod stop;
pub(crate) mod waves;
