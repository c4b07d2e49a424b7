//! The history key of this user's devices: made, given and taken (docs/group.md, GR-26 and GR-27).

use evidence::Hash;
use group::{HistoryBox, HistoryKey};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use pki::{Usage, VerifiedCertificate};
use session::message::{Command, HistoryKeyHolder, Reply};

use super::{OpenGroup, changes, put_records};
use crate::ClientError;
use crate::engine::{Core, Session};
use crate::reply::expect_reply;
use crate::vault::{GroupRecords, VaultError};

/// A history key on its way.
#[derive(Encode, Decode)]
struct Sealed {
    #[cbor(n(0), with = "minicbor::bytes")]
    welcome: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    tree: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    message: Vec<u8>,
    #[n(3)]
    giver: ByteArray<32>,
}

impl Core {
    /// The history key, if this device has it or can have it now.
    pub(crate) async fn history_key(&self, session: &Session) -> Result<Option<HistoryKey>, ClientError> {
        if let Some(key) = self.vault.history_key().await? {
            return Ok(Some(key));
        }
        let own = ByteArray::from(self.owner.certificate.hash());
        let reply = session.connection.ask(Command::HistoryKeyGet).await?;
        let sealed = expect_reply!(reply, Reply::HistoryKey { sealed } => sealed)?;
        if let Some(sealed) = sealed.filter(|sealed| !sealed.is_empty()) {
            return match self.take_history_key(session, &sealed).await {
                Ok(key) => Ok(Some(key)),
                Err(error @ (ClientError::Connection(_) | ClientError::Vault(_))) => Err(error),
                Err(error) => {
                    tracing::warn!("the history key that was given cannot be opened: {error}");
                    let none = Command::HistoryKeyPut { certificate: own, sealed: None };
                    expect_reply!(session.connection.ask(none).await?, Reply::Done => ())?;
                    Ok(None)
                }
            };
        }
        let others = self.history_holders(session).await?.iter().any(|holder| holder.certificate != own);
        if others && !self.owner.first {
            return Ok(None);
        }
        let key = self.vault.keep_history_key(&HistoryKey::generate()?).await?;
        let mark = Command::HistoryKeyPut { certificate: own, sealed: Some(Vec::new()) };
        expect_reply!(session.connection.ask(mark).await?, Reply::Done => ())?;
        Ok(Some(key))
    }

    async fn history_holders(&self, session: &Session) -> Result<Vec<HistoryKeyHolder>, ClientError> {
        let reply = session.connection.ask(Command::HistoryKeys).await?;
        expect_reply!(reply, Reply::HistoryKeys { devices } => devices)
    }

    /// Gives the history key to those devices of this user that have none and can be given it now; whether `wanted` has it then.
    pub(crate) async fn give_history_key(
        &self,
        session: &Session,
        key: &HistoryKey,
        wanted: Option<Hash>,
    ) -> Result<bool, ClientError> {
        let own = self.owner.certificate.hash();
        let mut has = false;
        for holder in self.history_holders(session).await? {
            let certificate = *holder.certificate;
            let mut given = holder.has_key;
            if !given && certificate != own {
                given = self.give_to(session, key, certificate).await?;
            }
            has |= given && Some(certificate) == wanted;
        }
        Ok(has)
    }

    async fn give_to(
        &self,
        session: &Session,
        key: &HistoryKey,
        certificate: Hash,
    ) -> Result<bool, ClientError> {
        if self.own_device_in_force(session, certificate).await?.is_none() {
            tracing::warn!("a device is not given the history key: it is not this user's, or revoked");
            return Ok(false);
        }
        let Some(package) = self.take_packages(session, &[certificate]).await?.pop() else {
            return Ok(false);
        };
        let now_ms = (self.clock)();
        let HistoryBox { welcome, tree, message } = key.give(
            self.owner.user.as_str(),
            &self.own_device(),
            &package.certificate,
            &package.bytes,
            now_ms,
        )?;
        let giver = ByteArray::from(self.owner.certificate.hash());
        let sealed = wire::cbor::to_vec(&Sealed { welcome, tree, message, giver });
        let put = Command::HistoryKeyPut { certificate: ByteArray::from(certificate), sealed: Some(sealed) };
        expect_reply!(session.connection.ask(put).await?, Reply::Done => ())?;
        Ok(true)
    }

    async fn take_history_key(&self, session: &Session, sealed: &[u8]) -> Result<HistoryKey, ClientError> {
        let Sealed { welcome, tree, message, giver } =
            wire::cbor::from_slice(sealed, session::limits::MAX_HISTORY_BOX)
                .map_err(|_| group::GroupError::Malformed("history key"))?;
        let giver = self
            .own_device_in_force(session, *giver)
            .await?
            .filter(|giver| giver.hash() != self.owner.certificate.hash())
            .ok_or_else(|| {
                ClientError::Untrusted("it is given by no other device of this user".to_owned())
            })?;
        let mut transaction = self.vault.begin().await?;
        let mut open = OpenGroup::new(0)?;
        self.load_packages(&mut transaction, &mut open).await?;
        let sealed = HistoryBox { welcome, tree, message };
        let own = &self.owner.certificate;
        let key = HistoryKey::take(&open.provider, self.owner.user.as_str(), &giver, own, &sealed)?;
        let mut writes = changes(&open.provider);
        writes.retain(|record, _| record.scope == [0; 32]);
        put_records(&self.vault, &mut transaction, GroupRecords::Packages, writes).await?;
        self.vault.put_history_key(&mut transaction, &key).await?;
        transaction.commit().await.map_err(VaultError::from)?;
        Ok(key)
    }

    /// The certificate of a device of this user, if it is accepted, in the directory, and not revoked there.
    pub(crate) async fn own_device_in_force(
        &self,
        session: &Session,
        certificate: Hash,
    ) -> Result<Option<VerifiedCertificate>, ClientError> {
        let wanted = [(certificate, (self.clock)())];
        self.certificates.fetch(&wanted, &self.owner, &self.vault, &session.connection).await?;
        // Whom it accepts is in the directory, as far as that goes now, or this ends the session.
        self.refresh_directory(session).await?;
        if self.is_revoked(&certificate).await? {
            return Ok(None);
        }
        let known = self.certificates.accepted(&certificate).map(|known| known.certificate);
        let own = |device: &VerifiedCertificate| {
            device.usage() == Usage::Device && device.identity().user() == Some(&self.owner.user)
        };
        Ok(known.filter(own))
    }
}
