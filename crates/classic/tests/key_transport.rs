//! `key-transport`, both roles, over memory and sockets (docs/classic.md, section 4).

#![expect(clippy::unwrap_used, reason = "clippy.toml exempts test functions and not what they call")]

mod watch;

use classic::conversation::{Lines, Stop, What, serve};
use classic::frame::{FrameReader, Framing, write_frame};
use classic::key_transport::{
    KeyDelivery, SealedText, Server, SessionKey, connect, key_of_folder, read_server_key, server_key_message,
};
use classic::limits::{
    KEY_PAUSE, KEY_TRANSPORT_DEADLINE, LEAVE_DEADLINE, MAX_FRAME, MAX_TEXT, MESSAGE_PAUSE,
};
use classic::rsa::{DecryptingKey, SigningKey};
use classic::{ClassicError, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use watch::{Watch, rest, script};

const PIPE: usize = 64 * 1024;

/// A session of a server with a client that the test plays.
struct Stage {
    client: DuplexStream,
    ended: JoinHandle<Result<(), ClassicError>>,
    watch: Watch,
    stop: tokio::sync::watch::Sender<bool>,
}

fn stage() -> Stage {
    let (client, stream) = duplex(PIPE);
    let (reporter, watch) = Watch::one();
    let (stop, told) = Stop::new();
    let server = Server::new(DecryptingKey::generate().unwrap());
    let ended = tokio::spawn(async move { server.session(stream, reporter, told).await });
    Stage { client, ended, watch, stop }
}

impl Stage {
    /// Reads the server's key, to the byte: the three newlines too.
    async fn server_key(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        while !message.ends_with(b"\n\n\n") {
            message.push(self.client.read_u8().await.unwrap());
        }
        message.truncate(message.len() - 2);
        read_server_key(&message).unwrap()
    }

    async fn deliver(&mut self) -> SessionKey {
        let server = self.server_key().await;
        let session = SessionKey::generate().unwrap();
        let delivery = KeyDelivery::new(&session, &server, &SigningKey::generate().unwrap()).unwrap();
        self.send(&json::write(&delivery).unwrap()).await;
        session
    }

    async fn send(&mut self, message: &[u8]) {
        write_frame(&mut self.client, Framing::BlankLine, message).await.unwrap();
    }

    /// The server's error, after it has closed without a word (CL-43).
    async fn refused(mut self) -> ClassicError {
        assert_eq!(rest(&mut self.client).await, b"");
        self.ended.await.unwrap().unwrap_err()
    }
}

#[tokio::test(start_paused = true)]
async fn both_roles_talk_and_leave_in_order() {
    let Stage { client, ended, mut watch, stop } = stage();
    let (reporter, mut said) = Watch::one();
    let started = Instant::now();
    connect(client, script(&["hello", "", "héllo\nworld"]), reporter).await.unwrap();
    assert!(started.elapsed() >= KEY_PAUSE + 2 * MESSAGE_PAUSE && started.elapsed() < LEAVE_DEADLINE);
    ended.await.unwrap().unwrap();
    for text in ["hello", "héllo\nworld"] {
        let heard = What::Message { from: "127.0.0.1:50000".into(), seqno: None, text: text.into() };
        assert_eq!(watch.next().await, heard);
        assert_eq!(said.next().await, What::Sent { seqno: None, text: text.into() });
    }
    assert!(watch.messages().await.is_empty() && said.messages().await.is_empty());
    drop(stop);
}

/// CL-41 to CL-44: each message in a write of its own, the static vector to be seen.
#[tokio::test(start_paused = true)]
async fn cl44_a_client_sends_one_message_at_a_time() {
    let (mut server, stream) = duplex(PIPE);
    let (reporter, _watch) = Watch::one();
    let client = tokio::spawn(connect(stream, script(&["same", "same"]), reporter));
    let key = DecryptingKey::generate().unwrap();
    let shown = server_key_message(key.public_der()).unwrap();
    server.write_all(&Framing::BlankLine.frame(&shown)).await.unwrap();
    let mut messages = Vec::new();
    loop {
        let mut read = vec![0; 4096];
        match server.read(&mut read).await.unwrap() {
            0 => break,
            size => read.truncate(size),
        }
        let message = read.strip_suffix(b"\n\n").unwrap().to_vec();
        assert!(!message.contains(&b'\n'));
        messages.push(message);
    }
    drop(server);
    client.await.unwrap().unwrap();
    let [delivery, first, second] = &messages[..] else { panic!("{} messages", messages.len()) };
    assert!(delivery.starts_with(b"{\"enc_session\": \""));
    let session = json::read::<KeyDelivery>(delivery).unwrap().open(&key).unwrap();
    assert_eq!(session.open(&json::read(first).unwrap()).unwrap(), "same");
    assert_eq!(first, second);
}

#[tokio::test]
async fn cl44_a_server_reads_all_that_came_at_once() {
    let mut stage = stage();
    let session = SessionKey::generate().unwrap();
    let server = stage.server_key().await;
    let delivery = KeyDelivery::new(&session, &server, &SigningKey::generate().unwrap()).unwrap();
    let mut all = Framing::BlankLine.frame(&json::write(&delivery).unwrap());
    for text in ["one", "two"] {
        let sealed = json::write(&session.seal(text).unwrap()).unwrap();
        all.extend(Framing::BlankLine.frame(&sealed));
    }
    let (first, second) = all.split_at(all.len() - 20);
    stage.client.write_all(first).await.unwrap();
    stage.client.write_all(second).await.unwrap();
    stage.client.shutdown().await.unwrap();
    stage.ended.await.unwrap().unwrap();
    assert_eq!(stage.watch.messages().await, ["one", "two"]);
}

#[tokio::test]
async fn cl43_a_bad_key_delivery_closes_without_a_word() {
    for message in [
        "",
        "{}",
        "no JSON",
        "{\"enc_session\": \"?\", \"client_pub\": \"?\", \"client_sig\": \"?\"}",
        "\u{ff}",
    ] {
        let mut stage = stage();
        stage.server_key().await;
        stage.send(message.as_bytes()).await;
        assert!(matches!(stage.refused().await, ClassicError::Malformed(_)), "{message}");
    }
}

#[tokio::test]
async fn cl43_a_bad_message_closes_without_a_word() {
    let wrong: [fn(SealedText) -> SealedText; 3] = [
        |good| SealedText { hmac: json::base64([0; 32]), ..good },
        |good| SealedText { cipher: json::base64([0; 16]), ..good },
        |good| SealedText { cipher: "not base64".into(), ..good },
    ];
    for (n, change) in wrong.into_iter().enumerate() {
        let mut stage = stage();
        let session = stage.deliver().await;
        let good = session.seal("good").unwrap();
        stage.send(&json::write(&good).unwrap()).await;
        stage.send(&json::write(&change(good)).unwrap()).await;
        let error = stage.watch.next().await;
        assert!(matches!(error, What::Message { text, .. } if text == "good"));
        match stage.refused().await {
            ClassicError::BadCode => assert!(n < 2),
            ClassicError::Malformed(_) => assert_eq!(n, 2),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn cl2_a_frame_without_end_is_cut_off() {
    let mut stage = stage();
    stage.server_key().await;
    let endless = vec![b'a'; PIPE];
    for _ in 0..=MAX_FRAME / PIPE {
        if stage.client.write_all(&endless).await.is_err() {
            break;
        }
    }
    assert!(matches!(stage.refused().await, ClassicError::Limit { .. }));
}

/// CL-43: neither silence nor a byte now and then keeps a connection.
#[tokio::test(start_paused = true)]
async fn cl43_an_endless_handshake_is_cut_off() {
    for is_silent in [true, false] {
        let mut stage = stage();
        stage.server_key().await;
        let started = Instant::now();
        let mut ticks = tokio::time::interval(MESSAGE_PAUSE);
        while !is_silent && stage.client.write_all(b" ").await.is_ok() {
            ticks.tick().await;
        }
        assert!(matches!(stage.refused().await, ClassicError::Late { .. }));
        assert!(started.elapsed() <= KEY_TRANSPORT_DEADLINE + MESSAGE_PAUSE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_leaves_a_server_that_is_none() {
    let key = DecryptingKey::generate().unwrap();
    let shown = Framing::BlankLine.frame(&server_key_message(key.public_der()).unwrap());
    let speaking = [shown.as_slice(), b"and more\n\n"].concat();
    for (sent, code) in [
        (b"SERVER_PUB\nno PEM\n\n".as_slice(), "malformed"),
        (b"HTTP/1.1 400 Bad Request\r\n\n\n", "malformed"),
        (b"SERVER_PUB\n", "ended"),
        (&shown, "ended"),
        (&speaking, "malformed"),
    ] {
        let (mut server, stream) = duplex(PIPE);
        let (reporter, _watch) = Watch::one();
        server.write_all(sent).await.unwrap();
        server.shutdown().await.unwrap();
        let error = connect(stream, Lines::Nothing, reporter).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let (_server, stream) = duplex(PIPE);
    let silent = connect(stream, Lines::Nothing, Watch::one().0).await;
    assert!(matches!(silent, Err(ClassicError::Late { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_too_long_is_not_sent() {
    let stage = stage();
    let text = "a".repeat(MAX_TEXT + 1);
    let said = connect(stage.client, script(&[&text]), Watch::one().0).await;
    assert!(matches!(said, Err(ClassicError::TextTooLong { limit: MAX_TEXT })));
}

#[tokio::test]
async fn several_clients_at_once_over_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(key_of_folder(folder.path()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sink, mut watch) = Watch::new();
    let (stop, told) = Stop::new();
    let serving = {
        let told = told.clone();
        tokio::spawn(serve(listener, told.clone(), sink, move |stream, reporter| {
            let (server, told) = (server.clone(), told.clone());
            async move { server.session(stream, reporter, told).await }
        }))
    };
    let clients = (0..5).map(|n| {
        tokio::spawn(async move {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            connect(stream, script(&[&format!("{n} one"), &format!("{n} two")]), Watch::one().0).await
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap().unwrap();
    }
    // One that is connected when the server stops is let go.
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut reader = FrameReader::new(&mut idle, Framing::BlankLine);
    read_server_key(&reader.expect().await.unwrap()).unwrap();
    stop.send(true).unwrap();
    assert_eq!(rest(&mut idle).await, b"");
    serving.await.unwrap().unwrap();
    let mut messages = watch.messages().await;
    messages.sort();
    let expected: Vec<_> = (0..5).flat_map(|n| [format!("{n} one"), format!("{n} two")]).collect();
    assert_eq!(messages, expected);
}
