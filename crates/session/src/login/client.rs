//! The client's side; it alone pays for Argon2id.

use opaque_ke::{
    ClientLoginFinishParameters, ClientRegistrationFinishParameters, CredentialResponse, RegistrationResponse,
};
use rand_core::OsRng;

use super::{KEY_LEN, LoginError, LoginSecret, Parties, Suite, context, stretching};

/// A registration that waits for the server's answer.
pub struct ClientRegistration(opaque_ke::ClientRegistration<Suite>);

impl ClientRegistration {
    /// Starts; the second value is the registration request.
    ///
    /// # Errors
    /// [`LoginError::Malformed`] for a password that OPAQUE cannot take (over 65,535 bytes).
    pub fn start(password: &str) -> Result<(Self, Vec<u8>), LoginError> {
        let started = opaque_ke::ClientRegistration::<Suite>::start(&mut OsRng, password.as_bytes())
            .map_err(|_| LoginError::Malformed)?;
        Ok((Self(started.state), started.message.serialize().to_vec()))
    }

    /// Ends with the registration upload. Takes the time of one Argon2id.
    ///
    /// # Errors
    /// [`LoginError::Malformed`] if the response is not OPAQUE's; [`LoginError::Local`].
    pub fn finish(
        self,
        password: &str,
        response: &[u8],
        parties: Parties<'_>,
    ) -> Result<Vec<u8>, LoginError> {
        Ok(self.finish_with_key(password, response, parties)?.0)
    }

    /// As [`Self::finish`], with the export key that logins by this registration will give.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_with_key(
        self,
        password: &str,
        response: &[u8],
        parties: Parties<'_>,
    ) -> Result<(Vec<u8>, LoginSecret), LoginError> {
        let response = RegistrationResponse::deserialize(response).map_err(|_| LoginError::Malformed)?;
        let ksf = stretching()?;
        let parameters = ClientRegistrationFinishParameters::new(parties.identifiers(), Some(&ksf));
        let done = self
            .0
            .finish(&mut OsRng, password.as_bytes(), response, parameters)
            .map_err(|_| LoginError::Malformed)?;
        Ok((done.message.serialize().to_vec(), secret(&done.export_key)?))
    }
}

/// A login that waits for the server's challenge.
pub struct ClientLogin(opaque_ke::ClientLogin<Suite>);

/// What a successful login gives the client.
pub struct LoggedIn {
    /// OPAQUE's third message, for the server.
    pub ke3: Vec<u8>,
    /// The shared session key.
    pub session_key: LoginSecret,
    /// The key that the client alone has.
    pub export_key: LoginSecret,
}

impl ClientLogin {
    /// Starts; the second value is OPAQUE's first message.
    ///
    /// # Errors
    /// [`LoginError::Malformed`] for a password that OPAQUE cannot take (over 65,535 bytes).
    pub fn start(password: &str) -> Result<(Self, Vec<u8>), LoginError> {
        let started = opaque_ke::ClientLogin::<Suite>::start(&mut OsRng, password.as_bytes())
            .map_err(|_| LoginError::Malformed)?;
        Ok((Self(started.state), started.message.serialize().to_vec()))
    }

    /// Checks the server's challenge and answers it. Takes the time of one Argon2id.
    ///
    /// # Errors
    /// [`LoginError::Refused`] when password, user, root or channel differ from the server's;
    /// [`LoginError::Malformed`]; [`LoginError::Local`].
    pub fn finish(
        self,
        password: &str,
        ke2: &[u8],
        parties: Parties<'_>,
        exporter: &[u8; 32],
    ) -> Result<LoggedIn, LoginError> {
        let challenge = CredentialResponse::deserialize(ke2).map_err(|_| LoginError::Malformed)?;
        let ksf = stretching()?;
        let context = context(exporter);
        let parameters = ClientLoginFinishParameters::new(Some(&context), parties.identifiers(), Some(&ksf));
        let done = self
            .0
            .finish(&mut OsRng, password.as_bytes(), challenge, parameters)
            .map_err(|_| LoginError::Refused)?;
        let (session_key, export_key) = (secret(&done.session_key)?, secret(&done.export_key)?);
        Ok(LoggedIn { ke3: done.message.serialize().to_vec(), session_key, export_key })
    }
}

fn secret(bytes: &[u8]) -> Result<LoginSecret, LoginError> {
    debug_assert_eq!(bytes.len(), KEY_LEN);
    LoginSecret::new(bytes)
}
