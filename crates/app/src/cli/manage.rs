//! Arguments of the commands that run and manage an organisation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use pki::Name;

use super::classic::UsersUrl;

/// Where a server keeps its things.
#[derive(Debug, Clone, Args)]
pub struct DataArguments {
    /// The server's folder [default: ./countersign-data]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
}

/// Where a server keeps its things and how its keys open.
#[derive(Debug, Clone, Args)]
pub struct KeyArguments {
    #[command(flatten)]
    pub data: DataArguments,
    /// Read the passphrase of the server's keys from this file
    #[arg(long, value_name = "FILE", conflicts_with = "plain_keys")]
    pub key_password_file: Option<PathBuf>,
    /// Keep the server's keys without a passphrase (whoever reads the disk has them)
    #[arg(long)]
    pub plain_keys: bool,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign serve --data ./server --listen 0.0.0.0:7117 --name chat.example.org\n\nIt prints READY host:port when it listens, and ends in order on SIGTERM or SIGINT.\n\nExit codes: 0 it was told to stop; 1 it cannot start; 2 usage."
)]
pub struct ServeArguments {
    #[command(flatten)]
    pub keys: KeyArguments,
    /// Host and port to listen on; port 0 takes a free one [default: 127.0.0.1:7117]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<ListenAddress>,
    /// Host name or address that invites carry [default: that of the last start, at first the listening address]
    #[arg(long, value_name = "HOST")]
    pub name: Option<String>,
    /// Database URL [default: sqlite in the data folder]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Settings in TOML: data, listen, name, store, key-password-file, plain-keys
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where a server listens: a host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddress(
    /// As typed: IPv6 in brackets.
    pub String,
);

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "it is a host and a port, such as 0.0.0.0:7117, [::]:7117 or localhost:7117";
        let (host, port) = text.rsplit_once(':').ok_or(WRONG)?;
        let is_address = text.parse::<SocketAddr>().is_ok();
        let is_name =
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if port.parse::<u16>().is_err() || !(is_address || is_name) {
            return Err(WRONG);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A role.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RoleArgument {
    /// Talks.
    Member,
    /// Also invites, disables and revokes.
    Admin,
}

/// How long something is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// In milliseconds.
    pub ms: u64,
}

impl FromStr for Lifetime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a time is a whole number and a unit: 30m (minutes), 12h (hours) or 7d (days)";
        const DAY_MS: u64 = 86_400_000;
        let (number, unit_ms) = match text.char_indices().next_back() {
            Some((at, 'm')) => (text.get(..at), 60_000),
            Some((at, 'h')) => (text.get(..at), 3_600_000),
            Some((at, 'd')) => (text.get(..at), DAY_MS),
            _ => return Err(WRONG),
        };
        let digits = number.filter(|n| n.bytes().all(|b| b.is_ascii_digit())).ok_or(WRONG)?;
        let number: u64 = digits.parse().map_err(|_| WRONG)?;
        match number.checked_mul(unit_ms) {
            Some(0) => Err("it has to be good for some time: at least 1m"),
            Some(ms) if ms <= 365 * DAY_MS => Ok(Self { ms }),
            _ => Err("at most 365d"),
        }
    }
}

/// What `invite` does. With --data it works on the server's folder, else through your home as an administrator.
#[derive(Debug, Subcommand)]
pub enum InviteCommand {
    /// Make an invite; the link alone goes to standard output
    #[command(after_help = "Example:\n  countersign invite create --data ./server --user alice --role admin")]
    Create {
        /// Only for this user name
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Role it gives
        #[arg(long, value_enum, default_value = "member")]
        role: RoleArgument,
        /// How many may use it
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        uses: u32,
        /// How long it is good: 30m, 12h, 7d; at most 365d
        #[arg(long, default_value = "7d", value_name = "TIME")]
        expires: Lifetime,
        #[command(flatten)]
        data: DataArguments,
    },
    /// List invites that can still be used
    #[command(after_help = "Example:\n  countersign invite list --data ./server")]
    List {
        #[command(flatten)]
        data: DataArguments,
    },
    /// Revoke an invite by its id or link
    #[command(
        after_help = "Example:\n  countersign invite revoke 'countersign://chat.example.org:7117/join?root=…&token=…'"
    )]
    Revoke {
        /// Id (from `invite list`) or the link
        invite: String,
        #[command(flatten)]
        data: DataArguments,
    },
}

