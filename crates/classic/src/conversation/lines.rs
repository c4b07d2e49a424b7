//! What one side says: nothing, the lines of a script, or what a person types.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};

/// What a server says in each of its sessions.
#[derive(Clone)]
pub enum Says {
    /// Nothing of its own.
    Nothing,
    /// The same lines to each, and then it leaves.
    Script(Arc<[String]>),
    /// What a person types, to everyone who is there.
    Typed(broadcast::Sender<String>),
}

impl Says {
    /// What it says in one session, from now on.
    pub fn lines(&self) -> Lines {
        match self {
            Self::Nothing => Lines::Nothing,
            Self::Script(lines) => Lines::Script(Vec::from(&**lines).into_iter()),
            Self::Typed(sender) => Lines::Shared(sender.subscribe()),
        }
    }
}

/// What is said in one session, a line at a time.
pub enum Lines {
    /// Nothing, ever; the other side leaves.
    Nothing,
    /// A script.
    Script(std::vec::IntoIter<String>),
    /// What a person types in this session.
    Typed(mpsc::Receiver<String>),
    /// What a person types in all sessions.
    Shared(broadcast::Receiver<String>),
}

impl Lines {
    /// The next line; `None` when there will be none. It may be dropped at its await without losing a line.
    pub async fn next(&mut self) -> Option<String> {
        match self {
            Self::Nothing => std::future::pending().await,
            Self::Script(lines) => lines.next(),
            Self::Typed(receiver) => receiver.recv().await,
            Self::Shared(receiver) => loop {
                match receiver.recv().await {
                    Ok(line) => return Some(line),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            },
        }
    }
}
