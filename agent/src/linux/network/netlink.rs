//! Route-netlink dumps over a blocking socket.

use std::io;

use h8lio_model::inventory::Problem;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use rtnetlink::packet_route::route::RouteMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// More messages than this end a dump: a server that carries the internet's routing table is
/// not asked for all of it.
const MOST: usize = 4096;

/// A dump that the kernel marks as inconsistent is asked again this often.
const TRIES: usize = 4;

/// What a dump brought.
#[derive(Debug, Default)]
pub(super) struct Dump {
    pub(super) messages: Vec<RouteNetlinkMessage>,
    /// Messages that could not be decoded.
    pub(super) not_understood: usize,
    /// Why it ended early.
    pub(super) ended: Option<DumpError>,
}

/// Why a dump has no end.
#[derive(Debug, thiserror::Error)]
pub(super) enum DumpError {
    #[error("cannot ask the kernel")]
    Io(#[source] io::Error),
    #[error("the kernel's answer is cut off")]
    CutOff,
    #[error("there are more than {MOST} entries; the rest is left out")]
    TooMany,
    #[error("the network changed during each of {TRIES} readings")]
    Inconsistent,
}

impl DumpError {
    pub(super) fn problem(&self, what: &str) -> Problem {
        let reason = match self {
            Self::Io(e) if e.kind() == io::ErrorKind::PermissionDenied => "NotPermitted",
            Self::Io(e) if e.kind() == io::ErrorKind::WouldBlock => "TimedOut",
            Self::CutOff => "NotUnderstood",
            Self::Io(_) | Self::TooMany | Self::Inconsistent => "Failed",
        };
        let cause = std::error::Error::source(self)
            .map(|s| format!(": {s}"))
            .unwrap_or_default();
        Problem {
            what: what.to_owned(),
            reason: reason.to_owned(),
            message: format!("{self}{cause}"),
        }
    }
}

/// All links, without their counters.
pub(super) fn links() -> Dump {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    dump(&RouteNetlinkMessage::GetLink(message))
}

/// All addresses of both families.
pub(super) fn addresses() -> Dump {
    dump(&RouteNetlinkMessage::GetAddress(AddressMessage::default()))
}

/// All routes of both families and all tables.
pub(super) fn routes() -> Dump {
    let mut all = Dump::default();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        let one = dump(&RouteNetlinkMessage::GetRoute(message));
        all.messages.extend(one.messages);
        all.not_understood += one.not_understood;
        all.ended = all.ended.or(one.ended);
    }
    all
}

fn dump(request: &RouteNetlinkMessage) -> Dump {
    for _ in 0..TRIES {
        let mut dump = Dump::default();
        match once(request, &mut dump) {
            Ok(Consistent(true)) => return dump,
            Ok(Consistent(false)) => {}
            Err(e) => {
                dump.ended = Some(e);
                return dump;
            }
        }
    }
    Dump {
        ended: Some(DumpError::Inconsistent),
        ..Dump::default()
    }
}

struct Consistent(bool);

fn once(request: &RouteNetlinkMessage, dump: &mut Dump) -> Result<Consistent, DumpError> {
    let mut socket = Socket::new(NETLINK_ROUTE).map_err(DumpError::Io)?;
    socket.bind_auto().map_err(DumpError::Io)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(2, 0))
        .map_err(|e| DumpError::Io(e.into()))?;
    let mut message = NetlinkMessage::from(request.clone());
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.header.sequence_number = 1;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket
        .send_to(&bytes, &SocketAddr::new(0, 0), 0)
        .map_err(DumpError::Io)?;
    let mut consistent = true;
    loop {
        let datagram = match socket.recv_from_full() {
            Ok((datagram, _)) => datagram,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(DumpError::Io(e)),
        };
        if let End::Reached = read_datagram(&datagram, dump, &mut consistent)? {
            return Ok(Consistent(consistent));
        }
        if dump.messages.len() > MOST {
            dump.messages.truncate(MOST);
            return Err(DumpError::TooMany);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Reached,
    More,
}

fn read_datagram(
    datagram: &[u8],
    dump: &mut Dump,
    consistent: &mut bool,
) -> Result<End, DumpError> {
    let mut rest = datagram;
    while !rest.is_empty() {
        let frame = NetlinkBuffer::new_checked(rest).map_err(|_| DumpError::CutOff)?;
        let length = frame.length() as usize;
        *consistent &= frame.flags() & NLM_F_DUMP_INTR == 0;
        let message = rest.get(..length).ok_or(DumpError::CutOff)?;
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(message).map(|m| m.payload) {
            Ok(NetlinkPayload::Done(_)) => return Ok(End::Reached),
            Ok(NetlinkPayload::Error(e)) if e.code.is_some() => {
                return Err(DumpError::Io(e.to_io()));
            }
            Ok(NetlinkPayload::InnerMessage(m)) => dump.messages.push(m),
            Ok(_) => {}
            Err(_) => dump.not_understood += 1,
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(End::More)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: RouteNetlinkMessage) -> Vec<u8> {
        let mut message = NetlinkMessage::from(payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    #[test]
    fn binary_junk_is_cut_off_and_never_a_link() {
        let mut dump = Dump::default();
        let got = read_datagram(&[7; 60], &mut dump, &mut true);
        assert!(matches!(got, Err(DumpError::CutOff)));
        assert!(dump.messages.is_empty());
    }

    #[test]
    fn a_message_that_cannot_be_decoded_is_counted_and_the_next_is_read() {
        let mut named = LinkMessage::default();
        named.attributes.push(LinkAttribute::IfName("eth0".into()));
        let good = framed(RouteNetlinkMessage::NewLink(named));
        let mut bad = good.clone();
        // The attribute claims to be longer than its message.
        bad[32] = 0xff;
        let mut dump = Dump::default();
        let both = [bad, good].concat();
        let end = read_datagram(&both, &mut dump, &mut true).expect("whole frames");
        assert_eq!(end, End::More);
        assert_eq!((dump.not_understood, dump.messages.len()), (1, 1));
    }

    #[test]
    fn half_a_message_is_cut_off() {
        let whole = framed(RouteNetlinkMessage::NewLink(LinkMessage::default()));
        let mut dump = Dump::default();
        let got = read_datagram(&whole[..whole.len() - 4], &mut dump, &mut true);
        assert!(matches!(got, Err(DumpError::CutOff)));
    }

    #[test]
    fn an_inconsistent_dump_is_noticed() {
        let mut bytes = framed(RouteNetlinkMessage::NewLink(LinkMessage::default()));
        bytes[6] |= NLM_F_DUMP_INTR as u8;
        let mut consistent = true;
        read_datagram(&bytes, &mut Dump::default(), &mut consistent).expect("whole");
        assert!(!consistent);
    }
}
