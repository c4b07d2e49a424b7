//! CPU of the server in a handshake, and bytes on the wire.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use channel::{Connection, Event, Suite};
use rustls::crypto::aws_lc_rs::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use crate::measure::{Contender, Stopwatch, compete};
use crate::organisation::{Forge, NOW_MS};
use crate::tls::{self, Trust};

const ROUNDS: usize = 41;
const HANDSHAKES: u32 = 16;
const SUITE: Suite = Suite::Aes256Gcm;

/// Bytes of a whole handshake.
#[derive(Debug, Clone, Copy, Default)]
struct Traffic {
    from_client: usize,
    from_server: usize,
}

pub(crate) fn run() -> Result<()> {
    let forge = Forge::new()?;
    let ours =
        Ours { forge: &forge, client: forge.channel_client(SUITE)?, server: forge.channel_server(SUITE)? };
    let big = tls::client(&forge, TLS13_AES_256_GCM_SHA384)?;
    let small = tls::client(&forge, TLS13_AES_128_GCM_SHA256)?;
    let big_path = tls::server(&forge, TLS13_AES_256_GCM_SHA384, Trust::path(&forge)?)?;
    let small_server = |trust| tls::server(&forge, TLS13_AES_128_GCM_SHA256, trust);
    let small_path = small_server(Trust::path(&forge)?)?;
    let small_seen = small_server(Trust::Ours(forge.trust()))?;

    let mut contenders = [
        Contender::new("Countersign, chain seen before", |times| repeat(times, |watch| ours.seen(watch))),
        Contender::new("Countersign, chain new", |times| repeat(times, |watch| ours.unseen(watch))),
        Contender::new("TLS SHA-384, path alone", |times| {
            repeat(times, |watch| tls_handshake(&big, &big_path, watch))
        }),
        Contender::new("TLS SHA-256, path alone", |times| {
            repeat(times, |watch| tls_handshake(&small, &small_path, watch))
        }),
        Contender::new("TLS SHA-256, our decision, chain seen", |times| {
            repeat(times, |watch| tls_handshake(&small, &small_seen, watch))
        }),
        Contender::new("TLS SHA-256, our decision, chain new", |times| {
            repeat(times, |watch| {
                let server = small_server(Trust::Ours(forge.trust()))?;
                tls_handshake(&small, &server, watch)
            })
        }),
        Contender::new("primitives, 1 verification", primitives(&forge, 1)?),
        Contender::new("primitives, 3 verifications", primitives(&forge, 3)?),
    ];
    compete(&mut contenders, ROUNDS, HANDSHAKES)?;

    println!("\nHandshake: CPU of the server, {ROUNDS} rounds of {HANDSHAKES}");
    for contender in &contenders {
        println!("  {:<40}{:>8.1} µs", contender.name(), contender.nanoseconds()?.median / 1e3);
    }
    let [seen, new, big_alone, small_alone, small_seen, small_new, one, three] = &contenders;
    println!("Handshake: ratios, median (least–most)");
    for (own, other) in [
        (new, big_alone),
        (new, small_alone),
        (new, small_new),
        (new, three),
        (seen, big_alone),
        (seen, small_alone),
        (seen, small_seen),
        (seen, one),
        (small_alone, three),
    ] {
        println!("  {:<32}/ {:<40}{}", own.name(), other.name(), own.ratio_to(other)?);
    }

    let mut nobody = Stopwatch::default();
    println!("Handshake: bytes on the wire        from client   from server");
    for (name, traffic) in
        [("Countersign", ours.seen(&mut nobody)?), ("TLS", tls_handshake(&big, &big_path, &mut nobody)?)]
    {
        println!("  {name:<36}{:>9}{:>14}", traffic.from_client, traffic.from_server);
    }
    println!(
        "  chains: device {}, server {}, root {} bytes",
        forge.device.chain.total_len(),
        forge.server.chain.total_len(),
        forge.anchor().der().len()
    );
    Ok(())
}

