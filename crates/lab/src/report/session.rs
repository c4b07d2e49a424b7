//! A session of a protocol: people talk, and what is left is kept and checked.

use std::path::Path;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::keep_capture;
use crate::LabError;
use crate::exercise::{Evidence, Exercise, Seen};
use crate::exhibit::Column;
use crate::stage::PATIENCE;

/// What is said, in turn.
const LINES: [&str; 3] =
    ["Good morning. Is the plan still on?", "Meet me at noon by the old lighthouse.", "Bring the papers."];
/// What a server that talks says.
const ANSWER: &str = "Understood; at noon.";
/// How often it is looked whether something was heard.
const PAUSE: Duration = Duration::from_millis(20);

/// A session that was held.
pub(super) struct Session {
    pub column: Column,
    pub log: Vec<String>,
    pub frames: usize,
    pub evidence: Vec<Evidence>,
}

impl Session {
    /// Holds one, and keeps its wire and its evidence in a folder.
    pub async fn hold(exercise: &Exercise, column: Column, folder: &Path) -> Result<Self, LabError> {
        std::fs::create_dir(folder).map_err(LabError::io("cannot make a folder of the report"))?;
        exercise.start(column).await?;
        let alice = exercise.connect("alice").await?;
        let bob = match column {
            Column::Broadcast | Column::Countersign => Some(exercise.connect("bob").await?),
            _ => None,
        };
        let [.., last] = LINES;
        for line in LINES {
            exercise.say(Some(alice), line).await?;
        }
        match bob {
            Some(bob) => {
                until(exercise, |seen| seen.shows(bob, last)).await?;
                exercise.say(Some(bob), ANSWER).await?;
                until(exercise, |seen| seen.shows(alice, ANSWER)).await?;
            }
            None => {
                until(exercise, |seen| seen.log_from(0).1.any(|line| line.contains(last))).await?;
                if exercise.view().look().server_talks {
                    exercise.say(None, ANSWER).await?;
                    until(exercise, |seen| seen.shows(alice, ANSWER)).await?;
                }
            }
        }
        exercise.end().await?;
        let evidence = exercise.evidence(folder).await?;
        let seen = exercise.view().look();
        let (log, recorded) = (seen.log_from(0).1.map(str::to_owned).collect(), seen.capture.recorded());
        drop(seen);
        keep_capture(&folder.join("wire.pcapng"), &format!("a session of {column}"), &recorded)?;
        Ok(Self { column, log, frames: recorded.frames.len(), evidence })
    }
}

async fn until(exercise: &Exercise, heard: impl Fn(&Seen) -> bool) -> Result<(), LabError> {
    let waiting = async {
        while !heard(&exercise.view().look()) {
            sleep(PAUSE).await;
        }
    };
    timeout(PATIENCE, waiting).await.map_err(|_| LabError::stage("something that was said was not heard"))
}
