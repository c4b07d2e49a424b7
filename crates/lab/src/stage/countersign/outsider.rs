//! Who comes to the server with certificates that are good, bad or none, and a member who signs what it likes.

use std::net::SocketAddr;
use std::sync::Arc;

use channel::{ClientConfig, ClientIdentity, ServerTrust, Suite};
use evidence::content::{Binding, Content, Field};
use evidence::entry::Place;
use evidence::membership::{Change, DeviceRef, GroupHashes, Membership, MembershipClaim, MlsHashes};
use evidence::room::{ContentSuite, Creation, RoomId, RoomName};
use evidence::statement::{Statement, StatementClaim};
use group::{Device, Group, Provider, Store};
use minicbor::bytes::ByteArray;
use pki::ed25519::SigningKey;
use pki::request::CertificateRequest;
use pki::{
    Chain, Fingerprint, Name, NoRevocations, Organisation, TrustAnchor, TrustStore, Usage,
    VerifiedCertificate,
};
use session::limits::BLOB_PIECE;
use session::login::{ClientRegistration, Parties};
use session::message::{Command, Reply};

use super::{Peer, World};
use crate::LabError;
use crate::stage::PASSWORD;

/// A chain and the key of its leaf.
pub type Papers = (Chain, SigningKey);

impl World {
    /// A channel to this organisation's server, with papers or without.
    ///
    /// # Errors
    /// [`LabError::Stage`] for papers that cannot be shown at all.
    pub fn config(&self, papers: Option<Papers>) -> Result<ClientConfig, LabError> {
        let identity = papers.map(|(chain, key)| ClientIdentity::new(&chain, key).map(Arc::new));
        Ok(ClientConfig {
            trust: ServerTrust::PinnedRoot(Fingerprint(*self.authority.root_fingerprint())),
            identity: identity.transpose().map_err(LabError::stage)?,
            suites: Suite::ALL.to_vec(),
        })
    }

    /// Papers of a device, issued by this organisation's authority at a time, in Unix milliseconds.
    ///
    /// # Errors
    /// [`LabError::Stage`].
    pub fn papers(&self, user: &str, device: &str, at_ms: u64) -> Result<Papers, LabError> {
        let key = SigningKey::generate().map_err(LabError::stage)?;
        let request = pki::request::create(&key).map_err(LabError::stage)?;
        let request = CertificateRequest::parse(&request).map_err(LabError::stage)?;
        let (user, device) = (name(user)?, name(device)?);
        let chain = self.authority.issue_device(&request, user, device, at_ms).map_err(LabError::stage)?;
        Ok((chain, key))
    }
}

/// A member who holds its key in its own hands, with a room of its own.
pub struct Member {
    peer: Peer,
    user: Name,
    key: SigningKey,
    certificate: VerifiedCertificate,
    room: RoomId,
    /// The room's keys.
    keys: Provider,
    group: Group,
    clock: fn() -> u64,
}

/// The device's name of a member by hand.
pub const DEVICE: &str = "lab";

impl World {
    /// Joins by an invite, as anybody who has one may; the password is [`PASSWORD`]. `user` must be a new name.
    ///
    /// # Errors
    /// [`LabError::Stage`] with what refused it.
    pub async fn enrol(&self, user: &str, clock: fn() -> u64) -> Result<Papers, LabError> {
        let link = self.invite(clock()).await?;
        let mut peer =
            Peer::connect(self.address, self.config(None)?, clock).await.map_err(LabError::stage)?;
        let (registration, registration_request) =
            ClientRegistration::start(PASSWORD).map_err(LabError::stage)?;
        let start = Command::JoinStart {
            token: link.token.to_vec(),
            user: user.to_owned(),
            email: None,
            device: DEVICE.to_owned(),
            registration_request,
        };
        let response = match peer.ask(start).await.map_err(LabError::stage)? {
            Reply::JoinChallenge { registration_response, .. } => registration_response,
            other => return Err(LabError::stage(format!("{other:?}"))),
        };
        let parties = Parties { user, root: &link.root };
        let registration_upload =
            registration.finish(PASSWORD, &response, parties).map_err(LabError::stage)?;
        let key = SigningKey::generate().map_err(LabError::stage)?;
        let request = pki::request::create(&key).map_err(LabError::stage)?;
        let exporter = peer.exporter().map_err(LabError::stage)?;
        let proof = pki::request::prove_possession(&key, &exporter, &request).to_vec();
        let finish = Command::JoinFinish { registration_upload, request, proof };
        match peer.ask(finish).await.map_err(LabError::stage)? {
            Reply::Joined { chain, .. } => Ok((Chain(chain.into_iter().map(Into::into).collect()), key)),
            other => Err(LabError::stage(format!("{other:?}"))),
        }
    }
}

