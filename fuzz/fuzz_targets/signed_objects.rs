//! Signed objects of every kind: one encoding each, and each of one kind alone.

#![no_main]

use evidence::cose::{Kind, Object};
use evidence::entry::{Entry, RevocationClaim};
use evidence::erasure::ErasureClaim;
use evidence::membership::{DeviceClaim, MembershipClaim};
use evidence::receipt::ReceiptClaim;
use evidence::refusal::RefusalClaim;
use evidence::statement::StatementClaim;
use libfuzzer_sys::fuzz_target;

fn is<K: Kind>(bytes: &[u8]) -> u32 {
    let Ok(object) = Object::<K>::parse(bytes) else { return 0 };
    assert_eq!(object.bytes(), bytes);
    1
}

fuzz_target!(|bytes: &[u8]| {
    let changes = is::<MembershipClaim>(bytes) + is::<RevocationClaim>(bytes) + is::<ErasureClaim>(bytes);
    let entries = is::<StatementClaim>(bytes) + changes;
    let others = is::<ReceiptClaim>(bytes) + is::<RefusalClaim>(bytes) + is::<DeviceClaim>(bytes);
    assert!(entries + others <= 1);
    assert_eq!(entries == 1, Entry::parse(bytes).is_ok());
});
