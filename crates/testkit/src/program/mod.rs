//! A Python program of `tests/python` that goes on while a test talks to it: a line in, a line out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// More than any test waits for anything.
const LONG: Duration = Duration::from_secs(120);

/// A running program; it is stopped when this is dropped.
pub struct Python {
    child: Child,
    input: Option<ChildStdin>,
    lines: UnboundedReceiver<String>,
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Python {
    /// Starts a file or a folder of `tests/python`.
    ///
    /// # Panics
    /// The tests' Python is not prepared.
    pub fn start<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let python = std::env::var_os("COUNTERSIGN_TEST_PYTHON").expect(
            "COUNTERSIGN_TEST_PYTHON is not set: run `cargo xtask test`, which prepares the tests' Python",
        );
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python");
        let mut child = Command::new(python)
            // Nothing is to be written beside the programs.
            .arg("-B")
            .arg(programs.join(program))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tests' Python");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = unbounded_channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Self { input: child.stdin.take(), child, lines }
    }

    /// Types a line.
    ///
    /// # Panics
    /// The program reads no more.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("input that has not ended");
        writeln!(input, "{line}").expect("a program that reads");
    }

    /// Ends what is typed.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// What it prints next.
    ///
    /// # Panics
    /// It has ended, or prints nothing.
    pub async fn line(&mut self) -> String {
        let line = timeout(LONG, self.lines.recv()).await.expect("a line in time");
        line.expect("the Python program ended")
    }

    /// Ends what is typed, and waits for the end of the program.
    ///
    /// # Panics
    /// It does not end, or fails.
    pub async fn end(mut self) {
        self.end_input();
        while timeout(LONG, self.lines.recv()).await.expect("an end in time").is_some() {}
        assert!(self.child.wait().expect("an exit code").success());
    }
}
