//! `user import`: users of an earlier system become accounts that wait until they join.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use server::console::{ClassicUser, Console, ImportFault, Imported};
use server::organisation::{Authority, DataFolder};
use zeroize::Zeroizing;

use super::Context;
use super::keys::KeyOptions;
use crate::cli::ImportArguments;
use crate::terminal::{Failure, count};

/// Largest file of users that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// Users between two words on how far it is.
const PROGRESS: usize = 100;

/// Runs it.
pub async fn run(context: &Context, arguments: ImportArguments) -> Result<(), Failure> {
    let path = context.data_folder(&arguments.keys.data);
    let folder = DataFolder::existing(&path).ok_or_else(|| super::no_organisation(&path))?;
    let mut users = read(&arguments.source)?;
    for rename in arguments.rename {
        let Some(user) = users.iter_mut().find(|user| user.name == rename.from) else {
            return Err(Failure::usage(format!(
                "--rename: nobody in the source is called {:?}",
                rename.from
            )));
        };
        user.name = rename.to;
    }
    let protection = KeyOptions::from(&arguments.keys).for_existing_keys(&context.output, &folder)?;
    let authority = Authority::load(&folder, &protection)?;
    let console = Console::open(&folder).await?;
    let outcome = import(context, &console, &authority, users, arguments.dry_run).await;
    console.close().await;
    let counts = outcome?;
    counts.print(context, arguments.dry_run)?;
    match counts.of("refused") {
        0 => Ok(()),
        refused => Err(Failure::new(
            "refused",
            format!("{} not imported, for the reasons above", count(refused, "user was", "users were")),
        )),
    }
}

async fn import(
    context: &Context,
    console: &Console,
    authority: &Authority,
    users: Vec<ClassicUser>,
    dry_run: bool,
) -> Result<Counts, Failure> {
    let mut importer = console.importer(authority, dry_run).await?;
    let mut counts = Counts::default();
    let total = users.len();
    for (done, user) in users.into_iter().enumerate() {
        if done > 0 && done % PROGRESS == 0 {
            context.output.note(&format!("{done} of {total} users"));
        }
        let source = user.name.clone();
        let outcome = importer.import(user).await?;
        counts.add(&outcome);
        report(context, &source, &outcome)?;
    }
    Ok(counts)
}

/// A line for a user.
fn report(context: &Context, source: &str, outcome: &Imported) -> Result<(), Failure> {
    let state = word(outcome);
    match outcome {
        Imported::New(user)
        | Imported::Replaced(user)
        | Imported::Unchanged(user)
        | Imported::Joined(user) => context.output.result(
            || json!({ "source": source, "user": user.as_str(), "state": state }),
            || format!("{user:32}  {state}"),
        ),
        Imported::Refused(fault) => context.output.result(
            || json!({ "source": source, "state": state, "code": fault.code(), "why": why(fault, source) }),
            || printable(&format!("{source:32}  {state}: {}", why(fault, source))),
        ),
    }
}

/// Why a user is refused, and what to type if another name helps.
fn why(fault: &ImportFault, source: &str) -> String {
    let rename =
        |to: &str| format!("{fault}: --rename {}", super::shown(Path::new(&format!("{source}={to}"))));
    match fault {
        ImportFault::Name { suggestion, .. } => rename(suggestion.as_str()),
        ImportFault::Repeated(_) | ImportFault::Taken | ImportFault::LooksAlike | ImportFault::Certified => {
            rename("NAME")
        }
        _ => fault.to_string(),
    }
}

/// A text of the earlier system without what a terminal would take for a command.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn word(outcome: &Imported) -> &'static str {
    match outcome {
        Imported::New(_) => "imported",
        Imported::Replaced(_) => "replaced",
        Imported::Unchanged(_) => "unchanged",
        Imported::Joined(_) => "joined",
        Imported::Refused(_) => "refused",
    }
}

/// How many users came to what.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn add(&mut self, outcome: &Imported) {
        *self.0.entry(word(outcome)).or_default() += 1;
    }

    fn of(&self, word: &str) -> u64 {
        self.0.get(word).copied().unwrap_or_default()
    }

    fn print(&self, context: &Context, dry_run: bool) -> Result<(), Failure> {
        let [imported, replaced, unchanged, joined, refused] =
            ["imported", "replaced", "unchanged", "joined", "refused"].map(|word| self.of(word));
        context.object(|| {
            json!({ "dry_run": dry_run, "imported": imported, "replaced": replaced, "unchanged": unchanged,
                    "joined": joined, "refused": refused })
        })?;
        context.output.note(&format!(
            "{imported} imported, {replaced} replaced, {unchanged} unchanged, {joined} joined before, {refused} refused{}",
            if dry_run { "; this was a dry run: nothing was written" } else { "" }
        ));
        if imported + replaced > 0 && !dry_run {
            context.output.note(
                "Each joins by an invite, with the password they had. Make one for each name: whoever stole the earlier \
                 system's database can join by any other.\n  countersign invite create --user NAME",
            );
        }
        Ok(())
    }
}

/// The users of a `server_credentials.json`: {USER: {"salt": base64, "hash": hex}}.
fn read(source: &Path) -> Result<Vec<ClassicUser>, Failure> {
    let unusable =
        |why: String| Failure::new("bad-source", format!("{} cannot be read: {why}", source.display()));
    let mut text = Zeroizing::new(String::new());
    let file = File::open(source).map_err(|e| unusable(e.to_string()))?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|e| unusable(e.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(unusable("it is larger than 64 MiB".to_owned()));
    }
    let users: BTreeMap<String, Value> = serde_json::from_str(&text).map_err(|e| unusable(e.to_string()))?;
    let user = |(name, row): (String, Value)| {
        let text = |field| row.get(field).and_then(Value::as_str).unwrap_or_default();
        // What is no base64 becomes no salt, and is refused with its user.
        let salt = STANDARD.decode(text("salt")).unwrap_or_default();
        ClassicUser { name, email: None, salt, password_hash: Zeroizing::new(text("hash").to_owned()) }
    };
    Ok(users.into_iter().map(user).collect())
}
