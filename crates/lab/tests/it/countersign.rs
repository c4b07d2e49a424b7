//! Attacks on Countersign: each is refused, for the reason that stops it.

use lab::exhibit::{Column, attacks};

use crate::world::{run, stage};

/// A record that does not open ends the connection, and does no harm.
const RECORD: &str = "a record did not open”. Alice's client connected again, and each message is in the log once, for her and for bob";
/// A statement whose signature fails.
const SIGNATURE: &str =
    "the signature does not verify” and entered nothing; the honest statement after it is entry";

/// The attacks, and what is seen of each refusal: words of whoever refused, or what the log holds in the end.
const SEEN: [(&str, &str); 27] = [
    ("eavesdropping", "neither password, name, room nor text"),
    ("mitm-dh", "a handshake signature that does not verify"),
    ("mitm-key-transport", "the root certificate does not have the expected fingerprint"),
    ("field-shifting", SIGNATURE),
    ("sequence-poisoning", SIGNATURE),
    ("cross-session-replay", RECORD),
    ("whole-session-replay", "a new M2, then a sealed alert, then the end, and the text is in the log once"),
    ("message-replay", RECORD),
    ("iv-flipping", RECORD),
    ("forged-receipt", "the bundle stands under another root than the one you named"),
    ("self-signed", "it does not trust our certificate” (certificate-self-signed)"),
    ("expired", "our certificate is outside its validity"),
    ("wrong-cn", "and as alice not: “wrong user or password”"),
    ("other-ca", "it does not trust our certificate” (certificate-bad-signature)"),
    ("client-as-server", "the certificate is not for a server's handshake"),
    ("tampered-ciphertext", RECORD),
    ("tampered-signature", SIGNATURE),
    ("reordered", RECORD),
    ("dropped", RECORD),
    (
        "truncated",
        "it could not read our message”. Alice's client connected again, and each message is in the log once",
    ),
    ("duplicated", RECORD),
    ("oversized-frame", "an alert in clear, then the end: “it could not read our message”"),
    ("weak-group", "an alert in clear, then the end: “it speaks no protocol that we speak"),
    (
        "padding-oracle",
        "one and the same answer: “the secure channel failed: the peer ended the connection: a record did not open”",
    ),
    ("user-enumeration", "wrong user, password or link"),
    ("name-spoofing", "one message, signed by bob/laptop"),
    ("no-forward-secrecy", "is the private part of the share in the capture"),
];

/// What has no wire: a file is handed over.
const WIRELESS: &str = "forged-receipt";

#[tokio::test]
async fn nothing_succeeds_against_countersign() {
    // One organisation for all of them.
    let _stage = stage();
    for (attack, (name, seen)) in attacks().unwrap().iter().zip(SEEN) {
        assert_eq!(attack.name, name);
        let run = run(name, Column::Countersign).await;
        assert!(run.seen.contains(seen), "{name}: {}", run.seen);
        assert_eq!(run.wire.frames.is_empty(), name == WIRELESS, "{name}");
    }
    assert_eq!(attacks().unwrap().len(), SEEN.len());
}
