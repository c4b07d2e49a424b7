//! A temporary place with password files, the program in it, and servers that end with their test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// The account password of every home.
const PASSWORD: &str = "lunar module descent\n";
/// The passphrase of every server's keys.
const PASSPHRASE: &str = "orbit tape crater\n";

/// A temporary folder in which everything runs.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::write(place.path("pw"), PASSWORD).unwrap();
        std::fs::write(place.path("kp"), PASSPHRASE).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with arguments split at blanks, without input and away from the caller's settings.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        for name in [
            "COUNTERSIGN_HOME",
            "COUNTERSIGN_DATA",
            "COUNTERSIGN_PASSWORD_FILE",
            "COUNTERSIGN_USERS_URL",
            "CREDENTIALS_DIRECTORY",
            "NOTIFY_SOCKET",
            "XDG_DATA_HOME",
        ] {
            command.env_remove(name);
        }
        command.env("HOME", self.0.path()).current_dir(self.0.path()).stdin(Stdio::null());
        command.args(arguments.split_whitespace());
        command
    }

    pub fn run(&self, arguments: &str) -> Outcome {
        Outcome::of(self.command(arguments))
    }

    /// OpenSSL, which has to succeed.
    pub fn openssl(&self, arguments: &str) -> String {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "openssl {arguments}: {text}");
        text
    }

    /// A server with encrypted keys on the folder `d`, ready.
    pub fn serve(&self) -> Server {
        self.serve_with("--data d --key-password-file kp")
    }

    pub fn serve_with(&self, arguments: &str) -> Server {
        Server::start(self.command(&format!("serve --listen 127.0.0.1:0 {arguments}")))
    }

    /// Joins as `user` with the home of that name.
    pub fn join(&self, user: &str, link: &str) {
        self.run(&format!("join {link} --user {user} --device laptop --home {user} --password-file pw")).ok();
    }
}

/// How a run ended.
pub struct Outcome {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Outcome {
    pub fn of(mut command: Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    /// It was done; the one line of result without its end, or nothing.
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out.trim_end()
    }

    /// It was refused or failed, and said this.
    pub fn refused(&self, word: &str) {
        self.ended(1, word);
    }

    pub fn ended(&self, code: i32, word: &str) {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        assert!(self.err.contains(word), "{word:?} is not in {:?}", self.err);
    }
}

/// A server that is ready.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    /// The whole first line.
    pub ready: String,
}

impl Server {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        out.read_line(&mut ready).unwrap();
        let mut server = Self { child, out, ready: ready.trim_end().to_owned() };
        assert!(!server.ready.is_empty(), "not ready: {}", server.rest_of_stderr());
        server
    }

    /// Reads what it prints up to a line that holds `word`, and gives that line.
    pub fn line_with(&mut self, word: &str) -> String {
        let mut seen = String::new();
        loop {
            let start = seen.len();
            assert!(self.out.read_line(&mut seen).unwrap() > 0, "{word:?} is not in {seen:?}");
            let line = seen.split_at(start).1;
            if line.contains(word) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, waits, and gives exit code and standard error.
    pub fn end(mut self, signal: &str) -> (i32, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let code = self.child.wait().unwrap().code().unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing but the first line goes to standard output");
        (code, self.rest_of_stderr())
    }

    /// Sends a signal, waits, and gives the exit code.
    pub fn end_quietly(mut self, signal: &str) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }

    fn rest_of_stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = self.child.kill();
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file's permission bits.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
