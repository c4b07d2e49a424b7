//! The server's side.

use tokio::io::{AsyncRead, AsyncWrite};

use super::message::{
    AuthCredentials, AuthDhInit, AuthDhReply, AuthResponse, Credentials, DhClientReceived, DhServer, Hello,
    ServerHello,
};
use crate::ClassicError;
use crate::cianr::account::{Admitted, Denied};
use crate::cianr::certificate;
use crate::cianr::role::{Agreed, Server};
use crate::cianr::wire::Wire;
use crate::cipher::CipherKey;
use crate::conversation::Reporter;
use crate::dh::{Number, Share, session_key};
use crate::json::{self, base64, from_base64};

/// What is said of credentials that do not decrypt.
const UNDECRYPTABLE: &str = "Decryption failed";

/// From the first byte until messages may be sent.
pub(in crate::cianr) async fn handshake<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    server: &Server,
    wire: &mut Wire<'_, R, W>,
    reporter: &Reporter,
) -> Result<Agreed, ClassicError> {
    let hello: Hello = wire.receive("hello").await?;
    let peer = certificate(&hello.client_cert)?;
    server.check(&peer, reporter)?;
    wire.send(&ServerHello { server_cert: base64(server.identity.certificate().pem()) }).await?;

    let init: AuthDhInit = wire.receive("auth_dh_init").await?;
    let share = Share::generate(&server.group)?;
    let value = Number::from_decimal(&init.a_client)?;
    let k_auth = session_key(share.agree(&value)?.minimal());
    wire.send(&AuthDhReply { b_server: share.public().to_decimal() }).await?;

    let sealed: AuthCredentials = wire.receive("auth_cred_encrypted").await?;
    let admitted = admit(server, &k_auth, &sealed.payload).await?;
    let (status, message) = match &admitted {
        Ok((text, _)) => ("ok", *text),
        Err(text) => ("error", *text),
    };
    wire.send(&AuthResponse { status: status.to_owned(), message: message.to_owned() }).await?;
    let denied = |text: &str| match text {
        UNDECRYPTABLE if server.group.suspects_weak_peer(&value) => ClassicError::WeakGroup,
        _ => ClassicError::Denied(text.to_owned()),
    };
    let (_, Admitted { user, event }) = admitted.map_err(denied)?;
    reporter.tell(event);

    let message = wire.receive_bytes("dh_client").await?;
    let received: DhClientReceived<'_> = serde_json::from_slice(&message).map_err(ClassicError::malformed)?;
    received.check(&server.group)?;
    let share = Share::generate(&server.group)?;
    let session = session_key(share.agree(&received.value()?)?.minimal());
    wire.send(&DhServer { b: share.public().to_decimal() }).await?;
    Ok(Agreed { peer, peer_name: user, session })
}

/// Makes the account or checks the password; both outcomes have the text for the client (CL-22).
async fn admit(
    server: &Server,
    k_auth: &CipherKey,
    payload: &str,
) -> Result<Result<(&'static str, Admitted), &'static str>, ClassicError> {
    let opened = from_base64(payload).and_then(|sealed| k_auth.open_cbc(&sealed));
    let Ok(credentials) = opened.and_then(|text| json::read::<Credentials>(&text)) else {
        return Ok(Err(UNDECRYPTABLE));
    };
    let Credentials { kind, email, username, password } = credentials;
    let (text, outcome) = match (kind.as_str(), username) {
        ("register", Some(user)) => {
            ("Registration successful", server.register(email, user, password.as_bytes()).await?)
        }
        ("login", _) => ("Login successful", server.log_in(&email, password.as_bytes()).await?),
        _ => return Ok(Err("Unknown auth type")),
    };
    Ok(outcome.map(|admitted| (text, admitted)).map_err(|denied| match denied {
        Denied::Taken => "Email or username already exists",
        Denied::Unknown => "User not found",
        Denied::WrongPassword => "Invalid password",
    }))
}
