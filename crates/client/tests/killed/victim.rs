//! The process that is killed: this test binary again, with one test that does what the environment says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::life::{AT, HOME, PART, WITH};

/// The name of the test that it is.
const TEST: &str = "life::of_a_victim";
/// Stands before what it tells.
pub const TOLD: char = '@';

pub struct Victim {
    process: Child,
    cues: ChildStdin,
    words: mpsc::UnboundedReceiver<String>,
}

impl Victim {
    /// Starts one that does its `part` on a home, and ends at the moment `at`; at none if that is 0.
    pub fn start(part: &str, home: &Path, with: &str, at: usize) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .env(HOME, home)
            .env(WITH, with)
            .env(AT, at.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, cues) = (BufReader::new(process.stdout.take().unwrap()), process.stdin.take().unwrap());
        let (told, words) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some((_, word)) = line.split_once(TOLD) {
                    let _ = told.send(word.to_owned());
                }
            }
        });
        Self { process, cues, words }
    }

    /// What it tells next; `None` once it has ended.
    pub async fn word(&mut self) -> Option<String> {
        self.words.recv().await
    }

    /// Tells it to go on.
    pub fn cue(&mut self, text: &str) {
        // It may have ended.
        let _ = writeln!(self.cues, "{text}");
    }

    /// Whether it was killed, once it has ended; a test of it that failed fails this one.
    pub fn was_killed(mut self) -> bool {
        let status = self.process.wait().unwrap();
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        assert!(killed || status.success(), "{status}");
        killed
    }
}
