//! `classic certs`: a CA and certificates for both sides, single leaves, and bad ones.

use std::path::PathBuf;

use ::classic::certificate::issue::{IssueError, has_ca, layout_of, make_bad, make_folder, make_leaf};
use ::classic::certificate::{Dialect, FolderError, KeyError, Passphrase};
use serde_json::json;

use crate::cli::CertsArguments;
use crate::clock::now_ms;
use crate::command::keys::source;
use crate::command::{Context, shown};
use crate::terminal::{Failure, PasswordSource};

/// Runs it.
pub fn run(context: &Context, arguments: &CertsArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    let layout = arguments.layout.or_else(|| layout_of(folder)).unwrap_or(Dialect::Pss);
    let makes_ca = !has_ca(folder) && arguments.cn.is_none();
    let passphrase = if makes_ca { new_passphrase(context, arguments)? } else { None };
    let made = match make(arguments, layout, passphrase.as_ref()) {
        Err(error) if error.needs_passphrase() => {
            make(arguments, layout, Some(&existing_passphrase(arguments)?))
        }
        outcome => outcome,
    }?;
    let files: Vec<String> = made.iter().map(|file| shown(file)).collect();
    context
        .output
        .result(|| json!({ "folder": folder, "layout": layout.name(), "files": made }), || files.join("\n"))
}

fn make(
    arguments: &CertsArguments,
    layout: Dialect,
    passphrase: Option<&Passphrase>,
) -> Result<Vec<PathBuf>, IssueError> {
    let (folder, name) = (&arguments.folder, arguments.name.as_deref());
    if let Some((common_name, stem)) = arguments.cn.as_deref().zip(arguments.out.as_deref()) {
        return make_leaf(folder, common_name, stem, passphrase, now_ms());
    }
    let Some(bad) = arguments.bad else { return make_folder(folder, layout, name, passphrase, now_ms()) };
    let mut made = Vec::new();
    if name.is_some() || !has_ca(folder) {
        made = make_folder(folder, layout, name, passphrase, now_ms())?;
    }
    made.extend(make_bad(folder, layout, bad, passphrase, now_ms())?);
    Ok(made)
}

/// For the key of a CA that is to be made; none with `--plain-keys`.
fn new_passphrase(context: &Context, arguments: &CertsArguments) -> Result<Option<Passphrase>, Failure> {
    if arguments.plain_keys {
        let why = "the CA's key is kept without a passphrase: whoever reads it can issue certificates";
        context.output.warn("plain-keys", why);
        return Ok(None);
    }
    let or_else = ", or keep the key unencrypted with --plain-keys";
    let passphrase = place(arguments, or_else)?.read_new("New passphrase for the CA's key: ")?;
    if passphrase.is_empty() {
        return Err(Failure::usage(format!("the passphrase is empty; type one{or_else}")));
    }
    Ok(Some(Passphrase::new(passphrase)))
}

fn existing_passphrase(arguments: &CertsArguments) -> Result<Passphrase, Failure> {
    if arguments.plain_keys {
        let why = "the CA's key is encrypted; leave --plain-keys out and give its passphrase";
        return Err(Failure::new("keys-encrypted", why));
    }
    Ok(Passphrase::new(place(arguments, "")?.read("Passphrase of the CA's key: ")?))
}

fn place(arguments: &CertsArguments, or_else: &str) -> Result<PasswordSource, Failure> {
    source(arguments.key_password_file.clone(), || {
        format!(
            "the CA's key needs a passphrase, and there is no terminal to ask on: give --key-password-file FILE{or_else}"
        )
    })
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        let code = match &error {
            IssueError::Complete(_) | IssueError::Exists(_) | IssueError::Half { .. } => "exists",
            IssueError::NoAuthority(_) | IssueError::NoAuthorityKey(_) => "no-authority",
            IssueError::BadName | IssueError::BadStem => return Self::usage(error.to_string()),
            IssueError::Folder(FolderError::Key { error: KeyError::WrongPassphrase, .. }) => {
                "wrong-passphrase"
            }
            IssueError::Folder(_) => "bad-folder",
            IssueError::Io { .. } => "io",
            _ => "failed",
        };
        Self::new(code, error.to_string())
    }
}
