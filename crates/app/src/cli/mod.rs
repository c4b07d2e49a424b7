//! The command line: one definition that feeds parsing and help.

mod classic;
mod lab;
mod manage;
mod talk;

pub use classic::{
    CertsArguments, ClassicCommand, ClassicConnectArguments, ClassicMenuArguments, ClassicServeArguments,
    ClassicVerifyArguments, InitUsersArguments, SideArguments,
};
pub use lab::{LabArguments, LabCommand, LabReportArguments, LabRunArguments};
pub use manage::{
    BackupArguments, CaCommand, CodeArguments, DataArguments, DeviceCommand, DoctorArguments,
    ImportArguments, InviteCommand, KeyArguments, ListenAddress, PasswdArguments, RoleArgument,
    ServeArguments, UserCommand,
};
pub use talk::{
    ChatArguments, DeleteArguments, DemoArguments, EditArguments, EraseArguments, ExportArguments,
    JoinArguments, ReactArguments, RecoverArguments, RoomCommand, SaveArguments, SendArguments,
    TailArguments, VerifyArguments,
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
                  can be shown to a third party, who checks it offline. What is said is encrypted end to end: the \
                  server never reads a word.",
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
    /// Come back with a recovery code, when all your devices are lost
    Recover(RecoverArguments),
    /// Talk in a room or to a person
    Chat(ChatArguments),
    /// Create rooms and manage their members
    #[command(subcommand)]
    Room(RoomCommand),
    /// Send one message
    Send(SendArguments),
    /// Give a message of yours another text
    Edit(EditArguments),
    /// React to a message, or take that back
    React(ReactArguments),
    /// Ask readers not to show a message of yours any more; it stays on record
    Delete(DeleteArguments),
    /// Erase messages of yours, with the server and the members' programs, and say why
    Erase(EraseArguments),
    /// Print a room's messages
    Tail(TailArguments),
    /// Write the files of a message to a folder
    Save(SaveArguments),
    /// Write evidence of a room to a file
    Export(ExportArguments),
    /// Check evidence, offline
    Verify(VerifyArguments),
    /// The organisation's certificate authority
    #[command(subcommand)]
    Ca(CaCommand),
    /// Compare safety codes: is somebody who the name says? And, for administrators, the organisation's users
    #[command(subcommand)]
    User(UserCommand),
    /// Your devices
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Change your password
    Passwd(PasswdArguments),
    /// The classic protocols, none of which is safe
    #[command(subcommand)]
    Classic(ClassicCommand),
    /// Attacks on the classic protocols, run for real, and the same on Countersign
    Lab(LabArguments),
    /// Copy a server's folder, also while the server runs
    Backup(BackupArguments),
    /// Find and explain what is wrong
    Doctor(DoctorArguments),
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    /// Commands whose exit codes a script has to tell apart.
    const WITH_EXIT_CODES: [&str; 11] = [
        "demo",
        "serve",
        "chat",
        "send",
        "edit",
        "react",
        "delete",
        "erase",
        "verify",
        "doctor",
        "countersign",
    ];

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// Examples are of the command they stand under, and can be typed.
    #[test]
    fn every_command_has_an_example_that_parses_and_its_exit_codes_where_they_matter() {
        let mut leaves = Vec::new();
        collect(&Cli::command(), "", &mut leaves);
        assert!(leaves.len() > 25, "{}", leaves.len());
        for (path, help) in leaves {
            let examples: Vec<&str> =
                help.lines().filter(|line| line.starts_with("  countersign ")).collect();
            assert!(!examples.is_empty(), "{path} has no example:\n{help}");
            for example in examples {
                let words = words(example);
                assert!(words.join(" ").starts_with(&path), "{path}: {example}");
                assert!(Cli::try_parse_from(&words).is_ok(), "{example}");
            }
            let name = path.rsplit(' ').next().unwrap();
            assert!(help.contains("Exit codes: ") || !WITH_EXIT_CODES.contains(&name), "{path}:\n{help}");
        }
        assert!(
            Cli::command().render_help().to_string().contains("Exit codes: 0 done; 1 refused or failed;")
        );
    }

    fn collect(command: &clap::Command, before: &str, leaves: &mut Vec<(String, String)>) {
        let path = format!("{before}{}", command.get_name());
        if command.get_subcommands().next().is_none() {
            leaves.push((path, command.clone().render_long_help().to_string()));
            return;
        }
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            collect(sub, &format!("{path} "), leaves);
        }
    }

    /// Words as a shell splits them, single quotes alone.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (number, part) in line.trim().split('\'').enumerate() {
            let mut pieces = part.split(' ').map(str::to_owned);
            if number % 2 == 1 {
                words.last_mut().unwrap().push_str(part);
                continue;
            }
            words.last_mut().unwrap().extend(pieces.next());
            words.extend(pieces);
        }
        words.retain(|word| !word.is_empty());
        words
    }
}
