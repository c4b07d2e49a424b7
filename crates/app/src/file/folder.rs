//! A folder into which files of messages are written.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use client::{Client, ClientError, Transfer};
use evidence::content::{Attachment, FileName};
use evidence::limits::MAX_FILE_NAME;
use evidence::room::RoomId;
use evidence::verdict::safe;
use tempfile::TempPath;
use tokio::sync::watch;

use crate::terminal::{Failure, Output, with_progress};

/// Files of one name that a folder takes.
const MAX_SAME_NAME: u32 = 10_000;

/// Why a file was not saved.
#[derive(Debug)]
pub enum NotSaved {
    /// The server is away: another try goes on.
    Yet(Failure),
    /// It does not give this file, or gives another.
    Ever(Failure),
    /// It cannot be written here.
    Here(Failure),
}

impl From<NotSaved> for Failure {
    fn from(not_saved: NotSaved) -> Self {
        match not_saved {
            NotSaved::Yet(failure) | NotSaved::Ever(failure) | NotSaved::Here(failure) => failure,
        }
    }
}

/// A folder to save in. Nothing is written outside it and nothing in it is overwritten.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, made (mode 0700) if it is not there.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if !path.is_dir() {
            DirBuilder::new().mode(0o700).create(path).map_err(|e| {
                let why = format!(
                    "there is no folder {} to save files in, and it cannot be made: {e}",
                    path.display()
                );
                Failure::new("no-folder", why)
            })?;
        }
        Ok(Self(path.to_owned()))
    }

    /// Writes a file of a message, which is the room, the log index and the file's number, readable by its owner alone. What was fetched
    /// of a sealed one before a cut is gone on with. Then it gets its name or, if that is taken, one with ` (2)` and so on before the
    /// extension; says where it is.
    pub async fn save(
        &self,
        output: Output,
        client: &Client,
        place: (RoomId, u64, usize),
        file: &Attachment,
    ) -> Result<PathBuf, NotSaved> {
        let (room, index, number) = place;
        let (name, folder) = (safe(file.name().as_str()), self.0.display());
        let unfinished = self.0.join(format!(".countersign-{room}-{index}-{number}"));
        let (told, transfer) = watch::channel(Transfer::default());
        let fetched = client.fetch_file(room, index, number, &unfinished, told);
        let what = format!("cannot save the file {name} in {folder}");
        match with_progress(output, &format!("saving {name}"), &transfer, fetched).await {
            // Locked until it has its name.
            Ok(_locked) => self.name(&unfinished, file).map_err(NotSaved::Here),
            Err(ClientError::Write(e)) => Err(NotSaved::Here(self.cannot_save(file, &e))),
            Err(error @ (ClientError::Connection(_) | ClientError::Offline)) => {
                Err(NotSaved::Yet(Failure::from(error).about(&what)))
            }
            Err(error @ (ClientError::Untrusted(_) | ClientError::NotFound(_))) => {
                // Nothing of it is of use.
                let _ = fs::remove_file(&unfinished);
                Err(NotSaved::Ever(Failure::from(error).about(&what)))
            }
            Err(error) => Err(NotSaved::Here(Failure::from(error).about(&what))),
        }
    }

    fn cannot_save(&self, file: &Attachment, e: &io::Error) -> Failure {
        let (name, folder) = (safe(file.name().as_str()), self.0.display());
        Failure::failed(format!(
            "cannot save the file {name} in {folder}: {e}; free space there, or name another folder"
        ))
    }

    /// Gives a file that is whole the first of its names that is free.
    fn name(&self, written: &Path, file: &Attachment) -> Result<PathBuf, Failure> {
        let mut written = TempPath::try_from_path(written).map_err(|e| self.cannot_save(file, &e))?;
        for number in 1..=MAX_SAME_NAME {
            let path = self.0.join(name_on_disk(file.name(), number));
            match written.persist_noclobber(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => written = error.path,
                Err(error) => {
                    // What was fetched is not fetched again.
                    let _ = error.path.keep();
                    return Err(self.cannot_save(file, &error.error));
                }
            }
        }
        let _ = written.keep();
        Err(self.cannot_save(file, &io::ErrorKind::AlreadyExists.into()))
    }
}

