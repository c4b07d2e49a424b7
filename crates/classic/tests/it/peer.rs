//! A running `classic_cianr`: servers, clients and a verifier of the three dialects of `cianr`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use classic::cianr::Dialect;
use serde_json::Value;
use testkit::program;

/// More than any test waits for anything.
pub const LONG: Duration = Duration::from_secs(120);

/// Stopped when dropped.
pub struct Python(program::Python);

impl Python {
    /// Starts it.
    pub fn run(dialect: Dialect, arguments: &[&str]) -> Self {
        let arguments = std::iter::once(dialect.name()).chain(arguments.iter().copied());
        Self(program::Python::start("classic_cianr", arguments))
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        self.0.say(line);
    }

    /// Ends what is typed.
    pub fn leave(&mut self) {
        self.0.end_input();
    }

    /// The next thing that it tells.
    pub async fn told(&mut self) -> Value {
        serde_json::from_str(&self.0.line().await).unwrap()
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
