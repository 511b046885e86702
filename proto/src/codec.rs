//! How messages become bytes, for connections that stay open for months.
//!
//! tonic gives each stream a buffer that starts at 8 KiB, grows to the largest message that ever
//! came, and stays there for the life of the stream. A session carries one inventory of some
//! 30 KiB at its start and then beats of twenty bytes: with ten thousand of them that buffer would
//! be most of the coordinator's memory. [`LeanCodec`] is tonic's codec with small buffers that are
//! given back.

use std::marker::PhantomData;

use bytes::{Buf as _, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// First size of a buffer, bytes: a beat, a receipt or a Welcome fits. Below 1 KiB, so that
/// `BytesMut` takes no first size for a size to come back to.
const BUFFER_BYTES: usize = 512;
/// Messages that wait are sent together up to this many bytes (tonic's own figure).
const YIELD_BYTES: usize = 32 * 1024;
/// A message above this many bytes is not worth keeping its buffer for.
const LARGE_BYTES: usize = 2 * 1024;

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
}

/// Protobuf over gRPC, for all services of this package.
#[derive(Debug, Clone)]
pub struct LeanCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for LeanCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for LeanCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = LeanDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(settings())
    }

    fn decoder(&mut self) -> Self::Decoder {
        LeanDecoder {
            large: None,
            message: PhantomData,
        }
    }
}

/// Decodes, and keeps the stream's buffer from being used again after a large message.
///
/// A `BytesMut` uses its allocation anew when nobody else holds a part of it. A large message is
/// held here, so when the room behind it is used up (at most a flow-control window, see
/// `STREAM_WINDOW_BYTES` of the coordinator), what comes next gets an allocation of its own size.
/// Then the large one is held here alone, and freed.
#[derive(Debug)]
pub struct LeanDecoder<U> {
    large: Option<Bytes>,
    message: PhantomData<U>,
}

impl<U: Message + Default> Decoder for LeanDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // A part of the stream's buffer, not a copy.
        let bytes = buf.copy_to_bytes(buf.remaining());
        if bytes.len() > LARGE_BYTES {
            self.large = Some(bytes.clone());
        } else if self.large.as_ref().is_some_and(Bytes::is_unique) {
            self.large = None;
        }
        U::decode(bytes)
            .map(Some)
            .map_err(|e| Status::internal(e.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Report, Section};
    use bytes::{BufMut as _, BytesMut};
    use http_body_util::StreamBody;
    use std::sync::{Arc, Mutex};
    use tonic::Streaming;
    use tonic::body::Body;

    /// Passes on, and notes whether a large message is held after each one.
    struct Watched {
        inner: LeanDecoder<Report>,
        held: Arc<Mutex<Vec<bool>>>,
    }

    impl Decoder for Watched {
        type Item = Report;
        type Error = Status;

        fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Report>, Status> {
            let decoded = self.inner.decode(buf);
            let mut held = self.held.lock().expect("no panic elsewhere");
            held.push(self.inner.large.is_some());
            decoded
        }

        fn buffer_settings(&self) -> BufferSettings {
            self.inner.buffer_settings()
        }
    }

    fn framed(report: &Report) -> Bytes {
        let body = report.encode_to_vec();
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(body.len() as u32);
        frame.put_slice(&body);
        frame.freeze()
    }

    fn report(bytes: usize) -> Report {
        let section = Section {
            body: vec![b'x'; bytes].into(),
            ..Section::default()
        };
        Report {
            sections: vec![section],
            ..Report::default()
        }
    }

    /// Frames as a sender makes them whose window has `window` bytes.
    async fn receive(messages: &[Report], window: usize) -> (Vec<usize>, Vec<bool>) {
        let held = Arc::default();
        let frames: Vec<_> = messages
            .iter()
            .map(framed)
            .flat_map(|m| {
                m.chunks(window)
                    .map(Bytes::copy_from_slice)
                    .collect::<Vec<_>>()
            })
            .map(|part| Ok::<_, Status>(http_body::Frame::data(part)))
            .collect();
        let decoder = Watched {
            inner: LeanCodec::<Report, Report>::default().decoder(),
            held: Arc::clone(&held),
        };
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        let mut stream = Streaming::new_request(decoder, body, None, None);
        let mut sizes = Vec::new();
        while let Some(report) = stream.message().await.expect("readable") {
            sizes.push(report.sections[0].body.len());
        }
        let held = held.lock().expect("no panic elsewhere").clone();
        (sizes, held)
    }

    #[tokio::test]
    async fn the_buffer_of_a_large_message_is_given_back_while_small_ones_come() {
        let mut messages = vec![report(30_000)];
        messages.extend(std::iter::repeat_n(report(20), 100));
        let (sizes, held) = receive(&messages, 2_048).await;
        assert_eq!(sizes[0], 30_000);
        assert!(held[0], "the large message is held at first");
        let freed = held.iter().position(|held| !held);
        assert!(
            freed.is_some_and(|n| n <= 90),
            "given back after {freed:?} messages"
        );
        assert!(held[90..].iter().all(|held| !held));
    }

    #[tokio::test]
    async fn messages_of_all_sizes_arrive_whole_and_in_order() {
        let all = [0, 1, 511, 512, 2_048, 100_000, 3, 70_000, 70_000, 0];
        let messages = all.map(report);
        for window in [1, 100, 2_048, 1 << 20] {
            assert_eq!(receive(&messages, window).await.0, all);
        }
    }
}
