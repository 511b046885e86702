//! The planner's policy, told in the words of a fleet. Every plan of every test is linted and
//! planned again (see `support`).

mod by_hand;
mod calendar;
mod constraints;
mod gates;
mod holds;
mod intake;
mod kernels;
mod linter;
mod oracles;
mod packing;
mod random;
mod reconsidered;
mod slots;
mod support;
mod waves;
mod words;
