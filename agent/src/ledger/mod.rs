//! What this node was told to be, and what it has tried: the agent's memory of orders.
//!
//! | File | Holds | Written |
//! |---|---|---|
//! | `ledger.json` | the order that is followed, a newer one that waits, the running step, every attempt and how it ended | whole or not at all, **before** anything is done because of it |
//! | `ledger.lost` | what was found in its place and could not be used | when that happens |
//! | `steps-ATTEMPT.log` | intents and results of the running attempt ([`steps`]) | line by line, each before the next step |
//!
//! [`book`] is the pure half: which order is taken, what may begin, what an end latches. A ledger
//! that is lost or damaged is replaced by an empty one with another id. Orders name the
//! ledger that they are for, so none that was made before reaches it: until a fresh order comes,
//! the node observes and does nothing.

pub mod book;
pub mod steps;

use std::sync::Arc;

use h8lio_model::ids::NodeId;
use h8lio_model::order::{LedgerId, NodeOrder, OrderReport, Refused};
use h8lio_model::section::Digest;
use h8lio_tls::files::FileError;
use jiff::Timestamp;
use serde::Deserialize;

use crate::identity::Disk;
use book::{Accepted, Book, NotNow};

/// Name of the file.
pub const FILE: &str = "ledger.json";

/// What was found and could not be used.
pub const LOST: &str = "ledger.lost";

/// The longest ledger written. What is longer could not be read again (private files end at
/// 1 MiB), and nothing is done under a ledger that cannot be read.
const MOST: usize = 1 << 20;

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("cannot write the ledger, so nothing is done because of it")]
    Save(#[source] FileError),
    #[error("cannot read the ledger; it stays as it is, and until it can be read nothing is done")]
    Read(#[source] FileError),
    #[error(
        "the ledger would be {0} bytes long, and {MOST} can be read again; the order is not taken"
    )]
    TooLarge(usize),
    #[error("the ledger was written by a newer agent (format {0}); install that version again")]
    Newer(u32),
    #[error(transparent)]
    NotNow(#[from] NotNow),
}

/// What was found at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// The ledger of before.
    Kept,
    /// There was none.
    New,
    /// There was one, and it cannot be used; it was put aside.
    Lost { why: String },
}

/// Who is told what the ledger says, each time that it says something else.
pub trait Listener: Send + Sync + std::fmt::Debug {
    /// It is on the disk already. Must not block.
    fn says(&self, report: &OrderReport);
}

/// The ledger, on disk and in memory.
#[derive(Debug)]
pub struct Ledger {
    disk: Arc<dyn Disk>,
    book: Book,
    refused: Option<Refused>,
    /// Of the running step, as long as this life remembers.
    doing: Option<String>,
    listener: Option<Arc<dyn Listener>>,
}

impl Ledger {
    /// Opens the ledger of `node`; where there is none that can be used, begins one called `fresh`.
    ///
    /// # Errors
    /// [`LedgerError::Save`] when a new one cannot be written, [`LedgerError::Read`] when there is one
    /// that cannot be read now, and [`LedgerError::Newer`]: then nothing may be done, and the caller
    /// only observes.
    pub fn open(
        disk: Arc<dyn Disk>,
        node: NodeId,
        fresh: LedgerId,
    ) -> Result<(Self, Opened), LedgerError> {
        let (book, opened) = match read(disk.as_ref(), node)? {
            Read::Book(book) => (*book, Opened::Kept),
            Read::Nothing => (Book::new(fresh, node, None), Opened::New),
            Read::Unusable { why, bytes } => {
                // For a person to look at. If even this fails the loss is reported all the same.
                let _ = disk.write(LOST, &bytes);
                (
                    Book::new(fresh, node, Some(why.clone())),
                    Opened::Lost { why },
                )
            }
        };
        let ledger = Self {
            disk,
            book,
            refused: None,
            doing: None,
            listener: None,
        };
        if opened != Opened::Kept {
            ledger.save(&ledger.book)?;
        }
        Ok((ledger, opened))
    }

    /// Tells `listener` at once and from now on.
    pub fn tell(&mut self, listener: Arc<dyn Listener>) {
        listener.says(&self.report());
        self.listener = Some(listener);
    }

