//! Reads the repository as text, so that tests can hold it to its own rules.

pub mod lexer;
pub mod paths;
pub mod rules;
pub mod tree;
