//! The server's side: it never sees a password, only records that need its setup to be tried.

use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload,
    ServerLoginParameters, ServerRegistration,
};
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::{LoginError, LoginSecret, Parties, Suite, context};

/// The organisation's OPAQUE secrets; one for all accounts, kept encrypted at rest.
pub struct ServerSetup(opaque_ke::ServerSetup<Suite>);

impl std::fmt::Debug for ServerSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerSetup(..)")
    }
}

impl ServerSetup {
    /// A fresh one.
    pub fn generate() -> Self {
        Self(opaque_ke::ServerSetup::new(&mut OsRng))
    }

    /// Secret bytes for storage.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize().to_vec())
    }

    /// Reads what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// [`LoginError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoginError> {
        Ok(Self(opaque_ke::ServerSetup::deserialize(bytes).map_err(|_| LoginError::Malformed)?))
    }

    /// Answers a registration request for this credential identifier, a canonical user name but for SE-27.
    ///
    /// # Errors
    /// [`LoginError::Malformed`].
    pub fn registration_response(&self, user: &str, request: &[u8]) -> Result<Vec<u8>, LoginError> {
        let request = RegistrationRequest::deserialize(request).map_err(|_| LoginError::Malformed)?;
        let started = ServerRegistration::<Suite>::start(&self.0, request, user.as_bytes())
            .map_err(|_| LoginError::Malformed)?;
        Ok(started.message.serialize().to_vec())
    }
}

/// What the server stores of an account's password.
#[derive(Clone)]
pub struct PasswordRecord(Vec<u8>);

impl std::fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordRecord(..)")
    }
}

impl PasswordRecord {
    /// From a client's registration upload.
    ///
    /// # Errors
    /// [`LoginError::Malformed`].
    pub fn from_upload(upload: &[u8]) -> Result<Self, LoginError> {
        let upload = RegistrationUpload::<Suite>::deserialize(upload).map_err(|_| LoginError::Malformed)?;
        Ok(Self(ServerRegistration::finish(upload).serialize().to_vec()))
    }

    /// Reads a stored record.
    ///
    /// # Errors
    /// [`LoginError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoginError> {
        ServerRegistration::<Suite>::deserialize(bytes).map_err(|_| LoginError::Malformed)?;
        Ok(Self(bytes.to_vec()))
    }

    /// Bytes for storage.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A login that waits for the client's third message.
pub struct ServerLogin {
    state: opaque_ke::ServerLogin<Suite>,
    context: Zeroizing<Vec<u8>>,
    user: String,
    root: [u8; 32],
}

/// A login under way and the message that challenges the client.
pub struct Challenge {
    /// Waits for OPAQUE's third message.
    pub state: ServerLogin,
    /// OPAQUE's second message.
    pub ke2: Vec<u8>,
}

impl ServerLogin {
    /// Answers OPAQUE's first message. Without a record the answer is a fake one of the same shape, and
    /// the login will fail (SE-7).
    ///
    /// # Errors
    /// [`LoginError::Malformed`].
    pub fn start(
        setup: &ServerSetup,
        record: Option<&PasswordRecord>,
        ke1: &[u8],
        parties: Parties<'_>,
        exporter: &[u8; 32],
    ) -> Result<Challenge, LoginError> {
        Self::start_for(setup, record, parties.user, ke1, parties, exporter)
    }

    /// As [`Self::start`], for a record whose credential identifier is not the client's identity (SE-27).
    ///
    /// # Errors
    /// [`LoginError::Malformed`].
    pub fn start_for(
        setup: &ServerSetup,
        record: Option<&PasswordRecord>,
        credential: &str,
        ke1: &[u8],
        parties: Parties<'_>,
        exporter: &[u8; 32],
    ) -> Result<Challenge, LoginError> {
        let request = CredentialRequest::deserialize(ke1).map_err(|_| LoginError::Malformed)?;
        let record = record
            .map(|r| ServerRegistration::<Suite>::deserialize(r.as_bytes()))
            .transpose()
            .map_err(|_| LoginError::Malformed)?;
        let context = context(exporter);
        let parameters =
            ServerLoginParameters { context: Some(&context), identifiers: parties.identifiers() };
        let started = opaque_ke::ServerLogin::start(
            &mut OsRng,
            &setup.0,
            record,
            request,
            credential.as_bytes(),
            parameters,
        )
        .map_err(|_| LoginError::Malformed)?;
        let ke2 = started.message.serialize().to_vec();
        let state =
            Self { state: started.state, context, user: parties.user.to_owned(), root: *parties.root };
        Ok(Challenge { state, ke2 })
    }

    /// Checks the client's third message.
    ///
    /// # Errors
    /// [`LoginError::Refused`], or [`LoginError::Malformed`].
    pub fn finish(self, ke3: &[u8]) -> Result<LoginSecret, LoginError> {
        let finalization = CredentialFinalization::deserialize(ke3).map_err(|_| LoginError::Malformed)?;
        let parties = Parties { user: &self.user, root: &self.root };
        let parameters =
            ServerLoginParameters { context: Some(&self.context), identifiers: parties.identifiers() };
        let done = self.state.finish(finalization, parameters).map_err(|_| LoginError::Refused)?;
        let key: Zeroizing<Vec<u8>> = Zeroizing::new(done.session_key.to_vec());
        LoginSecret::new(&key)
    }
}
