//! `user import`: users of an earlier system become accounts that wait until they join.

use std::collections::BTreeMap;
use std::path::Path;

use ::classic::users::{BadRow, ImportedUser, export};
use serde_json::json;
use server::console::{ClassicUser, Console, ImportFault, Imported, Importer};
use server::organisation::{Authority, DataFolder};

use super::Context;
use super::keys::KeyOptions;
use crate::cli::ImportArguments;
use crate::terminal::{Failure, count};

/// Users between two words on how far it is.
const PROGRESS: usize = 100;

/// Runs it.
pub async fn run(context: &Context, arguments: ImportArguments) -> Result<(), Failure> {
    let path = context.data_folder(&arguments.keys.data);
    let folder = DataFolder::existing(&path).ok_or_else(|| super::no_organisation(&path))?;
    let mut rows = export(&arguments.source.0).await?;
    // By the names of the source, before any is another.
    for name in &arguments.without_email {
        user_of(&mut rows, name, "--without-email")?.email = None;
    }
    for rename in arguments.rename {
        user_of(&mut rows, &rename.from, "--rename")?.name = rename.to;
    }
    let protection = KeyOptions::from(&arguments.keys).for_existing_keys(&context.output, &folder)?;
    let authority = Authority::load(&folder, &protection)?;
    let console = Console::open(&folder).await?;
    let mut importer = console.importer(&authority, arguments.dry_run).await?;
    importer.replace(arguments.replace);
    let outcome = import(context, importer, rows).await;
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

/// The user that an option names.
fn user_of<'a>(
    rows: &'a mut [Result<ImportedUser, BadRow>],
    name: &str,
    option: &str,
) -> Result<&'a mut ImportedUser, Failure> {
    let found = rows.iter_mut().flatten().find(|user| user.name == name);
    found.ok_or_else(|| Failure::usage(format!("{option}: nobody in the source is called {name:?}")))
}

async fn import(
    context: &Context,
    mut importer: Importer<'_>,
    rows: Vec<Result<ImportedUser, BadRow>>,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    let total = rows.len();
    for (done, row) in rows.into_iter().enumerate() {
        if done > 0 && done % PROGRESS == 0 {
            context.output.note(&format!("{done} of {total} users"));
        }
        let word = match row {
            Ok(ImportedUser { name, email, salt, password_hash }) => {
                let source = name.clone();
                let outcome = importer.import(ClassicUser { name, email, salt, password_hash }).await?;
                report(context, &source, &outcome)?
            }
            Err(BadRow { row, why }) => refused(context, &row, "bad-row", &why)?,
        };
        counts.add(word);
    }
    Ok(counts)
}

/// A line for a user, and in one word what became of it.
fn report(context: &Context, source: &str, outcome: &Imported) -> Result<&'static str, Failure> {
    let (user, word) = match outcome {
        Imported::New(user) => (user, "imported"),
        Imported::Replaced(user) => (user, "replaced"),
        Imported::Unchanged(user) => (user, "unchanged"),
        Imported::Joined(user) => (user, "joined"),
        Imported::Refused(fault) => return refused(context, source, fault.code(), &why(fault, source)),
    };
    context.output.result(
        || json!({ "source": source, "user": user.as_str(), "state": word }),
        || format!("{user:32}  {word}"),
    )?;
    Ok(word)
}

/// A line for a user that was not imported.
fn refused(context: &Context, source: &str, code: &str, why: &str) -> Result<&'static str, Failure> {
    const WORD: &str = "refused";
    context.output.result(
        || json!({ "source": source, "state": WORD, "code": code, "why": why }),
        || printable(&format!("{source:32}  {WORD}: {why}")),
    )?;
    Ok(WORD)
}

/// Why a user is refused, and what to type if another name helps.
fn why(fault: &ImportFault, source: &str) -> String {
    let rename =
        |to: &str| format!("{fault}: --rename {}", super::shown(Path::new(&format!("{source}={to}"))));
    match fault {
        ImportFault::Name { suggestion, .. } => rename(suggestion.as_str()),
        ImportFault::OtherAddress(_)
        | ImportFault::Repeated(_)
        | ImportFault::Taken
        | ImportFault::LooksAlike
        | ImportFault::Certified => rename("NAME"),
        ImportFault::Email(_) | ImportFault::EmailTaken => {
            format!("{fault}, or --without-email {}", super::shown(Path::new(source)))
        }
        _ => fault.to_string(),
    }
}

/// A text of the earlier system without what a terminal would take for a command.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// How many users came to what.
#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn add(&mut self, word: &'static str) {
        *self.0.entry(word).or_default() += 1;
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