    /// What is in it.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// Takes an order, durably; a refused one is remembered until the next start and changes
    /// nothing.
    ///
    /// # Errors
    /// [`LedgerError`]; the order is then not followed.
    pub fn accept(&mut self, order: &NodeOrder, now: Timestamp) -> Result<Accepted, LedgerError> {
        let answer = self.change(|book| book.accept(order));
        if let Err(LedgerError::NotNow(NotNow::Refused(refusal))) = &answer {
            self.refused = Some(Refused::new(order.number(), refusal, now));
            self.told();
        }
        answer
    }

    /// Disk first, then memory: nothing is done because of what a crash could lose.
    ///
    /// # Errors
    /// [`LedgerError`]; the ledger is then as it was.
    pub fn change<T>(
        &mut self,
        edit: impl FnOnce(&mut Book) -> Result<T, NotNow>,
    ) -> Result<T, LedgerError> {
        let mut edited = self.book.clone();
        let answer = edit(&mut edited)?;
        if edited != self.book {
            self.save(&edited)?;
            self.book = edited;
            self.told();
        }
        Ok(answer)
    }

    /// How far the running step is, or what it waits for. It is told, and not kept.
    pub fn doing(&mut self, what: Option<String>) {
        if self.doing != what {
            self.doing = what;
            self.told();
        }
    }

    fn told(&self) {
        if let Some(listener) = &self.listener {
            listener.says(&self.report());
        }
    }

    /// For the coordinator.
    pub fn report(&self) -> OrderReport {
        self.book
            .report(self.refused.clone(), self.doing.as_deref())
    }

    fn save(&self, book: &Book) -> Result<(), LedgerError> {
        let bytes = encode(book);
        if bytes.len() > MOST {
            return Err(LedgerError::TooLarge(bytes.len()));
        }
        self.disk.write(FILE, &bytes).map_err(LedgerError::Save)
    }
}

enum Read {
    Book(Box<Book>),
    Nothing,
    Unusable { why: String, bytes: Vec<u8> },
}

fn read(disk: &dyn Disk, node: NodeId) -> Result<Read, LedgerError> {
    let bytes = match disk.read(FILE) {
        Ok(None) => return Ok(Read::Nothing),
        Ok(Some(bytes)) => bytes.to_vec(),
        // A disk that does not answer now may hold a good ledger: it is not written over.
        Err(e) => return Err(LedgerError::Read(e)),
    };
    let unusable = |why: String| {
        Ok(Read::Unusable {
            why,
            bytes: bytes.clone(),
        })
    };
    match decode(&bytes) {
        Ok(book) if book.node() == node => Ok(Read::Book(Box::new(book))),
        Ok(book) => unusable(format!("it is the ledger of node {}", book.node())),
        Err(Undecodable::Newer(format)) => Err(LedgerError::Newer(format)),
        Err(Undecodable::Damaged(why)) => unusable(why),
    }
}

enum Undecodable {
    Newer(u32),
    Damaged(String),
}

/// The JSON behind its digest, so that a file that lost a part of itself and still parses is seen.
fn encode(book: &Book) -> Vec<u8> {
    let body = serde_json::to_vec(book).expect("texts, numbers, lists and maps have a JSON form");
    let mut bytes = hex::encode(Digest::of(&body).0).into_bytes();
    bytes.push(b'\n');
    bytes.extend(body);
    bytes.push(b'\n');
    bytes
}

fn decode(bytes: &[u8]) -> Result<Book, Undecodable> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let damaged = |why: &str| Undecodable::Damaged(why.to_owned());
    let split = bytes.iter().position(|b| *b == b'\n');
    let split = split.ok_or_else(|| damaged("it is cut off"))?;
    let (digest, body) = (&bytes[..split], &bytes[split + 1..]);
    let body = body
        .strip_suffix(b"\n")
        .ok_or_else(|| damaged("it is cut off"))?;
    if hex::encode(Digest::of(body).0).as_bytes() != digest {
        return Err(damaged("its content is not what was written"));
    }
    let unread = |e: serde_json::Error| Undecodable::Damaged(e.to_string());
    let version: Version = serde_json::from_slice(body).map_err(unread)?;
    if version.format > book::FORMAT {
        return Err(Undecodable::Newer(version.format));
    }
    serde_json::from_slice(body).map_err(unread)
}

#[cfg(test)]
mod tests;
