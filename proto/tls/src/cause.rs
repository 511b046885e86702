//! What really went wrong with a connection. tonic says "transport error"; the cause is some
//! sources deeper, and an operator needs that one.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::verify::NotOurs;

/// One line with the deepest cause that means something.
pub fn explain(error: &(dyn Error + 'static)) -> String {
    let mut last = error.to_string();
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(text) = known(e) {
            return text;
        }
        last = e.to_string();
        next = inner(e);
    }
    last
}

/// The error below: like `source`, but also what an `io::Error` carries.
fn inner<'a>(e: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(io) = e.downcast_ref::<io::Error>()
        && let Some(carried) = io.get_ref()
    {
        return Some(carried);
    }
    e.source()
}

/// The rustls error somewhere in the chain, if one is.
pub fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(tls) = e.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        next = inner(e);
    }
    None
}

/// Why this side did not take the server for the coordinator, if that is what went wrong.
pub fn not_ours<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a NotOurs> {
    match find_tls(error)? {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<NotOurs>()
        }
        _ => None,
    }
}

/// Whether one side refused the other's certificate, and how. With TLS 1.3 a refused client
/// certificate shows at the first read, where h2 keeps only the *text* of the I/O error.
pub fn refusal(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    if let Some(tls) = find_tls(error) {
        return Some(tls.clone());
    }
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(alert) = alert_in(&e.to_string()) {
            return Some(rustls::Error::AlertReceived(alert));
        }
        next = inner(e);
    }
    None
}

/// The alert that rustls wrote into `text`.
fn alert_in(text: &str) -> Option<AlertDescription> {
    let (_, rest) = text.split_once("received fatal alert: ")?;
    let certificate_alerts = [
        AlertDescription::CertificateExpired,
        AlertDescription::UnknownCA,
        AlertDescription::CertificateRequired,
        AlertDescription::BadCertificate,
        AlertDescription::CertificateUnknown,
        AlertDescription::CertificateRevoked,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::AccessDenied,
        AlertDescription::DecryptError,
        AlertDescription::ProtocolVersion,
    ];
    certificate_alerts
        .into_iter()
        .find(|a| rest.starts_with(&format!("{a:?}")))
}

fn known(e: &(dyn Error + 'static)) -> Option<String> {
    if let Some(tls) = e.downcast_ref::<rustls::Error>() {
        return Some(explain_tls(tls));
    }
    if let Some(alert) = alert_in(&e.to_string()) {
        return Some(explain_alert(alert));
    }
    let io = e.downcast_ref::<io::Error>()?;
    if io.get_ref().is_some() {
        return None;
    }
    Some(match io.kind() {
        io::ErrorKind::ConnectionRefused => {
            "connection refused: nothing listens there; is the coordinator running?".into()
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the coordinator closed the connection".into()
        }
        io::ErrorKind::UnexpectedEof => {
            "the connection was closed during the TLS handshake; is this the coordinator's port?"
                .into()
        }
        _ => io.to_string(),
    })
}

/// A TLS error in an operator's words.
pub fn explain_tls(e: &rustls::Error) -> String {
    match e {
        rustls::Error::InvalidCertificate(c) => explain_certificate(c),
        rustls::Error::AlertReceived(alert) => explain_alert(*alert),
        rustls::Error::InvalidMessage(_) => {
            "the answer is not TLS; is this the coordinator's port?".into()
        }
        other => other.to_string(),
    }
}

fn explain_certificate(c: &CertificateError) -> String {
    match c {
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the coordinator's certificate expired at {} and the clock here says {}: if this clock is right, restart the coordinator, which renews its own certificate",
            utc(not_after.as_secs()),
            utc(time.as_secs())
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the coordinator's certificate is not yet valid: it begins at {} and the clock here says {}: one of the two clocks is wrong, compare them (timedatectl)",
            utc(not_before.as_secs()),
            utc(time.as_secs())
        ),
        // A CA that was made anew has the name of the old one and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the coordinator's certificate is not signed by the CA that is trusted here: wrong coordinator, or its CA was made anew".into()
        }
        CertificateError::InvalidPurpose => {
            "the certificate was not made for this purpose (extended key usage)".into()
        }
        CertificateError::Other(o) => o.to_string(),
        other => format!("bad certificate: {other}"),
    }
}

fn explain_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateExpired => {
            "the coordinator says that our certificate has expired".into()
        }
        AlertDescription::UnknownCA => {
            "the coordinator does not know the CA of our certificate: it belongs to another fleet, or the CA was rotated and its overlap has ended".into()
        }
        AlertDescription::CertificateRequired => {
            "the coordinator asks for a client certificate and none was shown".into()
        }
        AlertDescription::AccessDenied => {
            "the coordinator says that our certificate is not yet valid by its clock: one of the two clocks is wrong, compare them (timedatectl)".into()
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::DecryptError
        | AlertDescription::UnsupportedCertificate => {
            "the coordinator refused our certificate; its log says why".into()
        }
        AlertDescription::ProtocolVersion => "the other side does not speak TLS 1.3".into(),
        other => format!("the coordinator ended the TLS handshake ({other:?})"),
    }
}

fn utc(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok())
        .map_or_else(|| seconds.to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tls_cause_is_found_inside_io_errors() {
        let tls = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let wrapped = io::Error::other(io::Error::other(tls));
        assert!(
            explain(&wrapped).contains("another fleet"),
            "{}",
            explain(&wrapped)
        );
        assert!(find_tls(&wrapped).is_some());
    }

    #[test]
    fn a_refused_client_certificate_is_known_by_its_text_where_the_type_was_lost() {
        let tls = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let only_text = io::Error::other(tls.to_string());
        assert_eq!(refusal(&only_text), Some(tls));
        assert!(explain(&only_text).contains("another fleet"));
        assert_eq!(refusal(&io::Error::other("connection reset")), None);
    }

    #[test]
    fn an_alert_of_which_only_the_text_is_left_is_explained_too() {
        let text = |alert| rustls::Error::AlertReceived(alert).to_string();
        for alert in [AlertDescription::UnknownCA, AlertDescription::AccessDenied] {
            let left = io::Error::other(text(alert));
            assert_eq!(explain(&left), explain_alert(alert));
        }
    }

    #[test]
    fn not_yet_valid_is_told_from_expired_and_blames_the_clock() {
        use rustls::pki_types::UnixTime;
        let at = |s| UnixTime::since_unix_epoch(std::time::Duration::from_secs(s));
        let early = CertificateError::NotValidYetContext {
            time: at(0),
            not_before: at(86_400),
        };
        let text = explain_certificate(&early);
        assert!(
            text.contains("not yet valid")
                && text.contains("1970-01-02")
                && text.contains("one of the two clocks"),
            "{text}"
        );
        let late = CertificateError::ExpiredContext {
            time: at(86_400),
            not_after: at(0),
        };
        assert!(explain_certificate(&late).contains("expired at"));
    }
}
