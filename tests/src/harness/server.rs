//! A server played by hand: it enrolls, renews and opens sessions when the test says so.

use std::sync::Arc;

use h8lio_coordinator::clock::Clock as _;
use h8lio_model::ids::{AgentInstance, BootId};
use h8lio_proto::convert::timestamp;
use h8lio_proto::v1;
use h8lio_proto::v1::enroll_response::Outcome;
use h8lio_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::client::ConnectError;
use h8lio_tls::identity::{self, Identity};
use h8lio_tls::token::JoinToken;
use h8lio_tls::verify::Trust;
use jiff::SignedDuration;
use rcgen::KeyPair;
use tonic::Status;
use tonic::transport::Channel;
use uuid::Uuid;

use super::client::{self, Dial};
use super::session::Session;

/// A server and what lies on its disk.
#[derive(Debug, Clone)]
pub struct Server {
    pub name: String,
    pub claims: v1::Claims,
    pub key: Arc<KeyPair>,
    /// The certificate that it uses.
    pub identity: Option<Arc<Identity>>,
    pub boot: BootId,
    pub instance: AgentInstance,
    /// How wrong its wall clock is.
    pub clock_error: SignedDuration,
    /// The audit head that its agent remembers.
    pub remembers: Option<v1::AuditHead>,
    pub dial: Dial,
}

/// What the coordinator said to a server that wants to join.
#[derive(Debug)]
pub enum Answer {
    Issued(Arc<Identity>),
    /// Why it has to wait.
    Pending(String),
}

impl Answer {
    /// The certificate.
    ///
    /// # Panics
    /// When there is none.
    pub fn issued(self) -> Arc<Identity> {
        match self {
            Self::Issued(identity) => identity,
            Self::Pending(why) => panic!("it has to wait: {why}"),
        }
    }

    /// Why it waits.
    ///
    /// # Panics
    /// When it does not.
    pub fn pending(self) -> String {
        match self {
            Self::Pending(why) => why,
            Self::Issued(identity) => panic!("it was let in: {identity:?}"),
        }
    }
}

impl Server {
    pub(super) fn new(name: &str, dial: Dial) -> Self {
        let claims = v1::Claims {
            hostname: name.to_owned(),
            serial: name.to_uppercase(),
            ..Default::default()
        };
        Self {
            name: name.to_owned(),
            claims,
            key: Arc::new(identity::generate_key().expect("a key")),
            identity: None,
            boot: BootId(Uuid::new_v4()),
            instance: AgentInstance(Uuid::new_v4()),
            clock_error: SignedDuration::ZERO,
            remembers: None,
            dial,
        }
    }

