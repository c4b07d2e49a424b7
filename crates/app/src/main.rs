//! `countersign`: the command line.
//!
//! - [`cli`]: what can be typed.
//! - [`command`]: what each command does.
//! - [`terminal`]: passwords in, text and JSON out, exit codes.
//! - [`demo`]: the guided demonstration.

mod cli;
mod clock;
mod command;
mod demo;
mod file;
mod terminal;

use std::ffi::OsStr;
use std::io;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, Global};
use terminal::{Failure, exit_code};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unusable(&error),
    };
    log_to_stderr(&cli.global, &cli.command);
    let json = cli.global.json;
    let outcome = run(cli);
    if let Err(failure) = &outcome {
        failure.report(json);
    }
    exit_code(&outcome)
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::failed(format!("cannot start threads: {e}")))?;
    let outcome = runtime.block_on(command::run(cli));
    // A thread that still waits for a line of input would hold the process.
    runtime.shutdown_background();
    outcome
}

/// Help and version, or a command line that cannot be used (exit 2).
fn unusable(error: &clap::Error) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let json = std::env::args_os().skip(1).take_while(|a| a != "--").any(|a| a == OsStr::new("--json"));
    if json && !asked {
        let failure = Failure::usage(error.to_string().trim_end());
        failure.report(true);
        return exit_code(&Err(failure));
    }
    // Nothing is left to be told to if the terminal is gone.
    let _ = error.print();
    if asked { ExitCode::SUCCESS } else { exit_code(&Err(Failure::usage(""))) }
}

/// Logs go to standard error: warnings, a server's news too, more with `-v`; none beside JSON unless asked for.
fn log_to_stderr(global: &Global, command: &Command) {
    let serves = matches!(command, Command::Serve(_));
    let level = match (global.verbose, global.quiet) {
        // What a group's library says of a message is said again, in words.
        (_, true) => "error,openmls=off",
        (0, _) if serves => "warn,server=info",
        (0, _) if global.json => "off",
        (0, _) => "warn,openmls=off",
        (1, _) => "info,server=debug,client=debug,store=debug,countersign=debug",
        _ => "trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .init();
}
