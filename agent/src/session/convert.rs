//! Between the machine's words and the wire.

use h8lio_model::ids::Incarnation;
use h8lio_model::section::SectionKind;
use h8lio_proto::convert::{
    Invalid, read_duration, read_section_digests, read_timestamp, section_digest, timestamp,
};
use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Request;
use h8lio_proto::v1::connect_response::Message as Response;
use jiff::Timestamp;

use super::Caller;
use super::machine::{Goodbye, Incoming, Outgoing, Pace, Welcome};
use super::outbox::Report;

/// A message to the wire, sent at `wall`.
pub(super) fn request(out: Outgoing, caller: &Caller, wall: Timestamp) -> v1::ConnectRequest {
    let message = match out {
        Outgoing::Hello {
            sections,
            audit_head,
        } => Request::Hello(v1::Hello {
            boot_id: caller.boot_id.to_string(),
            agent_instance: caller.instance.0.to_string(),
            agent_version: caller.version.to_owned(),
            wall_clock: Some(timestamp(wall)),
            sections: sections
                .into_iter()
                .map(|(k, d)| section_digest(k, d))
                .collect(),
            audit_head: audit_head.map(Into::into),
            trust_bundle_digest: caller.bundle.0.to_vec(),
        }),
        Outgoing::Beat { seq } => Request::Beat(v1::Beat {
            seq,
            wall_clock_ms: wall.as_millisecond(),
        }),
        Outgoing::Report(report) => Request::Report(report_to_wire(report)),
        Outgoing::Goodbye(why) => Request::Goodbye(v1::Goodbye {
            reason: reason(why) as i32,
        }),
    };
    v1::ConnectRequest {
        message: Some(message),
    }
}

fn report_to_wire(report: Report) -> v1::Report {
    v1::Report {
        sections: report.sections.into_iter().map(Into::into).collect(),
        confirmed: report
            .confirmed
            .into_iter()
            .map(|(k, d)| section_digest(k, d))
            .collect(),
    }
}

const fn reason(why: Goodbye) -> v1::goodbye::Reason {
    match why {
        Goodbye::Restart => v1::goodbye::Reason::Restart,
        Goodbye::Shutdown => v1::goodbye::Reason::Shutdown,
        Goodbye::Moved => v1::goodbye::Reason::Moved,
    }
}

/// A message from the wire; `None`: a kind that this agent does not know (a newer coordinator).
pub(super) fn response(message: v1::ConnectResponse) -> Result<Option<Incoming>, Invalid> {
    let Some(message) = message.message else {
        return Ok(None);
    };
    Ok(Some(match message {
        Response::Welcome(w) => Incoming::Welcome(Box::new(welcome(w)?)),
        Response::Pace(p) => Incoming::Pace(pace(Some(p))?),
        Response::Receipt(r) => Incoming::Receipt {
            received: read_section_digests(&r.received)?,
            refused: r
                .refused
                .into_iter()
                .filter_map(|r| Some((SectionKind::from_wire(r.kind)?, r.why)))
                .collect(),
        },
        Response::TrustBundle(b) => Incoming::TrustBundle(b.roots),
        Response::AuditHead(h) => Incoming::AuditHead(h.try_into()?),
        Response::RenewNow(_) => Incoming::RenewNow,
        Response::Restricted(r) => Incoming::Restricted((!r.lifted).then_some(r.explanation)),
        Response::Order(o) => Incoming::Order(o.body),
    }))
}

fn welcome(w: v1::Welcome) -> Result<Welcome, Invalid> {
    let incarnation = w
        .incarnation
        .parse()
        .map_err(|e| Invalid::new("welcome.incarnation", e))?;
    Ok(Welcome {
        coordinator: w.coordinator,
        incarnation: Incarnation(incarnation),
        epoch: w.epoch,
        pace: pace(w.pace)?,
        wall_clock: read_timestamp("welcome.wall_clock", w.wall_clock)?,
        wanted: w
            .wanted
            .into_iter()
            .filter_map(SectionKind::from_wire)
            .collect(),
        audit_head: w.audit_head.map(TryInto::try_into).transpose()?,
        trust_bundle: w.trust_bundle.map(|b| b.roots),
        restricted: w.restricted.filter(|r| !r.lifted).map(|r| r.explanation),
    })
}

fn pace(p: Option<v1::Pace>) -> Result<Pace, Invalid> {
    let p = p.ok_or_else(|| Invalid::new("pace", "is missing"))?;
    Ok(Pace {
        beat: read_duration("pace.beat", p.beat)?,
        report: read_duration("pace.report", p.report)?,
        max_report_bytes: p.max_report_bytes as usize,
    })
}
