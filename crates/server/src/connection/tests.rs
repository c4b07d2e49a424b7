//! How long the server waits for peers that stop (SE-10, CH-70): tokio's clock stands, and goes on to the next deadline
//! when nothing else can happen.

use std::net::SocketAddr;
use std::sync::Arc;

use channel::HANDSHAKE_TIMEOUT_MS;
use evidence::limits::MAX_SKEW_MS;
use evidence::membership::{DeviceClaim, DeviceStatement};
use minicbor::bytes::ByteArray;
use pki::ed25519::SigningKey;
use pki::{Chain, Name, Organisation};
use session::limits::{ANONYMOUS_DEADLINE_MS, ENROL_DEADLINE_MS, IDLE_LIMIT_MS, LOGIN_DEADLINE_MS};
use session::link::{Link, Purpose};
use session::login::{ClientLogin, ClientRegistration, Parties};
use session::message::{Command, Reply, Role};
use store::{SqliteStore, Store};
use tempfile::TempDir;
use testkit::member::{Member, anonymous};
use testkit::peer::Peer;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::clock::now_ms;
use crate::console::Console;
use crate::listener::assemble;
use crate::organisation::{Authority, DataFolder, KeyProtection};
use crate::{Server, ServerConfig};

const PASSWORD: &str = "correct horse battery staple";
/// By how much the time that was waited may differ, in milliseconds: what passed before the clock was stopped, and other
/// deadlines that came before the end was noticed.
const TOLERANCE_MS: u128 = 5_000;

struct World {
    folder: TempDir,
    server: Server,
    link: Link,
    alice: Member,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let organisation = Organisation::parse("apollo.example").unwrap();
        Authority::create(&data, &organisation, &KeyProtection::Plain, now_ms()).unwrap();
        let config = ServerConfig {
            data: folder.path().to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            name: None,
            store: None,
            protection: KeyProtection::Plain,
        };
        let server = Server::start(config).await.unwrap();
        let console = Console::open(&data).await.unwrap();
        let token = console.create_invite(None, Role::Member, 2, now_ms() + 60_000).await.unwrap();
        console.close().await;
        let root = *Authority::load(&data, &KeyProtection::Plain).unwrap().root_fingerprint();
        let (host, port) = (server.address().ip().to_string(), server.address().port());
        let link = Link { host, port, root, token, purpose: Purpose::Join };
        let alice = Member::join(&link, "alice", "laptop", PASSWORD).await.unwrap();
        Self { folder, server, link, alice }
    }

    async fn anonymous(&self) -> Peer {
        Peer::connect(self.server.address(), anonymous(&self.link.root)).await.unwrap()
    }

    /// A new device of alice's that waits to be approved, its request and its key.
    async fn waiting_phone(&self) -> (Peer, ByteArray<32>, SigningKey) {
        let mut alice = self.alice.connect(self.server.address()).await.unwrap();
        let Reply::DeviceLink { token, .. } = alice.ask(Command::DeviceLinkCreate).await.unwrap() else {
            panic!()
        };
        let mut peer = self.anonymous().await;
        let (login, ke1) = ClientLogin::start(PASSWORD).unwrap();
        let start = Command::DeviceStart { token, user: "alice".into(), device: "phone".into(), ke1 };
        let Reply::LoginChallenge { ke2 } = peer.ask(start).await.unwrap() else { panic!() };
        let parties = Parties { user: "alice", root: &self.link.root };
        let ke3 = login.finish(PASSWORD, &ke2, parties, &peer.exporter()).unwrap().ke3;
        let key = SigningKey::generate().unwrap();
        let request = pki::request::create(&key).unwrap();
        let proof = pki::request::prove_possession(&key, &peer.exporter(), &request).to_vec();
        let reply = peer.ask(Command::DeviceRequest { ke3, request, proof }).await.unwrap();
        let Reply::DevicePending { id } = reply else { panic!("{reply:?}") };
        (peer, id, key)
    }
}

/// Waits until the server ends the connection of a peer that says nothing more.
async fn assert_ends_after(mut peer: Peer, limit_ms: u64) {
    tokio::time::pause();
    let start = Instant::now();
    while peer.event().await.is_ok() {}
    assert_about(start, limit_ms);
}

fn assert_about(start: Instant, limit_ms: u64) {
    let waited = start.elapsed().as_millis();
    assert!(waited.abs_diff(limit_ms.into()) <= TOLERANCE_MS, "{waited} ms, not {limit_ms}");
}

#[tokio::test]
async fn a_handshake_that_stalls_ends() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.server.address()).await.unwrap();
    tokio::time::pause();
    let start = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_about(start, HANDSHAKE_TIMEOUT_MS);
}

#[tokio::test]
async fn an_anonymous_peer_has_little_time_for_its_first_step() {
    let world = World::new().await;
    assert_ends_after(world.anonymous().await, ANONYMOUS_DEADLINE_MS).await;
}

