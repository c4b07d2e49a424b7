//! What a message costs at rest, and what is left of a key that was used.

use crate::party::room_of;

#[test]
fn a_message_writes_the_secrets_of_the_epoch_alone() {
    let (_, mut parties) = room_of(80);
    let alice = parties[0].hash();
    for number in 0..4_u8 {
        let sealed = parties[0].seal_unsaved(&[number], b"text").unwrap();
        let written = parties[0].save_and_count();
        parties[1].open_unsaved(&sealed, &[number], &alice).unwrap();
        let read = parties[1].save_and_count();
        assert!((1..2_048).contains(&written) && (1..2_048).contains(&read), "{written} {read}");
    }
}

#[test]
fn a_used_key_is_on_no_disk() {
    let (_, mut parties) = room_of(2);
    let alice = parties[0].hash();
    let before = parties[1].disk.clone();
    let sealed = parties[0].seal(b"", b"text").unwrap();
    parties[1].open(&sealed, b"", &alice).unwrap();
    let after = parties[1].disk.clone();
    // With the disk of before the message opens; with that of after it does not.
    parties[1].disk = before;
    parties[1].restart();
    assert_eq!(parties[1].open(&sealed, b"", &alice).unwrap(), b"text");
    parties[1].disk = after;
    parties[1].restart();
    parties[1].open(&sealed, b"", &alice).unwrap_err();
}

#[test]
fn debug_shows_no_secret() {
    let (_, mut parties) = room_of(2);
    let alice = &mut parties[0];
    alice.seal_unsaved(b"", b"text").unwrap();
    let shown = format!("{:?} {:?}", alice.group, alice.provider.store().take_changes());
    assert!(shown.contains("bytes: Some(") && !shown.contains("bytes: Some([") && shown.contains("epoch: 1"));
}