/// What `ca` does.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make the organisation's root and issuing CA in the server's folder
    #[command(after_help = "Example:\n  countersign ca init --organisation example.org --data ./server")]
    Init {
        /// The organisation's name, a DNS name in lower case such as example.org
        #[arg(long, value_name = "DNS-NAME")]
        organisation: String,
        /// Do not make a root: write a request for the issuing CA that your own root signs
        #[arg(long, value_name = "REQUEST.pem")]
        external_root: Option<PathBuf>,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Install the issuing CA's certificate that your own root signed
    #[command(after_help = "Example:\n  countersign ca install issuing.pem --root root.pem --data ./server")]
    Install {
        /// Certificate of the issuing CA, PEM
        certificate: PathBuf,
        /// Certificate of your root, PEM
        #[arg(long)]
        root: PathBuf,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Issue a certificate for a PKCS#10 request, as the first device of a name that has none
    #[command(
        after_help = "Example:\n  countersign ca issue bot.csr --user bot --device rack-1 --out bot.pem --data ./server"
    )]
    Issue {
        /// The request, PEM or DER
        request: PathBuf,
        /// User the certificate is for
        #[arg(long, value_name = "NAME")]
        user: String,
        /// Device the certificate is for
        #[arg(long, value_name = "NAME")]
        device: String,
        /// Where to write the chain, PEM
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Revoke a certificate by its fingerprint
    #[command(
        after_help = "Example:\n  countersign ca revoke sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --reason key-compromise"
    )]
    Revoke {
        /// sha256:HEX of the certificate
        certificate: String,
        /// Why, for the record
        #[arg(long, default_value = "unspecified")]
        reason: String,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Write the certificate revocation list
    #[command(after_help = "Example:\n  countersign ca crl --out crl.pem --data ./server")]
    Crl {
        /// Where to write it, PEM
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Move the root's key out of the server's folder; it is not needed to run the server
    #[command(
        after_help = "Example:\n  countersign ca export-root --out /media/safe/root.key --data ./server"
    )]
    ExportRoot {
        /// Where to move it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Change the passphrase of all keys in the server's folder, or encrypt plain ones; the server has to be stopped
    #[command(
        after_help = "Examples:\n  countersign ca change-passphrase --data ./server\n  countersign ca change-passphrase --data ./server --plain-keys --new-key-password-file FILE"
    )]
    ChangePassphrase {
        /// Read the new passphrase from this file
        #[arg(long, value_name = "FILE")]
        new_key_password_file: Option<PathBuf>,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Show the organisation's certificates
    #[command(after_help = "Example:\n  countersign ca show --data ./server")]
    Show {
        #[command(flatten)]
        keys: KeyArguments,
    },
}

/// What `user` does.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Show the safety code of you and a user, and the user's devices: everybody can
    Code(CodeArguments),
    /// List users
    #[command(after_help = "Example:\n  countersign user list")]
    List,
    /// Stop a user from logging in, at once
    #[command(after_help = "Example:\n  countersign user disable bob")]
    Disable {
        /// User name
        user: String,
    },
    /// Let a user log in again
    #[command(after_help = "Example:\n  countersign user enable bob")]
    Enable {
        /// User name
        user: String,
    },
    /// Take over the users of an earlier system, on the server's folder
    Import(ImportArguments),
}

/// Arguments of `user code`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  countersign user code @bob\n  countersign user code bob --compared\n\n\
                  Whoever runs the server could have enrolled somebody else under a name. To know that they have not, read the code to each other over \
                  another channel, such as a call: both must see the same, all of it. Then record it with --compared. It holds for all devices of \
                  the two of you, later ones too.\n\n\
                  Exit codes: 0 done; 1 there is no code, as the directory has two first certificates under one name, or it failed; 2 usage.")]
pub struct CodeArguments {
    /// User name
    #[arg(value_name = "@NAME")]
    pub user: String,
    /// Record that you compared the code and it was the same
    #[arg(long)]
    pub compared: bool,
    /// Take back that it was compared
    #[arg(long, conflicts_with = "compared")]
    pub forget: bool,
}

