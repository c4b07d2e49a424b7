//! What every command is given.

use std::env;
use std::path::{Path, PathBuf};

use client::Home;
use pki::Password;

use super::shown;
use crate::cli::{DataArguments, Global};
use crate::clock::{now_ms, utc};
use crate::terminal::{Failure, Output, PasswordSource};

/// How long before its end a certificate is worth a word: 30 days.
pub const SOON_MS: u64 = 30 * 86_400_000;

/// The global options, as commands use them.
#[derive(Debug)]
pub struct Context {
    /// How to speak.
    pub output: Output,
    home: Option<PathBuf>,
    password: PasswordSource,
}

impl Context {
    /// Of the options that were typed.
    pub fn new(global: Global) -> Self {
        Self {
            output: Output { json: global.json, quiet: global.quiet },
            password: PasswordSource::new(global.password_file.as_deref(), global.password_fd),
            home: global.home,
        }
    }

    /// The home: the one selected, else `countersign` where this system keeps a user's data.
    pub fn home_folder(&self) -> Result<PathBuf, Failure> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data =
            absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
        let data =
            data.ok_or_else(|| Failure::usage("there is no place for your home; name one with --home DIR"))?;
        Ok(data.join("countersign"))
    }

    /// Whether a home was named.
    pub fn home_selected(&self) -> bool {
        self.home.is_some()
    }

    /// Where the account password comes from.
    pub fn password(&self) -> &PasswordSource {
        &self.password
    }

    /// Whether it comes from somewhere else than a prompt.
    pub fn password_given(&self) -> bool {
        !matches!(self.password, PasswordSource::Prompt)
    }

    /// Opens the home with the account password.
    pub async fn open_home(&self) -> Result<Home, Failure> {
        let folder = self.home_folder()?;
        if !Home::exists(&folder) {
            return Err(self.no_home(&folder));
        }
        let password = self.password.read("Password: ")?;
        let home = Home::open(&folder, Password::new(password.as_str().to_owned())).await?;
        let (_, end_ms) = home.validity_ms();
        if let Some(message) = end_of_device(end_ms, now_ms(), &self.typed("device add")) {
            self.output.warn("certificate-ends", &message);
        }
        Ok(home)
    }

    /// There is no home where one is needed.
    fn no_home(&self, folder: &Path) -> Failure {
        Failure::new(
            "no-home",
            format!(
                "there is no home in {}; become a member with `{}`, or name your home with --home DIR",
                folder.display(),
                self.typed("join INVITE")
            ),
        )
    }

    /// A command as it is typed here: with the home that was named.
    pub fn typed(&self, command: &str) -> String {
        match &self.home {
            Some(home) => format!("countersign --home {} {command}", shown(home)),
            None => format!("countersign {command}"),
        }
    }

    /// Prints an object where a script is listening; to a person nothing is said.
    pub fn object(&self, object: impl FnOnce() -> serde_json::Value) -> Result<(), Failure> {
        if self.output.json { self.output.line(&object().to_string()) } else { Ok(()) }
    }

    /// The server's folder: the one named, else `./countersign-data`.
    pub fn data_folder(&self, arguments: &DataArguments) -> PathBuf {
        arguments.data.clone().unwrap_or_else(|| PathBuf::from("countersign-data"))
    }
}

/// What to tell a person whose device's certificate ends soon or has ended: it is not renewed. `adding` is the command
/// that adds a device.
pub fn end_of_device(end_ms: u64, now_ms: u64, adding: &str) -> Option<String> {
    let day = utc(end_ms);
    match end_ms.checked_sub(now_ms) {
        None => Some(format!(
            "the certificate of this device ended {day}: the server lets it in no more; `countersign tail` and `export` still \
             work with what is here. Join as a new device in another folder (--home), with a link that `countersign device add` makes on \
             another device of yours; if there is none, ask an administrator for an invite under another user name"
        )),
        Some(left) if left < SOON_MS => Some(format!(
            "the certificate of this device ends {day}, and then the server lets it in no more. Before that day run \
             `{adding}` here, and join with its link as a new device in another folder (--home)"
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_device_is_told_for_thirty_days_and_ever_after() {
        let end = 1_800_000_000_000;
        let adding = "countersign device add";
        assert_eq!(end_of_device(end, end - SOON_MS, adding), None);
        for (now, told) in
            [(end - SOON_MS + 1, "ends 2027-01-15"), (end, "ends 2027"), (end + 1, "ended 2027-01-15")]
        {
            let message = end_of_device(end, now, adding).unwrap();
            assert!(message.contains(told) && message.contains("`countersign device add`"), "{message}");
        }
    }
}
