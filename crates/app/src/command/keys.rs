//! How the keys in a server's folder open: the passphrase from a file, a systemd credential or a prompt, or none.

use std::env;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use pki::Password;
use server::organisation::{DataFolder, Inventory, KeyProtection};

use crate::cli::KeyArguments;
use crate::terminal::{Failure, Output, PasswordSource};

/// Name of the systemd credential.
const CREDENTIAL: &str = "countersign-key-password";

/// What was said about the passphrase.
#[derive(Debug, Clone, Default)]
pub struct KeyOptions {
    /// The file that holds it.
    pub password_file: Option<PathBuf>,
    /// There is none.
    pub plain: bool,
}

impl From<&KeyArguments> for KeyOptions {
    fn from(arguments: &KeyArguments) -> Self {
        Self { password_file: arguments.key_password_file.clone(), plain: arguments.plain_keys }
    }
}

impl KeyOptions {
    /// For keys that are to be made: the passphrase is checked, and asked for twice at a prompt.
    pub fn for_new_keys(&self, output: &Output) -> Result<KeyProtection, Failure> {
        if self.plain {
            warn_of_plain_keys(output);
            return Ok(KeyProtection::Plain);
        }
        read_new(&self.source("; or keep the keys unencrypted with --plain-keys")?)
            .map(KeyProtection::Passphrase)
    }

    /// For the keys of a folder that holds an organisation.
    pub fn for_existing_keys(&self, output: &Output, folder: &DataFolder) -> Result<KeyProtection, Failure> {
        let encrypted = Inventory::read(folder)?.encrypted();
        self.for_keys(output, folder.path(), encrypted)
    }

    /// For the key that waits for the issuing CA's certificate.
    pub fn for_waiting_key(&self, output: &Output, folder: &DataFolder) -> Result<KeyProtection, Failure> {
        let encrypted = folder.waiting_key_is_encrypted()?;
        self.for_keys(output, folder.path(), encrypted)
    }

    /// Whether a passphrase, or that there is none, was said without a prompt.
    pub fn given(&self) -> bool {
        self.plain || self.password_file.is_some() || credential().is_some()
    }

    fn for_keys(&self, output: &Output, folder: &Path, encrypted: bool) -> Result<KeyProtection, Failure> {
        match (self.plain, encrypted) {
            (true, true) => Err(Failure::new(
                "keys-encrypted",
                format!(
                    "the keys in {} are encrypted; leave --plain-keys out and give their passphrase",
                    folder.display()
                ),
            )),
            (true, false) => {
                warn_of_plain_keys(output);
                Ok(KeyProtection::Plain)
            }
            (false, false) => Err(Failure::new(
                "keys-plain",
                format!(
                    "the keys in {} are not encrypted: whoever reads the disk has them; encrypt them \
                     (docs/operations.md says how), or accept that with --plain-keys",
                    folder.display()
                ),
            )),
            (false, true) => {
                let passphrase = self.source("")?.read("Passphrase of the server's keys: ")?;
                Ok(KeyProtection::Passphrase(Password::new(passphrase.as_str().to_owned())))
            }
        }
    }

    fn source(&self, or_else: &str) -> Result<PasswordSource, Failure> {
        source(self.password_file.clone().or_else(credential), || {
            format!(
                "the server's keys need a passphrase, and there is no terminal to ask on: give --key-password-file FILE \
                 or the systemd credential {CREDENTIAL}{or_else}"
            )
        })
    }
}

/// The passphrase that is to replace another, from this file or a prompt; the credential is the one that `serve` takes now.
pub fn new_passphrase(file: Option<PathBuf>) -> Result<Password, Failure> {
    read_new(&source(file, || {
        "there is no terminal to ask for the new passphrase on: give --new-key-password-file FILE".to_owned()
    })?)
}

/// Reads a passphrase that is being set, and checks it.
fn read_new(source: &PasswordSource) -> Result<Password, Failure> {
    let passphrase = source.read_new("New passphrase for the server's keys: ")?;
    pki::password::check(&passphrase).map_err(|e| {
        Failure::new("weak-passphrase", format!("the server's keys: {e}; nothing was made or changed"))
    })?;
    Ok(Password::new(passphrase.as_str().to_owned()))
}

/// This file, or a prompt if there is a terminal; `nowhere` says what to do without either.
pub fn source(file: Option<PathBuf>, nowhere: impl Fn() -> String) -> Result<PasswordSource, Failure> {
    match file {
        Some(file) => Ok(PasswordSource::File(file)),
        None if io::stdin().is_terminal() || io::stderr().is_terminal() => Ok(PasswordSource::Prompt),
        None => Err(Failure::new("no-passphrase", nowhere())),
    }
}

/// The credential's file, if systemd passed one.
fn credential() -> Option<PathBuf> {
    env::var_os("CREDENTIALS_DIRECTORY")
        .map(|folder| PathBuf::from(folder).join(CREDENTIAL))
        .filter(|f| f.exists())
}

/// Said at each start.
fn warn_of_plain_keys(output: &Output) {
    output.warn(
        "plain-keys",
        "the server's keys are kept without a passphrase: whoever reads this disk or a backup of it can sign as \
         the organisation and as the server",
    );
}
