//! What went over the wire: flows of bytes between two addresses, in the order of their coming (LA-10).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Most bytes that one capture keeps; what comes after is counted and not kept.
pub const MAX_CAPTURE: usize = 64 * 1024 * 1024;

/// What a frame counts for beside its bytes.
const FRAME_COST: usize = 256;

/// Which end sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Who connected.
    Client,
    /// Who listened.
    Server,
}

impl End {
    /// The other end.
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// One TCP connection.
#[derive(Debug, Clone, Serialize)]
pub struct Flow {
    /// Who is at its ends, in words.
    pub name: String,
    /// The client's address.
    pub client: SocketAddr,
    /// The server's address.
    pub server: SocketAddr,
}

/// One message on a flow, whole, with its marks.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Number of its flow, from 0.
    pub flow: usize,
    /// When, Unix microseconds.
    pub at_us: u64,
    /// Who sent it.
    pub from: End,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What is to be said of it: what the attacker did, or learnt.
    pub note: Option<String>,
}

/// A recording under way, shared between who listens and who reads.
#[derive(Clone)]
pub struct Capture {
    clock_us: fn() -> u64,
    recorded: Arc<Mutex<Recorded>>,
}

/// What was recorded.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// The flows.
    pub flows: Vec<Flow>,
    /// The frames of all flows.
    pub frames: Vec<Frame>,
    /// Bytes that were over [`MAX_CAPTURE`].
    pub left_out: usize,
    kept: usize,
}

impl Capture {
    /// An empty recording; the clock gives Unix microseconds.
    pub fn new(clock_us: fn() -> u64) -> Self {
        Self { clock_us, recorded: Arc::default() }
    }

    /// Begins a flow and gives its number.
    pub fn flow(&self, name: &str, client: SocketAddr, server: SocketAddr) -> usize {
        let mut recorded = self.lock();
        recorded.flows.push(Flow { name: name.to_owned(), client, server });
        recorded.flows.len().saturating_sub(1)
    }

    /// Records a frame.
    pub fn frame(&self, flow: usize, from: End, bytes: &[u8], note: Option<String>) {
        let at_us = (self.clock_us)();
        let mut recorded = self.lock();
        let cost = bytes.len().saturating_add(FRAME_COST);
        if recorded.kept.saturating_add(cost) > MAX_CAPTURE {
            recorded.left_out = recorded.left_out.saturating_add(bytes.len());
            return;
        }
        recorded.kept = recorded.kept.saturating_add(cost);
        recorded.frames.push(Frame { flow, at_us, from, bytes: bytes.to_vec(), note });
    }

    /// Says something of the last frame.
    pub fn note(&self, text: impl Into<String>) {
        if let Some(frame) = self.lock().frames.last_mut() {
            frame.note = Some(text.into());
        }
    }

    /// Says something of each frame that `words` has words for.
    pub fn note_each(&self, mut words: impl FnMut(&Frame) -> Option<String>) {
        for frame in &mut self.lock().frames {
            if let Some(text) = words(frame) {
                frame.note = Some(text);
            }
        }
    }

    /// A copy of what was recorded so far.
    pub fn recorded(&self) -> Recorded {
        self.lock().clone()
    }

    /// A copy of all flows and of at most `count` frames, from a number on.
    pub fn recorded_from(&self, number: usize, count: usize) -> Recorded {
        let recorded = self.lock();
        let frames = recorded.frames.iter().skip(number).take(count).cloned().collect();
        Recorded { flows: recorded.flows.clone(), frames, ..Recorded::default() }
    }

    /// How many frames there are.
    pub fn count(&self) -> usize {
        self.lock().frames.len()
    }

    /// When the first frame came, Unix microseconds; 0 before.
    pub fn start_us(&self) -> u64 {
        self.lock().frames.first().map_or(0, |frame| frame.at_us)
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    /// Whether `needle` stands anywhere in what `from` (or anybody) sent.
    pub fn holds(&self, from: Option<End>, needle: &[u8]) -> bool {
        !needle.is_empty()
            && self
                .frames
                .iter()
                .filter(|frame| from.is_none_or(|end| end == frame.from))
                .any(|frame| frame.bytes.windows(needle.len()).any(|window| window == needle))
    }

    /// The frames that `from` sent on a flow.
    pub fn sent(&self, flow: usize, from: End) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(move |frame| frame.flow == flow && frame.from == from)
    }
}
