//! Arguments of the commands that run and manage an organisation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

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
pub struct ServeArguments {
    #[command(flatten)]
    pub keys: KeyArguments,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:7117]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
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
    List {
        #[command(flatten)]
        data: DataArguments,
    },
    /// Revoke an invite by its id or link
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
    Crl {
        /// Where to write it, PEM
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Move the root's key out of the server's folder; it is not needed to run the server
    ExportRoot {
        /// Where to move it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Show the organisation's certificates
    Show {
        #[command(flatten)]
        keys: KeyArguments,
    },
}

/// What `user` does.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List users
    List,
    /// Stop a user from logging in, at once
    Disable {
        /// User name
        user: String,
    },
    /// Let a user log in again
    Enable {
        /// User name
        user: String,
    },
}

/// What `device` does.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// List devices
    List {
        /// Of this user [default: yourself]
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Add a device: prints a link for it, waits for it and asks you to compare its code
    Add {
        /// Do not ask: accept the first device that uses the link
        #[arg(long)]
        yes: bool,
    },
    /// Revoke a device, at once
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
pub struct PasswdArguments {
    /// Read the new password from this file
    #[arg(long, value_name = "FILE")]
    pub new_password_file: Option<PathBuf>,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    #[command(flatten)]
    pub data: DataArguments,
}

#[cfg(test)]
mod tests {
    use super::*;

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
