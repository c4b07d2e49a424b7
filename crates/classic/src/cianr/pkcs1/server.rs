//! The server's side.

use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::message::{Credentials, DhServer, Failure, Hello, ServerHello, Success};
use crate::ClassicError;
use crate::cianr::account::{Admitted, Denied};
use crate::cianr::pss::message::DhClientReceived;
use crate::cianr::role::{Agreed, Server};
use crate::cianr::wire::Wire;
use crate::cianr::{certificate, nonce};
use crate::cipher::CipherKey;
use crate::conversation::Reporter;
use crate::dh::{Share, session_key};
use crate::json::{self, from_base64};
use crate::users::PasswordHash;

/// What is said of credentials that are no good, whatever is wrong with them.
const AUTH_FAIL: &str = "AUTH_FAIL: wrong e-mail address or password";
/// What is said to who registers and cannot have the name.
const TAKEN: &str = "AUTH_FAIL: e-mail address or user name already exists";

/// From the first byte until messages may be sent.
pub(in crate::cianr) async fn handshake<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    server: &Server,
    wire: &mut Wire<'_, R, W>,
    reporter: &Reporter,
) -> Result<Agreed, ClassicError> {
    let hello: Hello = wire.receive("hello").await?;
    let peer = certificate(&hello.client_cert)?;
    server.check(&peer, reporter)?;
    let own = server.identity.certificate().pem().to_owned();
    wire.send(&ServerHello { server_cert: own, nonce: nonce()? }).await?;

    let k_auth = exchange(server, wire).await?;
    let sealed = wire.reader.expect().await?;
    let (text, outcome) = admit(server, &k_auth, &sealed).await?;
    let Admitted { user, event } = match outcome {
        Ok(admitted) => {
            wire.send(&Success { message: text.to_owned() }).await?;
            admitted
        }
        Err(denied) => {
            let message = if denied == Denied::Taken { TAKEN } else { AUTH_FAIL };
            wire.send(&Failure { code: "AUTH_FAIL".to_owned(), message: message.to_owned() }).await?;
            return Err(ClassicError::Denied(message.to_owned()));
        }
    };
    reporter.tell(event);

    let session = exchange(server, wire).await?;
    Ok(Agreed { peer, peer_name: user, session })
}

async fn exchange<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    server: &Server,
    wire: &mut Wire<'_, R, W>,
) -> Result<CipherKey, ClassicError> {
    let message = wire.receive_bytes("dh_client").await?;
    let received: DhClientReceived<'_> = serde_json::from_slice(&message).map_err(ClassicError::malformed)?;
    received.check(&server.group)?;
    let share = Share::generate(&server.group)?;
    let key = session_key(share.agree(&received.value()?)?.minimal());
    wire.send(&DhServer::new(share.public())?).await?;
    Ok(key)
}

async fn admit(
    server: &Server,
    k_auth: &CipherKey,
    sealed: &[u8],
) -> Result<(&'static str, Result<Admitted, Denied>), ClassicError> {
    let text = k_auth.open_weak_ecb(sealed)?;
    match json::read(&text)? {
        Credentials::Register { email, username, pwd, salt } => {
            let digits = Zeroizing::new(from_base64(&pwd)?);
            let hash = PasswordHash::from_hex(&digits)
                .ok_or_else(|| ClassicError::malformed("a pwd that is no hash in hexadecimal digits"))?;
            let salt = from_base64(&salt)?
                .try_into()
                .map_err(|_| ClassicError::malformed("a salt that has not 16 bytes"))?;
            Ok(("Registration successful", server.register_hashed(email, username, salt, hash).await?))
        }
        Credentials::Login { email, pwd, .. } => {
            let password = Zeroizing::new(from_base64(&pwd)?);
            Ok(("Login successful", server.log_in(&email, &password).await?))
        }
    }
}
