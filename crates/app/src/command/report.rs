//! A verdict as one self-contained HTML page.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use evidence::verdict::{Said, State, Verdict, Word, file_line, remarks, utc};

use crate::terminal::Failure;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}\
table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #bbb;padding:.3rem .6rem;text-align:left;vertical-align:top}\
.word{font-size:1.6rem;font-weight:700;padding:.6rem 1rem;border:3px solid}code{overflow-wrap:anywhere}\
.quiet{color:#555}td.said{white-space:pre-wrap;overflow-wrap:anywhere}@media print{body{margin:0;max-width:none}}";

/// Writes the report to a new file (mode 0600).
pub fn write(path: &Path, verdict: &Verdict, said: &[Said]) -> Result<(), Failure> {
    let mut page = String::new();
    // Writing to a string has no error to give.
    let _ = render(&mut page, verdict, said);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(page.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            Failure::failed(format!("{} exists already; name a new file for the report", path.display()))
        }
        _ => Failure::failed(format!("cannot write the report {}: {e}", path.display())),
    })
}

fn render(out: &mut String, verdict: &Verdict, said: &[Said]) -> std::fmt::Result {
    let word = match verdict.word {
        Word::Valid => "Valid: everything verifies under the pinned root.",
        Word::ConsistentUnpinned => {
            "Consistent, but nobody said whose root this is: compare its fingerprint by another way."
        }
        Word::Invalid => "Invalid: this bundle does not verify. Nothing below can be relied on.",
    };
    writeln!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><title>Countersign: verdict</title>\
         <meta name=viewport content=\"width=device-width\"><style>{STYLE}</style><h1>Verdict</h1><p class=word>{word}</p>"
    )?;
    if !verdict.problems.is_empty() {
        writeln!(out, "<h2>Problems</h2><table><tr><th>Code<th>At<th>What was found")?;
        for problem in &verdict.problems {
            let at = problem.index.map_or_else(String::new, |i| i.to_string());
            writeln!(out, "<tr><td><code>{}</code><td>{at}<td>{}", problem.code, escape(&problem.message))?;
        }
        writeln!(out, "</table>")?;
    }
    // A file that is no bundle has nothing to tell of.
    if verdict.room.is_some() {
        render_checked(out, verdict, said)?;
    }
    writeln!(out, "</html>")
}

fn render_checked(out: &mut String, verdict: &Verdict, said: &[Said]) -> std::fmt::Result {
    writeln!(out, "<h2>What was checked</h2><table>")?;
    let or_none = |text: Option<String>| text.map_or_else(|| "none".to_owned(), |t| escape(&t));
    for (name, value) in [
        ("Organisation", or_none(verdict.organisation.clone())),
        ("Root", or_none(verdict.root.map(|r| r.to_string()))),
        ("Room", or_none(verdict.name.clone())),
        ("Room id", or_none(verdict.room.map(|r| r.to_string()))),
        ("Entries", format!("{} to {} of a log of {}", verdict.from, verdict.to, verdict.size)),
        ("Logged by", utc(verdict.logged_by)),
        (
            "Messages",
            format!(
                "{} disclosed, {} withheld, {} erased",
                verdict.disclosed, verdict.withheld, verdict.erased
            ),
        ),
    ] {
        writeln!(out, "<tr><th>{name}<td><code>{value}</code>")?;
    }
    writeln!(out, "</table><h2>Messages</h2><table><tr><th>Place<th>Signed<th>Who<th>What<th>Received by")?;
    for message in said {
        let what = match (&message.text, message.state) {
            (Some(text), _) => escape(text),
            (None, State::Mismatch) => "<strong>does not match what was signed</strong>".to_owned(),
            (None, State::Disclosed) if message.relations.reaction.is_some() => {
                "<span class=quiet>a reaction</span>".to_owned()
            }
            (None, State::Disclosed) if message.relations.deletes.is_some() => {
                "<span class=quiet>a deletion</span>".to_owned()
            }
            (None, State::Disclosed) => "<span class=quiet>no text</span>".to_owned(),
            (None, State::Partly) => "<span class=quiet>no text shown</span>".to_owned(),
            (None, State::Hidden) => "<span class=quiet>only its place is shown</span>".to_owned(),
            (None, State::Erased) => "<span class=quiet>erased</span>".to_owned(),
            (None, _) => "<span class=quiet>content withheld</span>".to_owned(),
        };
        let what = message
            .attachments
            .iter()
            .fold(what, |what, file| format!("{what}\n<code>{}</code>", escape(&file_line(file))));
        let what = remarks(message)
            .iter()
            .fold(what, |what, remark| format!("{what}\n<span class=quiet>{}</span>", escape(remark)));
        let what = message.unopened_by.iter().fold(what, |what, claim| {
            format!("{what}\n<span class=quiet>{}</span>", escape(&claim.sentence()))
        });
        let who = match (&message.from, &message.device) {
            (Some(from), Some(device)) => {
                format!("{} <span class=quiet>({})</span>", escape(from), escape(device))
            }
            _ => String::new(),
        };
        let signed = message.time.map_or_else(String::new, utc);
        let received = escape(&message.received_by.join(", "));
        writeln!(out, "<tr><td>{}<td>{signed}<td>{who}<td class=said>{what}<td>{received}", message.index)?;
    }
    writeln!(out, "</table><h2>Keep in mind</h2><ul>")?;
    for note in &verdict.notes {
        writeln!(out, "<li>{}", escape(&note.message))?;
    }
    writeln!(out, "</ul>")
}

/// Text for HTML, with what could reorder or hide text taken out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in evidence::verdict::safe(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_of_messages_cannot_become_markup() {
        assert_eq!(escape("<script>\"&\""), "&lt;script&gt;&quot;&amp;&quot;");
    }
}
