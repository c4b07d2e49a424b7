//! A protocol by hand: a server that is started and stopped, people who come, talk and go, and what is seen of it (LA-40 to LA-43).
//!
//! - [`View`]: the server's log, each person's screen, the wire. `host`: the servers. `talker`: the people. `words`: what both say.

mod evidence;
mod host;
mod seen;
mod talker;
mod words;

pub use evidence::Evidence;
pub use seen::{MAX_LOG, MAX_SCREEN, Presence, Screen, Seen, View};

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use classic::users::{BadRow, ImportedUser};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::LabError;
use crate::exhibit::Column;
use crate::stage::Stage;
use host::Host;
use talker::Talker;

/// People who are there at a time.
pub const MAX_PEOPLE: usize = 8;
/// Characters of a person's name.
pub const MAX_NAME: usize = 24;
/// Bytes of what is said at a time.
pub const MAX_TEXT: usize = 2_048;

/// A protocol by hand.
pub struct Exercise {
    stage: Stage,
    view: View,
    running: Mutex<Option<Running>>,
}

struct Running {
    host: Host,
    people: BTreeMap<u32, Talker>,
    next: u32,
}

impl Exercise {
    /// With no server yet. The clocks give Unix milliseconds and microseconds.
    ///
    /// # Errors
    /// [`LabError::Io`] without a place for temporary files.
    pub fn new(clock_ms: fn() -> u64, clock_us: fn() -> u64) -> Result<Self, LabError> {
        Self::within(&std::env::temp_dir(), clock_ms, clock_us)
    }

    /// As [`Self::new`], with a folder in another one.
    ///
    /// # Errors
    /// [`LabError::Io`].
    pub fn within(parent: &Path, clock_ms: fn() -> u64, clock_us: fn() -> u64) -> Result<Self, LabError> {
        let (stage, view) = (Stage::within(parent, clock_ms)?, View::new(clock_us));
        Ok(Self { stage, view, running: Mutex::new(None) })
    }

    /// What is seen.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Starts a protocol's server, after stopping the one before.
    ///
    /// # Errors
    /// [`LabError`].
    pub async fn start(&self, column: Column) -> Result<(), LabError> {
        let mut running = self.running.lock().await;
        if let Some(before) = running.take() {
            before.stop(&self.view).await;
        }
        let capture = self.view.begin(column);
        let host = Host::start(&self.stage, column, &self.view, &capture).await?;
        let (address, talks) = (host.address(), host.talks());
        self.view.change(|seen| {
            seen.running = Some((column, address));
            seen.server_talks = talks;
        });
        self.view.log(&format!("{column} server listening on {address}"));
        *running = Some(Running { host, people: BTreeMap::new(), next: 1 });
        Ok(())
    }

    /// Stops the server and whoever is there.
    pub async fn stop(&self) {
        if let Some(running) = self.running.lock().await.take() {
            running.stop(&self.view).await;
        }
    }

    /// Brings a person in: with a new account for a new name, else by logging in. The person's number.
    ///
    /// # Errors
    /// [`LabError::Stage`] without a server, for a name that is none, or with what refused it.
    pub async fn connect(&self, name: &str) -> Result<u32, LabError> {
        check_name(name)?;
        let mut running = self.running.lock().await;
        let running = running.as_mut().ok_or_else(no_server)?;
        let number = running.next;
        let here = self.view.change(|seen| {
            let present: Vec<&Screen> =
                seen.people.values().filter(|screen| !matches!(screen.presence, Presence::Gone(_))).collect();
            if present.iter().any(|screen| screen.name == name) {
                return Err(LabError::stage(format!("{name} is here already")));
            }
            if present.len() >= MAX_PEOPLE {
                return Err(LabError::stage(format!("at most {MAX_PEOPLE} people are here at a time")));
            }
            // Who comes again has a new screen.
            seen.people.retain(|_, screen| screen.name != name);
            let (presence, lines) = (Presence::Coming, VecDeque::new());
            seen.people.insert(number, Screen { name: name.to_owned(), presence, lines });
            Ok(())
        });
        here?;
        running.next = number.saturating_add(1);
        let colleague = running.people.values().next();
        match running.host.admit(&self.stage, &self.view, number, name, colleague).await {
            Ok(talker) => {
                running.people.insert(number, talker);
                Ok(number)
            }
            Err(error) => {
                self.view.presence(number, Presence::Gone(Some(error.to_string())));
                Err(error)
            }
        }
    }

