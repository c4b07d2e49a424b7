//! Arguments of `lab`: attacks on the classic protocols.

use std::path::PathBuf;

use ::lab::exhibit::Column;
use clap::{Args, Subcommand};

/// What `lab` does.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Run attacks for real and compare what came of them with what was expected
    Run(LabRunArguments),
    /// List the attacks
    #[command(after_help = "Examples:\n  countersign lab list\n  countersign lab list --json")]
    List,
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
