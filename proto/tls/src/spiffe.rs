//! Names in certificates: `spiffe://<fleet>/<kind>/…`.

use std::fmt;
use std::str::FromStr;

use h8lio_model::ids::{FleetName, NodeId, OperatorName};
use h8lio_model::operator::OperatorRole;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Who a certificate speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    pub fleet: FleetName,
    pub subject: Subject,
}

/// The kinds of identity in a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A server's agent.
    Node(NodeId),
    /// A coordinator, by its name.
    Coordinator(String),
    /// A person or a program acting for one.
    Operator {
        name: OperatorName,
        role: OperatorRole,
    },
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/", self.fleet)?;
        match &self.subject {
            Subject::Node(id) => write!(f, "node/{id}"),
            Subject::Coordinator(name) => write!(f, "coordinator/{name}"),
            Subject::Operator { name, role } => write!(f, "operator/{name}/{role}"),
        }
    }
}

/// Why a text is not an id of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an h8lio identity (spiffe://<fleet>/node|coordinator|operator/…)")]
pub struct NotAnId(pub String);

impl FromStr for SpiffeId {
    type Err = NotAnId;

    fn from_str(s: &str) -> Result<Self, NotAnId> {
        let no = || NotAnId(s.chars().take(200).collect());
        let rest = s.strip_prefix("spiffe://").ok_or_else(no)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let fleet = parts[0].parse().map_err(|_| no())?;
        let subject = match parts[1..] {
            ["node", id] => Subject::Node(id.parse().map_err(|_| no())?),
            ["coordinator", name] => {
                // Held to the same alphabet as every other name.
                let name: OperatorName = name.parse().map_err(|_| no())?;
                Subject::Coordinator(name.into())
            }
            ["operator", name, role] => Subject::Operator {
                name: name.parse().map_err(|_| no())?,
                role: role.parse().map_err(|_| no())?,
            },
            _ => return Err(no()),
        };
        Ok(Self { fleet, subject })
    }
}

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    #[error("the certificate cannot be read as X.509")]
    Malformed,
    #[error("the certificate names {0} identities; exactly one URI is allowed and nothing else")]
    NotOneName(usize),
    #[error(transparent)]
    NotAnId(#[from] NotAnId),
}

/// Reads a DER certificate.
///
/// # Errors
/// [`CertificateFault::Malformed`] also when bytes follow the certificate.
pub fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateFault> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateFault::Malformed),
    }
}

/// The one identity of a certificate. More than one name of any kind is refused: a certificate
/// that speaks for two is a mistake or an attack.
///
/// # Errors
/// [`CertificateFault`].
pub fn of_certificate(der: &[u8]) -> Result<SpiffeId, CertificateFault> {
    let certificate = parse(der)?;
    let san = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateFault::Malformed)?;
    let names = san
        .map(|s| s.value.general_names.as_slice())
        .unwrap_or_default();
    match names {
        [GeneralName::URI(uri)] => Ok(uri.parse()?),
        _ => Err(CertificateFault::NotOneName(names.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("spiffe://f/node/00000000-0000-0000-0000-000000000007")]
    #[case("spiffe://f/coordinator/c1")]
    #[case("spiffe://f/operator/ada/approver")]
    fn an_id_reads_back_as_it_prints(#[case] text: &str) {
        assert_eq!(text.parse::<SpiffeId>().expect("valid").to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case("https://f/node/00000000-0000-0000-0000-000000000007")]
    #[case("spiffe:///node/00000000-0000-0000-0000-000000000007")]
    #[case("spiffe://f/node/00000000-0000-0000-0000-000000000007/x")]
    #[case("spiffe://f/node/")]
    #[case("spiffe://F/node/00000000-0000-0000-0000-000000000007")]
    #[case("spiffe://f/operator/ada/root")]
    #[case("spiffe://f/operator/ada")]
    #[case("spiffe://f/coordinator/../c")]
    fn near_misses_are_nobody(#[case] text: &str) {
        text.parse::<SpiffeId>().expect_err("must be refused");
    }
}