fn repeat(times: u32, mut handshake: impl FnMut(&mut Stopwatch) -> Result<Traffic>) -> Result<Duration> {
    let mut watch = Stopwatch::default();
    for _ in 0..times {
        handshake(&mut watch)?;
    }
    Ok(watch.total())
}

struct Ours<'a> {
    forge: &'a Forge,
    client: channel::ClientConfig,
    server: channel::ServerConfig,
}

impl Ours<'_> {
    fn seen(&self, watch: &mut Stopwatch) -> Result<Traffic> {
        self.handshake(self.server.clone(), watch)
    }

    fn unseen(&self, watch: &mut Stopwatch) -> Result<Traffic> {
        let server = channel::ServerConfig { trust: self.forge.trust(), ..self.server.clone() };
        self.handshake(server, watch)
    }

    fn handshake(&self, server: channel::ServerConfig, watch: &mut Stopwatch) -> Result<Traffic> {
        let mut client = Connection::client(self.client.clone(), NOW_MS)?;
        let mut server = watch.count(|| Ok(Connection::server(server, NOW_MS)))?;
        let mut traffic = Traffic::default();
        while let Some(request) = client.poll_transmit() {
            traffic.from_client += request.len();
            let answer = watch.count(|| {
                server.handle_input(&request, NOW_MS)?;
                server.poll_transmit().context("the server answers")
            })?;
            traffic.from_server += answer.len();
            client.handle_input(&answer, NOW_MS)?;
        }
        let established = watch.count(|| Ok(server.poll_event()))?;
        ensure!(matches!(established, Some(Event::Established { .. })), "the server is not done");
        ensure!(matches!(client.poll_event(), Some(Event::Established { .. })), "the client is not done");
        Ok(traffic)
    }
}

fn tls_handshake(
    client: &Arc<rustls::ClientConfig>,
    server: &Arc<rustls::ServerConfig>,
    watch: &mut Stopwatch,
) -> Result<Traffic> {
    let mut client = ClientConnection::new(Arc::clone(client), ServerName::try_from(tls::SERVER_NAME)?)?;
    let mut server = watch.count(|| Ok(ServerConnection::new(Arc::clone(server))?))?;
    let mut traffic = Traffic::default();
    while client.is_handshaking() || server.is_handshaking() {
        let mut request = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut request)?;
        }
        traffic.from_client += request.len();
        let answer = watch.count(|| {
            let mut rest = request.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest)?;
                server.process_new_packets()?;
            }
            let mut answer = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answer)?;
            }
            Ok(answer)
        })?;
        traffic.from_server += answer.len();
        let mut rest = answer.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest)?;
            client.process_new_packets()?;
        }
    }
    Ok(traffic)
}

/// What no server of this kind can do without: encapsulate, make a share and agree, sign, and verify.
fn primitives(forge: &Forge, verifications: u32) -> Result<impl FnMut(u32) -> Result<Duration> + use<>> {
    let kem = DecapsulationKey::generate(&ML_KEM_768)?.encapsulation_key()?.key_bytes()?.as_ref().to_vec();
    let peer = PrivateKey::generate(&X25519)?.compute_public_key()?.as_ref().to_vec();
    let key = forge.server.key()?;
    let message = [7; 64];
    Ok(move |times| {
        let mut watch = Stopwatch::default();
        for _ in 0..times {
            watch.count(|| {
                EncapsulationKey::new(&ML_KEM_768, &kem)?.encapsulate()?;
                let own = PrivateKey::generate(&X25519)?;
                own.compute_public_key()?;
                let bad_share = anyhow::Error::msg("the share is refused");
                agreement::agree(&own, UnparsedPublicKey::new(&X25519, &peer), bad_share, |_| Ok(()))?;
                let signature = key.sign(&message);
                for _ in 0..verifications {
                    key.public().verify(&message, &signature)?;
                }
                Ok(())
            })?;
        }
        Ok(watch.total())
    })
}
