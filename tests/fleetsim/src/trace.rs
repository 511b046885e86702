//! What happened, line by line, and the hash over it.

use h8lio_model::section::Digest;

/// The trace of a run.
#[derive(Debug, Clone)]
pub struct Trace {
    hash: Digest,
    events: u64,
    /// `None`: only the hash is kept.
    lines: Option<Vec<String>>,
}

impl Trace {
    /// Begins one. `keep` its lines, for a person to read.
    pub fn new(keep: bool) -> Self {
        Self {
            hash: Digest::of(b""),
            events: 0,
            lines: keep.then(Vec::new),
        }
    }

    /// Adds a line.
    pub fn note(&mut self, line: String) {
        let mut bytes = self.hash.0.to_vec();
        bytes.extend(line.as_bytes());
        self.hash = Digest::of(&bytes);
        self.events += 1;
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// Over all lines, in their order.
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
