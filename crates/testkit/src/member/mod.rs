//! An enrolled user's device, for tests to speak and sign with.

mod device;

use std::net::SocketAddr;
use std::sync::Arc;

use channel::{ClientConfig, ClientIdentity, ServerTrust, Suite};
use evidence::content::{Content, Field, Reference};
use evidence::entry::Place;
use evidence::erasure::{Erased, Erasure, ErasureClaim, ErasureReason};
use evidence::log::TreeHead;
use evidence::membership::{Change, DeviceRef, Membership, MembershipClaim, MlsHashes};
use evidence::room::{ContentSuite, Creation, RoomId, RoomName};
use evidence::statement::{Statement, StatementClaim};
use minicbor::bytes::ByteArray;
use pki::ed25519::SigningKey;
use pki::trust::{NoRevocations, TrustAnchor, TrustStore};
use pki::{Chain, Fingerprint, Name, Organisation, Sha256Hash};
use session::link::Link;
use session::login::{ClientRegistration, Parties};
use session::message::{Command, Reply};
use wire::cbor;

use crate::peer::{Peer, now_ms};
use crate::sealed::put_blob;
use crate::sealed::shown::{self, Shown};

/// A device of a user.
pub struct Member {
    /// User.
    pub user: Name,
    /// Device.
    pub device: Name,
    /// Leaf and intermediates.
    pub chain: Chain,
    /// The organisation's root, DER.
    pub root: Vec<u8>,
    /// The organisation.
    pub organisation: Organisation,
    password: String,
    key: Vec<u8>,
}

impl Member {
    /// Joins by an invite.
    ///
    /// # Errors
    /// The server's failure, or why the connection ended.
    pub async fn join(link: &Link, user: &str, device: &str, password: &str) -> Result<Self, String> {
        let mut peer = Peer::connect(address(link), anonymous(&link.root)).await?;
        let (registration, registration_request) =
            ClientRegistration::start(password).map_err(|e| e.to_string())?;
        let started = peer
            .ask(Command::JoinStart {
                token: link.token.to_vec(),
                user: user.into(),
                email: None,
                device: device.into(),
                registration_request,
            })
            .await?;
        let Reply::JoinChallenge { registration_response, organisation } = started else {
            return Err(format!("{started:?}"));
        };
        let parties = Parties { user, root: &link.root };
        let registration_upload =
            registration.finish(password, &registration_response, parties).map_err(|e| e.to_string())?;
        let key = SigningKey::generate().map_err(|e| e.to_string())?;
        let request = pki::request::create(&key).map_err(|e| e.to_string())?;
        let proof = pki::request::prove_possession(&key, &peer.exporter(), &request).to_vec();
        let joined = peer.ask(Command::JoinFinish { registration_upload, request, proof }).await?;
        let Reply::Joined { chain, root, .. } = joined else {
            return Err(format!("{joined:?}"));
        };
        peer.close().await;
        Ok(Self {
            user: Name::canonical(user).map_err(|e| e.to_string())?,
            device: Name::canonical(device).map_err(|e| e.to_string())?,
            chain: Chain(chain.into_iter().map(Into::into).collect()),
            root,
            organisation: Organisation::canonical(&organisation).map_err(|e| e.to_string())?,
            password: password.into(),
            key: key.to_pkcs8().map_err(|e| e.to_string())?.to_vec(),
        })
    }

    /// The device's key.
    pub fn key(&self) -> SigningKey {
        SigningKey::from_pkcs8(&self.key).expect("a key that was made here")
    }

    /// SHA-256 of the device's certificate.
    pub fn certificate(&self) -> Sha256Hash {
        self.chain.leaf_hash().expect("a leaf")
    }

    /// This device as membership statements name it.
    pub fn device_ref(&self) -> DeviceRef {
        DeviceRef { user: self.user.clone(), certificate: self.certificate() }
    }

    /// A channel configuration with this device's certificate.
    pub fn config(&self) -> ClientConfig {
        self.config_with(&self.chain, self.key())
    }

    /// A channel configuration with another chain and key.
    pub fn config_with(&self, chain: &Chain, key: SigningKey) -> ClientConfig {
        let anchor = TrustAnchor::new(&self.root, self.organisation.clone()).expect("a root");
        ClientConfig {
            trust: ServerTrust::Anchors {
                store: Arc::new(TrustStore::new(vec![anchor])),
                organisation: self.organisation.clone(),
                revocations: Arc::new(NoRevocations),
            },
            identity: Some(Arc::new(ClientIdentity::new(chain, key).expect("a chain"))),
            suites: Suite::ALL.to_vec(),
        }
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// What stopped it.
    pub async fn connect(&self, address: SocketAddr) -> Result<Peer, String> {
        let mut peer = Peer::connect(address, self.config()).await?;
        match self.login(&mut peer, &self.password).await? {
            Reply::Welcome { .. } => Ok(peer),
            other => Err(format!("{other:?}")),
        }
    }

    /// Logs in with some password.
    ///
    /// # Errors
    /// What stopped it.
    pub async fn login(&self, peer: &mut Peer, password: &str) -> Result<Reply, String> {
        let root = pki::sha256(&self.root);
        peer.login(Parties { user: self.user.as_str(), root: &root }, self.device.as_str(), password).await
    }

    /// Creates a room with these members; the id and what the server answers. Its group messages are such in appearance only ([`shown`]).
    ///
    /// # Errors
    /// Why the connection ended.
    pub async fn create_room(
        &self,
        peer: &mut Peer,
        name: &str,
        devices: Vec<DeviceRef>,
    ) -> Result<(RoomId, Reply), String> {
        let (room, change) = self.creation(ContentSuite::EndToEnd, name, devices);
        let place = Place { room, seq: 1, time_ms: now_ms(), epoch: 0, seen: TreeHead::empty() };
        let statement = self.membership(peer, place, 0, change).await;
        let reply = peer.ask(Command::RoomCreate { room: room.0.into(), statement }).await?;
        Ok((room, reply))
    }

    /// The statement that creates a room of content suite 0 with these members, and the room's id. Servers refuse it.
    pub fn create_clear_room(&self, name: &str, devices: Vec<DeviceRef>) -> (RoomId, Vec<u8>) {
        let (room, change) = self.creation(ContentSuite::ServerReads, name, devices);
        let place = Place { room, seq: 1, time_ms: now_ms(), epoch: 0, seen: TreeHead::empty() };
        (room, self.change_clear(place, change))
    }

    fn creation(&self, suite: ContentSuite, name: &str, devices: Vec<DeviceRef>) -> (RoomId, Change) {
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).expect("randomness");
        let organisation = self.organisation.clone();
        let creation = Creation { organisation, creator: self.certificate(), parties: None, suite, nonce };
        let name = Some(RoomName::parse(name).expect("a room's name"));
        (creation.room_id(), Change::Create { creation, name, devices })
    }

