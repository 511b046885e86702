//! Why a connection failed, in an operator's words.

use std::io;

use h8lio_tls::cause::{explain, explain_tls, find_tls, refusal};
use rustls::{AlertDescription, CertificateError, Error};

#[test]
fn each_io_error_has_its_own_words() {
    for (kind, words) in [
        (io::ErrorKind::ConnectionRefused, "nothing listens there"),
        (io::ErrorKind::ConnectionReset, "closed the connection"),
        (io::ErrorKind::BrokenPipe, "closed the connection"),
        (io::ErrorKind::UnexpectedEof, "during the TLS handshake"),
        (io::ErrorKind::TimedOut, "timed out"),
    ] {
        let text = explain(&io::Error::from(kind));
        assert!(text.contains(words), "{kind:?}: {text}");
    }
}

#[test]
fn each_alert_and_each_certificate_error_has_its_own_words() {
    use AlertDescription as A;
    for (alert, words) in [
        (A::CertificateExpired, "our certificate has expired"),
        (A::UnknownCA, "does not know the CA"),
        (A::CertificateRequired, "none was shown"),
        (A::BadCertificate, "refused our certificate"),
        (A::CertificateRevoked, "refused our certificate"),
        (A::CertificateUnknown, "refused our certificate"),
        (A::UnsupportedCertificate, "refused our certificate"),
        (A::AccessDenied, "not yet valid by its clock"),
        (A::DecryptError, "refused our certificate"),
        (A::ProtocolVersion, "does not speak TLS 1.3"),
        (A::InternalError, "ended the TLS handshake (InternalError)"),
    ] {
        let text = explain_tls(&Error::AlertReceived(alert));
        assert!(text.contains(words), "{alert:?}: {text}");
    }
    for (error, words) in [
        (CertificateError::UnknownIssuer, "not signed by the CA"),
        (CertificateError::InvalidPurpose, "extended key usage"),
        (CertificateError::BadSignature, "not signed by the CA"),
        (CertificateError::Revoked, "bad certificate: "),
    ] {
        let text = explain_tls(&Error::InvalidCertificate(error));
        assert!(text.contains(words), "{text}");
    }
    let no_tls = Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
    assert!(explain_tls(&no_tls).contains("is not TLS"));
    assert_eq!(
        explain_tls(&Error::DecryptError),
        Error::DecryptError.to_string()
    );
}

#[test]
fn an_error_without_a_known_cause_says_its_deepest_words() {
    let deep = io::Error::other(io::Error::other("the disk is on fire"));
    assert_eq!(explain(&deep), "the disk is on fire");
    assert!(find_tls(&deep).is_none());
    assert_eq!(refusal(&deep), None);
}

#[test]
fn a_refusal_is_found_by_its_type_at_any_depth() {
    let tls = Error::AlertReceived(AlertDescription::AccessDenied);
    let deep = io::Error::other(io::Error::other(tls.clone()));
    assert_eq!(find_tls(&deep), Some(&tls));
    assert_eq!(refusal(&deep), Some(tls));
}
