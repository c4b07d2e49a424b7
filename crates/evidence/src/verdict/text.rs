//! A verdict for people.

use std::fmt::{self, Write};

use super::{Said, State, Verdict, Word};
use crate::content::AttachmentInfo;
use crate::relation::Referred;

/// Messages listed at each end when there are more than twice as many.
const LISTED_AT_ENDS: usize = 20;
/// How far the signed time may be from the logged-by time without this being told, in milliseconds.
const LOGGED_NEAR_MS: u64 = 60_000;

/// Writes the verdict: the word first, then what was found, then the messages, then what to keep in mind. Text of
/// messages is made safe to show in a terminal.
///
/// # Errors
/// Those of `out`.
pub fn render(out: &mut impl Write, verdict: &Verdict, said: &[Said]) -> fmt::Result {
    let root = verdict.root.map_or_else(|| "none".to_owned(), |root| root.to_string());
    match verdict.word {
        Word::Valid => {
            writeln!(out, "VALID: everything in this bundle verifies under the pinned root {root}.")?
        }
        Word::ConsistentUnpinned => writeln!(
            out,
            "CONSISTENT, UNPINNED: everything fits together, but nobody said whose root this is.\n\
             A bundle never vouches for its own root. Compare its fingerprint with the organisation by\n\
             another way, then verify again with --root {root}"
        )?,
        Word::Invalid => {
            writeln!(out, "INVALID: this bundle does not verify. Nothing below can be relied on.")?
        }
    }
    writeln!(out)?;
    for problem in &verdict.problems {
        match problem.index {
            Some(index) => {
                writeln!(out, "  problem {} at {index}: {}", problem.code, safe(&problem.message))?
            }
            None => writeln!(out, "  problem {}: {}", problem.code, safe(&problem.message))?,
        }
    }
    let listed = u64::try_from(verdict.problems.len()).unwrap_or(u64::MAX);
    if verdict.problem_count > listed {
        let more = verdict.problem_count - listed;
        writeln!(out, "  and {more} {} more", if more == 1 { "problem" } else { "problems" })?;
    }
    if let (Some(organisation), Some(room)) = (&verdict.organisation, &verdict.room) {
        let name = verdict.name.as_deref().map_or_else(|| "(no name)".to_owned(), safe);
        writeln!(
            out,
            "  organisation  {organisation}\n  root          {root}\n  room          {name}  {room}"
        )?;
        writeln!(
            out,
            "  entries       {} to {} of a log of {}, logged by {}",
            verdict.from,
            verdict.to,
            verdict.size,
            utc(verdict.logged_by)
        )?;
        writeln!(
            out,
            "  messages      {} ({} disclosed, {} withheld, {} erased)",
            verdict.messages, verdict.disclosed, verdict.withheld, verdict.erased
        )?;
    }
    messages(out, said)?;
    for note in &verdict.notes {
        writeln!(out, "  note {}: {}", note.code, safe(&note.message))?;
    }
    Ok(())
}

fn messages(out: &mut impl Write, said: &[Said]) -> fmt::Result {
    if said.is_empty() {
        return writeln!(out);
    }
    writeln!(out)?;
    let with_content = said.iter().filter(|said| said.state.shows_content()).count();
    // Each kind has its own ends: messages withheld do not crowd out those disclosed.
    let (mut shown, mut withheld) = (Ends::of(with_content), Ends::of(said.len() - with_content));
    let mut passed_over = 0_usize;
    for said in said {
        let ends = if said.state.shows_content() { &mut shown } else { &mut withheld };
        if ends.next_is_listed() {
            more(out, std::mem::take(&mut passed_over))?;
            message(out, said)?;
        } else {
            passed_over += 1;
        }
    }
    more(out, passed_over)?;
    writeln!(out)
}

/// Says how many messages were passed over, if any were.
fn more(out: &mut impl Write, passed_over: usize) -> fmt::Result {
    match passed_over {
        0 => Ok(()),
        1 => writeln!(out, "  … 1 message more; --json lists all"),
        many => writeln!(out, "  … {many} messages more; --json lists all"),
    }
}

/// Counts through messages, of which those at both ends are listed.
struct Ends {
    count: usize,
    place: usize,
}

impl Ends {
    fn of(count: usize) -> Self {
        Self { count, place: 0 }
    }

    fn next_is_listed(&mut self) -> bool {
        self.place += 1;
        self.place <= LISTED_AT_ENDS || self.place + LISTED_AT_ENDS > self.count
    }
}

