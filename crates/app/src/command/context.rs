//! What every command is given.

use std::env;
use std::path::{Path, PathBuf};

use client::Home;
use pki::Password;

use crate::cli::{DataArguments, Global};
use crate::terminal::{Failure, Output, PasswordSource};

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
            return Err(no_home(&folder));
        }
        let password = self.password.read("Password: ")?;
        Ok(Home::open(&folder, Password::new(password.as_str().to_owned())).await?)
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

/// There is no home where one is needed.
pub fn no_home(folder: &Path) -> Failure {
    Failure::new(
        "no-home",
        format!(
            "there is no home in {}; become a member with `countersign join INVITE`, or name your home with --home DIR",
            folder.display()
        ),
    )
}