/// Arguments of `user import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign user import server_credentials.json --data ./server --dry-run\n  countersign user import mysql://scuser:scpass@127.0.0.1/securechat --data ./server\n  countersign user import server_credentials.json --data ./server --rename 'Alice Smith=alice'\n\n\
                  Each user becomes an account that waits until its user joins by an invite, with the password they had. \
                  The same import again changes nothing; who has joined is never touched. A line says what became of each: \
                  imported, replaced, unchanged, joined, refused.\n\n\
                  Whoever lists processes sees a password in an argument: set the variable COUNTERSIGN_USERS_URL and give no URL.\n\n\
                  Exit codes: 0 done; 1 a user was refused (the others were imported), or it failed; 2 usage."
)]
pub struct ImportArguments {
    /// The earlier system's table of users (MySQL, MariaDB), or its server_credentials.json
    #[arg(
        value_name = "mysql://USER:PASSWORD@HOST/DATABASE|FILE.json",
        env = "COUNTERSIGN_USERS_URL",
        hide_env_values = true
    )]
    pub source: UsersUrl,
    /// Say what would be done, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Import a user under another name; may be given several times
    #[arg(long, value_name = "OLD=NEW")]
    pub rename: Vec<Rename>,
    /// Import a user without the e-mail address that stands there; may be given several times
    #[arg(long, value_name = "NAME")]
    pub without_email: Vec<String>,
    /// Take a user for the one of that name who waits, though the e-mail address is another; may be given several times
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    pub replace: Vec<Name>,
    #[command(flatten)]
    pub keys: KeyArguments,
}

/// Another name for a user of an earlier system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Name there.
    pub from: String,
    /// Name here.
    pub to: String,
}

impl FromStr for Rename {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A name here has no `=`.
        let (from, to) = text.rsplit_once('=').ok_or("it is written OLD=NEW")?;
        Ok(Self { from: from.to_owned(), to: to.to_owned() })
    }
}

/// What `device` does.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// List devices
    #[command(after_help = "Example:\n  countersign device list --user bob")]
    List {
        /// Of this user [default: yourself]
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Add a device: prints a link for it, waits for it and asks you to compare its code
    #[command(after_help = "Example:\n  countersign device add")]
    Add {
        /// Do not ask: accept the first device that uses the link
        #[arg(long)]
        yes: bool,
    },
    /// Make another recovery code: with it and your password you come back when all your devices are lost
    #[command(after_help = "Example:\n  countersign device recovery")]
    Recovery,
    /// Revoke a device or a recovery code, at once
    #[command(after_help = "Example:\n  countersign device revoke bob/phone --reason key-compromise")]
    Revoke {
        /// Device name, USER/DEVICE, or sha256:HEX of its certificate
        device: String,
        /// Why, for the record
        #[arg(long, default_value = "unspecified")]
        reason: String,
        /// Do not ask, even if it is the device you are on
        #[arg(long)]
        yes: bool,
    },
}

/// Arguments of `passwd`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign passwd")]
pub struct PasswdArguments {
    /// Read the new password from this file
    #[arg(long, value_name = "FILE")]
    pub new_password_file: Option<PathBuf>,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  countersign backup --data ./server --out /backup/server-2026-11-20\n\nThe copy is a whole folder: `countersign serve --data` starts from it. Its keys are encrypted as they were."
)]
pub struct BackupArguments {
    #[command(flatten)]
    pub data: DataArguments,
    /// Folder to write; it must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign doctor --home ./alice --password-file FILE\n  countersign doctor --data ./server\n\nExit codes: 0 nothing is wrong (warnings may be there); 1 something is wrong, each with what to do; 2 usage."
)]
pub struct DoctorArguments {
    #[command(flatten)]
    pub data: DataArguments,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_listens_on_a_host_and_a_port() {
        for good in ["127.0.0.1:7117", "[::1]:0", "localhost:7117", "chat.example.org:1"] {
            assert_eq!(good.parse(), Ok(ListenAddress(good.to_owned())));
        }
        for bad in ["", "localhost", ":7117", "::1:7117", "localhost:70000", "a b:1", "[localhost]:1"] {
            assert!(bad.parse::<ListenAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn lifetimes_are_a_number_and_a_unit() {
        for (text, ms) in [("30m", 1_800_000), ("12h", 43_200_000), ("7d", 604_800_000)] {
            assert_eq!(text.parse(), Ok(Lifetime { ms }));
        }
        for bad in
            ["", "7", "d", "7w", "-7d", "+7d", "1.5h", "7 d", "0m", "366d", "99999999999999999999d", "é"]
        {
            assert!(bad.parse::<Lifetime>().is_err(), "{bad}");
        }
    }
}
