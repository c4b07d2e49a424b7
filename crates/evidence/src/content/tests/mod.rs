use minicbor::Decoder;
use proptest::prelude::*;

mod files;

use super::*;
use crate::limits::{MAX_MENTIONS, MAX_REACTION};

fn content() -> Content {
    Content::with_salts(vec![
        (Salt::from_bytes([1; 32]), Field::Text("Lift-off.".into())),
        (Salt::from_bytes([2; 32]), Field::Composed(1_700_000_000_000)),
        (Salt::from_bytes([3; 32]), Field::Script(-10_000)),
    ])
    .unwrap()
}

fn file(name: &str, media_type: Option<&str>, bytes: &[u8]) -> Attachment {
    let media_type = media_type.map(|text| MediaType::parse(text).unwrap());
    Attachment::inline(FileName::parse(name).unwrap(), media_type, bytes.to_vec())
}

fn with_files() -> Content {
    let files =
        vec![file("Flight plan.txt", Some("text/plain"), b"Lift-off, 13:13"), file("empty", None, b"")];
    Content::with_salts(vec![
        (Salt::from_bytes([1; 32]), Field::Text("The plan.".into())),
        (Salt::from_bytes([7; 32]), Field::Attachments(files)),
    ])
    .unwrap()
}

const TO: Reference = Reference { index: 12, leaf: [9; 32] };

fn text() -> Field {
    Field::Text("Say again, @cmp.".into())
}

fn reaction() -> Field {
    Field::Reaction(Reaction::new(TO, "👍", true).unwrap())
}

fn names(count: usize) -> Field {
    Field::Mentions((0..count).map(|n| Name::canonical(&format!("crew{n:02}")).unwrap()).collect())
}

/// One content with each field that says something of others.
fn with_relations() -> Vec<Content> {
    [
        vec![text(), Field::Composed(1), Field::Reply(TO), names(2)],
        vec![text(), Field::Edit(TO), names(1)],
        vec![Field::Composed(1), reaction()],
        vec![Field::Deletion(TO)],
    ]
    .into_iter()
    .map(|fields| Content::new(fields).unwrap())
    .collect()
}

/// Content with a text and one field more, whose value is written as told.
fn raw_field(number: u64, value: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    let with_text = [4, 5, 8].contains(&number);
    e.map(1 + u64::from(with_text)).unwrap();
    if with_text {
        e.u8(1).and_then(|e| e.array(2)?.bytes(&[1; 32])?.str("so")).unwrap();
    }
    e.u64(number).and_then(|e| e.array(2)?.bytes(&[7; 32])).unwrap();
    value(&mut e);
    e.into_writer()
}

fn binding(user: &Name) -> Binding<'_> {
    Binding { user, certificate: [4; 32], room: RoomId([5; 32]), seq: 6 }
}

#[test]
fn content_is_read_back_and_opened() {
    let content = content();
    let bytes = content.to_bytes();
    let again = Content::from_bytes(&bytes).unwrap();
    assert_eq!(again.text(), Some("Lift-off."));
    let user = Name::parse("cdr").unwrap();
    let commitment = again.commitment(&binding(&user));
    for numbers in [&[1][..], &[2, 3], &[], &[1, 2, 3]] {
        let opening = again.open(numbers);
        assert_eq!(opening.commitment(&binding(&user)), commitment);
        assert_eq!(opening.is_proper(), (1..3).contains(&numbers.len()));
        let mut e = Encoder::new(Vec::new());
        opening.write(&mut e).unwrap();
        let bytes = e.into_writer();
        let read = Opening::read(&mut Decoder::new(&bytes)).unwrap();
        assert_eq!(read.commitment(&binding(&user)), commitment);
        assert_eq!(bytes.windows(4).any(|at| at == b"Lift"), numbers.contains(&1));
    }
}

#[test]
fn a_commitment_serves_in_no_other_place() {
    let (content, user, other) = (content(), Name::parse("cdr").unwrap(), Name::parse("cmp").unwrap());
    let here = binding(&user);
    let commitment = content.commitment(&here);
    assert_ne!(content.commitment(&Binding { user: &other, ..here }), commitment);
    assert_ne!(content.commitment(&Binding { certificate: [0; 32], ..here }), commitment);
    assert_ne!(content.commitment(&Binding { room: RoomId([0; 32]), ..here }), commitment);
    assert_ne!(content.commitment(&Binding { seq: 7, ..here }), commitment);
}

#[test]
fn bad_content_is_refused() {
    let twice = vec![
        (Salt::from_bytes([1; 32]), Field::Composed(1)),
        (Salt::from_bytes([1; 32]), Field::Composed(2)),
    ];
    assert_eq!(Content::with_salts(twice).unwrap_err(), BadContent::Order);
    assert_eq!(Content::new(vec![]).unwrap_err(), BadContent::Empty);
    let long = "x".repeat(MAX_TEXT + 1);
    assert_eq!(Content::new(vec![Field::Text(long)]).unwrap_err(), BadContent::TooLong);
    let mut bytes = content().to_bytes();
    bytes.push(0);
    assert_eq!(Content::from_bytes(&bytes).unwrap_err(), BadContent::Malformed);
    assert_eq!(Content::from_bytes(&vec![0; MAX_CONTENT + 1]).unwrap_err(), BadContent::TooLong);
    assert_eq!(Content::from_bytes(&[0xa0]).unwrap_err(), BadContent::Empty);
}

