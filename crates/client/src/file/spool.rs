//! The sealed files of messages that are not in the log yet, in a folder of the home, each under the hash of its ciphertext.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use evidence::Hash;
use evidence::content::{Attachment, FILE_KEY, SealedFile};
use group::{Chunks, FileKey};

use super::{FileToSend, Told, advance};
use crate::ClientError;
use crate::platform;

const FOLDER: &str = "outgoing";
/// What a file is called that is not whole yet.
const UNFINISHED: &str = ".unfinished-";

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

/// A sealed file that nobody else is at.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// The ciphertext; its lock goes with it.
    pub(crate) file: File,
    pub(crate) hash: Hash,
    /// Bytes of the ciphertext.
    pub(crate) size: u64,
}

impl Spool {
    pub(crate) fn of(home: &Path) -> Self {
        Self { folder: home.join(FOLDER) }
    }

    /// Seals a file of `size` bytes (GR-23). Blocks.
    ///
    /// # Errors
    /// [`ClientError::Input`] if it has another size by now; [`ClientError::Write`]. Nothing of it is left then.
    pub(crate) fn seal(
        &self,
        source: FileToSend,
        size: u64,
        told: &Told,
    ) -> Result<(Attachment, Claimed), ClientError> {
        if !self.folder.is_dir() {
            match platform::make_private_folder(&self.folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
        }
        let mut random = [0; FILE_KEY];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| ClientError::Cryptography)?;
        let path = self.folder.join(format!("{UNFINISHED}{}", hex::encode(random)));
        let sealed = self.seal_into(&path, source, size, told);
        if sealed.is_err() {
            // What is not whole goes with the next start otherwise.
            let _ = fs::remove_file(&path);
        }
        sealed
    }

    fn seal_into(
        &self,
        path: &Path,
        mut source: FileToSend,
        size: u64,
        told: &Told,
    ) -> Result<(Attachment, Claimed), ClientError> {
        let mut key = [0; FILE_KEY];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| ClientError::Cryptography)?;
        let cipher = FileKey::new(&key)?;
        let mut file = platform::open_private_file(path)?;
        platform::try_lock(&file)?;
        let mut plain = digest::Context::new(&digest::SHA256);
        let mut sealed = digest::Context::new(&digest::SHA256);
        let chunks = Chunks::of(size);
        for number in 0..chunks.count() {
            let chunk = chunks.get(number).ok_or_else(changed)?;
            let mut bytes = vec![0; chunk.bytes];
            source.file.read_exact(&mut bytes).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => changed(),
                _ => unreadable(&error),
            })?;
            plain.update(&bytes);
            cipher.seal(chunk, &mut bytes)?;
            sealed.update(&bytes);
            file.write_all(&bytes)?;
            advance(told, chunk.bytes);
        }
        if source.file.read(&mut [0]).map_err(|error| unreadable(&error))? > 0 {
            return Err(changed());
        }
        file.sync_all()?;
        let (plain, hash) = (finish(plain)?, finish(sealed)?);
        fs::rename(path, self.path(&hash))?;
        platform::sync_folder(&self.folder)?;
        let place = SealedFile { key, ciphertext: hash };
        let attachment = Attachment::sealed(source.name, source.media_type, size, plain, place);
        Ok((attachment, Claimed { file, hash, size: chunks.sealed_size() }))
    }

    fn path(&self, hash: &Hash) -> PathBuf {
        self.folder.join(hex::encode(hash))
    }

    /// Whether the file is there.
    pub(crate) fn has(&self, hash: &Hash) -> bool {
        self.path(hash).is_file()
    }

    /// A sealed file, if it is there; `Ok(None)` while another is at it.
    pub(crate) fn claim(&self, hash: &Hash) -> io::Result<Option<Claimed>> {
        let file = fs::OpenOptions::new().read(true).write(true).open(self.path(hash))?;
        if !platform::try_lock(&file)? {
            return Ok(None);
        }
        let size = file.metadata()?.len();
        Ok(Some(Claimed { file, hash: *hash, size }))
    }

    /// Deletes a sealed file.
    pub(crate) fn remove(&self, hash: &Hash) {
        match fs::remove_file(self.path(hash)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot delete a file that was sent: {error}");
            }
            _ => {}
        }
    }

    /// Whether there is anything.
    pub(crate) fn is_empty(&self) -> bool {
        fs::read_dir(&self.folder).map_or(true, |mut files| files.next().is_none())
    }

    /// Deletes what is not in `named` and nobody is at.
    pub(crate) fn clean(&self, named: &[Hash]) -> io::Result<()> {
        for found in fs::read_dir(&self.folder)? {
            let path = found?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if named.iter().any(|hash| hex::encode(hash) == name) {
                continue;
            }
            let file = fs::OpenOptions::new().read(true).write(true).open(&path)?;
            if platform::try_lock(&file)? {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

impl Claimed {
    /// Bytes of the ciphertext from `offset` on, as many as fill `bytes`. Blocks.
    pub(crate) fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        platform::read_at(&self.file, bytes, offset)
    }
}

pub(super) fn finish(context: digest::Context) -> Result<Hash, ClientError> {
    context.finish().as_ref().try_into().map_err(|_| ClientError::Cryptography)
}

fn changed() -> ClientError {
    ClientError::Input("the file changed while it was read and was not sent; send it again".to_owned())
}

fn unreadable(error: &io::Error) -> ClientError {
    ClientError::Input(format!("the file cannot be read and was not sent: {error}"))
}
