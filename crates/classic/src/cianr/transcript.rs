//! The transcript of a session, and the files that are kept of it (CL-25, CL-27).

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};

use super::place::Place;
use super::{Dialect, Receipt, ReceiptFile, SignedMessage};
use crate::ClassicError;
use crate::certificate::Certificate;

/// What was sent and accepted, in that order: its hash always, its lines where there is a folder for them.
pub struct Transcript {
    dialect: Dialect,
    hash: Context,
    empty: bool,
    file: Option<(Place, BufWriter<File>)>,
    /// Whether our receipt covers what was added so far.
    sealed: bool,
    /// What comes after that.
    after: Option<BufWriter<File>>,
}

/// What the files of a session hold beside the transcript.
pub struct Papers<'a> {
    /// Our receipt.
    pub ours: Option<&'a Receipt>,
    /// The other side's.
    pub theirs: Option<&'a Receipt>,
    /// Our certificate.
    pub own: &'a Certificate,
    /// The other side's certificate.
    pub peer: &'a Certificate,
}

impl Transcript {
    /// An empty transcript; with a place its lines are written as they come.
    ///
    /// # Errors
    /// [`ClassicError::Io`].
    pub fn begin(dialect: Dialect, place: Option<Place>) -> Result<Self, ClassicError> {
        let begin = |place: Place| {
            let opened = fs::create_dir_all(&place.folder).and_then(|()| File::create(place.partial()));
            let file = opened.map_err(|e| place.failed(e))?;
            Ok::<_, ClassicError>((place, BufWriter::new(file)))
        };
        let file = place.map(begin).transpose()?;
        Ok(Self { dialect, hash: Context::new(&SHA256), empty: true, file, sealed: false, after: None })
    }

    /// Adds a message.
    ///
    /// # Errors
    /// [`ClassicError::Io`] if its line cannot be written.
    pub fn add(&mut self, message: &SignedMessage, fingerprint: &str) -> Result<(), ClassicError> {
        let mut line = message.line(fingerprint);
        match self.dialect {
            Dialect::Pss if !self.empty => line.insert(0, '\n'),
            Dialect::Pss => {}
            Dialect::Pkcs1 | Dialect::Line => line.push('\n'),
        }
        self.empty = false;
        self.hash.update(line.as_bytes());
        let Some((place, file)) = &mut self.file else { return Ok(()) };
        let written = match &mut self.after {
            _ if !self.sealed => file.write_all(line.as_bytes()),
            Some(after) => after.write_all(line.as_bytes()),
            None => File::create(place.partial_after()).and_then(|created| {
                self.after.insert(BufWriter::new(created)).write_all(line.trim_start().as_bytes())
            }),
        };
        written.map_err(|e| place.failed(e))
    }

    /// Its hash, for our receipt. The file that is kept ends here, so that the receipt is that of the file; what is added from now on is
    /// kept beside it.
    pub fn seal(&mut self) -> String {
        self.sealed = true;
        self.hash()
    }

    /// Its hash so far, 64 hexadecimal characters.
    pub fn hash(&self) -> String {
        hex::encode(self.hash.clone().finish())
    }

    /// Writes the session's files, if there is a place for them, and names the one to verify.
    ///
    /// # Errors
    /// [`ClassicError::Io`].
    pub fn save(self, papers: &Papers<'_>) -> Result<Option<PathBuf>, ClassicError> {
        let Some((place, file)) = self.file else { return Ok(None) };
        let failed = |e| place.failed(e);
        for file in std::iter::once(file).chain(self.after) {
            file.into_inner().map_err(|e| failed(e.into_error()))?.sync_all().map_err(failed)?;
        }
        let names = place.settle().map_err(failed)?;
        if let Some(theirs) = papers.theirs {
            write_json(&names.received, theirs).map_err(failed)?;
        }
        fs::write(&names.peer_certificate, papers.peer.pem()).map_err(failed)?;
        fs::write(&names.own_certificate, papers.own.pem()).map_err(failed)?;
        if let Some(ours) = papers.ours {
            let kept = ReceiptFile {
                receipt_hash: ours.transcript_sha256.clone(),
                signature_b64: ours.sig.clone(),
                our_cert_file: names.own_certificate.clone(),
                peer_cert_file: names.peer_certificate.clone(),
                transcript_file: names.transcript.clone(),
            };
            write_json(&names.receipt, &kept).map_err(failed)?;
        }
        place.show(&names).map_err(failed)?;
        Ok(Some(if papers.ours.is_some() { names.receipt } else { names.transcript }))
    }
}

fn write_json(path: &std::path::Path, value: &impl serde::Serialize) -> std::io::Result<()> {
    fs::write(path, serde_json::to_vec_pretty(value)?)
}
