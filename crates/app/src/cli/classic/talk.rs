//! Arguments of the commands that speak a classic protocol.

use std::path::PathBuf;

use ::classic::protocol::Protocol;
use clap::Args;

use crate::cli::ListenAddress;

/// What both sides of a protocol take.
#[derive(Debug, Default, Args)]
pub struct SideArguments {
    /// Folder of certificates (cianr), or of server_key.pem (key-transport)
    #[arg(long, value_name = "DIR")]
    pub certs: Option<PathBuf>,
    /// The common name that the other side's certificate has to have [default: the dialect's usual one]
    #[arg(long, value_name = "NAME")]
    pub expect_cn: Option<String>,
    /// Folder for transcripts and receipts (cianr)
    #[arg(long, value_name = "DIR")]
    pub transcripts: Option<PathBuf>,
    /// Use the 768-bit group of the existing cianr-pss programs. It can be broken
    #[arg(long)]
    pub weak_group: bool,
    /// Say the lines of this file, then leave; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub send: Option<PathBuf>,
    /// Read the passphrase of one's own key from this file, if it has one (cianr)
    #[arg(long, value_name = "FILE")]
    pub key_password_file: Option<PathBuf>,
}

/// Arguments of `classic menu`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign classic menu\n\nIt asks: 1. Server, 2. Client; a client then: 1. Register, 2. Login, 3. Exit.\n\nExit codes: 0 it left in order; 1 refused or failed; 2 usage."
)]
pub struct ClassicMenuArguments {
    /// Where the server listens, and the client connects
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:9999")]
    pub address: ListenAddress,
    /// The server's users
    #[arg(long, value_name = "FILE.json", default_value = "server_credentials.json")]
    pub users: String,
}

/// Arguments of `classic serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign classic serve cianr-pss --certs certs --users memory --transcripts transcripts\n  countersign classic serve broadcast --listen 127.0.0.1:9999 --users server_credentials.json\n  countersign classic serve cianr-pkcs1 --certs certs --interactive\n\nUsers in a database: --users, or the variable COUNTERSIGN_USERS_URL, which nobody who lists processes sees.\nIt prints READY host:port when it listens, then a line for each thing that happens; SIGTERM or SIGINT ends it in order.\nNone of the classic protocols is safe: see `countersign lab`.\n\nExit codes: 0 it was told to stop; 1 it cannot start; 2 usage."
)]
pub struct ClassicServeArguments {
    /// cianr-pss, cianr-pkcs1, cianr-line, key-transport or broadcast
    pub protocol: Protocol,
    /// Host and port; port 0 takes a free one [default: 127.0.0.1 and the protocol's usual port]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<ListenAddress>,
    /// Host and port for accounts (cianr-line) [default: the listening host and port 9000]
    #[arg(long, value_name = "HOST:PORT")]
    pub accounts_listen: Option<ListenAddress>,
    /// Users: mysql://USER:PASSWORD@HOST/DATABASE, FILE.json, or memory, which forgets them at the end
    #[arg(
        long,
        value_name = "USERS",
        env = "COUNTERSIGN_USERS_URL",
        hide_env_values = true,
        default_value = "memory"
    )]
    pub users: String,
    /// Say to everybody what is typed here
    #[arg(long, conflicts_with = "send")]
    pub interactive: bool,
    #[command(flatten)]
    pub side: SideArguments,
}

/// Arguments of `classic connect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign classic connect cianr-pss 127.0.0.1:12345 --certs certs --register a@example.org:alice\n  countersign classic connect cianr-line 127.0.0.1:9100 --certs certs --login a@example.org\n  countersign classic connect broadcast 127.0.0.1:9999 --login alice --send lines.txt\n  countersign classic connect key-transport 127.0.0.1:5555\n\nA line is a message. It leaves at the end of the lines, or with the protocol's own word: !!quit (cianr-pss), /quit (the other\ndialects), exit (broadcast).\n\nExit codes: 0 it left in order; 1 refused or failed; 2 usage."
)]
pub struct ClassicConnectArguments {
    /// cianr-pss, cianr-pkcs1, cianr-line, key-transport or broadcast
    pub protocol: Protocol,
    /// The server
    #[arg(value_name = "HOST:PORT")]
    pub address: ListenAddress,
    /// The server's port for accounts (cianr-line) [default: the server's host and port 9000]
    #[arg(long, value_name = "HOST:PORT")]
    pub accounts: Option<ListenAddress>,
    /// Make an account: e-mail address and name; the name alone for broadcast
    #[arg(long, value_name = "EMAIL:NAME", conflicts_with = "login")]
    pub register: Option<String>,
    /// Log in: the e-mail address; the name for broadcast
    #[arg(long, value_name = "EMAIL")]
    pub login: Option<String>,
    /// Send on without waiting for the server's answer to each message (cianr-pss)
    #[arg(long)]
    pub pipelined: bool,
    #[command(flatten)]
    pub side: SideArguments,
}

/// Arguments of `classic verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign classic verify transcripts/server_session_receipt.json --root certs/ca.crt\n  countersign classic verify receipt.json --cert alice.crt --root ca.crt\n\nWithout --root nobody vouches for the receipt's signer: the most that it says is consistent-unpinned.\n\nExit codes: 0 it verifies; 1 a file cannot be read; 2 usage; 3 it does not verify."
)]
pub struct ClassicVerifyArguments {
    /// The receipt, JSON
    pub receipt: PathBuf,
    /// Certificate of the CA to trust
    #[arg(long, value_name = "CERT")]
    pub root: Option<PathBuf>,
    /// The transcript, if it is not where the receipt says
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
    /// Certificate of the receipt's signer, if it is not where the receipt says
    #[arg(long, value_name = "CERT")]
    pub cert: Option<PathBuf>,
    /// Certificate of the other side, if it is not where the receipt says
    #[arg(long, value_name = "CERT")]
    pub peer_cert: Option<PathBuf>,
}
