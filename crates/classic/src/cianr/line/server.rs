//! The server's side of both ports.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::message::{
    AccountParameters, AccountValue, Answer, Cert, ChatParameters, ChatValue, Credentials, Enc, Hello,
    HelloAck,
};
use super::{open, seal};
use crate::ClassicError;
use crate::cianr::account::{Admitted, Denied};
use crate::cianr::error::EXPECTED_ENC;
use crate::cianr::role::{Agreed, Server};
use crate::cianr::wire::Wire;
use crate::cianr::{certificate, nonce};
use crate::conversation::Reporter;
use crate::dh::{Number, Share, session_key};
use crate::json::{base64, from_base64};

/// How long a client of the chat may be silent before it is shown the server's certificate, in case it waits for that (CL-34).
const CERTIFICATE_PATIENCE: Duration = Duration::from_secs(2);
/// What is said of credentials that are no good, whatever is wrong with them.
const INVALID: &str = "invalid credentials";

/// Registers somebody or lets them log in.
pub(in crate::cianr) async fn accounts<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    server: &Server,
    wire: &mut Wire<'_, R, W>,
    reporter: &Reporter,
) -> Result<(), ClassicError> {
    let hello: Hello = wire.receive("hello").await?;
    server.check(&certificate(&hello.cert)?, reporter)?;
    let own = base64(server.identity.certificate().pem());
    wire.send(&HelloAck { cert: own, nonce: nonce()? }).await?;

    let share = Share::generate(&server.group)?;
    let (p, g) = (server.group.prime().to_hex(), server.group.generator().to_hex());
    wire.send(&AccountParameters { p, g, server_pub: share.public().to_hex() }).await?;
    let value: AccountValue = wire.receive("dh_client_pub").await?;
    let key = session_key(share.agree(&Number::from_hex(&value.client_pub)?)?.fixed_width());

    let sealed: Enc = match wire.receive("enc").await {
        Err(ClassicError::Malformed(_)) => return Err(ClassicError::malformed(EXPECTED_ENC)),
        outcome => outcome?,
    };
    let (text, outcome) = admit(server, open(&key, &sealed)?).await?;
    let (status, msg) = match &outcome {
        Ok(_) => ("ok", text),
        Err(Denied::Taken) => ("error", "email or username already exists"),
        Err(Denied::Unknown | Denied::WrongPassword) => ("error", INVALID),
    };
    wire.send(&seal(&key, &Answer { status: status.to_owned(), msg: msg.to_owned() })?).await?;
    let Admitted { event, .. } = outcome.map_err(|_| ClassicError::Denied(msg.to_owned()))?;
    reporter.tell(event);
    Ok(())
}

async fn admit(
    server: &Server,
    credentials: Credentials,
) -> Result<(&'static str, Result<Admitted, Denied>), ClassicError> {
    match credentials {
        Credentials::Register { email, username, pwd } => {
            let password = Zeroizing::new(from_base64(&pwd)?);
            Ok(("registered", server.register(email, username, &password).await?))
        }
        Credentials::Login { email, pwd } => {
            let decoded = match from_base64(&pwd).map(Zeroizing::new) {
                Ok(password) => server.log_in(&email, &password).await?,
                Err(_) => Err(Denied::WrongPassword),
            };
            let outcome = match decoded {
                Err(Denied::WrongPassword) => server.log_in(&email, pwd.as_bytes()).await?,
                outcome => outcome,
            };
            Ok(("logged in", outcome))
        }
    }
}

/// From the first byte of the chat until messages may be sent. There is no login: who talks is who the certificate names.
pub(in crate::cianr) async fn handshake<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    server: &Server,
    wire: &mut Wire<'_, R, W>,
    reporter: &Reporter,
) -> Result<Agreed, ClassicError> {
    let own = Cert { cert: base64(server.identity.certificate().pem()) };
    let first = timeout(CERTIFICATE_PATIENCE, wire.receive::<Cert>("cert")).await;
    let waits = first.is_err();
    let cert = match first {
        Ok(cert) => cert?,
        Err(_) => {
            wire.send(&own).await?;
            wire.receive("cert").await?
        }
    };
    let peer = certificate(&cert.cert)?;
    server.check(&peer, reporter)?;
    if !waits {
        wire.send(&own).await?;
    }
    let share = Share::generate(&server.group)?;
    let (p, g) = (server.group.prime().to_hex(), server.group.generator().to_hex());
    wire.send(&ChatParameters { p, g, y: share.public().to_hex() }).await?;
    let value: ChatValue = wire.receive("dh_pub").await?;
    let session = session_key(share.agree(&Number::from_hex(&value.y)?)?.fixed_width());
    Ok(Agreed { peer_name: peer.common_name().unwrap_or("client").to_owned(), peer, session })
}
