//! Where passwords come from: a file, an open descriptor, or a prompt; never an argument.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Failure;

/// Longest password that is read, in bytes.
const MAX_PASSWORD: u64 = 4096;

/// Where a password comes from.
#[derive(Debug, Clone)]
pub enum PasswordSource {
    /// A file; one newline at its end is dropped.
    File(PathBuf),
    /// An open file descriptor, read to its end.
    Descriptor(i32),
    /// A prompt on the terminal.
    Prompt,
}

impl PasswordSource {
    /// The source that the options name.
    pub fn new(file: Option<&Path>, descriptor: Option<i32>) -> Self {
        match (file, descriptor) {
            (_, Some(n)) => Self::Descriptor(n),
            (Some(path), None) => Self::File(path.to_owned()),
            (None, None) => Self::Prompt,
        }
    }

    /// Reads an existing password.
    pub fn read(&self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        match self {
            Self::File(path) => read_password_file(path),
            Self::Descriptor(n) => read_descriptor(*n),
            Self::Prompt => ask(prompt),
        }
    }

    /// Reads a new password; a prompt asks twice.
    pub fn read_new(&self, prompt: &str) -> Result<Zeroizing<String>, Failure> {
        let password = self.read(prompt)?;
        if matches!(self, Self::Prompt) && *ask("Again: ")? != *password {
            return Err(Failure::usage("the two passwords differ; nothing was done"));
        }
        Ok(password)
    }
}

/// Reads a password file and drops one newline at its end.
fn read_password_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let file = File::open(path)
        .map_err(|e| Failure::failed(format!("cannot read the password file {}: {e}", path.display())))?;
    read_to_end(file)
        .map_err(|e| Failure::failed(format!("cannot use the password file {}: {e}", path.display())))
}

fn read_descriptor(number: i32) -> Result<Zeroizing<String>, Failure> {
    let path = format!("/proc/self/fd/{number}");
    let file = File::open(&path)
        .map_err(|e| Failure::failed(format!("cannot read descriptor {number} of --password-fd: {e}")))?;
    read_to_end(file).map_err(|e| Failure::failed(format!("cannot use descriptor {number}: {e}")))
}

fn read_to_end(file: impl Read) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    file.take(MAX_PASSWORD + 1).read_to_end(&mut bytes)?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    if bytes.len() as u64 > MAX_PASSWORD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 4096 bytes"));
    }
    let text = std::str::from_utf8(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
        return Err(Failure::usage(
            "a password is needed and there is no terminal to ask on; use --password-file FILE or --password-fd N",
        ));
    }
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|e| Failure::failed(format!("cannot read a password from the terminal: {e}")))
}