impl Member {
    /// Joins by an invite, logs in by way of `through` and creates a room. `user` must be a new name.
    ///
    /// # Errors
    /// [`LabError::Stage`] with what refused it.
    pub async fn join(
        world: &World,
        through: SocketAddr,
        user: &str,
        clock: fn() -> u64,
    ) -> Result<Self, LabError> {
        let (chain, key) = world.enrol(user, clock).await?;
        let anchor = TrustAnchor::from_root(world.authority.root()).map_err(LabError::stage)?;
        let certificate = TrustStore::new(vec![anchor])
            .verify(&chain, Usage::Device, clock(), &NoRevocations)
            .map_err(LabError::stage)?;
        let own =
            SigningKey::from_pkcs8(&key.to_pkcs8().map_err(LabError::stage)?).map_err(LabError::stage)?;
        let mut peer = Peer::connect(through, world.config(Some((chain, own)))?, clock)
            .await
            .map_err(LabError::stage)?;
        let root = *world.authority.root_fingerprint();
        let login = peer.login(Parties { user, root: &root }, DEVICE, PASSWORD).await;
        match login.map_err(LabError::stage)? {
            Reply::Welcome { .. } => {}
            other => return Err(LabError::stage(format!("{other:?}"))),
        }
        let user = name(user)?;
        let creation = creation(world.authority.organisation().clone(), certificate.hash())?;
        let room = creation.room_id();
        let keys = Provider::new(Store::default()).map_err(LabError::stage)?;
        let device = Device { certificate: &certificate, key: &key };
        let group = Group::create(&keys, &device, &room.0, 0).map_err(LabError::stage)?;
        let mut member = Self { peer, user, key, certificate, room, keys, group, clock };
        member.create_room(creation).await?;
        Ok(member)
    }

    async fn create_room(&mut self, creation: Creation) -> Result<(), LabError> {
        let device = Device { certificate: &self.certificate, key: &self.key };
        let commit =
            self.group.commit(&self.keys, &device, &[], &[], (self.clock)()).map_err(LabError::stage)?;
        self.group.confirm(&self.keys).map_err(LabError::stage)?;
        // The room lasts as long as this is in memory.
        self.keys.store().take_changes();
        let info = self.hand_in(&commit.group_info).await?;
        let tree = self.hand_in(&commit.tree).await?;
        let devices = vec![DeviceRef { user: self.user.clone(), certificate: self.certificate.hash() }];
        let name = Some(RoomName::parse("lab").map_err(LabError::stage)?);
        let claim = MembershipClaim {
            certificate: self.certificate.hash(),
            place: self.place(1, (self.clock)()),
            change: Change::Create { creation, name, devices },
            mls: MlsHashes { group: Some(GroupHashes { info, tree }), ..MlsHashes::default() },
        };
        let statement = Membership::sign(&claim, &self.key);
        let create = Command::RoomCreate { room: ByteArray::from(self.room.0), statement };
        match self.peer.ask(create).await.map_err(LabError::stage)? {
            Reply::Appended { .. } => Ok(()),
            other => Err(LabError::stage(format!("{other:?}"))),
        }
    }

    /// Hands in a blob and gives its hash. That of a group of one is a single piece.
    async fn hand_in(&mut self, blob: &[u8]) -> Result<[u8; 32], LabError> {
        let hash = pki::sha256(blob);
        let size = u64::try_from(blob.len()).map_err(LabError::stage)?;
        if blob.len() > BLOB_PIECE {
            return Err(LabError::stage("a group of one that is large"));
        }
        let put = Command::BlobPut { hash: ByteArray::from(hash), size, offset: 0, bytes: blob.to_vec() };
        match self.peer.ask(put).await.map_err(LabError::stage)? {
            Reply::BlobHeld { held } if held == size => Ok(hash),
            other => Err(LabError::stage(format!("{other:?}"))),
        }
    }

    fn place(&self, seq: u64, time_ms: u64) -> Place {
        Place { room: self.room, seq, time_ms, epoch: 0, seen: evidence::log::TreeHead::empty() }
    }

    /// A signed statement under a number and a time, and its content, sealed.
    ///
    /// # Errors
    /// [`LabError::Stage`].
    pub fn say(&mut self, seq: u64, time_ms: u64, text: &str) -> Result<(Vec<u8>, Vec<u8>), LabError> {
        let content = Content::new(vec![Field::Text(text.to_owned())]).map_err(LabError::stage)?;
        let certificate = self.certificate.hash();
        let binding = Binding { user: &self.user, certificate, room: self.room, seq };
        let context = group::context(&self.room.0, &certificate, seq, &content.commitment(&binding));
        let device = Device { certificate: &self.certificate, key: &self.key };
        let sealed =
            self.group.seal(&self.keys, &device, &context, &content.to_bytes()).map_err(LabError::stage)?;
        self.keys.store().take_changes();
        let claim = StatementClaim::new(&self.user, certificate, self.place(seq, time_ms), &content, &sealed);
        Ok((Statement::sign(&claim, &self.key), sealed))
    }

    /// Sends a statement as it is, and gives the server's reply.
    ///
    /// # Errors
    /// [`LabError::Stage`] if the connection ended.
    pub async fn append(&mut self, statement: Vec<u8>, sealed: Vec<u8>) -> Result<Reply, LabError> {
        let append = Command::Append {
            room: ByteArray::from(self.room.0),
            statement,
            content: Some(sealed),
            files: Vec::new(),
        };
        self.peer.ask(append).await.map_err(LabError::stage)
    }
}

fn creation(organisation: Organisation, creator: [u8; 32]) -> Result<Creation, LabError> {
    let mut nonce = [0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| LabError::stage("no randomness"))?;
    Ok(Creation { organisation, creator, parties: None, suite: ContentSuite::EndToEnd, nonce })
}

fn name(text: &str) -> Result<Name, LabError> {
    Name::canonical(text).map_err(LabError::stage)
}
