//! Sealing and opening: a connection of ours, one of TLS, and the bare AEAD.

use std::hint::black_box;
use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use channel::{Connection, Event, Suite};
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ConnectionCommon, ServerConnection, SideData};

use crate::measure::{Contender, Stopwatch, compete};
use crate::organisation::{Forge, NOW_MS};
use crate::tls::{self, Trust};

/// One record each, but for the last: what a fan-out hands over at once.
const SIZES: [usize; 6] = [64, 256, 1_024, 4_096, 16_384, 262_144];
/// Most bytes of one record, ours and TLS's.
const RECORD: usize = 16_384;
const ROUNDS: usize = 41;
/// Bytes in a round, within the limits that follow.
const ROUND_BYTES: usize = 1024 * 1024;
const MIN_MESSAGES: usize = 16;
const MAX_MESSAGES: usize = 1_024;
/// Authenticated beside a record, as long as a frame header of ours.
const HEADER: [u8; 7] = [6; 7];

pub(crate) fn run() -> Result<()> {
    let forge = Forge::new()?;
    println!("\nRecords, AES-256-GCM: CPU for one message, {ROUNDS} rounds; ratios, median (least–most)");
    println!(
        "  {:<6}{:>8}{:>9}{:>9}{:>9}  {:<20}{:<20}",
        "", "bytes", "ours ns", "TLS ns", "AEAD ns", "ours / TLS", "ours / AEAD"
    );
    for size in SIZES {
        let message = vec![7; size];
        report(
            "seal",
            size,
            [
                Contender::new("ours", Ours::new(&forge)?.sealing(&message)),
                Contender::new("TLS", Tls::new(&forge)?.sealing(&message)),
                Contender::new("AEAD", Bare::new()?.sealing(&message)),
            ],
        )?;
        report(
            "open",
            size,
            [
                Contender::new("ours", Ours::new(&forge)?.opening(&message)),
                Contender::new("TLS", Tls::new(&forge)?.opening(&message)),
                Contender::new("AEAD", Bare::new()?.opening(&message)),
            ],
        )?;
    }
    Ok(())
}

fn report(what: &str, size: usize, mut contenders: [Contender<'_>; 3]) -> Result<()> {
    let times = (ROUND_BYTES / size).clamp(MIN_MESSAGES, MAX_MESSAGES);
    compete(&mut contenders, ROUNDS, u32::try_from(times)?)?;
    let [ours, tls, aead] = &contenders;
    println!(
        "  {what:<6}{size:>8}{:>9.0}{:>9.0}{:>9.0}  {:<20}{:<20}",
        ours.nanoseconds()?.median,
        tls.nanoseconds()?.median,
        aead.nanoseconds()?.median,
        ours.ratio_to(tls)?,
        ours.ratio_to(aead)?
    );
    Ok(())
}

/// An established connection of ours. The server is measured.
struct Ours {
    client: Connection,
    server: Connection,
}

impl Ours {
    fn new(forge: &Forge) -> Result<Self> {
        let mut client = Connection::client(forge.channel_client(Suite::Aes256Gcm)?, NOW_MS)?;
        let mut server = Connection::server(forge.channel_server(Suite::Aes256Gcm)?, NOW_MS);
        while let Some(request) = client.poll_transmit() {
            server.handle_input(&request, NOW_MS)?;
            client.handle_input(&server.poll_transmit().context("the server answers")?, NOW_MS)?;
        }
        let established = server.poll_event().zip(client.poll_event());
        ensure!(established.is_some(), "the connection is not established");
        Ok(Self { client, server })
    }

    fn sealing(mut self, message: &[u8]) -> impl FnMut(u32) -> Result<Duration> {
        move |times| {
            let mut watch = Stopwatch::default();
            watch.count(|| {
                for _ in 0..times {
                    self.server.send(message)?;
                    black_box(self.server.poll_transmit().context("sealed")?);
                }
                Ok(())
            })?;
            Ok(watch.total())
        }
    }

    fn opening(mut self, message: &[u8]) -> impl FnMut(u32) -> Result<Duration> {
        move |times| {
            let mut sealed = Vec::new();
            for _ in 0..times {
                self.client.send(message)?;
                sealed.push(self.client.poll_transmit().context("sealed")?);
            }
            let mut watch = Stopwatch::default();
            let bytes = watch.count(|| {
                let mut bytes = 0;
                for records in &sealed {
                    self.server.handle_input(records, NOW_MS)?;
                    while let Some(event) = self.server.poll_event() {
                        let Event::Data(data) = event else { bail!("{event:?} is no data") };
                        bytes += black_box(data).len();
                    }
                }
                Ok(bytes)
            })?;
            ensure!(bytes == times as usize * message.len(), "not all was opened");
            Ok(watch.total())
        }
    }
}

/// An established TLS connection. The server is measured.
struct Tls {
    client: ClientConnection,
    server: ServerConnection,
}

impl Tls {
    fn new(forge: &Forge) -> Result<Self> {
        let config = tls::client(forge, TLS13_AES_256_GCM_SHA384)?;
        let mut client = ClientConnection::new(config, ServerName::try_from(tls::SERVER_NAME)?)?;
        let config = tls::server(forge, TLS13_AES_256_GCM_SHA384, Trust::path(forge)?)?;
        let mut server = ServerConnection::new(config)?;
        client.set_buffer_limit(None);
        server.set_buffer_limit(None);
        while client.is_handshaking() || server.is_handshaking() {
            let mut flight = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut flight)?;
            }
            take(&mut server, &flight, &mut [])?;
            let mut flight = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut flight)?;
            }
            take(&mut client, &flight, &mut [])?;
        }
        Ok(Self { client, server })
    }

    fn sealing(mut self, message: &[u8]) -> impl FnMut(u32) -> Result<Duration> {
        move |times| {
            let mut watch = Stopwatch::default();
            watch.count(|| {
                for _ in 0..times {
                    self.server.writer().write_all(message)?;
                    while self.server.wants_write() {
                        self.server.write_tls(&mut std::io::sink())?;
                    }
                }
                Ok(())
            })?;
            Ok(watch.total())
        }
    }

    fn opening(mut self, message: &[u8]) -> impl FnMut(u32) -> Result<Duration> {
        let mut buffer = vec![0; message.len()];
        move |times| {
            let mut sealed = Vec::new();
            for _ in 0..times {
                self.client.writer().write_all(message)?;
                let mut records = Vec::new();
                while self.client.wants_write() {
                    self.client.write_tls(&mut records)?;
                }
                sealed.push(records);
            }
            let mut watch = Stopwatch::default();
            watch.count(|| {
                for records in &sealed {
                    take(&mut self.server, records, &mut buffer)?;
                    black_box(&buffer);
                }
                Ok(())
            })?;
            Ok(watch.total())
        }
    }
}

