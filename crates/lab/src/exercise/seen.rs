//! What is seen of an exercise: the server's log, each person's screen, the wire.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evidence::verdict::{safe, utc};

use crate::capture::Capture;
use crate::exhibit::Column;

/// Lines of the log that are kept.
pub const MAX_LOG: usize = 400;
/// Lines of a screen that are kept.
pub const MAX_SCREEN: usize = 100;
/// Length of `YYYY-mm-dd HH:MM:SS`.
const SECONDS: usize = 19;

/// How it is with a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// On the way in.
    Coming,
    /// Talking.
    Here,
    /// Gone, and why, if not in order.
    Gone(Option<String>),
}

/// What one person has before it.
#[derive(Debug, Clone)]
pub struct Screen {
    /// The person's name.
    pub name: String,
    /// Whether it is there.
    pub presence: Presence,
    /// What it said and heard.
    pub lines: VecDeque<String>,
}

/// Everything that a page shows.
pub struct Seen {
    /// Grows with each start: what was shown before is of another exercise.
    pub run: u64,
    /// Grows with each change of anything but log and wire.
    pub version: u64,
    /// The protocol whose server runs.
    pub running: Option<(Column, SocketAddr)>,
    /// The protocol of the wire that is shown.
    pub column: Column,
    /// Whether the server can say something by itself.
    pub server_talks: bool,
    /// The people, by number.
    pub people: BTreeMap<u32, Screen>,
    /// The wire.
    pub capture: Capture,
    log: VecDeque<String>,
    first: usize,
}

impl Seen {
    /// The lines of the log from a number on, which start at the number that is given back.
    pub fn log_from(&self, number: usize) -> (usize, impl Iterator<Item = &str>) {
        let skip = number.saturating_sub(self.first);
        (number.max(self.first), self.log.iter().skip(skip).map(String::as_str))
    }

    /// Whether a text is on a person's screen.
    pub fn shows(&self, person: u32, text: &str) -> bool {
        self.people.get(&person).is_some_and(|screen| screen.lines.iter().any(|line| line.contains(text)))
    }

    /// How many lines the log has had.
    pub fn log_end(&self) -> usize {
        self.first.saturating_add(self.log.len())
    }
}

/// What is seen, shared between who runs an exercise and who shows it.
#[derive(Clone)]
pub struct View {
    clock_us: fn() -> u64,
    seen: Arc<Mutex<Seen>>,
}

impl View {
    pub(super) fn new(clock_us: fn() -> u64) -> Self {
        let seen = Seen {
            run: 0,
            version: 0,
            running: None,
            column: Column::CianrPss,
            server_talks: false,
            people: BTreeMap::new(),
            capture: Capture::new(clock_us),
            log: VecDeque::new(),
            first: 0,
        };
        Self { clock_us, seen: Arc::new(Mutex::new(seen)) }
    }

    /// Looks at it.
    pub fn look(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it.
    pub(super) fn change<T>(&self, how: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.look();
        seen.version = seen.version.wrapping_add(1);
        how(&mut seen)
    }

    /// Forgets the exercise before; the wire of this one.
    pub(super) fn begin(&self, column: Column) -> Capture {
        let capture = Capture::new(self.clock_us);
        self.change(|seen| {
            seen.run = seen.run.wrapping_add(1);
            seen.column = column;
            seen.people.clear();
            seen.log.clear();
            seen.first = 0;
            seen.capture = capture.clone();
        });
        capture
    }

    /// Adds a line to the log, with the time before it.
    pub(super) fn log(&self, text: &str) {
        let time = utc((self.clock_us)() / 1_000);
        let time = time.get(..SECONDS).unwrap_or(&time);
        let line = format!("[{time}] {}", safe(text));
        let mut seen = self.look();
        seen.log.push_back(line);
        if seen.log.len() > MAX_LOG {
            seen.log.pop_front();
            seen.first = seen.first.saturating_add(1);
        }
    }

    /// Shows a person a line.
    pub(super) fn show(&self, person: u32, line: &str) {
        self.change(|seen| {
            let Some(screen) = seen.people.get_mut(&person) else { return };
            screen.lines.push_back(safe(line).to_string());
            if screen.lines.len() > MAX_SCREEN {
                screen.lines.pop_front();
            }
        });
    }

    /// Says how it is with a person.
    pub(super) fn presence(&self, person: u32, presence: Presence) {
        self.change(|seen| {
            if let Some(screen) = seen.people.get_mut(&person) {
                screen.presence = presence;
            }
        });
    }
}
