//! History keys, from one device of a user to another (GR-27).

use group::{GroupError, HistoryBox, HistoryKey, MAX_HISTORY_KEYS, Refusal};
use testkit::authority::Authority;
use testkit::peer::now_ms;

use crate::party::{Party, device, refusal};

fn give(from: &Party, to: &Party, package: &[u8], keys: &[HistoryKey]) -> HistoryBox {
    let from = device(&from.device);
    HistoryBox::give(keys, "alice", &from, &to.certificate(), package, now_ms()).unwrap()
}

fn take(to: &Party, from: &Party, sealed: &HistoryBox) -> Result<Vec<[u8; 32]>, GroupError> {
    let taken = sealed.take(&to.provider, "alice", &from.certificate(), &to.certificate());
    Ok(taken?.iter().map(|key| *key.as_bytes()).collect())
}

#[test]
fn a_history_key_opens_for_the_device_that_it_was_given_to_once() {
    let authority = Authority::new();
    let [laptop, mut phone, mut tablet] =
        ["alice", "alice", "alice"].map(|user| Party::new(&authority, user));
    let keys = [HistoryKey::generate().unwrap(), HistoryKey::generate().unwrap()];
    let bytes = [*keys[0].as_bytes(), *keys[1].as_bytes()];
    let package = phone.package();
    let sealed = give(&laptop, &phone, &package, &keys);
    assert!(matches!(take(&tablet, &laptop, &sealed), Err(GroupError::Refused(_))));
    let before = phone.disk.len();
    assert_eq!(take(&phone, &laptop, &sealed).unwrap(), bytes);
    assert!(phone.save().iter().all(|write| write.bytes.is_none()), "nothing of the group stays");
    assert!(phone.disk.len() < before, "the key package is used up");
    assert_eq!(refusal(take(&phone, &laptop, &sealed)), Refusal::Package);
    phone.restart();
    assert_eq!(refusal(take(&phone, &laptop, &sealed)), Refusal::Package);

    let package = tablet.package();
    let good = give(&laptop, &tablet, &package, &keys);
    let other = give(&laptop, &tablet, &package, &keys[..1]);
    for wrong in [
        HistoryBox { tree: other.tree.clone(), ..good.clone() },
        HistoryBox { welcome: Vec::new(), ..good.clone() },
        HistoryBox { message: other.message.clone(), ..good.clone() },
    ] {
        assert!(take(&tablet, &laptop, &wrong).is_err());
        tablet.restart();
    }
    assert!(take(&tablet, &phone, &good).is_err(), "it is of another giver");
    let named = good.take(&tablet.provider, "bob", &laptop.certificate(), &tablet.certificate());
    assert!(named.is_err(), "it is of another user");
    assert_eq!(take(&tablet, &laptop, &good).unwrap(), bytes, "what failed has used up nothing");
    let many: Vec<_> = (0..=MAX_HISTORY_KEYS).map(|_| HistoryKey::generate().unwrap()).collect();
    let package = tablet.package();
    let full = give(&laptop, &tablet, &package, &many[1..]);
    assert!(full.message.len() < 16_384);
    let from = device(&laptop.device);
    assert!(HistoryBox::give(&many, "alice", &from, &tablet.certificate(), &package, now_ms()).is_err());
}
