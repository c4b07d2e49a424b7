//! `broadcast`, both roles, over memory and sockets (docs/classic.md, section 5).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml exempts test functions and not what they call"
)]

mod watch;

use std::sync::Arc;

use classic::broadcast::{
    Accepted, Account, ClientMessage, Credentials, Offer, Password, RoomKey, Server, ServerMessage, connect,
};
use classic::conversation::{Lines, Stop, What, serve};
use classic::dh::{Group, Share};
use classic::frame::{FrameReader, Framing, write_frame};
use classic::limits::{
    HANDSHAKE_DEADLINE, LEAVE_DEADLINE, MAX_ATTEMPTS, MAX_FRAME, MAX_ROOM_TEXT, MAX_WAITING, MESSAGE_PAUSE,
};
use classic::users::credentials_file::CredentialsFile;
use classic::users::memory::MemoryUsers;
use classic::{ClassicError, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use watch::{Watch, script};

const PIPE: usize = 64 * 1024;

/// A server in memory.
struct Stage {
    server: Server,
    told: Stop,
    _stop: tokio::sync::watch::Sender<bool>,
}

/// A client that the test plays, and the server's side of it.
struct Guest {
    reader: FrameReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
    ended: JoinHandle<Result<(), ClassicError>>,
    watch: Watch,
}

impl Stage {
    fn new() -> Self {
        let (stop, told) = Stop::new();
        Self { server: Server::new(Arc::new(MemoryUsers::default())), told, _stop: stop }
    }

    fn guest(&self, pipe: usize) -> Guest {
        let (client, stream) = duplex(pipe);
        let (reporter, watch) = Watch::one();
        let (server, told) = (self.server.clone(), self.told.clone());
        let ended = tokio::spawn(async move { server.session(stream, reporter, told).await });
        let (read, write) = split(client);
        Guest { reader: FrameReader::new(read, Framing::Object), write, ended, watch }
    }

    /// Somebody in the room.
    async fn member(&self, name: &str) -> (Guest, RoomKey) {
        let mut guest = self.guest(PIPE);
        let key = guest.enter(name).await;
        (guest, key)
    }
}

fn credentials(name: &str, password: &str) -> Credentials {
    Credentials { username: name.into(), password: Password::new(password.into()) }
}

fn account(name: &str, is_new: bool) -> Account {
    Account { username: name.into(), password: Password::new("pw".into()), is_new }
}

impl Guest {
    async fn send(&mut self, message: &ClientMessage) {
        self.send_bytes(&json::write(message).unwrap()).await;
    }

    async fn send_bytes(&mut self, bytes: &[u8]) {
        write_frame(&mut self.write, Framing::Object, bytes).await.unwrap();
    }

    async fn next(&mut self) -> ServerMessage {
        json::read(&self.reader.expect().await.unwrap()).unwrap()
    }

    async fn register(&mut self, name: &str) -> (bool, String) {
        self.send(&ClientMessage::Register(credentials(name, "pw"))).await;
        match self.next().await {
            ServerMessage::RegisterResponse { success, message } => (success, message),
            other => panic!("{other:?}"),
        }
    }

    async fn login(&mut self, name: &str, password: &str) -> Result<Offer, String> {
        self.send(&ClientMessage::Login(credentials(name, password))).await;
        match self.next().await {
            ServerMessage::LoginResponse { success: true, message, dh_params, public_key } => {
                assert_eq!(message, "Authentication successful");
                Ok(Offer { dh_params: dh_params.unwrap(), public_key: public_key.unwrap() })
            }
            ServerMessage::LoginResponse { success: false, message, dh_params: None, public_key: None } => {
                Err(message)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn enter(&mut self, name: &str) -> RoomKey {
        self.register(name).await;
        let Accepted { key, public_key, .. } = self.login(name, "pw").await.unwrap().accept().unwrap();
        self.send(&ClientMessage::DhKey { public_key }).await;
        self.watch.until(&What::LoggedIn { user: name.into() }).await;
        key
    }

    async fn hear(&mut self, key: &RoomKey) -> String {
        match self.next().await {
            ServerMessage::Message { data } => key.open(&data).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&mut self, key: &RoomKey, text: &str) {
        self.send(&ClientMessage::Message { data: key.seal(text).unwrap() }).await;
    }

    /// The server's error, after it has closed without a word.
    async fn refused(mut self) -> ClassicError {
        let silent = self.reader.next().await.unwrap();
        assert!(silent.is_none(), "{silent:?}");
        self.ended.await.unwrap().unwrap_err()
    }
}

#[tokio::test]
async fn cl51_answers_are_those_of_the_table() {
    let stage = Stage::new();
    let mut guest = stage.guest(PIPE);
    assert_eq!(guest.login("ann", "pw").await, Err("Username not found".into()));
    assert_eq!(guest.register("ann").await, (true, "Registration successful".into()));
    assert_eq!(guest.register("ann").await, (false, "Username already exists".into()));
    assert_eq!(guest.register("").await, (false, "Registration failed".into()));
    assert_eq!(guest.login("ann", "PW").await, Err("Invalid password".into()));
    let offer = guest.login("ann", "pw").await.unwrap();
    let Accepted { public_key, .. } = offer.accept().unwrap();
    guest.send(&ClientMessage::DhKey { public_key }).await;
    let pem = |field: &str| String::from_utf8(json::from_base64(field).unwrap()).unwrap();
    assert!(
        pem(&offer.dh_params).starts_with("-----BEGIN DH PARAMETERS-----\nMIIBCAKCAQEA///////////JD9qiIWjC")
    );
    assert!(pem(&offer.public_key).starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(match guest.watch.next().await {
            What::Rejected { error } => error,
            What::Registered { user, .. } => format!("registered {user}"),
            other => panic!("{other:?}"),
        });
    }
    for (told, word) in told.iter().zip([
        "Username not found",
        "registered ann",
        "Username already exists",
        "Registration failed",
        "Invalid password of ann",
    ]) {
        assert!(told.starts_with(word), "{told}");
    }
    assert_eq!(guest.watch.next().await, What::LoggedIn { user: "ann".into() });
}

#[tokio::test]
async fn cl51_who_only_registers_leaves_in_order() {
    let stage = Stage::new();
    let mut guest = stage.guest(PIPE);
    guest.register("ann").await;
    guest.write.shutdown().await.unwrap();
    guest.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn cl54_a_room_of_three() {
    let stage = Stage::new();
    let (mut ann, ann_key) = stage.member("ann").await;
    let (mut bob, bob_key) = stage.member("bob").await;
    assert_eq!(ann.hear(&ann_key).await, "User bob has joined the chat");
    let (mut eve, eve_key) = stage.member("eve\nbob: hi").await;
    for (guest, key) in [(&mut ann, &ann_key), (&mut bob, &bob_key)] {
        assert_eq!(guest.hear(key).await, "User eve\nbob: hi has joined the chat");
    }
    bob.say(&bob_key, "héllo\nann: spoofed").await;
    for (guest, key) in [(&mut ann, &ann_key), (&mut eve, &eve_key)] {
        assert_eq!(guest.hear(key).await, "bob: héllo\nann: spoofed");
    }
    eve.say(&eve_key, "exit").await;
    eve.ended.await.unwrap().unwrap();
    for (guest, key) in [(&mut ann, &ann_key), (&mut bob, &bob_key)] {
        assert_eq!(guest.hear(key).await, "User eve\nbob: hi has left the chat");
    }
    // What bob said has not come back to him: the next he hears is ann's.
    ann.say(&ann_key, "").await;
    assert_eq!(bob.hear(&bob_key).await, "ann: ");
    bob.write.shutdown().await.unwrap();
    assert_eq!(ann.hear(&ann_key).await, "User bob has left the chat");
}

/// CL-50: to a reader that takes whatever it reads at once for one object, objects come one at a time; we read them in any pieces.
#[tokio::test(start_paused = true)]
async fn cl50_objects_come_one_at_a_time() {
    let stage = Stage::new();
    let (bob, stream) = duplex(PIPE);
    let (server, told) = (stage.server.clone(), stage.told.clone());
    let (reporter, mut watch) = Watch::one();
    tokio::spawn(async move { server.session(stream, reporter, told).await });
    let (mut bob, mut write) = split(bob);
    let login =
        [ClientMessage::Register(credentials("bob", "pw")), ClientMessage::Login(credentials("bob", "pw"))];
    for message in login {
        write.write_all(&json::write(&message).unwrap()).await.unwrap();
    }
    let mut answers = FrameReader::new(&mut bob, Framing::Object);
    answers.expect().await.unwrap();
    let ServerMessage::LoginResponse { dh_params: Some(dh_params), public_key: Some(public_key), .. } =
        json::read(&answers.expect().await.unwrap()).unwrap()
    else {
        panic!("no login")
    };
    let Accepted { key: bob_key, public_key, .. } = Offer { dh_params, public_key }.accept().unwrap();
    write.write_all(&json::write(&ClientMessage::DhKey { public_key }).unwrap()).await.unwrap();
    watch.until(&What::LoggedIn { user: "bob".into() }).await;
    let (mut ann, ann_key) = stage.member("ann").await;
    let mut all = Vec::new();
    for text in ["one", "two", "three"] {
        let data = ann_key.seal(text).unwrap();
        all.extend(json::write(&ClientMessage::Message { data }).unwrap());
    }
    let (first, second) = all.split_at(70);
    ann.send_bytes(first).await;
    ann.send_bytes(second).await;
    for text in ["User ann has joined the chat", "ann: one", "ann: two", "ann: three"] {
        let mut read = vec![0; 4096];
        let size = bob.read(&mut read).await.unwrap();
        let ServerMessage::Message { data } = json::read(&read[..size]).unwrap() else {
            panic!("no message")
        };
        assert_eq!(bob_key.open(&data).unwrap(), text);
    }
}

#[tokio::test]
async fn cl55_a_text_that_does_not_fit_is_not_passed_on() {
    let stage = Stage::new();
    let (mut ann, ann_key) = stage.member("ann").await;
    let (mut bob, bob_key) = stage.member("bob").await;
    let longest = "a".repeat(MAX_ROOM_TEXT - "bob: ".len());
    bob.say(&bob_key, &format!("{longest}a")).await;
    bob.say(&bob_key, &longest).await;
    assert_eq!(ann.hear(&ann_key).await, "User bob has joined the chat");
    assert_eq!(ann.hear(&ann_key).await, format!("bob: {longest}"));
    assert!(matches!(bob.watch.next().await, What::Rejected { .. }));
}

#[tokio::test]
async fn cl55_what_is_no_message_ends_the_connection() {
    let stage = Stage::new();
    let login = json::write(&ClientMessage::Login(credentials("ann", "pw"))).unwrap();
    for (message, code) in [
        (b"{}".as_slice(), "malformed"),
        (b"no JSON", "malformed"),
        (b"[]", "malformed"),
        (b"{\"type\": \"sudo\"}", "malformed"),
        (b"{\"type\": \"login\", \"username\": 7, \"password\": \"\"}", "malformed"),
        (b"{\"type\": \"login\", \"username\": \"\xff\", \"password\": \"\"}", "malformed"),
        (b"{\"type\": \"message\", \"data\": \"\"}", "malformed"),
        (b"{\"type\": \"dh_key\", \"public_key\": \"\"}", "malformed"),
    ] {
        let mut guest = stage.guest(PIPE);
        guest.send_bytes(message).await;
        assert_eq!(guest.refused().await.code(), code, "{message:?}");
    }
    let mut guest = stage.guest(PIPE);
    guest.register(&"n".repeat(255)).await;
    guest.send(&ClientMessage::Login(credentials(&"n".repeat(1_025), "pw"))).await;
    assert!(matches!(guest.refused().await, ClassicError::Limit { .. }));
    for (message, code) in [
        (b"{\"type\": \"message\", \"data\": \"?\"}".as_slice(), "malformed"),
        (b"{\"type\": \"message\", \"data\": \"\"}", "decryption"),
        (&login, "malformed"),
    ] {
        let (mut guest, _) = stage.member("ann").await;
        guest.send_bytes(message).await;
        assert_eq!(guest.refused().await.code(), code);
    }
}

#[tokio::test]
async fn cl52_public_keys_out_of_range_end_the_connection() {
    let stage = Stage::new();
    let offer = |public_key: &str| ClientMessage::DhKey { public_key: public_key.into() };
    let good = Offer::new(&Group::modp_14().unwrap(), &Share::generate(&Group::modp_14().unwrap()).unwrap())
        .unwrap();
    let cut = json::base64(&json::from_base64(&good.public_key).unwrap()[..500]);
    let text = String::from_utf8(json::from_base64(&good.dh_params).unwrap()).unwrap();
    let parameters = classic::dh::Parameters::from_pem(&text).unwrap();
    let value = |digits: &str| {
        let value = classic::dh::Number::from_decimal(digits).unwrap();
        json::base64(parameters.public_to_pem(&value).unwrap())
    };
    for (public_key, code) in [
        (cut, "malformed"),
        ("?".to_owned(), "malformed"),
        (good.dh_params.clone(), "malformed"),
        (value("0"), "bad-dh"),
        (value("1"), "bad-dh"),
        (value(&parameters.prime.to_decimal()), "bad-dh"),
        (value(&"9".repeat(2_000)), "bad-dh"),
    ] {
        let mut guest = stage.guest(PIPE);
        guest.register("ann").await;
        guest.login("ann", "pw").await.unwrap();
        guest.send(&offer(&public_key)).await;
        assert_eq!(guest.refused().await.code(), code);
    }
}

#[tokio::test]
async fn cl51_nobody_asks_for_ever() {
    let stage = Stage::new();
    let mut guest = stage.guest(PIPE);
    for _ in 0..MAX_ATTEMPTS {
        guest.login("ann", "guess").await.unwrap_err();
    }
    assert!(matches!(guest.refused().await, ClassicError::Limit { .. }));
}

#[tokio::test]
async fn cl2_an_object_without_end_is_cut_off() {
    let stage = Stage::new();
    let mut guest = stage.guest(PIPE);
    guest.write.write_all(b"{\"type\": \"").await.unwrap();
    let endless = vec![b'a'; PIPE];
    for _ in 0..=MAX_FRAME / PIPE {
        if guest.write.write_all(&endless).await.is_err() {
            break;
        }
    }
    assert!(matches!(guest.refused().await, ClassicError::Limit { .. }));
}

/// CL-51: neither silence nor a byte now and then keeps a connection, before the login and after it.
#[tokio::test(start_paused = true)]
async fn cl51_an_endless_handshake_is_cut_off() {
    let stage = Stage::new();
    for (is_silent, logs_in) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut guest = stage.guest(PIPE);
        if logs_in {
            guest.register("ann").await;
            guest.login("ann", "pw").await.unwrap();
        }
        let started = Instant::now();
        let mut ticks = tokio::time::interval(MESSAGE_PAUSE);
        while !is_silent && guest.write.write_all(b" ").await.is_ok() {
            ticks.tick().await;
        }
        assert!(matches!(guest.refused().await, ClassicError::Late { .. }));
        assert!(started.elapsed() <= HANDSHAKE_DEADLINE + MESSAGE_PAUSE);
    }
}

/// CL-56: the others go on, and hear that it is gone.
#[tokio::test(start_paused = true)]
async fn cl56_a_slow_reader_is_cut_off_and_the_others_go_on() {
    let stage = Stage::new();
    let mut slow = stage.guest(2_048);
    slow.enter("slow").await;
    let (mut quick, quick_key) = stage.member("quick").await;
    let (mut speaker, speaker_key) = stage.member("speaker").await;
    let speaking = tokio::spawn(async move {
        for n in 0..MAX_WAITING + 100 {
            speaker.say(&speaker_key, &n.to_string()).await;
        }
        (speaker, speaker_key)
    });
    let mut heard = Vec::new();
    while heard.len() < MAX_WAITING + 102 {
        heard.push(quick.hear(&quick_key).await);
    }
    assert!(matches!(slow.ended.await.unwrap(), Err(ClassicError::Limit { limit: MAX_WAITING, .. })));
    assert!(heard.iter().any(|text| text == "User slow has left the chat"));
    assert!(heard.iter().any(|text| *text == format!("speaker: {}", MAX_WAITING + 99)));
    let (mut speaker, speaker_key) = speaking.await.unwrap();
    assert_eq!(speaker.hear(&speaker_key).await, "User slow has left the chat");
}

/// Both roles over sockets, users in a file; the second and third wait for the first's word.
#[tokio::test]
async fn several_clients_at_once_over_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let users = CredentialsFile::open(&folder.path().join("server_credentials.json")).await.unwrap();
    let server = Server::new(Arc::new(users));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sink, mut heard) = Watch::new();
    let (stop, told) = Stop::new();
    let serving = tokio::spawn(serve(listener, told.clone(), sink, move |stream, reporter| {
        let (server, told) = (server.clone(), told.clone());
        async move { server.session(stream, reporter, told).await }
    }));
    let come = |name: &'static str, lines: Lines| {
        let (reporter, watch) = Watch::one();
        let talking = tokio::spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            connect(stream, account(name, true), lines, reporter).await
        });
        (talking, watch)
    };
    let room = |text: &str| What::Message { from: "room".into(), seqno: None, text: text.into() };
    let (to_ann, lines) = mpsc::channel(8);
    let (ann, mut at_ann) = come("ann", Lines::Typed(lines));
    at_ann.until(&What::LoggedIn { user: "ann".into() }).await;
    to_ann.send("alone".into()).await.unwrap();
    heard.until(&What::Message { from: "ann".into(), seqno: None, text: "alone".into() }).await;
    let (to_bob, lines) = mpsc::channel(8);
    let (bob, mut at_bob) = come("bob", Lines::Typed(lines));
    at_ann.until(&room("User bob has joined the chat")).await;
    to_ann.send("hello bob".into()).await.unwrap();
    at_bob.until(&room("ann: hello bob")).await;
    let (carol, mut at_carol) = come("carol", script(&["one", "two", "exit", "never said"]));
    carol.await.unwrap().unwrap();
    for text in ["User carol has joined the chat", "carol: one", "carol: two", "User carol has left the chat"]
    {
        at_ann.until(&room(text)).await;
        at_bob.until(&room(text)).await;
    }
    assert!(at_carol.messages().await.is_empty());
    drop(to_bob);
    bob.await.unwrap().unwrap();
    at_ann.until(&room("User bob has left the chat")).await;
    stop.send(true).unwrap();
    assert!(matches!(ann.await.unwrap(), Err(ClassicError::Ended(_))));
    serving.await.unwrap().unwrap();
    let file = std::fs::read_to_string(folder.path().join("server_credentials.json")).unwrap();
    assert!(["ann", "bob", "carol"].iter().all(|name| file.contains(name)) && !file.contains("pw"));
}

