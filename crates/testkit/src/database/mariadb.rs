//! A MariaDB server: Debian's `mariadb-server`, without its service, its configuration and its port.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// How long the server may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(120);
/// Ports that are tried: a free one may be taken by somebody else before the server has it.
const ATTEMPTS: usize = 5;
const MISSING: &str =
    "mariadbd and mariadb-install-db cannot be run: run `cargo xtask test`, which installs mariadb-server";

/// A running server on 127.0.0.1, with an account that may do anything. It ends, and its folder goes, when this is dropped.
pub struct MariaDb {
    child: Child,
    port: u16,
    // Dropped after the server has ended.
    _folder: TempDir,
}

impl MariaDb {
    /// The account's name.
    pub const USER: &str = "tester";
    /// The account's password, with characters that a URL has to encode.
    pub const PASSWORD: &str = "s3cret/p@ss:#?%";

    /// Starts a server and waits until it takes connections.
    ///
    /// # Panics
    /// The programs are missing, or the server does not start; with what it said.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        install(folder.path());
        let account = format!(
            "CREATE USER '{0}'@'%' IDENTIFIED BY '{1}';\nGRANT ALL ON *.* TO '{0}'@'%' WITH GRANT OPTION;\n",
            Self::USER,
            Self::PASSWORD
        );
        fs::write(folder.path().join("account.sql"), account).expect("a file in it");
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            match run(folder.path(), port) {
                Ok(child) => return Self { child, port, _folder: folder },
                Err(log) => said = log,
            }
            assert!(said.contains("Address already in use"), "mariadbd did not start:\n{said}");
        }
        panic!("mariadbd found no free port:\n{said}");
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database, which need not exist; its name is taken as it stands.
    pub fn url(&self, database: &str) -> String {
        let password: String = Self::PASSWORD.bytes().map(|b| format!("%{b:02X}")).collect();
        format!("mysql://{}:{password}@127.0.0.1:{}/{database}", Self::USER, self.port)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // What it has is thrown away, so it need not end in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of the package, at work in a folder; servers stand where an ordinary user does not look.
fn program(name: &str, folder: &Path) -> Command {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(OsString::from(":/usr/sbin:/usr/local/sbin"));
    let mut command = Command::new(name);
    command.env("PATH", path).arg("--no-defaults").stdin(Stdio::null());
    // A server that starts removes what others have in a common place for temporary files.
    command.env("TMPDIR", folder);
    // Both refuse to run as root unasked; an ordinary user cannot ask for another.
    if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        command.arg("--user=root");
    }
    command
}

fn install(folder: &Path) {
    let installed = program("mariadb-install-db", folder)
        .arg(format!("--datadir={}", folder.join("data").display()))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
        .output()
        .expect(MISSING);
    let (out, err) = (String::from_utf8_lossy(&installed.stdout), String::from_utf8_lossy(&installed.stderr));
    assert!(installed.status.success(), "mariadb-install-db: {out}{err}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Starts the server and reads its log up to the line that says it is ready; else what it logged.
fn run(folder: &Path, port: u16) -> Result<Child, String> {
    let of = |option: &str, name: &str| format!("--{option}={}", folder.join(name).display());
    let mut child = program("mariadbd", folder)
        .args([
            of("datadir", "data"),
            of("socket", "socket"),
            of("pid-file", "pid"),
            of("init-file", "account.sql"),
        ])
        .args([format!("--port={port}"), "--bind-address=127.0.0.1".into(), "--skip-name-resolve".into()])
        .args(["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect(MISSING);
    let lines = lines(child.stderr.take().expect("piped"));
    let mut log = String::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if line.contains("ready for connections") {
            return Ok(child);
        }
        log.push_str(&line);
        log.push('\n');
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(log)
}

/// The lines of a log. It is read to its end, so that who writes it never waits.
fn lines(log: ChildStderr) -> Receiver<String> {
    let (to, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // After it is ready nobody listens.
            let _ = to.send(line);
        }
    });
    lines
}
