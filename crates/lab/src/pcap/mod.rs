//! Captures as files of packets, for Wireshark and tshark (LA-20 to LA-22).
//!
//! - [`File`]: packets of TCP connections, made up around the bytes that were recorded. `block`: pcapng's blocks.

mod block;

use std::net::SocketAddr;

use etherparse::PacketBuilder;

use crate::LabError;
use crate::capture::{End, Flow, Frame, Recorded};

/// Most bytes of a frame in one packet: what fits an Ethernet frame of 1,500 bytes beside headers and timestamps.
pub const MAX_SEGMENT: usize = 1448;
/// Most characters of a comment.
const MAX_COMMENT: usize = 4000;
/// Window that both sides announce, in bytes.
const WINDOW: u16 = u16::MAX;
/// Between the first sequence numbers of two connections.
const BETWEEN: u32 = 1 << 22;
/// Time to live of the packets.
const HOPS: u8 = 64;
/// Hardware addresses of client and server, out of the range that everybody may use.
const HARDWARE: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];

/// A pcapng file under way.
pub struct File {
    bytes: Vec<u8>,
    /// Time of the last packet, Unix microseconds: packets are in order of time, whatever the clock did.
    now_us: u64,
    /// Where the next connection's sequence numbers begin: two between the same addresses are to be told apart.
    first: u32,
}

impl Default for File {
    fn default() -> Self {
        Self { bytes: block::beginning(), now_us: 0, first: 0 }
    }
}

impl File {
    /// Adds everything that was recorded; `about` stands in the comment on each connection's first packet. Connections are numbered
    /// in the file as flows are in the recording.
    ///
    /// # Errors
    /// [`LabError::Stage`] if a packet cannot be made.
    pub fn add(&mut self, about: &str, recorded: &Recorded) -> Result<(), LabError> {
        let mut streams: Vec<Stream<'_>> = Vec::new();
        for (number, frame) in recorded.frames.iter().enumerate() {
            self.now_us = self.now_us.max(frame.at_us);
            while streams.len() <= frame.flow {
                let Some(flow) = recorded.flows.get(streams.len()) else { break };
                streams.push(self.open(flow, about)?);
            }
            let Some(stream) = streams.get_mut(frame.flow) else { continue };
            self.frame(stream, frame)?;
            let rest = recorded.frames.get(number + 1..).unwrap_or_default();
            if !stream.closed && rest.iter().all(|later| later.flow != frame.flow) {
                self.close(stream)?;
            }
        }
        for flow in recorded.flows.get(streams.len()..).unwrap_or_default() {
            streams.push(self.open(flow, about)?);
        }
        streams.iter_mut().filter(|stream| !stream.closed).try_for_each(|stream| self.close(stream))
    }

    /// The file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn open<'a>(&mut self, flow: &'a Flow, about: &str) -> Result<Stream<'a>, LabError> {
        let mut stream = Stream { flow, next: [self.first; 2], closed: false };
        self.first = self.first.wrapping_add(BETWEEN);
        let comment = format!("{about}: {}", flow.name);
        self.packet(&mut stream, End::Client, Flags::Syn, &[], Some(&comment))?;
        self.packet(&mut stream, End::Server, Flags::SynAck, &[], None)?;
        self.packet(&mut stream, End::Client, Flags::Ack, &[], None)?;
        Ok(stream)
    }

    fn frame(&mut self, stream: &mut Stream<'_>, frame: &Frame) -> Result<(), LabError> {
        let mut comment = frame.note.as_deref();
        for segment in frame.bytes.chunks(MAX_SEGMENT) {
            self.packet(stream, frame.from, Flags::Push, segment, comment.take())?;
            self.packet(stream, frame.from.other(), Flags::Ack, &[], None)?;
        }
        Ok(())
    }

    fn close(&mut self, stream: &mut Stream<'_>) -> Result<(), LabError> {
        self.packet(stream, End::Client, Flags::Fin, &[], None)?;
        self.packet(stream, End::Server, Flags::Fin, &[], None)?;
        self.packet(stream, End::Client, Flags::Ack, &[], None)?;
        stream.closed = true;
        Ok(())
    }

    fn packet(
        &mut self,
        stream: &mut Stream<'_>,
        from: End,
        flags: Flags,
        payload: &[u8],
        comment: Option<&str>,
    ) -> Result<(), LabError> {
        let [client, server] = HARDWARE;
        let flow = stream.flow;
        let (hardware, source, target) = match from {
            End::Client => ((client, server), flow.client, flow.server),
            End::Server => ((server, client), flow.server, flow.client),
        };
        let ethernet = PacketBuilder::ethernet2(hardware.0, hardware.1);
        let ip = match (source, target) {
            (SocketAddr::V4(source), SocketAddr::V4(target)) => {
                ethernet.ipv4(source.ip().octets(), target.ip().octets(), HOPS)
            }
            _ => ethernet.ipv6(octets(source), octets(target), HOPS),
        };
        let [seq, ack] = stream.numbers(from);
        let tcp = ip.tcp(source.port(), target.port(), seq, WINDOW);
        let tcp = match flags {
            Flags::Syn => tcp.syn(),
            Flags::SynAck => tcp.syn().ack(ack),
            Flags::Ack => tcp.ack(ack),
            Flags::Push => tcp.psh().ack(ack),
            Flags::Fin => tcp.fin().ack(ack),
        };
        let mut packet = Vec::with_capacity(tcp.size(payload.len()));
        tcp.write(&mut packet, payload).map_err(LabError::stage)?;
        stream.advance(from, payload.len() + usize::from(!matches!(flags, Flags::Ack | Flags::Push)));
        let comment = comment.map(|text| text.chars().take(MAX_COMMENT).collect::<String>());
        block::packet(&mut self.bytes, self.now_us, &packet, comment.as_deref());
        Ok(())
    }
}

/// Flags of a packet.
#[derive(Clone, Copy)]
enum Flags {
    Syn,
    SynAck,
    Ack,
    Push,
    Fin,
}

/// A connection under way.
struct Stream<'a> {
    flow: &'a Flow,
    /// The next sequence numbers of client and server.
    next: [u32; 2],
    closed: bool,
}

impl Stream<'_> {
    /// Sequence number of a sender, and the one that it acknowledges.
    fn numbers(&self, from: End) -> [u32; 2] {
        let [client, server] = self.next;
        match from {
            End::Client => [client, server],
            End::Server => [server, client],
        }
    }

    fn advance(&mut self, from: End, count: usize) {
        let [client, server] = &mut self.next;
        let next = if from == End::Client { client } else { server };
        // Sequence numbers wrap (RFC 9293, section 3.4); a segment has at most MAX_SEGMENT bytes.
        *next = next.wrapping_add(u32::try_from(count).unwrap_or_default());
    }
}

fn octets(address: SocketAddr) -> [u8; 16] {
    match address {
        SocketAddr::V4(address) => address.ip().to_ipv6_mapped().octets(),
        SocketAddr::V6(address) => address.ip().octets(),
    }
}