#[tokio::test]
async fn a_client_is_told_why_it_is_not_let_in() {
    let stage = Stage::new();
    for (account, words) in [
        (account("ann", false), "Username not found"),
        (account("ann", true), ""),
        (account("ann", true), "Username already exists"),
        (Account { password: Password::new("PW".into()), ..account("ann", false) }, "Invalid password"),
    ] {
        let (client, stream) = duplex(PIPE);
        let (server, told) = (stage.server.clone(), stage.told.clone());
        tokio::spawn(async move { server.session(stream, Watch::one().0, told).await });
        match connect(client, account, script(&[]), Watch::one().0).await {
            Err(ClassicError::Refused(said)) => assert_eq!(said, words),
            other => assert!(other.is_ok() && words.is_empty()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_leaves_a_server_that_is_none() {
    for (sent, code) in [
        (b"HTTP/1.1 400 Bad Request".as_slice(), "malformed"),
        (b"{\"type\": \"register_response\", \"success\": true, \"message\": \"\"}", "malformed"),
        (b"{\"type\": \"login_response\", \"success\": true, \"message\": \"\"}", "malformed"),
        (b"{\"type\": \"login_response\", \"success\": true, \"message\": \"\", \"dh_params\": \"?\", \"public_key\": \"\"}", "malformed"),
        (b"{\"type\": \"log", "ended"),
        (b"", "ended"),
    ] {
        let (mut server, stream) = duplex(PIPE);
        server.write_all(sent).await.unwrap();
        server.shutdown().await.unwrap();
        let error = connect(stream, account("ann", false), Lines::Nothing, Watch::one().0).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let (_server, stream) = duplex(PIPE);
    let silent = connect(stream, account("ann", false), Lines::Nothing, Watch::one().0).await;
    assert!(matches!(silent, Err(ClassicError::Late { .. })));
}

/// CL-46: a server that does not end its half is waited for and then left.
#[tokio::test(start_paused = true)]
async fn cl55_a_client_that_leaves_waits_a_while() {
    let (mine, theirs) = duplex(PIPE);
    let client = tokio::spawn(connect(theirs, account("ann", false), script(&["hello"]), Watch::one().0));
    let (read, mut write) = split(mine);
    let mut reader = FrameReader::new(read, Framing::Object);
    let group = Group::modp_14().unwrap();
    let share = Share::generate(&group).unwrap();
    let Offer { dh_params, public_key } = Offer::new(&group, &share).unwrap();
    reader.expect().await.unwrap();
    let answer = ServerMessage::LoginResponse {
        success: true,
        message: "Authentication successful".into(),
        dh_params: Some(dh_params),
        public_key: Some(public_key),
    };
    write_frame(&mut write, Framing::Object, &json::write(&answer).unwrap()).await.unwrap();
    let ClientMessage::DhKey { public_key } = json::read(&reader.expect().await.unwrap()).unwrap() else {
        panic!("no public key")
    };
    let key = RoomKey::agree(&group, &share, &public_key).unwrap();
    let ClientMessage::Message { data } = json::read(&reader.expect().await.unwrap()).unwrap() else {
        panic!("no message")
    };
    assert_eq!(key.open(&data).unwrap(), "hello");
    assert!(reader.next().await.unwrap().is_none());
    let started = Instant::now();
    client.await.unwrap().unwrap();
    assert!(started.elapsed() <= LEAVE_DEADLINE);
}
