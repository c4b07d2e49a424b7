//! The client's side.

use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::message::{Credentials, DhClient, DhServerReceived, Hello, ServerHello, Success};
use crate::ClassicError;
use crate::cianr::role::{Agreed, Client};
use crate::cianr::wire::Wire;
use crate::cianr::{certificate, nonce};
use crate::cipher::CipherKey;
use crate::conversation::Reporter;
use crate::dh::{Share, session_key};
use crate::json::{self, base64};
use crate::users::PasswordHash;
use crate::users::limits::SALT_LEN;

/// From the first byte until messages may be sent.
pub(in crate::cianr) async fn handshake<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    client: &Client,
    wire: &mut Wire<'_, R, W>,
    reporter: &Reporter,
) -> Result<Agreed, ClassicError> {
    let own = client.identity.certificate().pem().to_owned();
    wire.send(&Hello { client_cert: own, nonce: nonce()? }).await?;
    let hello: ServerHello = wire.receive("server_hello").await?;
    let peer = certificate(&hello.server_cert)?;
    client.check(&peer, reporter)?;

    let k_auth = exchange(client, wire).await?;
    let text = Zeroizing::new(json::write(&credentials(client)?)?);
    wire.send_bytes(&k_auth.seal_weak_ecb(&text)?).await?;
    wire.receive::<Success>("success").await?;
    client.tell_admitted(reporter);

    let session = exchange(client, wire).await?;
    Ok(Agreed { peer_name: peer.common_name().unwrap_or("server").to_owned(), peer, session })
}

async fn exchange<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    client: &Client,
    wire: &mut Wire<'_, R, W>,
) -> Result<CipherKey, ClassicError> {
    let share = Share::generate(&client.group)?;
    wire.send(&DhClient::new(&client.group, share.public())?).await?;
    let message = wire.receive_bytes("dh_server").await?;
    let reply: DhServerReceived<'_> = serde_json::from_slice(&message).map_err(ClassicError::malformed)?;
    Ok(session_key(share.agree(&reply.value()?)?.minimal()))
}

fn credentials(client: &Client) -> Result<Credentials, ClassicError> {
    let account = &client.account;
    let (email, password) = (account.email.clone(), account.password.as_bytes());
    let Some(name) = &account.register else {
        return Ok(Credentials::Login { email, pwd: Zeroizing::new(base64(password)), nonce: nonce()? });
    };
    let mut salt = [0; SALT_LEN];
    aws_lc_rs::rand::fill(&mut salt)?;
    let digits = PasswordHash::compute(&salt, password).to_hex();
    Ok(Credentials::Register {
        email,
        username: name.clone(),
        pwd: Zeroizing::new(base64(digits.as_bytes())),
        salt: base64(salt),
    })
}
