//! The command line: one definition that feeds parsing and help.

mod manage;
mod talk;

pub use manage::{
    CaCommand, DataArguments, DeviceCommand, DoctorArguments, InviteCommand, KeyArguments, PasswdArguments,
    RoleArgument, ServeArguments, UserCommand,
};
pub use talk::{
    ChatArguments, DemoArguments, ExportArguments, JoinArguments, RoomCommand, SendArguments, TailArguments,
    VerifyArguments,
};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Team chat whose record stands up.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    about = "Team chat whose record stands up: signed, logged, countersigned, checkable offline",
    long_about = "Self-hosted team chat whose record stands up. Every message is signed by a certified person, \
                  ordered in a tamper-evident log, countersigned by the server and by its recipients; any part \
                  can be shown to a third party, who checks it offline.\n\n\
                  In this version the server can read what is said (content suite 0).",
    after_help = "Start here:\n  countersign demo                 see all of it at once, in a temporary folder\n  \
                  countersign serve                run a server; it prints the first invite's command\n  \
                  countersign join INVITE          become a member\n  countersign chat ROOM            talk\n\n\
                  Exit codes: 0 done; 1 refused or failed; 2 usage; 3 evidence that does not verify.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Folder with your keys, history and outbox
    #[arg(long, global = true, env = "COUNTERSIGN_HOME", value_name = "DIR", hide_env_values = true)]
    pub home: Option<PathBuf>,
    /// One JSON object a line, on standard output; errors as JSON on standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// Say less
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Read the account password from this file (one newline at its end is dropped)
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_PASSWORD_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub password_file: Option<PathBuf>,
    /// Read the account password from this open file descriptor; goes before a file
    #[arg(long, global = true, value_name = "N")]
    pub password_fd: Option<i32>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See all of it at once: a server, people, a room, talk, export, verification
    Demo(DemoArguments),
    /// Run a server
    Serve(ServeArguments),
    /// Make, list and revoke invites
    #[command(subcommand)]
    Invite(InviteCommand),
    /// Become a member, or add this machine as a device, by an invite link
    Join(JoinArguments),
    /// Talk in a room or to a person
    Chat(ChatArguments),
    /// Create rooms and manage their members
    #[command(subcommand)]
    Room(RoomCommand),
    /// Send one message
    Send(SendArguments),
    /// Print a room's messages
    Tail(TailArguments),
    /// Write evidence of a room to a file
    Export(ExportArguments),
    /// Check evidence, offline
    Verify(VerifyArguments),
    /// The organisation's certificate authority
    #[command(subcommand)]
    Ca(CaCommand),
    /// The organisation's users (administrators)
    #[command(subcommand)]
    User(UserCommand),
    /// Your devices
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Change your password
    Passwd(PasswdArguments),
    /// Find and explain what is wrong
    Doctor(DoctorArguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        super::Cli::command().debug_assert();
    }
}
