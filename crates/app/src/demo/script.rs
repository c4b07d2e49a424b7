//! The demo's script: who says what, one JSON object a line.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use crate::terminal::Failure;

/// Longest line of a script in bytes.
pub const MAX_LINE: usize = 128 * 1024;
/// Longest text of a line in bytes.
pub const MAX_TEXT: usize = 64 * 1024;
/// Most lines of a script.
pub const MAX_LINES: usize = 1_000_000;
/// Most speakers of a script: each is a user with a connection of its own.
pub const MAX_SPEAKERS: usize = 64;
/// Longest name of a speaker in bytes.
pub const MAX_NAME: usize = 256;

/// One line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Line {
    /// Seconds, as the script counts them.
    pub t: f64,
    /// Speaker, as the script names them.
    pub from: String,
    /// What is said.
    pub text: String,
}

/// A script that can be played.
#[derive(Debug)]
pub struct Script {
    /// Its lines.
    pub lines: Vec<Line>,
    /// Its speakers in order of appearance, with their user names.
    pub speakers: Vec<Speaker>,
}

/// Who speaks in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// As the script names them.
    pub shown: String,
    /// Canonical user name, unique in the script.
    pub user: String,
}

impl Script {
    /// The talk that is played without a script.
    pub fn built_in() -> Result<Self, Failure> {
        let said = [
            ("maya", "Payments fail since 14:02. I am taking the incident."),
            ("jonas", "Confirmed: card authorisations time out. 31 % of them, rising."),
            ("maya", "Jonas, please take the logs. Priya, can legal join? Customer data may be concerned."),
            ("priya", "I am here. Everything said in this room is on the record from now on."),
            ("jonas", "Found it: the certificate of the card gateway expired at 14:00."),
            ("maya", "I decide: we renew it by hand and tell the card network. Objections?"),
            ("jonas", "None. Renewing now."),
            ("priya", "None. No customer data was concerned; I shall say so in the report."),
            ("jonas", "Done at 14:31. Authorisations are back to normal."),
            ("maya", "Closed at 14:35. Thank you. I export this room for the report."),
        ];
        let line = |(number, (from, text)): (u32, (&str, &str))| Line {
            t: f64::from(number),
            from: from.to_owned(),
            text: text.to_owned(),
        };
        Self::new((0..).zip(said).map(line).collect())
    }

    /// Reads a script file; the first bad line is named and nothing is started.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path)
            .map_err(|e| Failure::failed(format!("cannot read the script {}: {e}", path.display())))?;
        Self::parse(BufReader::new(file))
    }

    fn parse(mut input: impl BufRead) -> Result<Self, Failure> {
        let mut lines = Vec::new();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            let limit = MAX_LINE as u64 + 1;
            let read = input.by_ref().take(limit).read_until(b'\n', &mut bytes);
            if read.map_err(|e| bad(number, &format!("cannot be read: {e}")))? == 0 {
                break;
            }
            if bytes.len() > MAX_LINE {
                return Err(bad(number, &format!("is longer than {MAX_LINE} bytes")));
            }
            if bytes.trim_ascii().is_empty() {
                return Err(bad(number, "is empty; take it out"));
            }
            let line: Line = serde_json::from_slice(bytes.trim_ascii()).map_err(|e| {
                bad(number, &format!("is not {{\"t\": seconds, \"from\": \"NAME\", \"text\": \"…\"}}: {e}"))
            })?;
            check(&line).map_err(|why| bad(number, &why))?;
            if lines.len() == MAX_LINES {
                return Err(bad(number, &format!("is one too many; a script has at most {MAX_LINES} lines")));
            }
            lines.push(line);
        }
        Self::new(lines)
    }

    /// A script of these lines.
    pub fn new(lines: Vec<Line>) -> Result<Self, Failure> {
        if lines.is_empty() {
            return Err(Failure::new("bad-script", "the script is empty; there is nothing to say"));
        }
        let mut speakers: Vec<Speaker> = Vec::new();
        let mut taken: HashMap<String, ()> = HashMap::new();
        for line in &lines {
            if speakers.iter().any(|s| s.shown == line.from) {
                continue;
            }
            if speakers.len() == MAX_SPEAKERS {
                return Err(Failure::new(
                    "bad-script",
                    format!(
                        "the script has more than {MAX_SPEAKERS} speakers; each is a user with a connection of its own"
                    ),
                ));
            }
            let suggested = pki::Name::suggest(&line.from).to_string();
            let user = (1..)
                .map(|n| if n == 1 { suggested.clone() } else { numbered(&suggested, n) })
                .find(|name| !taken.contains_key(name))
                .unwrap_or_default();
            taken.insert(user.clone(), ());
            speakers.push(Speaker { shown: line.from.clone(), user });
        }
        Ok(Self { lines, speakers })
    }

    /// Position of a line's speaker in [`Self::speakers`].
    pub fn speaker_of(&self, line: &Line) -> usize {
        self.speakers.iter().position(|s| s.shown == line.from).unwrap_or(0)
    }
}