#[test]
fn what_is_said_of_others_is_read_back_and_opened_alone() {
    let user = Name::parse("cdr").unwrap();
    for content in with_relations() {
        let again = Content::from_bytes(&content.to_bytes()).unwrap();
        assert!(again.fields().eq(content.fields()));
        let numbers: Vec<u64> = content.fields().map(Field::number).collect();
        for number in numbers.iter().filter(|_| numbers.len() > 1) {
            // EV-35, kind 3: what the field needs beside it may be withheld.
            let opening = again.open(&[*number]);
            assert!(opening.is_proper(), "{number}");
            let mut e = Encoder::new(Vec::new());
            opening.write(&mut e).unwrap();
            let bytes = e.into_writer();
            let read = Opening::read(&mut Decoder::new(&bytes)).unwrap();
            assert_eq!(read.commitment(&binding(&user)), content.commitment(&binding(&user)));
            assert!(read.shown().eq(content.fields().filter(|field| field.number() == *number)));
        }
    }
}

#[test]
fn fields_that_do_not_stand_together_are_no_content() {
    let file = || Field::Attachments(vec![file("a", None, b"x")]);
    let good = [
        vec![file(), names(1)],
        vec![Field::Reply(TO)],
        vec![Field::Reply(TO), names(1)],
        vec![Field::Edit(TO)],
        vec![names(1)],
        vec![text(), Field::Reply(TO), Field::Edit(TO)],
        vec![text(), Field::Edit(TO), file()],
        vec![text(), reaction()],
        vec![Field::Reply(TO), reaction()],
        vec![Field::Edit(TO), reaction()],
        vec![reaction(), file()],
        vec![reaction(), names(1)],
        vec![reaction(), Field::Deletion(TO)],
        vec![text(), Field::Deletion(TO)],
        vec![Field::Reply(TO), Field::Deletion(TO)],
        vec![Field::Edit(TO), Field::Deletion(TO)],
        vec![file(), Field::Deletion(TO)],
        vec![names(1), Field::Deletion(TO)],
    ];
    for fields in good {
        assert_eq!(Content::new(fields).map(|_| ()), Err(BadContent::Together));
    }
    for fields in [
        vec![Field::Reply(TO), file()],
        vec![text(), Field::Reply(TO), file(), names(1)],
        vec![Field::Composed(1), Field::Script(1), Field::Deletion(TO)],
    ] {
        assert!(Content::new(fields).is_ok());
    }
}

#[test]
fn an_opening_that_shows_fields_which_do_not_stand_together_is_not_proper() {
    let open = |field| OpenField::Open { salt: Salt::from_bytes([1; 32]), field };
    let closed = || OpenField::Closed([0; 32]);
    assert!(Opening::new(vec![closed(), open(Field::Edit(TO))]).is_proper());
    assert!(!Opening::new(vec![open(text()), closed(), open(reaction())]).is_proper());
    assert!(!Opening::new(vec![closed(), open(Field::Edit(TO)), open(Field::Deletion(TO))]).is_proper());
    assert!(!Opening::new(vec![closed(), open(Field::Mentions(vec![]))]).is_proper());
}

#[test]
fn mentions_are_canonical_names_in_order_and_reactions_short_texts() {
    let mentions = |names: &[&str]| {
        raw_field(8, |e| {
            e.array(names.len() as u64).unwrap();
            for name in names {
                e.str(name).unwrap();
            }
        })
    };
    let outcome = |bytes: &[u8]| Content::from_bytes(bytes).map(|_| ());
    assert_eq!(outcome(&mentions(&["cdr", "cmp"])), Ok(()));
    assert_eq!(outcome(&mentions(&["cmp", "cdr"])), Err(BadContent::Order));
    assert_eq!(outcome(&mentions(&["cdr", "cdr"])), Err(BadContent::Order));
    assert_eq!(outcome(&mentions(&[])), Err(BadContent::Empty));
    for name in ["Cdr", "all", "c--r", "", "a b", "é"] {
        assert_eq!(outcome(&mentions(&[name])), Err(BadContent::Malformed), "{name}");
    }
    assert!(Content::new(vec![text(), names(MAX_MENTIONS)]).is_ok());
    assert_eq!(Content::new(vec![text(), names(MAX_MENTIONS + 1)]).unwrap_err(), BadContent::TooLong);
    let reaction = |text: &str| {
        raw_field(6, |e| {
            e.array(4).and_then(|e| e.u8(12)?.bytes(&[9; 32])?.str(text)?.bool(false)).unwrap();
        })
    };
    let longest = "x".repeat(MAX_REACTION);
    for good in ["👍", "👩\u{200d}🚀", "+1", "a/b", &longest] {
        assert_eq!(outcome(&reaction(good)), Ok(()), "{good}");
    }
    let long = format!("{longest}x");
    for bad in ["", "\u{1b}[2J", "\n", "\u{202e}x", "\u{2028}", "\u{85}", &long] {
        assert_eq!(outcome(&reaction(bad)), Err(BadContent::Malformed), "{bad:?}");
        assert_eq!(Reaction::new(TO, bad, true), Err(BadReaction), "{bad:?}");
    }
}