fn message(out: &mut impl Write, said: &Said) -> fmt::Result {
    write!(out, "  [{}] ", said.index)?;
    match said.time {
        Some(time) => {
            write!(out, "signed {}", utc(time))?;
            if time.abs_diff(said.logged_by) > LOGGED_NEAR_MS {
                write!(out, ", logged by {}", utc(said.logged_by))?;
            }
        }
        None => write!(out, "logged by {}", utc(said.logged_by))?,
    }
    if let (Some(from), Some(device)) = (&said.from, &said.device) {
        write!(out, "  {from}/{device}")?;
    }
    let text = match (said.state, &said.text) {
        (State::Disclosed | State::Partly, Some(text)) => safe(text),
        (State::Disclosed, None) if said.relations.reaction.is_some() => "(a reaction)".to_owned(),
        (State::Disclosed, None) if said.relations.deletes.is_some() => "(a deletion)".to_owned(),
        (State::Disclosed, None) => "(no text)".to_owned(),
        (State::Partly, None) => "(no text shown)".to_owned(),
        (State::Mismatch, _) => "(does not match what was signed)".to_owned(),
        (State::Withheld, _) => "(content withheld)".to_owned(),
        (State::Erased, _) => "(erased)".to_owned(),
        (State::Hidden, _) => "(only its place is shown)".to_owned(),
    };
    write!(out, ": {text}")?;
    if let Some(script) = said.fields.script {
        write!(out, "  (script time {} s)", script / 1000)?;
    }
    match said.received_by.len() {
        0 => writeln!(out)?,
        1..=3 => writeln!(out, "  (received by {})", said.received_by.join(", "))?,
        many => writeln!(out, "  (received by {many} users)")?,
    }
    said.attachments.iter().try_for_each(|file| {
        let apart = if file.inline {
            ""
        } else {
            "  (not in this bundle; compare the SHA-256 of the file that you are given)"
        };
        writeln!(out, "      {}{apart}", file_line(file))
    })?;
    said.unopened_by.iter().try_for_each(|claim| writeln!(out, "      [{}]", safe(&claim.sentence())))?;
    remarks(said).iter().try_for_each(|remark| writeln!(out, "      {remark}"))
}

/// What a message says of others and what others made of it, in words, each for a line of its own: a text cannot pass for
/// one, as [`safe`] leaves no line feeds in texts.
pub fn remarks(said: &Said) -> Vec<String> {
    let relations = &said.relations;
    let told = |what: &str, index: u64, good: Option<bool>, must_be: &str| match good {
        Some(true) => format!("[{what} {index}]"),
        Some(false) => format!("[{what} {index}, which is not {must_be}: it changes nothing]"),
        None => format!("[{what} {index}, which this bundle does not allow to check]"),
    };
    let referred = |what: &str, referred: &Option<Referred>, must_be: &str| {
        referred.as_ref().map(|referred| told(what, referred.index, referred.good, must_be))
    };
    let (before, own) = ("a message before this one", "a message of the same user before this one");
    let reaction = relations.reaction.as_ref().map(|reaction| {
        let what = if reaction.given { "reaction" } else { "taken back: reaction" };
        told(&format!("{what} {} to", safe(&reaction.text)), reaction.index, reaction.good, before)
    });
    let mentions =
        (!relations.mentions.is_empty()).then(|| format!("[mentions {}]", relations.mentions.join(", ")));
    let edited = said.edited.as_ref().map(|edited| match &edited.text {
        Some(text) => format!("[edited at {}: {}]", edited.index, safe(text)),
        None => format!("[edited at {}]", edited.index),
    });
    let deleted = said.deleted.map(|index| match relations.edits {
        Some(_) => format!("[what it edits was deleted at {index}]"),
        None => format!("[deleted at {index}: its user asked not to show it any more]"),
    });
    let erased = said.erased.as_ref().map(|erased| {
        let (at, by, reason) = (erased.index, &erased.by, safe(&erased.reason));
        match said.state.shows_content() {
            true => format!("[erased at {at} by {by}, and shown here by somebody who kept it: {reason}]"),
            false => format!("[erased at {at} by {by}: {reason}]"),
        }
    });
    [
        referred("reply to", &relations.reply_to, before),
        referred("new text of", &relations.edits, own),
        reaction,
        referred("deletion of", &relations.deletes, own),
        mentions,
        edited,
        deleted,
        erased,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is told of a file, as a line of its own: a text cannot pass for it, as [`safe`] leaves no line feeds in texts.
pub fn file_line(file: &AttachmentInfo) -> String {
    format!("[file {}, {}, sha256 {}]", safe(&file.name), size(file.bytes), hex::encode(file.sha256))
}

/// A size for people: `12.3 KiB`. Rounded down, so that what is above a limit never reads as the limit.
fn size(bytes: u64) -> String {
    let mut unit = (1, "B");
    for name in ["KiB", "MiB", "GiB"] {
        if bytes / unit.0 < 1024 {
            break;
        }
        unit = (unit.0 * 1024, name);
    }
    let (one, name) = unit;
    if one == 1 { format!("{bytes} B") } else { format!("{}.{} {name}", bytes / one, bytes % one * 10 / one) }
}

/// Text with everything that could move a cursor, hide or reorder text made visible.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let reorders = matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if character.is_control() || reorders {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// A time for people: `2026-11-20 14:05:09.123 UTC`, from Unix milliseconds.
pub fn utc(ms: u64) -> String {
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": days to civil, for dates from 1970.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hours, minutes) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (seconds, millis) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{millis:03} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00.000 UTC");
        assert_eq!(utc(951_782_400_000), "2000-02-29 00:00:00.000 UTC");
        assert_eq!(utc(1_700_000_000_123), "2023-11-14 22:13:20.123 UTC");
        assert_eq!(utc(4_102_444_799_999), "2099-12-31 23:59:59.999 UTC");
        assert!(!utc(u64::MAX).is_empty());
    }

    #[test]
    fn sizes_are_in_units_that_people_read() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (12_697, "12.3 KiB"),
            (98_303, "95.9 KiB"),
            (98_304, "96.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (2 << 30, "2.0 GiB"),
            (5_000 << 30, "5000.0 GiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn nothing_shown_moves_the_cursor_or_reorders() {
        assert_eq!(safe("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\u{a}\\u{202e}c");
        assert_eq!(safe("\u{61c}"), "\\u{61c}");
        assert_eq!(safe("Grüße, 世界 🚀"), "Grüße, 世界 🚀");
    }
}