/// Takes bytes from the peer; the data in them has the size of `data`.
fn take<S: SideData>(connection: &mut ConnectionCommon<S>, bytes: &[u8], data: &mut [u8]) -> Result<()> {
    let (mut rest, mut room) = (bytes, data);
    while !rest.is_empty() {
        connection.read_tls(&mut rest)?;
        let ready = connection.process_new_packets()?.plaintext_bytes_to_read();
        let (filled, left) = room.split_at_mut_checked(ready).context("more data than was sent")?;
        connection.reader().read_exact(filled)?;
        room = left;
    }
    ensure!(room.is_empty(), "less data than was sent");
    Ok(())
}

/// The cipher alone, in place, its key set up once: what nobody can go below.
struct Bare {
    key: LessSafeKey,
    number: u64,
}

impl Bare {
    fn new() -> Result<Self> {
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32])?), number: 0 })
    }

    fn nonce(&mut self) -> Nonce {
        self.number += 1;
        nonce(self.number)
    }

    fn sealing(mut self, message: &[u8]) -> impl FnMut(u32) -> Result<Duration> {
        let mut message = message.to_vec();
        move |times| {
            let mut watch = Stopwatch::default();
            watch.count(|| {
                for _ in 0..times {
                    for record in message.chunks_mut(RECORD) {
                        let nonce = self.nonce();
                        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(HEADER), record)?;
                        black_box(tag.as_ref());
                    }
                }
                Ok(())
            })?;
            Ok(watch.total())
        }
    }

    fn opening(mut self, message: &[u8]) -> impl FnMut(u32) -> Result<Duration> {
        move |times| {
            let mut sealed = Vec::new();
            for part in (0..times).flat_map(|_| message.chunks(RECORD)) {
                let mut record = part.to_vec();
                let nonce = self.nonce();
                self.key.seal_in_place_append_tag(nonce, Aad::from(HEADER), &mut record)?;
                sealed.push((self.number, record));
            }
            let mut watch = Stopwatch::default();
            watch.count(|| {
                for (number, record) in &mut sealed {
                    black_box(self.key.open_in_place(nonce(*number), Aad::from(HEADER), record)?);
                }
                Ok(())
            })?;
            Ok(watch.total())
        }
    }
}

fn nonce(number: u64) -> Nonce {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h])
}
