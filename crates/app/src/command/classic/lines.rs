//! What is said: the lines of a file, or of standard input as they come.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use classic::limits::MAX_TEXT;
use tokio::sync::mpsc;

use crate::terminal::Failure;

/// Lines read ahead of what is sent.
const AHEAD: usize = 256;
/// Longest file of lines that a server says to everybody, in bytes.
const MAX_SCRIPT: u64 = 64 * 1024 * 1024;

/// The lines of a file, whole.
pub fn script(path: &Path) -> Result<Arc<[String]>, Failure> {
    let failed = |e| Failure::failed(format!("cannot read the lines of {}: {e}", path.display()));
    let mut bytes = Vec::new();
    let size = reader(path)?.take(MAX_SCRIPT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if size as u64 > MAX_SCRIPT {
        return Err(Failure::new(
            "too-large",
            format!("{} has more than {MAX_SCRIPT} bytes", path.display()),
        ));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::usage(format!("{} is not text in UTF-8", path.display())))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// What ended the lines before their end.
pub type Broken = Arc<OnceLock<Failure>>;

/// The lines of a file, or of standard input, as they come.
pub fn read(path: Option<&Path>) -> Result<(mpsc::Receiver<String>, Broken), Failure> {
    let mut input = BufReader::new(reader(path.unwrap_or(Path::new("-")))?);
    let (sender, receiver) = mpsc::channel(AHEAD);
    let broken = Broken::default();
    let why = Arc::clone(&broken);
    std::thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            let line = match input.by_ref().take(MAX_TEXT as u64 + 2).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => text_of(&line),
                Err(e) => Err(Failure::failed(format!("cannot read what is to be said: {e}"))),
            };
            match line {
                Ok(line) => {
                    if sender.blocking_send(line).is_err() {
                        return;
                    }
                }
                Err(failure) => {
                    let _ = why.set(failure);
                    return;
                }
            }
        }
    });
    Ok((receiver, broken))
}

fn reader(path: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let file = File::open(path)
        .map_err(|e| Failure::failed(format!("cannot read the lines of {}: {e}", path.display())))?;
    Ok(Box::new(file))
}

fn text_of(line: &[u8]) -> Result<String, Failure> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_TEXT {
        return Err(Failure::new(
            "too-large",
            format!("a message has at most {MAX_TEXT} bytes; say it in parts"),
        ));
    }
    String::from_utf8(line.to_vec()).map_err(|_| Failure::usage("a message is text in UTF-8"))
}
