//! Files that go into messages and come out of them. [`read`] is called by `send` and `chat`, [`Folder`] by `tail --save`.

mod folder;
mod media_type;

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use evidence::content::{Attachment, FileName};
use evidence::limits::MAX_INLINE_ATTACHMENT;

pub use folder::Folder;

use crate::terminal::Failure;

/// Reads a file to be sent: a regular one, whole, under the last part of its path.
pub fn read(path: &Path) -> Result<Attachment, Failure> {
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
    let mut bytes = Vec::new();
    let limit = MAX_INLINE_ATTACHMENT as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > MAX_INLINE_ATTACHMENT {
        let why = format!(
            "{shown} was not sent: the files of a message have at most {MAX_INLINE_ATTACHMENT} bytes together \
             (MAX_INLINE_ATTACHMENT); make it smaller or send it in parts"
        );
        return Err(Failure::new("too-large", why));
    }
    let media_type = media_type::of(&name);
    Ok(Attachment::inline(name, media_type, bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_file_is_read_whole_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Plan.PDF");
        for size in [0, 1, MAX_INLINE_ATTACHMENT] {
            fs::write(&path, vec![7; size]).unwrap();
            let file = read(&path).unwrap();
            assert_eq!((file.name().as_str(), file.bytes().len()), ("Plan.PDF", size));
            assert_eq!(file.info().media_type.as_deref(), Some("application/pdf"));
        }
        fs::write(&path, vec![7; MAX_INLINE_ATTACHMENT + 1]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("98304 bytes"));
    }

    #[test]
    fn what_is_no_file_or_has_no_name_to_send_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| read(path).unwrap_err().to_string();
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
