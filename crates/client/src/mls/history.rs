//! History keys: made, given and taken (docs/group.md, GR-26 and GR-27).

use std::collections::HashMap;

use evidence::Hash;
use group::{GroupError, HistoryBox, HistoryKey, MAX_HISTORY_KEYS};
use minicbor::{Decode, Encode};
use pki::VerifiedCertificate;
use session::limits::MAX_HISTORY_BOX;
use session::message::{Command, Reply};

use super::{OpenGroup, changes, put_records};
use crate::ClientError;
use crate::engine::{Core, Session};
use crate::reply::expect_reply;
use crate::vault::{GroupRecords, HistoryKeys, StoredGroup};

/// History keys that a home keeps of one giver.
const MAX_GIVEN: usize = 1024;

/// A box as it travels.
#[derive(Encode, Decode)]
struct Sealed {
    #[cbor(n(0), with = "minicbor::bytes")]
    welcome: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    tree: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    message: Vec<u8>,
}

impl Core {
    /// The history keys, of which the newest own one may seal: it is not known to a device that is revoked by now.
    pub(crate) async fn history_keys(&self) -> Result<HistoryKeys, ClientError> {
        let (revoked, _) = self.own_devices().await?;
        let keys = self.vault.history_keys().await?;
        if keys.own.first().is_some_and(|(_, known)| *known == revoked) {
            return Ok(keys);
        }
        self.vault.put_own_history_key(&HistoryKey::generate()?, revoked).await?;
        Ok(self.vault.history_keys().await?)
    }

    /// Gives the history keys to those devices of this user that lack one of this device's own; says which of all do then, and lack none.
    pub(crate) async fn give_history_keys(
        &self,
        session: &Session,
    ) -> Result<HashMap<Hash, bool>, ClientError> {
        // Before it is looked who is in force: a key that is made for fear of a device is given to none that is not.
        let keys = self.history_keys().await?;
        let devices = self.own_trusted(session).await?;
        if devices.is_empty() {
            return Ok(HashMap::new());
        }
        let own = u32::try_from(keys.own.len()).unwrap_or(u32::MAX);
        let reply = session.connection.ask(Command::HistoryKeys).await?;
        let given = expect_reply!(reply, Reply::HistoryKeys { given } => given)?;
        let given: HashMap<Hash, u32> = given.into_iter().map(|to| (*to.certificate, to.keys)).collect();
        let mut all = HashMap::new();
        for device in devices {
            let hash = device.hash();
            let mut there = given.get(&hash).is_some_and(|keys| *keys >= own);
            if !there {
                there = match self.give_to(session, &keys, own, hash).await {
                    Err(error @ (ClientError::Connection(_) | ClientError::Vault(_))) => return Err(error),
                    // The others are given theirs.
                    Err(error) => {
                        tracing::info!("a device is not given the history keys now: {error}");
                        false
                    }
                    Ok(there) => there,
                };
            }
            all.insert(hash, there);
        }
        Ok(all)
    }

    async fn give_to(
        &self,
        session: &Session,
        keys: &HistoryKeys,
        own: u32,
        certificate: Hash,
    ) -> Result<bool, ClientError> {
        let Some(package) = self.take_packages(session, &[certificate]).await?.pop() else {
            return Ok(false);
        };
        let (user, now_ms) = (self.owner.user.as_str(), (self.clock)());
        let given = keys.all().take(MAX_HISTORY_KEYS);
        let from = self.own_device();
        let HistoryBox { welcome, tree, message } =
            HistoryBox::give(given, user, &from, &package.certificate, &package.bytes, now_ms)?;
        let sealed = wire::cbor::to_vec(&Sealed { welcome, tree, message });
        let put = Command::HistoryKeyPut { certificate: certificate.into(), keys: own, sealed };
        expect_reply!(session.connection.ask(put).await?, Reply::Done => ())?;
        Ok(true)
    }

    /// Takes the history keys that other devices of this user have given to this one; whether there were any.
    pub(crate) async fn take_history_keys(&self, session: &Session) -> Result<bool, ClientError> {
        let reply = session.connection.ask(Command::HistoryKeyGet).await?;
        let boxes = expect_reply!(reply, Reply::HistoryBoxes { boxes } => boxes)?;
        let mut any = false;
        for given in boxes {
            // One that is revoked since may have given: its keys open what it handed in, and seal nothing here.
            let wanted = [(*given.giver, (self.clock)())];
            self.certificates.fetch(&wanted, &self.owner, &self.vault, &session.connection).await?;
            self.complete_directory(session).await?;
            let giver = self.certificates.accepted(&given.giver).map(|known| known.certificate);
            let own = self.owner.certificate.hash();
            let opened = match giver.filter(|giver| self.is_own(giver) && giver.hash() != own) {
                Some(giver) => self.open_box(&giver, &given.sealed).await,
                None => Err(ClientError::Untrusted("it is given by no other device of this user".to_owned())),
            };
            let opened = match opened {
                Ok(()) => true,
                Err(error @ (ClientError::Keys(_) | ClientError::Untrusted(_))) => {
                    tracing::warn!("history keys that were given cannot be opened: {error}");
                    false
                }
                Err(error) => return Err(error),
            };
            any |= opened;
            // GR-33: a recovery key acts as often as its code is used.
            if opened && self.owner.is_recovery_key() {
                continue;
            }
            let taken = Command::HistoryKeyTaken { giver: given.giver, keys: given.keys, opened };
            expect_reply!(session.connection.ask(taken).await?, Reply::Done => ())?;
        }
        Ok(any)
    }

    async fn open_box(&self, giver: &VerifiedCertificate, sealed: &[u8]) -> Result<(), ClientError> {
        let Sealed { welcome, tree, message } = wire::cbor::from_slice(sealed, MAX_HISTORY_BOX)
            .map_err(|_| GroupError::Malformed("history keys"))?;
        let mut transaction = self.vault.begin().await?;
        let mut open = OpenGroup::new(StoredGroup { version: 0, generation: 0 })?;
        self.load_packages(&mut transaction, &mut open).await?;
        let (user, own) = (self.owner.user.as_str(), &self.owner.certificate);
        let keys = HistoryBox { welcome, tree, message }.take(&open.provider, user, giver, own)?;
        let mut writes = changes(&open.provider);
        writes.retain(|record, _| record.scope == [0; 32]);
        put_records(&self.vault, &mut transaction, GroupRecords::Packages, writes).await?;
        if self.vault.put_given_history_keys(&mut transaction, &giver.hash(), &keys, MAX_GIVEN).await? {
            self.vault.read_history_anew(&mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}
