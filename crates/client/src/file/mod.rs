//! Files that do not stand in a message (docs/group.md, section 7).
//!
//! - [`spool`]: sealed into the home, in whole or not at all.
//! - [`upload`]: handed in, from where an earlier try ended; then the message that names them goes out.
//! - [`fetch`]: read from the server into a file, from where an earlier try ended.

mod fetch;
mod spool;
mod upload;

use evidence::Hash;
use evidence::content::{Attachment, Content, FileName, MediaType};
use group::Chunks;
use tokio::sync::watch;

pub use fetch::Fetched;
pub(crate) use spool::Spool;
pub use upload::Upload;
pub(crate) use upload::{
    Delivery, LostFiles, Prepared, deliver, hand_in_again, placeholders, prepare, resume,
};

/// A file on this machine that is to be sent.
#[derive(Debug)]
pub struct FileToSend {
    /// Under which name.
    pub name: FileName,
    /// What it is.
    pub media_type: Option<MediaType>,
    /// The file, open for reading.
    pub file: std::fs::File,
}

impl FileToSend {
    /// Bytes of the file now.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn size(&self) -> std::io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

/// How far files are on their way, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transfer {
    /// Sealed or opened, and handed in or fetched.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// Where a transfer is told.
pub(crate) type Told = watch::Sender<Transfer>;

fn advance(told: &Told, bytes: usize) {
    told.send_modify(|transfer| {
        transfer.done = transfer.done.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    });
}

/// A sealed file as the server has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ciphertext {
    pub(crate) hash: Hash,
    /// Bytes.
    pub(crate) size: u64,
}

/// The sealed files that a content names.
pub(crate) fn sealed_files(content: &[u8]) -> Vec<Ciphertext> {
    let content = Content::from_bytes(content).ok();
    let files = content.iter().flat_map(|content| content.attachments());
    let ciphertext = |file: &Attachment| {
        let hash = file.as_sealed()?.ciphertext;
        Some(Ciphertext { hash, size: Chunks::of(file.size()).sealed_size() })
    };
    files.filter_map(ciphertext).collect()
}
