//! A running `classic_cianr`: servers, clients and a verifier of the three dialects of `cianr`.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use classic::cianr::Dialect;
use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

/// More than any test waits for anything.
pub const LONG: Duration = Duration::from_secs(120);

/// Stopped when dropped.
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
    /// Starts it.
    pub fn run(dialect: Dialect, arguments: &[&str]) -> Self {
        let python = std::env::var_os("COUNTERSIGN_TEST_PYTHON").expect(
            "COUNTERSIGN_TEST_PYTHON is not set: run `cargo xtask test`, which prepares the tests' Python",
        );
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/classic_cianr");
        let mut child = Command::new(python)
            .arg("-B")
            .arg(program)
            .arg(dialect.name())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || output.lines().for_each(|line| drop(sender.send(line.unwrap()))));
        Self { input: child.stdin.take(), child, lines }
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Ends what is typed.
    pub fn leave(&mut self) {
        self.input = None;
    }

    /// The next thing that it tells.
    pub async fn told(&mut self) -> Value {
        let line = timeout(LONG, self.lines.recv()).await.unwrap();
        serde_json::from_str(&line.expect("the Python program ended")).unwrap()
    }

    /// The next thing that it tells, which has to be this field.
    pub async fn tells(&mut self, field: &str) -> Value {
        let mut told = self.told().await;
        assert!(told.get(field).is_some(), "{field} was due, not {told}");
        told[field].take()
    }

    /// Where a server listens: for the chat, and for accounts.
    pub async fn addresses(&mut self) -> (SocketAddr, Option<SocketAddr>) {
        let told = self.told().await;
        let address = |field: &str| {
            let port = u16::try_from(told[field].as_u64()?).unwrap();
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        };
        (address("ready").unwrap(), address("accounts"))
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
