//! Arguments of the commands that talk, show and check.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign demo\n  countersign demo --script talk.jsonl --out ./demo\n\nAt the end a copy with one letter changed, and the first 20 lines said again under somebody else's authority, have to be refused.\n\nExit codes: 0 all of it verified and both copies were refused; 1 failed; 2 usage; 3 the evidence is not as it has to be."
)]
pub struct DemoArguments {
    /// Lines of {"t": seconds, "from": "NAME", "text": "…"} to say instead of the built-in talk
    #[arg(long, value_name = "FILE.jsonl")]
    pub script: Option<PathBuf>,
    /// Do not wait for each line's acknowledgement: keep each speaker's own order only
    #[arg(long)]
    pub pipelined: bool,
    /// Keep bundle, root.pem, server/, homes/, password and index.jsonl in this folder (new or empty)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Arguments of `join`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign join 'countersign://chat.example.org:7117/join?root=…&token=…' --user alice\n  countersign join 'countersign://chat.example.org:7117/join?root=…&token=…' --user ann@example.org\n\nA user of an earlier system gives the name or e-mail address they had there, and the password; if that is too short to be kept, it opens the account once and a new one is asked for."
)]
pub struct JoinArguments {
    /// The invite link, in quotes
    pub invite: String,
    /// Your user name (asked for in a terminal); of a user of an earlier system also the e-mail address
    #[arg(long, value_name = "NAME|EMAIL")]
    pub user: Option<String>,
    /// An e-mail address that you can log in with as well
    #[arg(long)]
    pub email: Option<String>,
    /// Name of this device
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Of a user of an earlier system: read the password from now on from this file; the other is the one there
    #[arg(long, value_name = "FILE")]
    pub new_password_file: Option<PathBuf>,
}

/// Arguments of `recover`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign recover 'countersign://chat.example.org:7117/recover?root=…&user=alice' --device desk\n\nAddress and code are those that `countersign join` or `countersign device recovery` showed. The code is asked for in a terminal."
)]
pub struct RecoverArguments {
    /// The address beside the code, in quotes
    pub address: String,
    /// Name of this device, other than those of the lost ones
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Read the code from this file
    #[arg(long, value_name = "FILE")]
    pub code_file: Option<PathBuf>,
}

/// Arguments of `chat`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign chat ops\n  countersign chat @bob\n  countersign chat ops --plain --export ops.bundle\n\n\
                        A line that begins with / is a command; N is the number before a message:\n  \
                        /reply N TEXT    reply to a message\n  \
                        /edit N TEXT     give a message of yours another text\n  \
                        /react N EMOJI   react to a message\n  \
                        /delete N        ask readers not to show a message of yours; it stays on record\n  \
                        /erase N REASON  erase a message of yours, with the server and the members' programs, for good\n  \
                        /file PATH       send a file\n  \
                        /quit            leave\n\n\
                        Who pipes in text of others puts one more / before such lines: /file would send a file of this machine, /delete and /erase take back a message of yours.\n\n\
                        Exit codes: 0 all messages are logged; 1 one was refused for good (standard error says which), or failed; \
                        2 usage."
)]
pub struct ChatArguments {
    /// A room's name or id, or @USER for a direct message
    #[arg(value_name = "ROOM|@USER")]
    pub room: Option<String>,
    /// A line a message; /reply, /edit, /react, /delete, /erase and /file as below; /quit or the end of input leaves after the last acknowledgement
    #[arg(long)]
    pub plain: bool,
    /// Write evidence of the whole room to this file on leaving
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
}

/// What `room` does.
#[derive(Debug, Subcommand)]
pub enum RoomCommand {
    /// Create a room; prints its id
    #[command(after_help = "Example:\n  countersign room create ops")]
    Create {
        /// Name of the room
        name: String,
    },
    /// List your rooms
    #[command(after_help = "Example:\n  countersign room list --json")]
    List,
    /// List a room's members, and whose safety codes were compared (`user code`)
    #[command(after_help = "Example:\n  countersign room members ops")]
    Members {
        /// Name or id
        room: String,
    },
    /// Add people to a room
    #[command(after_help = "Example:\n  countersign room add ops bob carol")]
    Add {
        /// Name or id
        room: String,
        /// User names
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Remove people from a room
    #[command(after_help = "Example:\n  countersign room remove ops carol")]
    Remove {
        /// Name or id
        room: String,
        /// User names
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Begin a room's keys anew, when nobody can follow them any more
    #[command(
        after_help = "Examples:\n  countersign room renew ops\n  countersign room renew ops --without mallory\n\nSomebody can break a room's keys on purpose: then nobody's messages go out, and every client says so. One member renews them, without whoever did it. What was said stays as it was."
    )]
    Renew {
        /// Name or id
        room: String,
        /// Without this user; given again, without more
        #[arg(long, value_name = "USER")]
        without: Vec<String>,
        /// Leave out devices of which the server has no keys to take them along by, and say which
        #[arg(long)]
        leave_out: bool,
    },
    /// Leave a room
    #[command(after_help = "Example:\n  countersign room leave ops")]
    Leave {
        /// Name or id
        room: String,
    },
}

/// Arguments of `send`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  countersign send ops 'all quiet'\n  \
                        journalctl -n 50 | countersign send ops -\n  \
                        countersign send @bob 'the signed order' --file order.pdf\n  \
                        countersign send ops 'say again?' --reply-to 17\n\n\
                        Exit codes: 0 it is logged; 1 refused, or the server is away; 2 usage.")]