/// The name for the `number`th file of this name. Who wrote a message does not make a file that shells hide or read by
/// themselves, such as `.profile`, or that commands take for an option: a `.` or `-` at the start gets a `_` before it.
fn name_on_disk(name: &FileName, number: u32) -> String {
    let before = if name.as_str().starts_with(['.', '-']) { "_" } else { "" };
    let count = if number == 1 { String::new() } else { format!(" ({number})") };
    let (stem, extension) = match name.as_str().rfind('.') {
        Some(at) if at > 0 => name.as_str().split_at(at),
        _ => (name.as_str(), ""),
    };
    let space = |extension: &str| MAX_FILE_NAME.checked_sub(before.len() + count.len() + extension.len());
    // Of a long name the end of the stem gives way, or that of all if the extension leaves no stem.
    match space(extension).filter(|space| *space > 0) {
        Some(space) => format!("{before}{}{count}{extension}", cut(stem, space)),
        None => format!("{before}{}{count}", cut(name.as_str(), space("").unwrap_or_default())),
    }
}

/// The longest beginning of `text` of at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A file as it is once it is fetched, named.
    fn named(folder: &Folder, name: &str, bytes: &[u8]) -> PathBuf {
        let written = folder.0.join(".countersign-x");
        fs::write(&written, bytes).unwrap();
        let file = Attachment::inline(FileName::parse(name).unwrap(), None, Vec::new());
        folder.name(&written, &file).unwrap()
    }

    #[test]
    fn nothing_is_overwritten() {
        let outside = tempfile::tempdir().unwrap();
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let names: Vec<String> = (0_u8..3)
            .map(|n| {
                let path = named(&folder, "plan.tar.gz", &[n]);
                assert_eq!(fs::read(&path).unwrap(), [n]);
                path.file_name().unwrap().to_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(names, ["plan.tar.gz", "plan.tar (2).gz", "plan.tar (3).gz"]);
        assert_eq!(fs::read(place.path().join("plan.tar.gz")).unwrap(), [0]);
        // A link that waits there is not followed, whether or not it leads somewhere.
        symlink(outside.path().join("target"), place.path().join("link")).unwrap();
        assert_eq!(named(&folder, "link", b"x"), place.path().join("link (2)"));
        assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 5, "nothing half-made is left");
    }

    #[test]
    fn names_on_disk_are_neither_hidden_nor_options_nor_too_long() {
        let on_disk = |name: &str, number| name_on_disk(&FileName::parse(name).unwrap(), number);
        assert_eq!(on_disk("plan.pdf", 1), "plan.pdf");
        assert_eq!(on_disk("plan", 2), "plan (2)");
        assert_eq!(on_disk(".profile", 1), "_.profile");
        assert_eq!(on_disk(".profile", 12), "_.profile (12)");
        assert_eq!(on_disk("-rf", 1), "_-rf");
        assert_eq!(on_disk("...", 1), "_...");
        let long = [
            "x".repeat(255),
            format!("e{}.pdf", "é".repeat(125)),
            format!(".{}", "x".repeat(254)),
            format!("a.{}", "x".repeat(253)),
        ];
        for name in long {
            assert_eq!(on_disk(&name, 1).len(), 255);
            let second = on_disk(&name, 2);
            assert!(second.len() <= 255 && second.contains(" (2)"), "{second}");
            assert_eq!(second.ends_with(".pdf"), name.ends_with(".pdf"));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_made_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let absent = place.path().join("absent");
        assert!(Folder::open(&absent).is_ok());
        assert_eq!(absent.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let error = Folder::open(&absent.join("deep/er")).unwrap_err().to_string();
        assert!(error.contains("cannot be made"), "{error}");
    }
}
