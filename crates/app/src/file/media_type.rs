//! Media types by the ends of names, for what is sent most. What is not here has none: a guess is worth little.

use evidence::content::{FileName, MediaType};

const BY_EXTENSION: [(&str, &str); 22] = [
    ("csv", "text/csv"),
    ("eml", "message/rfc822"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// The media type of a file of this name.
pub fn of(name: &FileName) -> Option<MediaType> {
    let (_, extension) = name.as_str().rsplit_once('.')?;
    let (_, media_type) = BY_EXTENSION.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension))?;
    MediaType::parse(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_one() {
        for (extension, media_type) in BY_EXTENSION {
            let name = FileName::parse(&format!("a.{extension}")).unwrap();
            assert_eq!(of(&name).unwrap().as_str(), media_type);
        }
        for name in ["a", "a.unknown", "pdf", "a.pdf.x"] {
            assert!(of(&FileName::parse(name).unwrap()).is_none(), "{name}");
        }
    }
}