pub struct SendArguments {
    /// A room's name or id, or @USER
    #[arg(value_name = "ROOM|@USER")]
    pub room: String,
    /// The text; - reads standard input, and so does nothing if no file is sent
    pub text: Option<String>,
    /// Send this file; given again, more files: 16 of them, 2 GiB together
    #[arg(long = "file", value_name = "F")]
    pub files: Vec<PathBuf>,
    /// Reply to the message with this log index, the number before it
    #[arg(long, value_name = "N")]
    pub reply_to: Option<u64>,
}

/// Arguments of `edit`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign edit ops 17 'all quiet, 20:00 UTC'\n\n\
                        Readers are shown the new text, and that it is one. What you said before stays on record, in evidence too.\n\n\
                        Exit codes: 0 it is logged; 1 refused, not your message, or the server is away; 2 usage.")]
pub struct EditArguments {
    /// A room's name or id, or @USER
    #[arg(value_name = "ROOM|@USER")]
    pub room: String,
    /// Log index of your message, the number before it
    #[arg(value_name = "N")]
    pub index: u64,
    /// The new text; - reads standard input
    pub text: String,
}

/// Arguments of `react`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign react ops 17 👍\n  countersign react ops 17 👍 --remove\n\n\
                        Exit codes: 0 it is logged; 1 refused, or the server is away; 2 usage."
)]
pub struct ReactArguments {
    /// A room's name or id, or @USER
    #[arg(value_name = "ROOM|@USER")]
    pub room: String,
    /// Log index of the message, the number before it
    #[arg(value_name = "N")]
    pub index: u64,
    /// An emoji, or another text of 64 bytes at most
    pub emoji: String,
    /// Take it back
    #[arg(long)]
    pub remove: bool,
}

/// Arguments of `delete`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign delete ops 17\n\n\
                        Readers are asked not to show the message any more. It is not erased (`countersign erase` is for that): it stays in the log, with the server and \
                        with those who hold it, and evidence shows what it said and that it was deleted.\n\n\
                        Exit codes: 0 it is logged; 1 refused, not your message, or the server is away; 2 usage.")]
pub struct DeleteArguments {
    /// A room's name or id, or @USER
    #[arg(value_name = "ROOM|@USER")]
    pub room: String,
    /// Log index of your message, the number before it
    #[arg(value_name = "N")]
    pub index: u64,
}

/// Arguments of `erase`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign erase ops 17 --reason 'sent to the wrong room'\n  countersign erase ops 17 18 --reason 'personal data' --yes\n\n\
                        The server drops what the messages say, their files, and what it keeps of them for members' other devices; the \
                        members' programs drop them when they read of it. Your edits of them go too. COPIES ELSEWHERE ARE OUT OF REACH: \
                        files that were saved, evidence that was exported, backups, and whoever keeps what it was shown. That you said \
                        something, and when, stays on record, and every proof stays valid; evidence shows that it was erased, by whom and \
                        why. The reason is for all members and for the server to read: do not repeat in it what is to go.\n\n\
                        Exit codes: 0 it is logged; 1 refused, not your message, or the server is away (it waits then); 2 usage."
)]
pub struct EraseArguments {
    /// A room's name or id, or @USER
    #[arg(value_name = "ROOM|@USER")]
    pub room: String,
    /// Log indices of your messages, the numbers before them
    #[arg(value_name = "N", required = true)]
    pub indices: Vec<u64>,
    /// Why, in 512 bytes at most; everybody in the room reads it, and so does the server
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `tail`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  countersign tail ops --from 17 --save ./files\n  \
                        countersign tail ops --follow --json")]
pub struct TailArguments {
    /// A room's name or id, or @USER
    #[arg(value_name = "ROOM|@USER")]
    pub room: String,
    /// Go on with what comes
    #[arg(long)]
    pub follow: bool,
    /// First log index to print
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// Write the files of the messages printed into this folder; a name that is taken gets (2) and so on
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
}

/// Arguments of `save`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign save ops 17 --to ./files\n\n\
                        Each file is checked to be the one that was signed before it gets its name. What was cut off is gone on with.\n\n\
                        Exit codes: 0 all are there; 1 a file that does not come or is another, or the server is away; 2 usage.")]
pub struct SaveArguments {
    /// A room's name or id, or @USER
    #[arg(value_name = "ROOM|@USER")]
    pub room: String,
    /// Log index of the message, the number before it
    #[arg(value_name = "N")]
    pub index: u64,
    /// Folder to write to; a name that is taken gets (2) and so on
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub to: PathBuf,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign export ops --out ops.bundle\n  countersign export ops --out one.bundle --disclose 17\n\n\
                  The server is asked for what is newer, if it is there; the evidence itself comes from your home. Without the server \
                  it goes as far as your home does, and says so. The file is readable by you alone (mode 0600); who gets it is yours \
                  to say."
)]
pub struct ExportArguments {
    /// A room's name or id, or @USER
    #[arg(value_name = "ROOM|@USER")]
    pub room: String,
    /// File to write; it must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// First log index
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// Last log index
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    /// Which messages to open: all, none, or log indices like 5,9-12
    #[arg(long, default_value = "all", value_name = "all|none|5,9-12")]
    pub disclose: String,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign verify ops.bundle --root root.pem\n\nExit codes: 0 valid, or consistent-unpinned without a root to hold it against; 1 the file cannot be read; 2 usage; 3 it does not verify."
)]
pub struct VerifyArguments {
    /// The bundle
    pub file: PathBuf,
    /// The organisation's root: a certificate file or sha256:HEX; without it, your home's
    #[arg(long, value_name = "CERT|sha256:HEX")]
    pub root: Option<String>,
    /// Write the verdict for people to this HTML file
    #[arg(long, value_name = "OUT.html")]
    pub report: Option<PathBuf>,
}
