//! The history key, from one device of a user to another (GR-27).

use group::{GroupError, HistoryBox, HistoryKey, Provider, Refusal, Store};
use testkit::authority::Authority;
use testkit::peer::now_ms;

use crate::party::{Party, device, refusal};

fn give(from: &Party, to: &Party, package: &[u8], key: &HistoryKey) -> HistoryBox {
    key.give("alice", &device(&from.device), &to.certificate(), package, now_ms()).unwrap()
}

fn take(to: &Party, from: &Party, sealed: &HistoryBox) -> Result<HistoryKey, GroupError> {
    HistoryKey::take(&to.provider, "alice", &from.certificate(), &to.certificate(), sealed)
}

#[test]
fn a_history_key_opens_for_the_device_that_it_was_given_to_once() {
    let authority = Authority::new();
    let [laptop, mut phone, mut tablet] =
        ["alice", "alice", "alice"].map(|user| Party::new(&authority, user));
    let key = HistoryKey::generate().unwrap();
    let packages = [phone.package(), tablet.package()];
    let sealed = give(&laptop, &phone, &packages[0], &key);
    assert!(matches!(take(&tablet, &laptop, &sealed), Err(GroupError::Refused(_))));
    let before = phone.disk.len();
    assert_eq!(take(&phone, &laptop, &sealed).unwrap().as_bytes(), key.as_bytes());
    let writes = phone.save();
    assert!(writes.iter().all(|write| write.bytes.is_none()));
    assert!(phone.disk.len() < before, "the key package is used up, and nothing of the group stays");
    assert_eq!(refusal(take(&phone, &laptop, &sealed)), Refusal::Package);
    phone.restart();
    assert_eq!(refusal(take(&phone, &laptop, &sealed)), Refusal::Package);
    // One that cannot be opened uses up nothing.
    let good = give(&laptop, &tablet, &packages[1], &key);
    let other = give(&laptop, &tablet, &packages[1], &HistoryKey::generate().unwrap());
    for wrong in [
        HistoryBox { message: other.message.clone(), ..good.clone() },
        HistoryBox { tree: other.tree.clone(), ..good.clone() },
        HistoryBox { welcome: Vec::new(), ..good.clone() },
    ] {
        let provider = Provider::new(Store::default()).unwrap();
        assert!(
            HistoryKey::take(&provider, "alice", &laptop.certificate(), &tablet.certificate(), &wrong)
                .is_err()
        );
    }
    assert!(take(&tablet, &phone, &good).is_err(), "it is of another giver");
    let named =
        HistoryKey::take(&tablet.provider, "bob", &laptop.certificate(), &tablet.certificate(), &good);
    assert!(named.is_err(), "it is of another user");
    assert_eq!(take(&tablet, &laptop, &good).unwrap().as_bytes(), key.as_bytes());
}
