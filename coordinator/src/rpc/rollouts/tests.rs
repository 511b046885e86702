//! The service in one process, over a store in memory and a fleet that the tests plan themselves.

mod desk;
mod explaining;
mod intake;
mod settling;
mod steering;
mod taking_in;
