//! Arguments of `lab`: attacks on the classic protocols.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::lab::exhibit::Column;
use clap::{Args, Subcommand};

/// Arguments of `lab`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  countersign lab\n  countersign lab --listen 127.0.0.1:8090\n\nWithout a command it serves a page, on this machine alone: start a server, bring people in, watch the wire,\nlaunch attacks. It prints READY and the link to open, and ends on SIGTERM or SIGINT.\n\nExit codes: 0 it was told to stop; 1 it cannot start; 2 usage."
)]
pub struct LabArguments {
    /// Address of the page: a loopback one; port 0 is a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// What to do instead
    #[command(subcommand)]
    pub command: Option<LabCommand>,
}

/// What `lab` does.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Run attacks for real and compare what came of them with what was expected
    Run(LabRunArguments),
    /// Run everything and write what would be handed in: matrix, captures, transcripts, receipts, users
    Report(LabReportArguments),
    /// List the attacks
    #[command(after_help = "Examples:\n  countersign lab list\n  countersign lab list --json")]
    List,
}

/// Arguments of `lab report`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign lab report --out report\n  countersign lab report --out report --users server_credentials.json\n\nOpen report/index.html. A table in a database: --users, or the variable COUNTERSIGN_USERS_URL, which nobody who lists\nprocesses sees. Salts and hashes are shown shortened.\n\nExit codes: 0 done; 1 it cannot be written, or an attack went otherwise than expected; 2 usage."
)]
pub struct LabReportArguments {
    /// A new folder, or an empty one
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// A user table to show as well: mysql://USER:PASSWORD@HOST/DATABASE or FILE.json
    #[arg(long, value_name = "STORE", env = "COUNTERSIGN_USERS_URL", hide_env_values = true)]
    pub users: Option<String>,
}

/// Arguments of `lab run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  countersign lab run --all\n  countersign lab run mitm-dh\n  countersign lab run mitm-dh --protocol cianr-pss --pcap mitm.pcapng\n\nIn the table, ! stands before an outcome that is not the expected one, - where an attack has nothing to work on.\n\nExit codes: 0 done; 1 refused or failed, or an attack that went otherwise than expected; 2 usage."
)]
pub struct LabRunArguments {
    /// The attack; `countersign lab list` shows them
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    pub name: Option<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// Against this protocol alone: cianr-pss, cianr-pkcs1, cianr-line, key-transport, broadcast or countersign
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    pub protocol: Option<Column>,
    /// Write what went over the wire, for Wireshark
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
}

fn protocol(text: &str) -> Result<Column, &'static str> {
    Column::of(text)
        .ok_or("it is cianr-pss, cianr-pkcs1, cianr-line, key-transport, broadcast or countersign")
}
