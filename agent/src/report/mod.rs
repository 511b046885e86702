//! From collectors to sections: what the coordinator gets to know about this server.

pub mod board;