#[tokio::test]
async fn an_anonymous_peer_whose_first_step_was_not_good_gets_no_more_time() {
    let world = World::new().await;
    let mut peer = world.anonymous().await;
    let (_, registration_request) = ClientRegistration::start(PASSWORD).unwrap();
    let (user, device) = ("bob".to_owned(), "laptop".to_owned());
    let start = Command::JoinStart { token: vec![7; 32], user, email: None, device, registration_request };
    assert!(matches!(peer.ask(start).await.unwrap(), Reply::Failed { .. }));
    assert_ends_after(peer, ANONYMOUS_DEADLINE_MS).await;
}

#[tokio::test]
async fn a_joiner_has_the_time_of_a_login() {
    let world = World::new().await;
    let mut peer = world.anonymous().await;
    let (_, registration_request) = ClientRegistration::start(PASSWORD).unwrap();
    let (token, user, device) = (world.link.token.to_vec(), "bob".to_owned(), "laptop".to_owned());
    let start = Command::JoinStart { token, user, email: None, device, registration_request };
    assert!(matches!(peer.ask(start).await.unwrap(), Reply::JoinChallenge { .. }));
    assert_ends_after(peer, LOGIN_DEADLINE_MS).await;
}

#[tokio::test]
async fn a_device_that_does_not_log_in_is_not_waited_for() {
    let world = World::new().await;
    let peer = Peer::connect(world.server.address(), world.alice.config()).await.unwrap();
    assert_ends_after(peer, LOGIN_DEADLINE_MS).await;
}

#[tokio::test]
async fn a_new_device_has_time_to_be_approved() {
    let world = World::new().await;
    let (peer, _, _) = world.waiting_phone().await;
    assert_ends_after(peer, ENROL_DEADLINE_MS).await;
}

/// SE-14: who vouches and the new device may both find it approved and not issued yet.
#[tokio::test]
async fn two_who_ask_at_once_for_an_approved_device_are_given_one_certificate() {
    let world = World::new().await;
    let (mut phone, id, key) = world.waiting_phone().await;
    let alice = &world.alice;
    let device = Name::parse("phone").unwrap();
    let claim = DeviceClaim::new(alice.certificate(), now_ms(), alice.user.clone(), device, key.public());
    let statement = DeviceStatement::sign(&claim, &alice.key());
    // What a stop between the two transactions leaves.
    let folder = DataFolder::at(world.folder.path());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.database()).await.unwrap());
    store.approve_device(&id, &alice.certificate(), &statement, now_ms()).await.unwrap();

    let authority = Authority::load(&folder, &KeyProtection::Plain).unwrap();
    let (shared, _sequencing) = assemble(store, Arc::new(authority)).await.unwrap();
    let (first, second) = tokio::join!(shared.issue_approved(&id), shared.issue_approved(&id));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first, second);
    let Reply::Joined { chain, .. } = phone.ask(Command::DevicePoll).await.unwrap() else { panic!() };
    assert_eq!(Chain(chain.into_iter().map(Into::into).collect()), first.0);
}

#[tokio::test]
async fn a_statement_vouches_now_for_the_device_that_asked_and_no_other() {
    let world = World::new().await;
    let (_phone, id, key) = world.waiting_phone().await;
    let alice = &world.alice;
    let mut session = alice.connect(world.server.address()).await.unwrap();
    let other = SigningKey::generate().unwrap();
    let now = now_ms();
    let cases = [
        ("desk", now, &key, false),
        ("phone", now, &other, false),
        ("phone", 1, &key, false),
        ("phone", now + 2 * MAX_SKEW_MS, &key, false),
        ("phone", now, &key, true),
    ];
    for (device, time_ms, key, stands) in cases {
        let device = Name::parse(device).unwrap();
        let claim = DeviceClaim::new(alice.certificate(), time_ms, alice.user.clone(), device, key.public());
        let statement = DeviceStatement::sign(&claim, &alice.key());
        let reply = session.ask(Command::DeviceApprove { id, statement }).await.unwrap();
        assert_eq!(matches!(reply, Reply::DeviceApproved { .. }), stands, "{reply:?}");
    }
}

/// SE-31
#[tokio::test]
async fn tries_to_join_as_one_user_of_an_earlier_system_are_counted_over_all_addresses() {
    let world = World::new().await;
    let folder = DataFolder::at(world.folder.path());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.database()).await.unwrap());
    let authority = Authority::load(&folder, &KeyProtection::Plain).unwrap();
    let (shared, _sequencing) = assemble(store, Arc::new(authority)).await.unwrap();
    let begin = |user, n| shared.import_begins(user, [192, 0, 2, n].into(), 0).is_ok();
    assert!((0..5).all(|n| begin("bob", n)) && !begin("bob", 5));
    assert!(begin("bob@example.org", 6), "that it is bob's is not told");
    shared.import_succeeded("bob", [192, 0, 2, 0].into());
    assert!(begin("bob", 7));
}

#[tokio::test]
async fn a_silent_session_ends() {
    let world = World::new().await;
    let peer = world.alice.connect(world.server.address()).await.unwrap();
    assert_ends_after(peer, IDLE_LIMIT_MS).await;
}
