//! The client's side.

use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::message::{
    AuthCredentials, AuthDhInit, AuthDhReply, AuthResponse, Credentials, DhClient, DhServer, Hello,
    ServerHello,
};
use crate::ClassicError;
use crate::cianr::certificate;
use crate::cianr::role::{Agreed, Client};
use crate::cianr::wire::Wire;
use crate::conversation::Reporter;
use crate::dh::{Number, Share, session_key};
use crate::json::{self, base64};

/// From the first byte until messages may be sent.
pub(in crate::cianr) async fn handshake<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    client: &Client,
    wire: &mut Wire<'_, R, W>,
    reporter: &Reporter,
) -> Result<Agreed, ClassicError> {
    wire.send(&Hello { client_cert: base64(client.identity.certificate().pem()) }).await?;
    let hello: ServerHello = wire.receive("server_hello").await?;
    let peer = certificate(&hello.server_cert)?;
    client.check(&peer, reporter)?;

    let share = Share::generate(&client.group)?;
    wire.send(&AuthDhInit { a_client: share.public().to_decimal() }).await?;
    let reply: AuthDhReply = wire.receive("auth_dh_reply").await?;
    let value = Number::from_decimal(&reply.b_server)?;
    let k_auth = session_key(share.agree(&value)?.minimal());

    let account = &client.account;
    let credentials = Credentials {
        kind: if account.register.is_some() { "register" } else { "login" }.to_owned(),
        email: account.email.clone(),
        username: account.register.clone(),
        password: account.password.clone(),
    };
    let text = Zeroizing::new(json::write(&credentials)?);
    wire.send(&AuthCredentials { payload: base64(k_auth.seal_cbc(&text)?) }).await?;
    let response = wire.receive::<AuthResponse>("auth_response").await;
    let response = match response {
        Ok(response) if response.status == "ok" => Ok(()),
        Err(ClassicError::Ended(_) | ClassicError::Refused(_)) | Ok(_)
            if client.group.suspects_weak_peer(&value) =>
        {
            Err(ClassicError::WeakGroup)
        }
        Ok(response) => Err(ClassicError::Refused(response.message)),
        Err(error) => Err(error),
    };
    response?;
    client.tell_admitted(reporter);

    let share = Share::generate(&client.group)?;
    wire.send(&DhClient::new(&client.group, share.public())?).await?;
    let reply: DhServer = wire.receive("dh_server").await?;
    let session = session_key(share.agree(&Number::from_decimal(&reply.b)?)?.minimal());
    Ok(Agreed { peer_name: peer.common_name().unwrap_or("server").to_owned(), peer, session })
}
