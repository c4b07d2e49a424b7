use minicbor::Decoder;
use proptest::prelude::*;

use super::*;

fn content() -> Content {
    Content::with_salts(vec![
        (Salt::from_bytes([1; 32]), Field::Text("Lift-off.".into())),
        (Salt::from_bytes([2; 32]), Field::Composed(1_700_000_000_000)),
        (Salt::from_bytes([3; 32]), Field::Script(-10_000)),
    ])
    .unwrap()
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
fn nothing_said_is_in_debug_output() {
    let shown = format!("{:?} {:?}", content(), content().open(&[1]));
    assert!(!shown.contains("Lift") && !shown.contains("1, 1, 1"), "{shown}");
}

proptest! {
    #[test]
    fn reading_never_panics(bytes: Vec<u8>) {
        let _ = Content::from_bytes(&bytes);
        let _ = Opening::read(&mut Decoder::new(&bytes));
    }
}
