//! Device links and further devices.

use std::sync::Arc;

use super::fixtures::{NOW, assert_error, directory_append, enrol, id, issuing};
use crate::limits::MAX_OPEN_DEVICE_LINKS;
use crate::{
    DeviceEnrolment, DeviceLinkState, Hash, LeafKind, NewDeviceLink, Refusal, Store, StoreError, Thing,
    Unique,
};

fn link(token: &str, user: &str) -> NewDeviceLink {
    NewDeviceLink {
        token_hash: id(token),
        user: user.into(),
        created_by: id(&format!("{user} laptop")),
        created_ms: NOW,
        expires_ms: NOW + 1_000,
    }
}

fn enrolment(token: &str, certificate: Hash, directory_size: u64) -> DeviceEnrolment {
    DeviceEnrolment {
        link: id(token),
        now_ms: NOW,
        certificate,
        key: id("phone key"),
        issued_ms: NOW + 5,
        directory: issuing(directory_size, certificate),
    }
}

/// A link goes from open to enrolled, and the device carries what vouched for it.
pub async fn second_device(store: Arc<dyn Store>) {
    let laptop = enrol(&*store, "ada").await;
    let made = link("t", "ada");
    store.create_device_link(made.clone()).await.unwrap();
    assert_error(store.create_device_link(made.clone()).await, &StoreError::Exists(Unique::Token));
    assert_eq!(store.device_link(&id("t")).await.unwrap().unwrap().state, DeviceLinkState::Open);

    store.put_device_request(&id("t"), "phone", b"request", NOW).await.unwrap();
    store.put_device_request(&id("t"), "phone", b"request", NOW).await.unwrap();
    let other = StoreError::Refused(Refusal::OtherRequest);
    assert_error(store.put_device_request(&id("t"), "phone", b"another", NOW).await, &other);
    assert_error(store.put_device_request(&id("t"), "tablet", b"request", NOW).await, &other);
    let requested = DeviceLinkState::Requested { name: "phone".into(), request: b"request".to_vec() };
    let open = store.open_device_links("ada", NOW).await.unwrap();
    assert_eq!(open.iter().map(|link| &link.state).collect::<Vec<_>>(), [&requested]);
    assert_eq!(store.open_device_links("ada", NOW + 1_000).await.unwrap(), []);

    store.approve_device(&id("t"), &laptop, b"vouching", NOW).await.unwrap();
    store.approve_device(&id("t"), &laptop, b"another", NOW).await.unwrap();
    let approved = DeviceLinkState::Approved {
        name: "phone".into(),
        request: b"request".to_vec(),
        vouching: b"vouching".to_vec(),
        approved_by: laptop,
    };
    assert_eq!(store.device_link(&id("t")).await.unwrap().unwrap().state, approved);

    let phone = id("ada phone");
    assert_error(
        store.add_device(enrolment("t", phone, 0)).await,
        &StoreError::Conflict { expected: 0, actual: 1 },
    );
    let not_issued =
        DeviceEnrolment { directory: directory_append(1, vec![LeafKind::Other]), ..enrolment("t", phone, 1) };
    assert_error(store.add_device(not_issued).await, &StoreError::NotFound(Thing::Certificate));
    store.add_device(enrolment("t", phone, 1)).await.unwrap();
    let device = store.device(&phone).await.unwrap().unwrap();
    assert_eq!((device.name.as_str(), device.user.as_str()), ("phone", "ada"));
    assert_eq!((device.vouching, device.issued_ms), (Some(b"vouching".to_vec()), NOW + 5));
    assert_eq!(store.devices_of("ada").await.unwrap().len(), 2);
    let link = store.device_link(&id("t")).await.unwrap().unwrap();
    assert_eq!((link.made, link.state), (made, DeviceLinkState::Enrolled { certificate: phone }));
    assert_eq!(store.open_device_links("ada", NOW).await.unwrap(), []);
    let used_up = StoreError::Refused(Refusal::UsedUp);
    assert_error(store.add_device(enrolment("t", id("ada third"), 2)).await, &used_up);
    assert_error(store.revoke_device_link(&id("t")).await, &used_up);
    assert_eq!(store.directory_head().await.unwrap().size, 2);
}