    /// The same disk in another server: all is copied, but it was booted by itself.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut copy = self.clone();
        copy.reboot();
        copy
    }

    /// Boots anew.
    pub fn reboot(&mut self) {
        self.boot = BootId(Uuid::new_v4());
        self.restart_agent();
    }

    /// Only the agent starts anew.
    pub fn restart_agent(&mut self) {
        self.instance = AgentInstance(Uuid::new_v4());
    }

    /// Follows a coordinator that was restarted on another port.
    pub const fn follow(&mut self, fleet: &super::Fleet) {
        self.dial.address = fleet.dial.address;
    }

    /// The certificate that it uses.
    ///
    /// # Panics
    /// When it has none.
    pub fn identity(&self) -> &Arc<Identity> {
        self.identity.as_ref().expect("it is enrolled")
    }

    /// The request for a certificate.
    pub fn request(&self, token: &JoinToken) -> v1::EnrollRequest {
        use secrecy::ExposeSecret as _;
        v1::EnrollRequest {
            token_id: token.id.to_string(),
            token_secret: token.secret.expose_secret().clone(),
            csr: identity::csr(&self.key).expect("a request"),
            claims: Some(self.claims.clone()),
        }
    }

    /// Asks to join.
    ///
    /// # Errors
    /// As the coordinator says.
    ///
    /// # Panics
    /// When it cannot be reached.
    pub async fn enroll(&mut self, token: &JoinToken) -> Result<Answer, Status> {
        let channel = self.strangers_channel(token).await;
        self.ask(channel.expect("connected"), self.request(token))
            .await
    }

    /// A connection without a certificate.
    ///
    /// # Errors
    /// When the coordinator cannot be reached.
    pub async fn strangers_channel(&self, token: &JoinToken) -> Result<Channel, ConnectError> {
        client::dial_as(&self.dial, Trust::Pin(token.pin), None).await
    }

    /// Sends a request to join that the test has made.
    ///
    /// # Errors
    /// As the coordinator says.
    ///
    /// # Panics
    /// When the answer is not one.
    pub async fn ask(
        &mut self,
        channel: Channel,
        request: v1::EnrollRequest,
    ) -> Result<Answer, Status> {
        let answer = EnrollmentServiceClient::new(channel)
            .enroll(request)
            .await?
            .into_inner();
        match answer.outcome.expect("an outcome") {
            Outcome::Issued(issued) => Ok(Answer::Issued(self.save(issued))),
            Outcome::Pending(p) => Ok(Answer::Pending(p.explanation)),
        }
    }

    /// Takes over a certificate: it lies on the disk now.
    fn save(&mut self, issued: v1::IssuedCertificate) -> Arc<Identity> {
        let identity = Arc::new(self.read(issued));
        self.identity = Some(Arc::clone(&identity));
        identity
    }

    fn read(&self, issued: v1::IssuedCertificate) -> Identity {
        let roots = issued.trust_bundle.expect("a bundle").roots;
        TrustBundle::new(roots.into_iter().map(Into::into).collect()).expect("roots");
        let chain = issued.chain.into_iter().map(Into::into).collect();
        Identity::new(chain, identity::key_to_der(&self.key)).expect("an identity")
    }

    /// A connection with its certificate.
    ///
    /// # Panics
    /// When it is not enrolled, or the coordinator cannot be reached.
    pub async fn channel(&self) -> Channel {
        client::dial(&self.dial, Some(self.identity()))
            .await
            .expect("connected")
    }

    /// Asks for the next certificate and does not save it: as if power was lost in between.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn renew_and_lose(&self) -> Result<Identity, Status> {
        let csr = identity::csr(&self.key).expect("a request");
        let request = v1::RenewRequest { csr };
        let answer = EnrollmentServiceClient::new(self.channel().await)
            .renew(request)
            .await?;
        Ok(self.read(answer.into_inner().issued.expect("issued")))
    }

    /// Asks for the next certificate and saves it.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn renew(&mut self) -> Result<Arc<Identity>, Status> {
        let identity = Arc::new(self.renew_and_lose().await?);
        self.identity = Some(Arc::clone(&identity));
        Ok(identity)
    }

    /// Regains a certificate with one that may have expired.
    ///
    /// # Errors
    /// As the coordinator says.
    ///
    /// # Panics
    /// When the answer is no certificate.
    pub async fn reattest(&mut self) -> Result<Arc<Identity>, Status> {
        let csr = identity::csr(&self.key).expect("a request");
        let request = v1::ReattestRequest {
            csr,
            claims: Some(self.claims.clone()),
        };
        let answer = EnrollmentServiceClient::new(self.channel().await)
            .reattest(request)
            .await?;
        Ok(self.save(answer.into_inner().issued.expect("issued")))
    }

    /// What it says first in a session.
    pub fn hello(&self) -> v1::Hello {
        let now = self
            .dial
            .clock
            .now()
            .checked_add(self.clock_error)
            .expect("in range");
        v1::Hello {
            boot_id: self.boot.to_string(),
            agent_instance: self.instance.0.to_string(),
            agent_version: "0.0.0-test".to_owned(),
            wall_clock: Some(timestamp(now)),
            sections: Vec::new(),
            audit_head: self.remembers.clone(),
            trust_bundle_digest: self.dial.bundle.digest().0.to_vec(),
        }
    }

    /// Opens a session and waits for its Welcome.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn session(&self) -> Result<Session, Status> {
        let mut session = self.stream().await?;
        session.greet(self.hello()).await?;
        Ok(session)
    }

    /// Opens the stream of a session and says nothing yet.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn stream(&self) -> Result<Session, Status> {
        let clock = Arc::clone(&self.dial.clock);
        Session::open(self.channel().await, clock, self.clock_error).await
    }
}
