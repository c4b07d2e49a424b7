//! Where the files of a session stand, and what they are called (CL-27, CL-33).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Dialect, Role};
use crate::ClassicError;

/// Longest part of a peer's name in a file's name, in characters.
const MAX_NAME: usize = 64;

/// The folder of a server's or client's transcripts.
#[derive(Debug, Clone)]
pub struct Transcripts {
    folder: PathBuf,
    /// One session's files at a time: names are the same for all sessions of `cianr-pss`.
    settling: Arc<Mutex<()>>,
}

/// Where one session's files go.
#[derive(Debug)]
pub struct Place {
    pub(super) folder: PathBuf,
    stem: String,
    long: bool,
    session: u64,
    settling: Arc<Mutex<()>>,
}

/// Full paths of a session's files.
pub(super) struct Names {
    pub transcript: PathBuf,
    /// What came after our receipt.
    pub after: PathBuf,
    pub receipt: PathBuf,
    pub received: PathBuf,
    pub own_certificate: PathBuf,
    pub peer_certificate: PathBuf,
}

impl Transcripts {
    /// Transcripts in `folder`, which is made when the first begins.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, settling: Arc::default() }
    }

    /// The place of a session's files.
    pub(super) fn place(&self, dialect: Dialect, side: Role, peer: &str, now_ms: u64, session: u64) -> Place {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let peer: String = peer.chars().take(MAX_NAME).map(safe).collect();
        let stem = match dialect {
            Dialect::Pss => side.peer().name().to_owned(),
            Dialect::Pkcs1 | Dialect::Line => format!("{}_vs_{peer}_{now_ms}", side.name()),
        };
        let (folder, settling) = (self.folder.clone(), Arc::clone(&self.settling));
        Place { folder, stem, long: dialect == Dialect::Pss, session, settling }
    }
}

impl Place {
    /// Where the lines go while the session lasts.
    pub(super) fn partial(&self) -> PathBuf {
        self.folder.join(format!("{}_{}-{}.partial", self.stem, std::process::id(), self.session))
    }

    pub(super) fn failed(&self, error: io::Error) -> ClassicError {
        ClassicError::io(format!("cannot write transcripts into {}", self.folder.display()), error)
    }

    /// Where the lines go that come after this side has given its receipt.
    pub(super) fn partial_after(&self) -> PathBuf {
        self.partial().with_extension("after")
    }

    /// Gives the transcript its name, which no other session has or gets: names are the same for all sessions of `cianr-pss`, so each of
    /// these has a folder `session-N`.
    pub(super) fn settle(&self) -> io::Result<Names> {
        let _alone = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = fs::canonicalize(&self.folder)?;
        let names = self.names(&folder);
        let taken = self.long || names.all().iter().any(|path| path.exists());
        let names = if taken { self.names(&free_folder(&folder)?) } else { names };
        fs::rename(self.partial(), &names.transcript)?;
        match fs::rename(self.partial_after(), &names.after) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(names),
        }
    }

    /// Shows a session's files where the existing programs look for them: copies of the newest session's.
    pub(super) fn show(&self, names: &Names) -> io::Result<()> {
        if !self.long {
            return Ok(());
        }
        let _alone = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = self.names(&fs::canonicalize(&self.folder)?);
        for (from, to) in names.all().into_iter().zip(shown.all()) {
            if from.exists() {
                fs::copy(from, self.partial())?;
                fs::rename(self.partial(), to)?;
            } else if to.exists() {
                fs::remove_file(to)?;
            }
        }
        Ok(())
    }

    fn names(&self, folder: &Path) -> Names {
        let named = |short: &str, long: &str| {
            folder.join(format!("{}{}", self.stem, if self.long { long } else { short }))
        };
        Names {
            transcript: named(".log", "_transcript.log"),
            after: named("_after_receipt.log", "_after_receipt.log"),
            receipt: named("_receipt.json", "_session_receipt.json"),
            received: named("_received_receipt.json", "_received_receipt.json"),
            own_certificate: named("_own_cert.pem", "_own_cert.pem"),
            peer_certificate: named("_peer_cert.pem", "_peer_cert.pem"),
        }
    }
}

impl Names {
    fn all(&self) -> [&PathBuf; 6] {
        let Self { transcript, after, receipt, received, own_certificate, peer_certificate } = self;
        [transcript, after, receipt, received, own_certificate, peer_certificate]
    }
}

fn free_folder(folder: &Path) -> io::Result<PathBuf> {
    let mut number = 1_u64;
    loop {
        let aside = folder.join(format!("session-{number}"));
        match fs::create_dir(&aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| aside),
        }
    }
}
