//! Files in a message (EV-6).

use minicbor::Decoder;
use pki::sha256;

use super::*;
use crate::limits::{MAX_FILE_NAME, MAX_MEDIA_TYPE};

/// Content with field 7 alone, its one attachment made of these items.
fn raw(length: u64, items: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    e.map(1).and_then(|e| e.u8(7)?.array(2)?.bytes(&[7; 32])?.array(1)?.array(length)).unwrap();
    items(&mut e);
    e.into_writer()
}

#[test]
fn files_are_read_back_and_opened_apart_from_the_text() {
    let content = with_files();
    let again = Content::from_bytes(&content.to_bytes()).unwrap();
    let infos: Vec<AttachmentInfo> = again.attachments().iter().map(Attachment::info).collect();
    assert_eq!(
        (infos[0].name.as_str(), infos[0].media_type.as_deref()),
        ("Flight plan.txt", Some("text/plain"))
    );
    assert_eq!((infos[0].bytes, infos[0].sha256), (15, sha256(b"Lift-off, 13:13")));
    assert!(*again.attachments()[0].bytes() == FileBytes::Inline(b"Lift-off, 13:13".to_vec()));
    assert!(infos.iter().all(|info| info.inline));
    assert_eq!((infos[1].name.as_str(), &infos[1].media_type, infos[1].bytes), ("empty", &None, 0));
    let user = Name::parse("cdr").unwrap();
    for (numbers, text, files) in [(&[1_u64][..], true, false), (&[7], false, true)] {
        let opening = again.open(numbers);
        assert!(opening.is_proper());
        assert_eq!(opening.commitment(&binding(&user)), content.commitment(&binding(&user)));
        let mut e = Encoder::new(Vec::new());
        opening.write(&mut e).unwrap();
        let bytes = e.into_writer();
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|at| at == text);
        assert_eq!((holds(b"The plan."), holds(b"Lift-off"), holds(b"Flight")), (text, files, files));
        let read = Opening::read(&mut Decoder::new(&bytes)).unwrap();
        assert_eq!(read.shown().any(|field| field.attachments() == again.attachments()), files);
    }
}

#[test]
fn no_byte_of_content_with_files_can_be_changed_unnoticed() {
    let content = with_files();
    let (bytes, user) = (content.to_bytes(), Name::parse("cdr").unwrap());
    let commitment = content.commitment(&binding(&user));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1 << bit;
            if let Ok(other) = Content::from_bytes(&spoiled) {
                assert_ne!(other.commitment(&binding(&user)), commitment, "byte {at}");
            }
        }
        assert!(Content::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    }
    // The file's own bytes, its size and its hash: no other content is there to be read.
    let file = bytes.windows(8).position(|at| at == b"Lift-off").unwrap();
    let mut spoiled = bytes.clone();
    spoiled[file] ^= 1;
    assert_eq!(Content::from_bytes(&spoiled).unwrap_err(), BadContent::Malformed);
}

#[test]
fn names_of_files_lead_nowhere_and_look_like_what_they_are() {
    let longest = "x".repeat(MAX_FILE_NAME);
    for good in
        ["a", "plan.pdf", "Grüße, 世界 🚀.txt", ".profile", "-rf", "a b", "...", "می\u{200c}خواهم", &longest]
    {
        assert_eq!(FileName::parse(good).unwrap().as_str(), good);
    }
    let long = "x".repeat(MAX_FILE_NAME + 1);
    let hostile = [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc/passwd",
        "C:\\x",
        "a\0b",
        "\0",
        "a\nb",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{85}",
        "photo\u{202e}gpj.exe",
        "\u{61c}",
        "\u{200e}",
        "\u{200f}",
        "\u{202a}",
        "\u{2066}",
        "\u{2069}",
        "\u{2028}",
        "\u{2029}",
        &long,
    ];
    for name in hostile {
        assert_eq!(FileName::parse(name), Err(BadFileName), "{name:?}");
        let hash = sha256(b"x");
        let bytes = raw(6, |e| {
            e.u8(0).and_then(|e| e.str(name)?.null()?.u8(1)?.bytes(&hash)?.bytes(b"x")).unwrap();
        });
        assert_eq!(Content::from_bytes(&bytes).unwrap_err(), BadContent::Malformed, "{name:?}");
    }
}

