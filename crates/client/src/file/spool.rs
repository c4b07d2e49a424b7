//! The sealed files of messages that are not in the log yet, in a folder of the home, each under the hash of its ciphertext.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use evidence::Hash;
use evidence::content::{Attachment, FILE_KEY, SealedFile};
use group::{Chunks, FileKey};
use zeroize::Zeroizing;

use super::{Ciphertext, FileToSend, Told, advance};
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
        let (path, file) = self.unfinished()?;
        let sealed = self.seal_into((&path, file), source, size, told);
        if sealed.is_err() {
            // What is not whole goes with the next session otherwise.
            let _ = fs::remove_file(&path);
        }
        sealed
    }

    /// A new file, locked.
    fn unfinished(&self) -> Result<(PathBuf, File), ClientError> {
        loop {
            let mut random = [0; 16];
            aws_lc_rs::rand::fill(&mut random).map_err(|_| ClientError::Cryptography)?;
            let path = self.folder.join(format!("{UNFINISHED}{}", hex::encode(random)));
            let file = platform::open_private_file(&path)?;
            // Whoever cleans up may have been first.
            if platform::try_lock(&file)? {
                return Ok((path, file));
            }
        }
    }

    fn seal_into(
        &self,
        (path, mut file): (&Path, File),
        mut source: FileToSend,
        size: u64,
        told: &Told,
    ) -> Result<(Attachment, Claimed), ClientError> {
        let mut key = Zeroizing::new([0; FILE_KEY]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| ClientError::Cryptography)?;
        let cipher = FileKey::new(&key)?;
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
        if let Err(error) = remove(&self.path(hash)) {
            tracing::warn!("cannot delete a file that was sent: {error}");
        }
    }

    /// What is there and nobody is at.
    pub(crate) fn idle(&self) -> io::Result<Idle> {
        let mut idle = Vec::new();
        let found = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Idle(idle)),
            found => found?,
        };
        for entry in found {
            let path = entry?.path();
            // Another process may delete it at this moment.
            let Ok(file) = fs::OpenOptions::new().read(true).write(true).open(&path) else { continue };
            if platform::try_lock(&file)? {
                idle.push((path, file));
            }
        }
        Ok(Idle(idle))
    }
}

/// Sealed files that nobody else gets at while this lives, so that what is named by now stays named.
pub(crate) struct Idle(Vec<(PathBuf, File)>);

impl Idle {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Deletes those that are not in `named`.
    pub(crate) fn clean(self, named: &[Ciphertext]) -> io::Result<()> {
        let named: HashSet<String> = named.iter().map(|file| hex::encode(file.hash)).collect();
        for (path, _lock) in self.0 {
            if !path.file_name().and_then(|name| name.to_str()).is_some_and(|name| named.contains(name)) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
