//! Two ends of a channel under any sequence of calls, with a network between them that cuts, changes, drops and
//! repeats bytes: what comes out is a prefix of what went in, and a failed end says nothing more.

#![no_main]

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use arbitrary::Arbitrary;
use channel::{
    ClientConfig, ClientIdentity, Connection, Event, LoginBinding, OpaqueSessionKey, ServerConfig,
    ServerIdentity, ServerTrust, Suite,
};
use fuzz::{NOW, Organised, device, name};
use libfuzzer_sys::fuzz_target;
use pki::{Holder, NoRevocations};

#[derive(Debug, Arbitrary)]
enum Step {
    Send { client: bool, length: u16 },
    Deliver { client: bool, length: u16 },
    Change { client: bool, at: u16, bit: u8 },
    Drop { client: bool, length: u8 },
    Repeat { client: bool, length: u8 },
    Login { client: bool, other: bool },
    Rekey,
    AskForRekey,
    Close { client: bool },
    End { client: bool },
    Wait { seconds: u16 },
}

struct End {
    connection: Connection,
    /// Bytes on their way to this end.
    wire: VecDeque<u8>,
    sent: u64,
    received: u64,
    failed: bool,
}

impl End {
    fn new(connection: Connection) -> Self {
        Self { connection, wire: VecDeque::new(), sent: 0, received: 0, failed: false }
    }

    /// Bytes that depend on their place alone.
    fn send(&mut self, length: u16) {
        let data: Vec<u8> = (self.sent..self.sent + u64::from(length)).map(|at| (at % 251) as u8).collect();
        if self.connection.send(&data).is_ok() {
            self.sent += u64::from(length);
        }
    }

    fn listen(&mut self, sent_by_peer: u64) {
        while let Some(event) = self.connection.poll_event() {
            if let Event::Data(data) = event {
                for byte in data {
                    assert_eq!(byte, (self.received % 251) as u8);
                    self.received += 1;
                }
            }
        }
        assert!(self.received <= sent_by_peer);
    }

    fn take(&mut self, length: u16, now: u64) {
        let length = usize::from(length).min(self.wire.len());
        let bytes: Vec<u8> = self.wire.drain(..length).collect();
        let outcome = self.connection.handle_input(&bytes, now);
        if self.failed {
            assert!(outcome.is_err());
        }
        self.failed |= outcome.is_err();
    }
}

fn configs() -> (ClientConfig, ServerConfig) {
    static IDENTITIES: OnceLock<(Arc<ClientIdentity>, Arc<ServerIdentity>)> = OnceLock::new();
    let ours = Organised::get();
    let (client, server) = IDENTITIES.get_or_init(|| {
        let (chain, key) = ours.issue(&device("alice"));
        let client = ClientIdentity::new(&chain, key).expect("our own chain");
        let (chain, key) = ours.issue(&Holder::Server(name("node")));
        let server = ServerIdentity::new(&chain.with_root(ours.root.certificate()), key);
        (Arc::new(client), Arc::new(server.expect("our own chain")))
    });
    let trust = ServerTrust::Anchors {
        store: Arc::clone(&ours.trust),
        organisation: ours.root.organisation().clone(),
        revocations: Arc::new(NoRevocations),
    };
    let suites = Suite::ALL.to_vec();
    (
        ClientConfig { trust, identity: Some(Arc::clone(client)), suites: suites.clone() },
        ServerConfig {
            identity: Arc::clone(server),
            trust: Arc::clone(&ours.trust),
            revocations: Arc::new(NoRevocations),
            suites,
        },
    )
}

fn login(other: bool) -> LoginBinding {
    LoginBinding {
        method: 1,
        user: b"alice".to_vec(),
        device: b"laptop".to_vec(),
        opaque_session_key: Some(OpaqueSessionKey::new([u8::from(other); 64])),
    }
}

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (open, steps) = input;
    let (client, server) = configs();
    let mut now = NOW;
    let mut ends = [
        End::new(Connection::client(client, now).expect("a client")),
        End::new(Connection::server(server, now)),
    ];
    let carry = |ends: &mut [End; 2]| {
        let [client, server] = ends;
        client.listen(server.sent);
        server.listen(client.sent);
        while let Some(bytes) = client.connection.poll_transmit() {
            server.wire.extend(bytes);
        }
        while let Some(bytes) = server.connection.poll_transmit() {
            client.wire.extend(bytes);
        }
    };
    carry(&mut ends);
    if open {
        // Through the handshake and the login, so that the steps begin where most of the states are.
        for _ in 0..4 {
            for end in &mut ends {
                end.take(u16::MAX, now);
            }
            carry(&mut ends);
        }
        for end in &mut ends {
            end.connection.bind_login(login(false)).expect("an open channel");
        }
    }
    for step in steps {
        let end = |client: bool| usize::from(!client);
        match step {
            Step::Send { client, length } => ends[end(client)].send(length),
            Step::Deliver { client, length } => ends[end(client)].take(length, now),
            Step::Change { client, at, bit } => {
                let wire = &mut ends[end(client)].wire;
                if let Some(byte) = wire.get_mut(usize::from(at)) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Step::Drop { client, length } => {
                let wire = &mut ends[end(client)].wire;
                wire.drain(..usize::from(length).min(wire.len()));
            }
            Step::Repeat { client, length } => {
                let wire = &mut ends[end(client)].wire;
                let again: Vec<u8> = wire.iter().take(usize::from(length)).copied().collect();
                for byte in again.into_iter().rev() {
                    wire.push_front(byte);
                }
            }
            Step::Login { client, other } => drop(ends[end(client)].connection.bind_login(login(other))),
            Step::Rekey => drop(ends[0].connection.start_rekey()),
            Step::AskForRekey => drop(ends[1].connection.request_rekey()),
            Step::Close { client } => drop(ends[end(client)].connection.close()),
            Step::End { client } => {
                let end = &mut ends[end(client)];
                end.failed |= end.connection.handle_eof().is_err();
            }
            Step::Wait { seconds } => {
                now += u64::from(seconds) * 1000;
                for end in &mut ends {
                    end.failed |= end.connection.handle_timeout(now).is_err();
                }
            }
        }
        carry(&mut ends);
    }
});