#[test]
fn media_types_are_two_words_in_lower_case() {
    let longest = format!("a/{}", "b".repeat(MAX_MEDIA_TYPE - 2));
    for good in ["text/plain", "image/svg+xml", "application/vnd.oasis.opendocument.text", &longest] {
        assert!(MediaType::parse(good).is_some(), "{good}");
    }
    let long = format!("{longest}b");
    for bad in
        ["", "text", "/", "text/", "/plain", "a/b/c", "Text/plain", "text/plain; charset=x", "a/b\n", &long]
    {
        assert!(MediaType::parse(bad).is_none(), "{bad:?}");
    }
}

#[test]
fn a_file_is_what_its_entry_says_or_there_is_no_content() {
    let hash = sha256(b"x");
    let head = |e: &mut Encoder<Vec<u8>>| {
        e.u8(0).and_then(|e| e.str("a")?.null()).unwrap();
    };
    let good = raw(6, |e| {
        head(e);
        e.u8(1).and_then(|e| e.bytes(&hash)?.bytes(b"x")).unwrap();
    });
    assert_eq!(Content::from_bytes(&good).unwrap().attachments(), [file("a", None, b"x")]);
    let malformed = [
        (
            "size",
            raw(6, |e| {
                head(e);
                e.u8(2).and_then(|e| e.bytes(&hash)?.bytes(b"x")).unwrap();
            }),
        ),
        (
            "hash",
            raw(6, |e| {
                head(e);
                e.u8(1).and_then(|e| e.bytes(&[0; 32])?.bytes(b"x")).unwrap();
            }),
        ),
        (
            "short hash",
            raw(6, |e| {
                head(e);
                e.u8(1).and_then(|e| e.bytes(&hash[..31])?.bytes(b"x")).unwrap();
            }),
        ),
        (
            "an item more",
            raw(7, |e| {
                head(e);
                e.u8(1).and_then(|e| e.bytes(&hash)?.bytes(b"x")?.null()).unwrap();
            }),
        ),
        (
            "an item less",
            raw(5, |e| {
                head(e);
                e.u8(1).and_then(|e| e.bytes(&hash)).unwrap();
            }),
        ),
        (
            "another form",
            raw(6, |e| {
                e.u8(1).and_then(|e| e.str("a")?.null()?.u8(1)?.bytes(&hash)?.bytes(b"x")).unwrap();
            }),
        ),
        (
            "a media type that is none",
            raw(6, |e| {
                e.u8(0).and_then(|e| e.str("a")?.str("x")?.u8(1)?.bytes(&hash)?.bytes(b"x")).unwrap();
            }),
        ),
        (
            "text for bytes",
            raw(6, |e| {
                head(e);
                e.u8(1).and_then(|e| e.bytes(&hash)?.str("x")).unwrap();
            }),
        ),
        ("a byte after", [&good[..], &[0]].concat()),
        ("a size in two bytes", {
            let at = good.len() - 37;
            assert_eq!(good[at], 1);
            [&good[..at], &[0x18, 1], &good[at + 1..]].concat()
        }),
    ];
    for (what, bytes) in malformed {
        let alone = Attachment::read(&mut Decoder::new(&bytes[38..]));
        assert_eq!(alone.is_some(), ["a byte after", "a size in two bytes"].contains(&what), "{what}");
        assert_eq!(Content::from_bytes(&bytes).unwrap_err(), BadContent::Malformed, "{what}");
    }
    let mut none = Encoder::new(Vec::new());
    none.map(1).and_then(|e| e.u8(7)?.array(2)?.bytes(&[7; 32])?.array(0)).unwrap();
    assert_eq!(Content::from_bytes(&none.into_writer()).unwrap_err(), BadContent::Empty);
    assert_eq!(Content::new(vec![Field::Attachments(vec![])]).unwrap_err(), BadContent::Empty);
}

