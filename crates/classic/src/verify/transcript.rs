//! Reading a transcript: its hash, each line's signature, each side's numbers (CL-101 to CL-103).

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256, digest};

use super::VerifyError;
use super::files::open;
use crate::certificate::Certificate;
use crate::cianr::Dialect;
use crate::json::from_base64;
use crate::limits::MAX_FRAME;

/// Longest line, in bytes: base64 of the longest message and what stands beside it.
const MAX_LINE: u64 = 2 * MAX_FRAME as u64;

/// What was read.
pub(super) struct Read {
    pub messages: u64,
    /// The time of the last message, Unix milliseconds.
    pub last_ms: u64,
    /// Hash of the file, of the file without a newline at its end, as programs write either, and of the file as the other side
    /// writes it (CL-36).
    pub hashes: [String; 3],
    pub faults: Faults,
    tamper: Option<bool>,
    /// Whether its lines end as those of `cianr-line` do.
    pub names_other: bool,
}

/// The first fault of each kind: line number from 1, and what it is.
#[derive(Default)]
pub(super) struct Faults {
    pub signatures: Option<(u64, String)>,
    pub sequence: Option<(u64, String)>,
}

struct Line<'a> {
    seqno: u64,
    ts: u64,
    ct: &'a str,
    sig: &'a str,
    fingerprint: &'a str,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split('|');
        let mut next = || parts.next();
        let line = Self {
            seqno: next()?.parse().ok()?,
            ts: next()?.parse().ok()?,
            ct: next()?,
            sig: next()?,
            fingerprint: next()?,
        };
        parts.next().is_none().then_some(line)
    }
}

/// Reads and checks a transcript, line by line. The certificates are of who signed the receipt and of the other side.
pub(super) fn read(
    path: &Path,
    dialect: Dialect,
    certificates: [&Certificate; 2],
) -> Result<Read, VerifyError> {
    let failed = |source| VerifyError::Io { path: path.to_owned(), option: "--transcript", source };
    let mut file = BufReader::new(open(path, "--transcript")?);
    let [mut whole, mut trimmed, mut mirrored] = [(); 3].map(|()| Context::new(&SHA256));
    let mut read = Read {
        messages: 0,
        last_ms: 0,
        hashes: [const { String::new() }; 3],
        faults: Faults::default(),
        tamper: None,
        names_other: false,
    };
    let senders = certificates.map(Certificate::fingerprint);
    // CL-36: there a line names the other side of who wrote the transcript, and its sender is found by the signature.
    let others = certificates.map(|certificate| Dialect::Line.fingerprint(certificate, certificate));
    let mut last = [0_u64; 2];
    let mut bytes = Vec::new();
    let mut number = 0;
    let mut newline = false;
    loop {
        bytes.clear();
        if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
            break;
        }
        number += 1;
        whole.update(&bytes);
        mirrored.update(&as_mirrored(&bytes, &others));
        if newline {
            trimmed.update(b"\n");
        }
        newline = bytes.last() == Some(&b'\n');
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        trimmed.update(text);
        if text.is_empty() {
            continue;
        }
        let Some(line) = std::str::from_utf8(text).ok().and_then(Line::parse) else {
            read.faults.signatures.get_or_insert((number, "it is no line of a transcript".to_owned()));
            continue;
        };
        let sender = if others.iter().any(|other| other == line.fingerprint) {
            read.names_other = true;
            certificates.iter().position(|certificate| verifies(dialect, certificate, &line))
        } else {
            senders.iter().position(|sender| sender == line.fingerprint)
        };
        let Some((sender, certificate)) = sender.and_then(|n| certificates.get(n).map(|found| (n, *found)))
        else {
            read.faults.signatures.get_or_insert((number, "it is of neither side".to_owned()));
            continue;
        };
        if let Some(before) = last.get_mut(sender) {
            if line.seqno <= *before {
                let fault = format!("number {} comes after {before}", line.seqno);
                read.faults.sequence.get_or_insert((number, fault));
            }
            *before = line.seqno;
        }
        if !verifies(dialect, certificate, &line) {
            read.faults.signatures.get_or_insert((number, "its signature does not verify".to_owned()));
        } else if read.tamper.is_none() {
            read.tamper = Some(tampered_is_refused(dialect, certificate, &line, text));
        }
        read.messages += 1;
        read.last_ms = read.last_ms.max(line.ts);
    }
    read.hashes = [whole, trimmed, mirrored].map(|hash| hex::encode(hash.finish()));
    Ok(read)
}

/// A line of `cianr-line` with the one side's mark for the other's.
fn as_mirrored(line: &[u8], [one, other]: &[String; 2]) -> Vec<u8> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let swapped =
        |from: &str, to: &str| Some([text.strip_suffix(from.as_bytes())?, to.as_bytes(), b"\n"].concat());
    swapped(one, other).or_else(|| swapped(other, one)).unwrap_or_else(|| line.to_vec())
}

fn verifies(dialect: Dialect, certificate: &Certificate, line: &Line<'_>) -> bool {
    let Ok(signature) = from_base64(line.sig) else { return false };
    let signed = dialect.signed_bytes(line.seqno, line.ts, line.ct);
    dialect.verify(certificate.verifying_key(), &signed, &signature).is_ok()
}

/// Whether one changed character of a line shows, in its signature and in the hash (CL-103).
fn tampered_is_refused(dialect: Dialect, certificate: &Certificate, line: &Line<'_>, text: &[u8]) -> bool {
    let flip = |c: char| if c == 'A' { 'B' } else { 'A' };
    let mut characters = line.ct.chars();
    let changed: String = characters.next().map(flip).into_iter().chain(characters).collect();
    let other = Line { ct: &changed, ..*line };
    let rewritten = format!("{}|{}|{changed}|{}|{}", line.seqno, line.ts, line.sig, line.fingerprint);
    !verifies(dialect, certificate, &other)
        && digest(&SHA256, rewritten.as_bytes()).as_ref() != digest(&SHA256, text).as_ref()
}

impl Read {
    /// The hash that the receipt names, if one of the two is, else that of the whole file.
    pub(super) fn hash_like(&self, named: &str) -> String {
        let [whole, ..] = &self.hashes;
        self.hashes.iter().find(|hash| *hash == named).unwrap_or(whole).clone()
    }

    /// What to say of a kind of fault.
    pub(super) fn told(&self, fault: &Option<(u64, String)>, good: &str) -> String {
        match fault {
            None => format!("{} messages; {good}", self.messages),
            Some((line, what)) => format!("line {line}: {what}"),
        }
    }

    /// Whether the change of a character shows; nothing to change is no fault.
    pub(super) fn tamper_shows(&self) -> bool {
        self.tamper.unwrap_or(self.messages == 0)
    }

    /// What was tried.
    pub(super) fn tamper_told(&self) -> String {
        match self.tamper {
            Some(true) => "one character of the first ciphertext changed, on a copy: signature and hash fail, as they must".to_owned(),
            Some(false) => "one character of the first ciphertext changed, on a copy, and it was not noticed".to_owned(),
            None if self.messages == 0 => "there is no message to change".to_owned(),
            None => "no message verifies, so there was none to change".to_owned(),
        }
    }
}
