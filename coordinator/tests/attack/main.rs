//! Callers who hang up, hold on, or come back with what was replaced: a whole coordinator over
//! TLS, its store slowed down on purpose.

mod bench;
mod calls;
