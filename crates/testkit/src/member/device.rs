//! A further device of a member, vouched for by one that it has (SE-13, SE-14).

use std::net::SocketAddr;

use evidence::membership::{DeviceClaim, DeviceStatement};
use pki::ed25519::SigningKey;
use pki::{Chain, Name};
use session::login::{ClientLogin, Parties};
use session::message::{Command, Reply};

use super::{Member, anonymous};
use crate::peer::{Peer, now_ms};

impl Member {
    /// Makes a further device of this member's user; `session` is this device's.
    ///
    /// # Errors
    /// The server's failure, or why a connection ended.
    pub async fn further(
        &self,
        address: SocketAddr,
        session: &mut Peer,
        device: &str,
    ) -> Result<Self, String> {
        let key = SigningKey::generate().map_err(|e| e.to_string())?;
        self.further_of(address, session, device, &key).await
    }

    /// As [`Self::further`], of a key that the caller has.
    ///
    /// # Errors
    /// As [`Self::further`].
    pub async fn further_of(
        &self,
        address: SocketAddr,
        session: &mut Peer,
        device: &str,
        key: &SigningKey,
    ) -> Result<Self, String> {
        let Reply::DeviceLink { token, .. } = session.ask(Command::DeviceLinkCreate).await? else {
            return Err("no link".into());
        };
        let root = pki::sha256(&self.root);
        let mut peer = Peer::connect(address, anonymous(&root)).await?;
        let failed = |e: &dyn std::fmt::Display| e.to_string();
        let (login, ke1) = ClientLogin::start(&self.password).map_err(|e| failed(&e))?;
        let user = self.user.to_string();
        let start = Command::DeviceStart { token, user: user.clone(), device: device.into(), ke1 };
        let Reply::LoginChallenge { ke2 } = peer.ask(start).await? else {
            return Err("no challenge".into());
        };
        let parties = Parties { user: &user, root: &root };
        let finished =
            login.finish(&self.password, &ke2, parties, &peer.exporter()).map_err(|e| failed(&e))?;
        let request = pki::request::create(key).map_err(|e| failed(&e))?;
        let proof = pki::request::prove_possession(key, &peer.exporter(), &request).to_vec();
        let asked = Command::DeviceRequest { ke3: finished.ke3, request, proof };
        let Reply::DevicePending { id } = peer.ask(asked).await? else {
            return Err("it is turned away".into());
        };
        let name = Name::canonical(device).map_err(|e| failed(&e))?;
        let claim =
            DeviceClaim::new(self.certificate(), now_ms(), self.user.clone(), name.clone(), key.public());
        let statement = DeviceStatement::sign(&claim, &self.key());
        match session.ask(Command::DeviceApprove { id, statement }).await? {
            Reply::DeviceApproved { chain } => Ok(Self {
                user: self.user.clone(),
                device: name,
                chain: Chain(chain.into_iter().map(Into::into).collect()),
                root: self.root.clone(),
                organisation: self.organisation.clone(),
                password: self.password.clone(),
                key: key.to_pkcs8().map_err(|e| failed(&e))?.to_vec(),
            }),
            other => Err(format!("{other:?}")),
        }
    }
}