    /// Has a person leave in order.
    ///
    /// # Errors
    /// [`LabError::Stage`] if nobody has this number.
    pub async fn disconnect(&self, number: u32) -> Result<(), LabError> {
        let mut running = self.running.lock().await;
        let running = running.as_mut().ok_or_else(no_server)?;
        let talker = running.people.remove(&number).ok_or_else(nobody)?;
        talker.leave(&self.view, number).await;
        Ok(())
    }

    /// Has a person say a line; the server itself without a number, where its protocol has that.
    ///
    /// # Errors
    /// [`LabError::Stage`] for an empty or too long text, or if nobody has this number.
    pub async fn say(&self, number: Option<u32>, text: &str) -> Result<(), LabError> {
        let text = text.trim();
        if text.is_empty() || text.len() > MAX_TEXT {
            return Err(LabError::stage(format!("a text has 1 to {MAX_TEXT} bytes")));
        }
        let running = self.running.lock().await;
        let running = running.as_ref().ok_or_else(no_server)?;
        match number {
            Some(number) => running.people.get(&number).ok_or_else(nobody)?.say(text).await,
            None => running.host.say(text),
        }
    }

    /// Ends the session: everybody leaves in order, and whoever gives receipts gives them.
    ///
    /// # Errors
    /// [`LabError::Stage`] without a server.
    pub async fn end(&self) -> Result<(), LabError> {
        let mut running = self.running.lock().await;
        let running = running.as_mut().ok_or_else(no_server)?;
        everybody_leaves(&mut running.people, &self.view).await;
        running.host.settle().await;
        self.view.log("Session ended");
        Ok(())
    }

    /// Keeps in a folder what the sessions so far leave for a third party, and has it checked. Whoever is there has to leave first.
    ///
    /// # Errors
    /// [`LabError`].
    pub async fn evidence(&self, into: &Path) -> Result<Vec<Evidence>, LabError> {
        let running = self.running.lock().await;
        running.as_ref().ok_or_else(no_server)?.host.evidence(&self.stage, into).await
    }

    /// The rows of the user table of the server that runs, if its protocol has one.
    pub async fn users(&self) -> Vec<Result<ImportedUser, BadRow>> {
        match self.running.lock().await.as_ref() {
            Some(running) => running.host.users().await,
            None => Vec::new(),
        }
    }
}

impl Running {
    async fn stop(mut self, view: &View) {
        everybody_leaves(&mut self.people, view).await;
        self.host.stop().await;
        view.change(|seen| seen.running = None);
        view.log("Server stopped");
    }
}

async fn everybody_leaves(people: &mut BTreeMap<u32, Talker>, view: &View) {
    let mut leaving = JoinSet::new();
    for (number, talker) in std::mem::take(people) {
        let view = view.clone();
        leaving.spawn(async move { talker.leave(&view, number).await });
    }
    while leaving.join_next().await.is_some() {}
}

fn check_name(name: &str) -> Result<(), LabError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.len() > MAX_NAME
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(good)
        || name.ends_with('-')
    {
        return Err(LabError::stage(format!(
            "a name has 1 to {MAX_NAME} characters from a to z, 0 to 9 and -, the first of them a letter"
        )));
    }
    Ok(())
}

fn no_server() -> LabError {
    LabError::stage("no server runs; start one")
}

fn nobody() -> LabError {
    LabError::stage("this person has left")
}
