//! Following: the past page by page, then what comes.

use std::sync::Arc;

use futures::StreamExt;
use h8lio_model::event::Event;

use super::{ENTRIES, EventsError, PAGE, decode, entries_from};
use crate::store::{KeyRange, Store, StoreError, WatchEvent, WatchStream};

pub(super) struct Follower {
    store: Arc<dyn Store>,
    next: u64,
    /// Read and not yet told, newest first.
    ready: Vec<Event>,
    /// `None` while the past is read.
    watch: Option<WatchStream>,
}

impl Follower {
    pub(super) fn new(store: Arc<dyn Store>, from: u64) -> Self {
        Self {
            store,
            next: from.max(1),
            ready: Vec::new(),
            watch: None,
        }
    }

    /// The next event. An error is the last thing it says.
    pub(super) async fn event(&mut self) -> Result<Event, EventsError> {
        loop {
            while let Some(event) = self.ready.pop() {
                match event.seq {
                    seq if seq < self.next => {}
                    seq if seq == self.next => {
                        self.next += 1;
                        return Ok(event);
                    }
                    oldest => {
                        let from = self.next;
                        return Err(EventsError::Gone { from, oldest });
                    }
                }
            }
            self.ready = match &mut self.watch {
                Some(watch) => match watch.next().await {
                    Some(Ok(batch)) => puts(&batch.events)?,
                    // Too slow for the watch: what is kept can still be read.
                    Some(Err(StoreError::Compacted { .. })) | None => self.past().await?,
                    Some(Err(e)) => return Err(EventsError::Store(e)),
                },
                None => self.past().await?,
            };
            self.ready.reverse();
        }
    }

    /// One page of what is there; at its end the watch begins where the page was read.
    async fn past(&mut self) -> Result<Vec<Event>, EventsError> {
        self.watch = None;
        let page = self.store.range(entries_from(self.next), PAGE).await;
        let page = page.map_err(EventsError::Store)?;
        if !page.more {
            let from = page.revision.next();
            match self.store.watch(KeyRange::prefix(ENTRIES), from).await {
                Ok(watch) => self.watch = Some(watch),
                // History went on without us; the next page is read instead.
                Err(StoreError::Compacted { .. }) => {}
                Err(e) => return Err(EventsError::Store(e)),
            }
        }
        page.items.iter().map(decode).collect()
    }
}

fn puts(events: &[WatchEvent]) -> Result<Vec<Event>, EventsError> {
    let put = |e: &WatchEvent| match e {
        WatchEvent::Put(kv) => Some(decode(kv)),
        WatchEvent::Delete { .. } => None,
    };
    events.iter().filter_map(put).collect()
}
