//! Who is in the room, and what waits for each.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::limits::MAX_WAITING;

/// The members of a room.
#[derive(Default)]
pub(super) struct Room(Mutex<Members>);

#[derive(Default)]
struct Members {
    last: u64,
    present: BTreeMap<u64, Member>,
}

struct Member {
    waiting: mpsc::Sender<Arc<str>>,
    /// Dropped to cut the member off.
    _cut: oneshot::Sender<Infallible>,
}

/// A member's place in the room; left when it is dropped.
pub(super) struct Seat {
    room: Arc<Room>,
    number: u64,
    name: String,
}

/// What reaches a member.
pub(super) struct Ears {
    /// Texts, in order.
    pub waiting: mpsc::Receiver<Arc<str>>,
    /// Fails when the member is cut off (CL-56).
    pub cut: oneshot::Receiver<Infallible>,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressure {
    /// Everybody is less than half full.
    Low,
    /// [`MAX_WAITING`] / 2 messages or more wait for somebody: speakers are to rest.
    High,
}

impl Room {
    /// A member comes, and the others are told (CL-54).
    pub fn join(self: &Arc<Self>, name: String) -> (Seat, Ears) {
        let (sender, waiting) = mpsc::channel(MAX_WAITING);
        let (cutter, cut) = oneshot::channel();
        let number = self.with(|members| {
            members.last += 1;
            members.present.insert(members.last, Member { waiting: sender, _cut: cutter });
            members.last
        });
        self.say(number, &format!("User {name} has joined the chat"));
        (Seat { room: Arc::clone(self), number, name }, Ears { waiting, cut })
    }

    /// To all but the member `from`. Whoever has too many messages waiting is cut off (CL-56).
    fn say(&self, from: u64, text: &str) -> Pressure {
        let text: Arc<str> = text.into();
        self.with(|members| {
            let present = &mut members.present;
            present.retain(|number, member| {
                *number == from || member.waiting.try_send(Arc::clone(&text)).is_ok()
            });
            let is_full = |member: &Member| member.waiting.capacity() <= MAX_WAITING / 2;
            if present.values().any(is_full) { Pressure::High } else { Pressure::Low }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Members) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Seat {
    /// The member's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says a text to the others.
    pub fn say(&self, text: &str) -> Pressure {
        self.room.say(self.number, text)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.with(|members| members.present.remove(&self.number));
        self.say(&format!("User {} has left the chat", self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cl54_the_others_hear_and_the_speaker_does_not() {
        let room = Arc::new(Room::default());
        let (ann, mut to_ann) = room.join("ann".into());
        let (bob, mut to_bob) = room.join("bob".into());
        ann.say("ann: hello");
        drop(bob);
        for text in ["User bob has joined the chat", "User bob has left the chat"] {
            assert_eq!(&*to_ann.waiting.try_recv().unwrap(), text);
        }
        assert_eq!(&*to_bob.waiting.try_recv().unwrap(), "ann: hello");
        assert!(to_ann.waiting.try_recv().is_err() && to_bob.waiting.try_recv().is_err());
    }

    #[test]
    fn cl56_who_does_not_read_is_cut_off_alone() {
        let room = Arc::new(Room::default());
        let (slow, mut to_slow) = room.join("slow".into());
        let (quick, mut to_quick) = room.join("quick".into());
        let (speaker, _ears) = room.join("speaker".into());
        let pressures: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                while to_quick.waiting.try_recv().is_ok() {}
                speaker.say("speaker: again")
            })
            .collect();
        let high = pressures.iter().filter(|pressure| **pressure == Pressure::High).count();
        assert_eq!(pressures.first(), Some(&Pressure::Low));
        assert_eq!((high, pressures.last()), (MAX_WAITING / 2 + 1, Some(&Pressure::Low)));
        assert!(matches!(to_slow.cut.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(matches!(to_quick.cut.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        drop((slow, quick));
    }
}