/// `name-2` and so on, within the 32 bytes of a name.
fn numbered(name: &str, n: u32) -> String {
    let suffix = format!("-{n}");
    let kept: String = name.chars().take(32 - suffix.len()).collect();
    format!("{}{suffix}", kept.trim_end_matches('-'))
}

fn check(line: &Line) -> Result<(), String> {
    if !line.t.is_finite() || line.t.abs() > 1e12 {
        return Err("has a time that is not a number of seconds".into());
    }
    if line.from.trim().is_empty() || line.from.len() > MAX_NAME {
        return Err(format!("names no speaker, or one longer than {MAX_NAME} bytes"));
    }
    if line.text.is_empty() {
        return Err("says nothing; take it out".into());
    }
    if line.text.len() > MAX_TEXT {
        return Err(format!("says more than {MAX_TEXT} bytes"));
    }
    Ok(())
}

fn bad(number: usize, why: &str) -> Failure {
    Failure::new("bad-script", format!("line {number} of the script {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, String> {
        Script::parse(text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn speakers_get_names_of_their_own() {
        let script = parse(concat!(
            "{\"t\": -10, \"from\": \"CDR (EVA)\", \"text\": \"a\"}\n",
            "{\"t\": 1.5, \"from\": \"cdr eva\", \"text\": \"b\"}\n",
            "{\"t\": 2, \"from\": \"CDR (EVA)\", \"text\": \"c\"}",
        ))
        .unwrap();
        let users: Vec<_> = script.speakers.iter().map(|s| s.user.as_str()).collect();
        assert_eq!(users, ["cdr-eva", "cdr-eva-2"]);
        assert_eq!(script.speaker_of(&script.lines[2]), 0);
    }

    #[test]
    fn bad_lines_are_named() {
        let good = "{\"t\": 1, \"from\": \"A\", \"text\": \"a\"}\n";
        for (bad, word) in [
            ("not json\n", "line 2"),
            ("\n", "empty"),
            ("{\"t\": 1, \"from\": \"\", \"text\": \"a\"}\n", "speaker"),
            ("{\"t\": 1, \"from\": \"A\", \"text\": \"\"}\n", "says nothing"),
            ("{\"t\": \"x\", \"from\": \"A\", \"text\": \"a\"}\n", "line 2"),
            ("{\"t\": 1e300, \"from\": \"A\", \"text\": \"a\"}\n", "time"),
        ] {
            let error = parse(&format!("{good}{bad}")).unwrap_err();
            assert!(error.contains(word), "{bad:?}: {error}");
        }
        assert!(parse("").unwrap_err().contains("empty"));
        let huge = format!("{{\"t\": 1, \"from\": \"A\", \"text\": \"{}\"}}\n", "x".repeat(MAX_LINE));
        assert!(parse(&huge).unwrap_err().contains("longer"));
    }
}
