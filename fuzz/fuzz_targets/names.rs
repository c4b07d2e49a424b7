//! What people type: names, addresses, fingerprints, invites. What is read is written the same way again.

#![no_main]

use evidence::room::RoomName;
use libfuzzer_sys::fuzz_target;
use pki::{Email, Fingerprint, Name, Organisation};
use session::link::Link;

fuzz_target!(|text: &str| {
    if let Ok(name) = Name::parse(text) {
        assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
    }
    if let Ok(organisation) = Organisation::parse(text) {
        assert_eq!(Organisation::parse(organisation.as_str()).as_ref(), Ok(&organisation));
    }
    if let Ok(name) = RoomName::parse(text) {
        assert_eq!(name.as_str(), text);
    }
    let _ = Email::parse(text);
    let _ = text.parse::<Fingerprint>();
    if let Ok(link) = Link::parse(text) {
        assert_eq!(Link::parse(&link.format()), Ok(link));
    }
});
