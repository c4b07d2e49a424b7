//! `export`: evidence of a room, a member's own.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use client::{Client, Disclose, ExportOptions, Exported};
use evidence::room::RoomId;
use evidence::verdict::{safe, utc};
use serde_json::json;

use super::{Context, PATIENCE, connecting};
use crate::cli::ExportArguments;
use crate::terminal::{Failure, count};

/// Most parts that `--disclose` may have.
const MAX_RANGES: usize = 10_000;

/// Writes a bundle to a new file; it appears whole or not at all.
pub async fn run(context: &Context, arguments: ExportArguments) -> Result<(), Failure> {
    let disclose = parse_disclose(&arguments.disclose)?;
    refuse_existing(&arguments.out)?;
    let (client, refused) = connecting(context, PATIENCE).await?;
    let options = ExportOptions { from: arguments.from, to: arguments.to, disclose };
    let outcome = async {
        let room = client.find_room(&arguments.room).await?;
        write(&client, room, options, &arguments.out).await
    }
    .await;
    client.close().await;
    let (bytes, mut exported) = outcome?;
    if let Some(refused) = refused {
        exported.behind = exported.behind.map(|_| refused.why);
    }
    say_what_is_missing(context, &exported);
    let out = arguments.out.display().to_string();
    context.output.result(
        || {
            json!({ "bundle": out, "bytes": bytes, "from": exported.from, "to": exported.to,
                    "disclosed": exported.disclosed, "erased": exported.erased,
                    "erased_later": exported.erased_later, "until": exported.until_ms,
                    "up_to_date": exported.behind.is_none(), "why": exported.behind })
        },
        || {
            let disclosed = count(exported.disclosed, "message", "messages");
            let check = context.typed(&format!("verify {}", super::shown(&arguments.out)));
            format!("{out}: {disclosed} disclosed, {bytes} bytes; check it with `{check}`")
        },
    )
}

/// Says of evidence that was made without the server why it was, and how far it goes; and what it cannot show.
pub fn say_what_is_missing(context: &Context, exported: &Exported) {
    if let Some(why) = &exported.behind {
        context.output.note(&format!(
            "the server was not asked for what is newer, or did not give it ({}); this is what your home holds: \
             entries 0 to {}, logged until {}",
            safe(why),
            exported.size.saturating_sub(1),
            utc(exported.until_ms)
        ));
    }
    if exported.erased_later > 0 {
        context.output.note(&format!(
            "{} erased by an entry behind the range: this file does not show that, and to its readers they are withheld; without --to \
             it would show it",
            count(exported.erased_later, "message was", "messages were")
        ));
    }
}

/// Exports to a file (mode 0600) beside `out` and renames it into place; returns its size in bytes and what it holds.
pub async fn write(
    client: &Client,
    room: RoomId,
    options: ExportOptions,
    out: &Path,
) -> Result<(u64, Exported), Failure> {
    refuse_existing(out)?;
    let beside = beside(out);
    let failed = |e: std::io::Error| Failure::failed(format!("cannot write {}: {e}", out.display()));
    let file = OpenOptions::new()
        .write(true)
        .read(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .map_err(|e| Failure::failed(format!("cannot write {}: {e}", beside.display())))?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let written = match client.export(room, &options, &mut writer).await {
        Ok(exported) if names_nothing(&options, &exported) => Err(Failure::new(
            "nothing-disclosed",
            format!("--disclose names no message among the entries {} to {}", exported.from, exported.to),
        )),
        Ok(exported) => writer
            .flush()
            .and_then(|()| writer.get_ref().sync_all())
            .and_then(|()| fs::rename(&beside, out))
            .and_then(|()| sync_folder(out))
            .map_err(failed)
            .map(|()| exported),
        Err(e) => Err(e.into()),
    };
    let exported = written.inspect_err(|_| {
        // What is half-made is of no use to anybody.
        let _ = fs::remove_file(&beside);
    })?;
    Ok((fs::metadata(out).map_err(failed)?.len(), exported))
}

fn names_nothing(options: &ExportOptions, exported: &Exported) -> bool {
    matches!(options.disclose, Disclose::Only(_)) && exported.disclosed == 0
}

fn refuse_existing(out: &Path) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::new("exists", format!("{} exists already; name a new file", out.display())));
    }
    Ok(())
}

/// Syncs the folder that holds `out`: without it the new name may be gone after a loss of power.
fn sync_folder(out: &Path) -> std::io::Result<()> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.unfinished", std::process::id()));
    out.with_file_name(name)
}

/// `all`, `none`, or indices and ranges like `5,9-12`.
fn parse_disclose(text: &str) -> Result<Disclose, Failure> {
    let bad = |part: &str| {
        Failure::usage(format!(
            "--disclose takes all, none, or log indices like 5,9-12; {part:?} is none of these"
        ))
    };
    match text {
        "all" => return Ok(Disclose::All),
        "none" => return Ok(Disclose::None),
        _ => {}
    }
    let mut ranges = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<u64>(), last.trim().parse::<u64>()) else {
            return Err(bad(part));
        };
        if first > last || ranges.len() == MAX_RANGES {
            return Err(bad(part));
        }
        ranges.push(first..=last);
    }
    Ok(Disclose::Only(ranges))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disclosure_is_all_none_or_indices() {
        assert!(matches!(parse_disclose("all"), Ok(Disclose::All)));
        assert!(matches!(parse_disclose("none"), Ok(Disclose::None)));
        assert!(matches!(parse_disclose("5,9-12"), Ok(Disclose::Only(r)) if r == [5..=5, 9..=12]));
        for bad in ["", "x", "5-", "9-5", "-1", "5,,6"] {
            assert!(parse_disclose(bad).is_err(), "{bad}");
        }
    }
}
