//! One node's way through a patch: [`machine`] says what follows on what, [`gates`] whether the
//! server is well, [`log`] how an attempt goes on after a crash.

pub mod gates;
pub mod log;
pub mod machine;

#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod tests;