#[test]
fn files_have_limits_in_bytes_in_number_and_with_the_text() {
    let files = |sizes: &[usize]| {
        Field::Attachments(sizes.iter().map(|size| file("a", None, &vec![0; *size])).collect())
    };
    let outcome = |fields| Content::new(fields).map(|content| content.to_bytes().len());
    assert!(outcome(vec![files(&[MAX_INLINE_ATTACHMENT])]).is_ok());
    assert!(outcome(vec![files(&[MAX_INLINE_ATTACHMENT - 1, 1])]).is_ok());
    assert_eq!(outcome(vec![files(&[MAX_INLINE_ATTACHMENT + 1])]), Err(BadContent::TooLong));
    assert_eq!(outcome(vec![files(&[MAX_INLINE_ATTACHMENT, 1])]), Err(BadContent::TooLong));
    assert!(outcome(vec![files(&[0; MAX_ATTACHMENTS])]).is_ok());
    assert_eq!(outcome(vec![files(&[0; MAX_ATTACHMENTS + 1])]), Err(BadContent::TooLong));
    let with_text = |text: usize| vec![Field::Text("x".repeat(text)), files(&[MAX_INLINE_ATTACHMENT])];
    let rest = MAX_CONTENT - outcome(with_text(1_000)).unwrap();
    assert_eq!(outcome(with_text(1_000 + rest)), Ok(MAX_CONTENT));
    assert_eq!(outcome(with_text(1_001 + rest)), Err(BadContent::TooLong));
    let full = Content::new(with_text(1_000 + rest)).unwrap();
    assert_eq!(Content::from_bytes(&full.to_bytes()).unwrap().text(), full.text());
}

/// A sealed file of `size` bytes.
fn sealed(size: u64) -> Attachment {
    let place = SealedFile { key: [8; FILE_KEY].into(), ciphertext: [9; 32] };
    Attachment::sealed(FileName::parse("a").unwrap(), None, size, [7; 32], place)
}

#[test]
fn a_sealed_file_is_a_key_and_two_hashes() {
    let with = |length, form: u8, hash: &[u8], key: &[u8], ciphertext: &[u8]| {
        raw(length, |e| {
            e.u8(form).and_then(|e| e.str("a")?.null()?.u64(MAX_FILES)?.bytes(hash)?.bytes(key)).unwrap();
            e.bytes(ciphertext).unwrap();
        })
    };
    let good = with(7, 1, &[7; 32], &[8; 32], &[9; 32]);
    let content = Content::from_bytes(&good).unwrap();
    assert!(content.attachments() == [sealed(MAX_FILES)] && content.to_bytes() == good);
    let info = content.attachments()[0].info();
    assert_eq!((info.bytes, info.sha256, info.inline), (MAX_FILES, [7; 32], false));
    let shown = format!("{:?}", content.attachments());
    assert!(!shown.contains("8, 8"), "{shown}");
    for bytes in [
        with(6, 1, &[7; 32], &[8; 32], &[9; 32]),
        with(8, 1, &[7; 32], &[8; 32], &[9; 32]),
        with(7, 0, &[7; 32], &[8; 32], &[9; 32]),
        with(7, 2, &[7; 32], &[8; 32], &[9; 32]),
        with(7, 1, &[7; 31], &[8; 32], &[9; 32]),
        with(7, 1, &[7; 32], &[8; 33], &[9; 32]),
        with(7, 1, &[7; 32], &[8; 32], &[9; 31]),
    ] {
        assert_eq!(Content::from_bytes(&bytes).unwrap_err(), BadContent::Malformed);
    }
}

#[test]
fn sealed_files_have_their_own_limit() {
    let outcome = |files| Content::new(vec![Field::Attachments(files)]).map(|_| ());
    let inline = file("a", None, &[0; MAX_INLINE_ATTACHMENT]);
    assert_eq!(outcome(vec![inline.clone(), sealed(MAX_FILES)]), Ok(()));
    assert_eq!(outcome(vec![sealed(MAX_FILES + 1)]), Err(BadContent::TooLong));
    assert_eq!(outcome(vec![sealed(MAX_FILES), sealed(1)]), Err(BadContent::TooLong));
    assert_eq!(outcome(vec![sealed(u64::MAX), sealed(1)]), Err(BadContent::TooLong));
    assert_eq!(outcome(vec![sealed(0); MAX_ATTACHMENTS]), Ok(()));
}