#[test]
fn a_reference_is_an_index_and_a_hash_in_their_one_encoding() {
    for number in [4, 5, 9] {
        let outcome =
            |value: fn(&mut Encoder<Vec<u8>>)| Content::from_bytes(&raw_field(number, value)).map(|_| ());
        assert_eq!(
            outcome(|e| {
                e.array(2).and_then(|e| e.u8(12)?.bytes(&[9; 32])).unwrap();
            }),
            Ok(())
        );
        let malformed: [fn(&mut Encoder<Vec<u8>>); 6] = [
            |e| {
                e.array(2).and_then(|e| e.u8(12)?.bytes(&[9; 31])).unwrap();
            },
            |e| {
                e.array(2).and_then(|e| e.i8(-1)?.bytes(&[9; 32])).unwrap();
            },
            |e| {
                e.array(2).and_then(|e| e.u8(12)?.str("so")).unwrap();
            },
            |e| {
                e.array(3).and_then(|e| e.u8(12)?.bytes(&[9; 32])?.null()).unwrap();
            },
            |e| {
                e.array(1).and_then(|e| e.u8(12)).unwrap();
            },
            |e| {
                e.null().unwrap();
            },
        ];
        for value in malformed {
            assert_eq!(outcome(value), Err(BadContent::Malformed), "{number}");
        }
    }
    let good =
        Content::with_salts(vec![(Salt::from_bytes([7; 32]), Field::Deletion(TO))]).unwrap().to_bytes();
    let at = good.iter().position(|byte| *byte == 12).unwrap();
    let longer = [&good[..at], &[0x18, 12], &good[at + 1..]].concat();
    assert_eq!(Content::from_bytes(&longer).unwrap_err(), BadContent::Malformed);
}

#[test]
fn nothing_said_is_in_debug_output() {
    let shown = format!("{:?} {:?} {:?}", content(), content().open(&[1]), with_files());
    let files = format!("{:?} {:?}", with_files().attachments(), with_files().open(&[7]));
    for shown in [shown, files] {
        assert!(!["Lift", "1, 1, 1", "Flight", "76, 105"].iter().any(|said| shown.contains(said)), "{shown}");
    }
}

proptest! {
    #[test]
    fn reading_never_panics(bytes: Vec<u8>) {
        let _ = Content::from_bytes(&bytes);
        let _ = Opening::read(&mut Decoder::new(&bytes));
        let _ = Attachment::read(&mut Decoder::new(&bytes));
    }

    #[test]
    fn what_is_made_is_read_back(
        names in prop::collection::vec("[a-z é🚀._-]{1,60}x", 1..4),
        bytes: Vec<u8>,
        salt: [u8; 32],
    ) {
        let files: Vec<Attachment> = names.iter().map(|name| file(name, None, &bytes)).collect();
        let content = Content::with_salts(vec![(Salt::from_bytes(salt), Field::Attachments(files))]).unwrap();
        let again = Content::from_bytes(&content.to_bytes()).unwrap();
        prop_assert_eq!(again.attachments(), content.attachments());
    }

    #[test]
    fn what_is_said_of_others_is_read_back(index: u64, leaf: [u8; 32], emoji in "[👍🚀a-z ]{1,16}", given: bool) {
        let to = Reference { index, leaf };
        let Ok(reaction) = Reaction::new(to, &emoji, given) else { return Ok(()) };
        for fields in [
            vec![Field::Reaction(reaction)],
            vec![Field::Text(emoji.clone()), Field::Reply(to)],
            vec![Field::Text(emoji.clone()), Field::Edit(to)],
            vec![Field::Deletion(to)],
        ] {
            let content = Content::new(fields).unwrap();
            let again = Content::from_bytes(&content.to_bytes()).unwrap();
            prop_assert!(again.fields().eq(content.fields()));
        }
    }

    #[test]
    fn what_is_said_of_others_cannot_be_changed_unnoticed(which in 0..4_usize, at: prop::sample::Index, byte: u8) {
        let content = with_relations().swap_remove(which);
        let mut spoiled = content.to_bytes();
        *at.get_mut(&mut spoiled) = byte;
        let user = Name::parse("cdr").unwrap();
        if let Ok(other) = Content::from_bytes(&spoiled) {
            let same = spoiled == content.to_bytes();
            prop_assert_eq!(other.commitment(&binding(&user)) == content.commitment(&binding(&user)), same);
        }
    }

    #[test]
    fn content_that_was_changed_anywhere_is_never_taken_for_what_was_made(at: prop::sample::Index, byte: u8) {
        let bytes = with_files().to_bytes();
        let mut spoiled = bytes.clone();
        *at.get_mut(&mut spoiled) = byte;
        if let Ok(other) = Content::from_bytes(&spoiled) {
            prop_assert_eq!(other.to_bytes(), spoiled);
        }
    }
}