/// No step comes before the one that it needs.
pub async fn links_in_wrong_order(store: Arc<dyn Store>) {
    let laptop = enrol(&*store, "ada").await;
    let foreign = enrol(&*store, "bob").await;
    let no_link = StoreError::NotFound(Thing::DeviceLink);
    assert_error(store.put_device_request(&id("t"), "phone", b"r", NOW).await, &no_link);
    assert_error(store.approve_device(&id("t"), &laptop, b"v", NOW).await, &no_link);
    assert_error(store.add_device(enrolment("t", id("p"), 2)).await, &no_link);
    assert_error(store.revoke_device_link(&id("t")).await, &no_link);
    assert_eq!(store.device_link(&id("t")).await.unwrap(), None);

    let not_hers = NewDeviceLink { created_by: foreign, ..link("t", "ada") };
    assert_error(store.create_device_link(not_hers).await, &StoreError::NotFound(Thing::Device));
    let nobody = NewDeviceLink { user: "zoe".into(), ..link("t", "ada") };
    assert_error(store.create_device_link(nobody).await, &StoreError::NotFound(Thing::Account));

    store.create_device_link(link("t", "ada")).await.unwrap();
    assert_error(
        store.approve_device(&id("t"), &laptop, b"v", NOW).await,
        &StoreError::Refused(Refusal::NotRequested),
    );
    let not_approved = StoreError::Refused(Refusal::NotApproved);
    assert_error(store.add_device(enrolment("t", id("p"), 2)).await, &not_approved);
    assert_error(
        store.put_device_request(&id("t"), "laptop", b"r", NOW).await,
        &StoreError::Exists(Unique::DeviceName),
    );
    store.put_device_request(&id("t"), "phone", b"r", NOW).await.unwrap();
    assert_error(store.add_device(enrolment("t", id("p"), 2)).await, &not_approved);
    assert_error(
        store.approve_device(&id("t"), &foreign, b"v", NOW).await,
        &StoreError::NotFound(Thing::Device),
    );
    assert_eq!(store.directory_head().await.unwrap().size, 2);
}

/// Nothing goes on by a link that expired or was revoked, for a disabled account, or by a revoked device.
pub async fn links_out_of_force(store: Arc<dyn Store>) {
    let laptop = enrol(&*store, "ada").await;
    for token in ["expires", "revoked", "disabled", "stolen"] {
        store.create_device_link(link(token, "ada")).await.unwrap();
        store.put_device_request(&id(token), token, b"r", NOW).await.unwrap();
        store.approve_device(&id(token), &laptop, b"v", NOW).await.unwrap();
    }
    let late = DeviceEnrolment { now_ms: NOW + 1_000, ..enrolment("expires", id("p"), 1) };
    assert_error(store.add_device(late).await, &StoreError::Refused(Refusal::Expired));

    store.revoke_device_link(&id("revoked")).await.unwrap();
    store.revoke_device_link(&id("revoked")).await.unwrap();
    let revoked = StoreError::Refused(Refusal::Revoked);
    assert_error(store.add_device(enrolment("revoked", id("p"), 1)).await, &revoked);
    assert_error(store.put_device_request(&id("revoked"), "revoked", b"r", NOW).await, &revoked);
    assert_error(store.approve_device(&id("revoked"), &laptop, b"v", NOW).await, &revoked);

    store.set_account_enabled("ada", false).await.unwrap();
    let disabled = StoreError::Refused(Refusal::Disabled);
    assert_error(store.add_device(enrolment("disabled", id("p"), 1)).await, &disabled);
    assert_error(store.create_device_link(link("another", "ada")).await, &disabled);
    store.set_account_enabled("ada", true).await.unwrap();

    let kind = LeafKind::Revoked { certificate: laptop, at_ms: NOW };
    store.append_directory(directory_append(1, vec![kind])).await.unwrap();
    let device_revoked = StoreError::Refused(Refusal::DeviceRevoked);
    assert_error(store.add_device(enrolment("stolen", id("p"), 2)).await, &device_revoked);
    assert_error(store.create_device_link(link("another", "ada")).await, &device_revoked);
    assert_eq!(store.devices_of("ada").await.unwrap().len(), 1);
}

/// A user has a limited number of open links; those that ended do not count.
pub async fn open_links_are_limited(store: Arc<dyn Store>) {
    enrol(&*store, "ada").await;
    for n in 0..MAX_OPEN_DEVICE_LINKS {
        store.create_device_link(link(&format!("link {n}"), "ada")).await.unwrap();
    }
    let full = StoreError::Refused(Refusal::TooManyLinks);
    assert_error(store.create_device_link(link("more", "ada")).await, &full);
    store.revoke_device_link(&id("link 3")).await.unwrap();
    store.create_device_link(link("more", "ada")).await.unwrap();
    assert_error(store.create_device_link(link("still more", "ada")).await, &full);
    let later =
        NewDeviceLink { created_ms: NOW + 1_000, expires_ms: NOW + 2_000, ..link("still more", "ada") };
    store.create_device_link(later).await.unwrap();
}
