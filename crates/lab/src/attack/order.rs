//! Texts that come in another order than they were said in, again, or not at all, each as it was: exhibits 6 and 10.

use super::Found;
use super::relay::Relay;
use crate::tap::{Act, Hand};

/// What is said.
pub(super) const LINES: [&str; 3] = ["pay Bob 100", "do not pay Carol", "that is all for today"];

/// What happens to it on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The first comes again after the second.
    Replayed,
    /// The second comes before the first.
    Swapped,
    /// The second does not come.
    Dropped,
    /// Each comes twice.
    Doubled,
}

impl Order {
    /// Of the attack's name.
    pub fn of(attack: &str) -> Option<Self> {
        match attack {
            "message-replay" => Some(Self::Replayed),
            "reordered" => Some(Self::Swapped),
            "dropped" => Some(Self::Dropped),
            "duplicated" => Some(Self::Doubled),
            _ => None,
        }
    }

    /// The hand that does it to the messages that `is_text` takes.
    pub fn hand(self, is_text: fn(&[u8]) -> bool) -> impl Hand {
        let mut held = None;
        let mut count = 0_usize;
        Relay(move |message: &[u8]| {
            if !is_text(message) {
                return None;
            }
            let on = || Act::On(message.to_vec());
            let note = |text: &str| Act::Note(text.to_owned());
            count += 1;
            match (self, count) {
                (Self::Replayed, 1) => {
                    held = Some(on());
                    None
                }
                (Self::Replayed, 2) => {
                    let again = held.take()?;
                    Some(vec![note("the attacker sends the first message again after this one"), on(), again])
                }
                (Self::Swapped, 1) => {
                    held = Some(on());
                    Some(vec![note("the attacker holds this back")])
                }
                (Self::Swapped, 2) => {
                    let first = held.take()?;
                    Some(vec![note("the attacker sends this before the one that it held back"), on(), first])
                }
                (Self::Dropped, 2) => Some(vec![note("the attacker does not pass this on")]),
                (Self::Doubled, _) => Some(vec![note("the attacker sends this twice"), on(), on()]),
                _ => None,
            }
        })
    }

    /// What of [`LINES`] is heard where the attack succeeds, in order.
    fn heard(self) -> Vec<&'static str> {
        let [first, second, third] = LINES;
        match self {
            Self::Replayed => vec![first, second, first, third],
            Self::Swapped => vec![second, first, third],
            Self::Dropped => vec![first, third],
            Self::Doubled => vec![first, first, second, second, third, third],
        }
    }

    /// What came of it, by what `who` heard, and whether nobody was told of anything wrong.
    pub fn judge(self, who: &str, heard: &[&str], unnoticed: bool) -> Found {
        let seen = format!("Alice said “{}”; {who} heard “{}”", LINES.join("”, “"), heard.join("”, “"));
        match heard == self.heard() && unnoticed {
            true => Found::succeeds(format!("{seen}; nobody noticed.")),
            false => Found::refused(format!("{seen}.")),
        }
    }
}
