//! The client's side of both ports.

use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use super::message::{
    AccountParameters, AccountValue, Answer, Cert, ChatParameters, ChatValue, Credentials, Enc, Hello,
    HelloAck,
};
use super::{open, seal};
use crate::ClassicError;
use crate::cianr::role::{Agreed, Client};
use crate::cianr::wire::Wire;
use crate::cianr::{certificate, nonce};
use crate::cipher::CipherKey;
use crate::conversation::Reporter;
use crate::dh::{Group, Number, Share, session_key};
use crate::json::base64;

/// Registers or logs in.
pub(in crate::cianr) async fn accounts<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    client: &Client,
    wire: &mut Wire<'_, R, W>,
    reporter: &Reporter,
) -> Result<(), ClassicError> {
    let own = base64(client.identity.certificate().pem());
    wire.send(&Hello { cert: own, nonce: nonce()? }).await?;
    let hello: HelloAck = wire.receive("hello_ack").await?;
    client.check(&certificate(&hello.cert)?, reporter)?;

    let offer: AccountParameters = wire.receive("dh_params").await?;
    let (share, key) = agree(&offer.p, &offer.g, &offer.server_pub)?;
    wire.send(&AccountValue { client_pub: share.public().to_hex() }).await?;

    let account = &client.account;
    let (email, pwd) = (account.email.clone(), Zeroizing::new(base64(account.password.as_bytes())));
    let credentials = match &account.register {
        Some(name) => Credentials::Register { email, username: name.clone(), pwd },
        None => Credentials::Login { email, pwd },
    };
    wire.send(&seal(&key, &credentials)?).await?;
    let answer: Answer = open(&key, &wire.receive::<Enc>("enc").await?)?;
    if answer.status != "ok" {
        return Err(ClassicError::Refused(answer.msg));
    }
    client.tell_admitted(reporter);
    Ok(())
}

/// From the first byte of the chat until messages may be sent.
pub(in crate::cianr) async fn handshake<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    client: &Client,
    wire: &mut Wire<'_, R, W>,
    reporter: &Reporter,
) -> Result<Agreed, ClassicError> {
    wire.send(&Cert { cert: base64(client.identity.certificate().pem()) }).await?;
    let cert: Cert = wire.receive("cert").await?;
    let peer = certificate(&cert.cert)?;
    client.check(&peer, reporter)?;
    let offer: ChatParameters = wire.receive("dh_params").await?;
    let (share, session) = agree(&offer.p, &offer.g, &offer.y)?;
    wire.send(&ChatValue { y: share.public().to_hex() }).await?;
    Ok(Agreed { peer_name: peer.common_name().unwrap_or("server").to_owned(), peer, session })
}

/// Takes the server's group and value, and agrees.
fn agree(p: &str, g: &str, value: &str) -> Result<(Share, CipherKey), ClassicError> {
    let group = Group::of_peer(Number::from_hex(p)?, Number::from_hex(g)?)?;
    let share = Share::generate(&group)?;
    let key = session_key(share.agree(&Number::from_hex(value)?)?.fixed_width());
    Ok((share, key))
}
