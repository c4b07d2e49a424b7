//! Writing new files: all or none, over nothing (CL-91, CL-92).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pkcs8::der::pem::{LineEnding, encode_string};
use zeroize::Zeroizing;

use super::IssueError;
use super::authority::Issued;
use crate::certificate::folder::Folder;
use crate::certificate::x509::PEM_LABEL;
use crate::platform;

/// Files that are to be written together.
#[derive(Default)]
pub(super) struct NewFiles(Vec<NewFile>);

struct NewFile {
    path: PathBuf,
    text: Zeroizing<String>,
    private: bool,
}

impl NewFiles {
    pub fn certificate(&mut self, path: PathBuf, der: &[u8]) {
        let text = encode_string(PEM_LABEL, LineEnding::LF, der).unwrap_or_default();
        self.0.push(NewFile { path, text: Zeroizing::new(text), private: false });
    }

    pub fn key(&mut self, path: PathBuf, text: Zeroizing<String>) {
        self.0.push(NewFile { path, text, private: true });
    }

    pub fn leaf(&mut self, folder: &Folder, stem: &str, leaf: &Issued) {
        self.certificate(folder.certificate(stem), &leaf.certificate);
        self.key(folder.key(stem), leaf.key_pem.clone());
    }

    /// Writes all, making the folder if it is not there; their paths.
    pub fn write(self, folder: &Path) -> Result<Vec<PathBuf>, IssueError> {
        // CL-91
        let failed = |path: &Path, error: io::Error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return IssueError::Exists(path.to_owned());
            }
            IssueError::Io { path: path.to_owned(), error }
        };
        platform::make_private_folder(folder).map_err(|error| failed(folder, error))?;
        let mut written = Vec::with_capacity(self.0.len());
        for file in &self.0 {
            let begun = platform::create_new(&file.path, file.private).and_then(|mut open| {
                written.push(file.path.clone());
                open.write_all(file.text.as_bytes())?;
                open.sync_all()
            });
            if let Err(error) = begun {
                // CL-92: what cannot be removed either is beyond help; the first error is the one to tell.
                written.iter().for_each(|path| drop(fs::remove_file(path)));
                return Err(failed(&file.path, error));
            }
        }
        Ok(written)
    }
}
