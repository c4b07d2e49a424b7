//! Files that go into messages and come out of them. [`open`] is called by `send` and `chat`, [`Folder`] by `save` and `tail --save`.

mod folder;
mod media_type;

use std::fs::{self, File};
use std::path::Path;

use client::FileToSend;
use evidence::content::FileName;

pub use folder::{Folder, NotSaved};

use crate::terminal::Failure;

/// Opens a file to be sent: a regular one, under the last part of its path.
pub fn open(path: &Path) -> Result<FileToSend, Failure> {
    let shown = path.display();
    let unreadable = |e| {
        let why = format!(
            "cannot read the file {shown}: {e}; it was not sent, see that it is there and yours to read"
        );
        Failure::new("unreadable", why)
    };
    // Before it is opened: opening a pipe waits for a writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        let why = format!(
            "{shown} is not a file and was not sent; name a file, an archive of a folder for example"
        );
        return Err(Failure::new("not-a-file", why));
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = FileName::parse(name).map_err(|e| {
        Failure::new("bad-name", format!("{shown:?} was not sent: {e}; give it another name"))
    })?;
    let file = File::open(path).map_err(unreadable)?;
    let media_type = media_type::of(&name);
    Ok(FileToSend { name, media_type, file })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_file_is_sent_under_the_last_part_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Plan.PDF");
        fs::write(&path, [7; 3]).unwrap();
        let file = open(&path).unwrap();
        assert_eq!((file.name.as_str(), file.size().unwrap()), ("Plan.PDF", 3));
        assert_eq!(file.media_type.unwrap().as_str(), "application/pdf");
    }

    #[test]
    fn what_is_no_file_or_has_no_name_to_send_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| open(path).unwrap_err().to_string();
        assert!(told(folder.path()).contains("is not a file"));
        assert!(told(Path::new("/dev/zero")).contains("is not a file"));
        assert!(told(&folder.path().join("absent")).contains("cannot read the file"));
        for name in [&b"a\\b"[..], b"a\nb", "a\u{202e}b".as_bytes(), b"a\xff"] {
            let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
            fs::write(&path, b"x").unwrap();
            let told = told(&path);
            assert!(told.contains("give it another name"), "{told}");
            assert!(!told.contains(['\n', '\u{202e}']), "{told}");
        }
    }
}