    /// A membership statement of a room that is in this key epoch, 0 before it is created. What it names is handed in; it is such in appearance only ([`shown`]).
    pub async fn membership(&self, peer: &mut Peer, place: Place, key_epoch: u64, change: Change) -> Vec<u8> {
        let Shown { hashes, blobs } = shown::change(place.room, key_epoch, &change);
        for blob in &blobs {
            put_blob(peer, blob).await;
        }
        self.sign(place, change, hashes)
    }

    /// A membership statement of a room of content suite 0.
    pub fn change_clear(&self, place: Place, change: Change) -> Vec<u8> {
        self.sign(place, change, MlsHashes::default())
    }

    fn sign(&self, place: Place, change: Change, mls: MlsHashes) -> Vec<u8> {
        let claim = MembershipClaim { certificate: self.certificate(), place, change, mls };
        Membership::sign(&claim, &self.key())
    }

    /// A statement and what stands for its ciphertext, in a room in which every change so far was a commit: the key epoch is one more than the epoch.
    pub fn say(&self, place: Place, text: &str) -> (Vec<u8>, Vec<u8>) {
        self.say_in(place, place.epoch + 1, text)
    }

    /// A statement and what stands for its ciphertext, in this key epoch. Nobody can open it ([`shown`]).
    pub fn say_in(&self, place: Place, key_epoch: u64, text: &str) -> (Vec<u8>, Vec<u8>) {
        let content = text_content(text);
        let ciphertext = shown::content(place.room, key_epoch, content.to_bytes().len());
        (self.say_over(place, &content, &ciphertext), ciphertext)
    }

    /// A statement and its content, in a room of content suite 0.
    pub fn say_clear(&self, place: Place, text: &str) -> (Vec<u8>, Vec<u8>) {
        let content = text_content(text);
        let bytes = content.to_bytes();
        (self.say_over(place, &content, &bytes), bytes)
    }

    /// A statement that commits to a content and names these bytes as what was sent, whatever they are.
    pub fn say_over(&self, place: Place, content: &Content, sent: &[u8]) -> Vec<u8> {
        let claim = StatementClaim::new(&self.user, self.certificate(), place, content, sent);
        Statement::sign(&claim, &self.key())
    }

    /// An erasure of these entries, whatever they are.
    pub fn erase(&self, place: Place, erased: Vec<Reference>) -> Vec<u8> {
        let erased = Erased::new(erased).expect("entries, each once");
        let reason = ErasureReason::parse("said by mistake").expect("a reason");
        let claim = ErasureClaim { certificate: self.certificate(), place, erased, reason };
        Erasure::sign(&claim, &self.key())
    }

    /// The commitment, by the rules of EV-7, to a content whose one field has this number and, as its value, these bytes of CBOR, whatever they are; and
    /// the content.
    pub(crate) fn commit_raw(&self, place: Place, number: u64, value: &[u8]) -> (Sha256Hash, Vec<u8>) {
        let number = cbor::to_vec(&number);
        let salt = cbor::to_vec(&ByteArray::from([9; 32]));
        let context = cbor::to_vec(&"countersign v1 field");
        let digest = pki::sha256(&[&[0x84], &context[..], &number, &salt, value].concat());
        let commitment = cbor::to_vec(&(
            "countersign v1 commitment",
            self.user.as_str(),
            ByteArray::from(self.certificate()),
            ByteArray::from(place.room.0),
            place.seq,
            [ByteArray::from(digest)],
        ));
        (pki::sha256(&commitment), [&[0xa1], &number[..], &[0x82], &salt, value].concat())
    }
}

fn text_content(text: &str) -> Content {
    Content::new(vec![Field::Text(text.into())]).expect("a content")
}

/// The configuration of a joiner that knows a root's fingerprint.
pub fn anonymous(root: &Sha256Hash) -> ClientConfig {
    ClientConfig {
        trust: ServerTrust::PinnedRoot(Fingerprint(*root)),
        identity: None,
        suites: Suite::ALL.to_vec(),
    }
}

/// The address of a link to this machine.
pub fn address(link: &Link) -> SocketAddr {
    SocketAddr::new(link.host.parse().expect("an address"), link.port)
}

/// An append of a statement.
pub fn append(room: RoomId, statement: Vec<u8>, content: Option<Vec<u8>>) -> Command {
    Command::Append { room: ByteArray::from(room.0), statement, content, files: Vec::new() }
}
