//! As people use it: three terminals, a server, two who join and talk, and the server killed in mid-talk.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helper fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const PASSWORD: &str = "tape crater lunar module";
/// Looks at a screen before a test gives up; each takes some milliseconds.
const LOOKS: usize = 6000;

struct Terminals {
    folder: TempDir,
    socket: PathBuf,
}

impl Terminals {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("tmux");
        let terminals = Self { folder, socket };
        terminals.tmux(&["new-session", "-d", "-s", "t", "-n", "first", "-x", "120", "-y", "40", "sh"]);
        terminals
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .args(["-f", "/dev/null"])
            .args(arguments)
            .env("COUNTERSIGN", env!("CARGO_BIN_EXE_countersign"))
            .env_remove("COUNTERSIGN_HOME")
            .env_remove("COUNTERSIGN_PASSWORD_FILE")
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn open(&self, window: &str) {
        self.tmux(&["new-window", "-d", "-t", "t", "-n", window, "sh"]);
    }

    fn type_line(&self, window: &str, line: &str) {
        self.tmux(&["send-keys", "-t", &format!("t:{window}"), "-l", line]);
        self.tmux(&["send-keys", "-t", &format!("t:{window}"), "Enter"]);
    }

    fn screen(&self, window: &str) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-S", "-200", "-t", &format!("t:{window}")])
    }

    /// Looks at a window until it shows a text.
    fn see(&self, window: &str, text: &str) -> String {
        for _ in 0..LOOKS {
            let screen = self.screen(window);
            if screen.contains(text) {
                return screen;
            }
        }
        panic!("{window} never shows {text:?}:\n{}", self.screen(window));
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn serve(&self, listen: &str) -> String {
        self.type_line("server", "clear");
        let serve = format!("exec $COUNTERSIGN serve --data d --plain-keys --listen {listen}");
        self.type_line("server", &format!("sh -c 'echo $$ > server.pid; {serve}'; echo en\"\"ded"));
        let screen = self.see("server", "READY 127");
        let line = screen.lines().find_map(|l| l.strip_prefix("READY ")).unwrap();
        line.trim().to_owned()
    }

    fn join(&self, user: &str) {
        self.type_line(user, "clear");
        self.type_line(
            user,
            &format!(
                "$COUNTERSIGN --home {user} join \"$($COUNTERSIGN invite create --data d)\" --user {user}"
            ),
        );
        self.see(user, "Choose a password:");
        self.type_line(user, PASSWORD);
        self.see(user, "Again:");
        self.type_line(user, PASSWORD);
        self.see(user, &format!("You are {user} on"));
        assert!(!self.screen(user).contains(PASSWORD), "a password is not shown");
    }
}

impl Drop for Terminals {
    fn drop(&mut self) {
        // The server's process group hangs up with its terminal.
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

#[test]
fn tmux_two_people_talk_across_a_killed_server() {
    let terminals = Terminals::new();
    for window in ["server", "alice", "bob"] {
        terminals.open(window);
    }
    let address = terminals.serve("127.0.0.1:0");
    terminals.join("alice");
    terminals.join("bob");
    fs::write(terminals.path().join("password"), PASSWORD).unwrap();
    for user in ["alice", "bob"] {
        terminals.type_line(
            user,
            &format!("clear; export COUNTERSIGN_PASSWORD_FILE=password COUNTERSIGN_HOME={user}"),
        );
    }
    terminals.type_line(
        "alice",
        "$COUNTERSIGN room create flight && $COUNTERSIGN room add flight bob && echo ma\"\"de",
    );
    terminals.see("alice", "made");
    for user in ["alice", "bob"] {
        terminals.type_line(user, "clear; $COUNTERSIGN chat flight --plain; echo le\"\"ft");
    }
    terminals.type_line("alice", "hello from alice");
    terminals.see("bob", "alice: hello from alice");
    terminals.type_line("bob", "hello from bob");
    terminals.see("alice", "bob: hello from bob");

    terminals.type_line("first", "kill -9 $(cat server.pid)");
    terminals.see("server", "ended");
    terminals.type_line("alice", "said while it was down");
    terminals.see("alice", "not connected");
    terminals.serve(&address);
    terminals.see("bob", "alice: said while it was down");
    terminals.type_line("bob", "and we go on");
    terminals.see("alice", "bob: and we go on");
    for user in ["alice", "bob"] {
        terminals.type_line(user, "/quit");
        terminals.see(user, "left");
        terminals.type_line(
            user,
            &format!(
                "clear; $COUNTERSIGN export flight --out {user}.bundle && $COUNTERSIGN verify {user}.bundle"
            ),
        );
        let screen = terminals.see(user, "VALID");
        for said in ["hello from alice", "hello from bob", "said while it was down", "and we go on"] {
            assert!(screen.contains(said), "{said} is missing:\n{screen}");
        }
    }
}

#[test]
fn tmux_what_was_typed_before_a_device_asks_is_no_answer() {
    let terminals = Terminals::new();
    for window in ["server", "alice", "phone"] {
        terminals.open(window);
    }
    terminals.serve("127.0.0.1:0");
    terminals.join("alice");
    fs::write(terminals.path().join("password"), PASSWORD).unwrap();
    for user in ["alice", "phone"] {
        terminals.type_line(
            user,
            &format!("clear; export COUNTERSIGN_PASSWORD_FILE=password COUNTERSIGN_HOME={user}"),
        );
    }
    terminals.type_line("alice", "$COUNTERSIGN device add > link");
    terminals.see("alice", "Waiting for it");
    terminals.type_line("alice", "y");
    terminals.type_line("phone", "$COUNTERSIGN join \"$(cat link)\" --device phone");
    terminals.see("alice", "Is it the same? [y/N]");
    terminals.type_line("alice", "n");
    terminals.see("alice", "phone was turned away");

    terminals.type_line("alice", "clear; $COUNTERSIGN device revoke $($COUNTERSIGN device list | grep -v recovery- | sed 's/.*\\(sha256:[0-9a-f]*\\).*/\\1/') || echo ke\"\"pt");
    terminals.see("alice", "Revoke it? [y/N]");
    terminals.type_line("alice", "n");
    terminals.see("alice", "kept");
}

#[test]
fn tmux_an_erasure_is_explained_and_asked_about() {
    let terminals = Terminals::new();
    for window in ["server", "alice", "again"] {
        terminals.open(window);
    }
    terminals.serve("127.0.0.1:0");
    terminals.join("alice");
    fs::write(terminals.path().join("password"), PASSWORD).unwrap();
    for window in ["alice", "again"] {
        terminals
            .type_line(window, "clear; export COUNTERSIGN_PASSWORD_FILE=password COUNTERSIGN_HOME=alice");
    }
    terminals.type_line(
        "alice",
        "$COUNTERSIGN room create flight && $COUNTERSIGN send flight slip && $COUNTERSIGN edit flight 1 lesser",
    );
    terminals.see("alice", "logged at 2");
    terminals.type_line("alice", "clear; $COUNTERSIGN erase flight 1 --reason private || echo ke\"\"pt");
    let screen = terminals.see("alice", "Erase it? [y/N]");
    for part in ["erases what you said at 1, 2, edits of them included", "out of reach"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    terminals.type_line("alice", "n");
    terminals.see("alice", "kept");
    // In a window where no question stands yet: what is typed before it is no answer.
    terminals.type_line("again", "$COUNTERSIGN erase flight 1 --reason private");
    terminals.see("again", "Erase it? [y/N]");
    terminals.type_line("again", "y");
    terminals.see("again", "2 messages erased, logged at 3");
}
