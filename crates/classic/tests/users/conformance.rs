//! What every store does.

use std::sync::Arc;

use classic::users::{self, NewUser, UserStore, UserStoreError};
use tokio::task::JoinSet;

pub fn user(email: &str, name: &str, password: &str) -> NewUser {
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).unwrap();
    NewUser::with_password(Some(email.into()), name.into(), salt, password.as_bytes()).unwrap()
}

/// Runs the suite on a store without users.
pub async fn suite(store: Arc<dyn UserStore>) {
    a_user_is_found_by_both_and_taken_by_either(&*store).await;
    any_text_and_any_salt_come_back_as_they_were(&*store).await;
    what_is_too_long_is_refused(&*store).await;
    of_many_at_once_none_is_lost(&store).await;
    of_many_for_one_name_one_is_in(&store).await;
}

async fn a_user_is_found_by_both_and_taken_by_either(store: &dyn UserStore) {
    assert!(store.by_email("ann@example.org").await.unwrap().is_none());
    assert!(store.by_username("ann").await.unwrap().is_none());
    assert!(store.all().await.unwrap().is_empty());
    store.register(user("ann@example.org", "ann", "first")).await.unwrap();
    for taken in [user("ann@example.org", "other", "second"), user("other@example.org", "ann", "second")] {
        assert!(matches!(store.register(taken).await, Err(UserStoreError::Taken)));
    }
    let by_email = store.by_email("ann@example.org").await.unwrap().unwrap();
    let by_name = store.by_username("ann").await.unwrap().unwrap();
    for found in [by_email, by_name] {
        assert_eq!((found.email.as_deref(), found.username.as_str()), (Some("ann@example.org"), "ann"));
        assert!(found.accepts(b"first") && !found.accepts(b"second") && !found.accepts(b""));
    }
    assert!(store.by_email("other@example.org").await.unwrap().is_none());
    assert!(store.by_username("other").await.unwrap().is_none());
}

async fn any_text_and_any_salt_come_back_as_they_were(store: &dyn UserStore) {
    let longest = "ü".repeat(127) + "x";
    let texts = [
        (0x80, "Zoë 🦊"),
        (0xFF, "'; DROP TABLE users; --"),
        (0x00, "a\\\"b\nc"),
        (b'\'', "100%_"),
        (b' ', &longest),
    ];
    for (byte, text) in texts {
        // Zeros at the end are what a padded column would lose or add.
        let mut salt = [0; 16];
        salt[0] = byte;
        let email = format!("{byte}@example.org");
        let new = NewUser::with_password(Some(email.clone()), text.into(), salt, text.as_bytes()).unwrap();
        let hash = new.hash.to_hex();
        store.register(new).await.unwrap();
        let found = store.by_username(text).await.unwrap().unwrap();
        assert_eq!((found.email, found.username.as_str()), (Some(email), text));
        assert_eq!((found.salt.as_slice(), found.hash.to_hex()), (salt.as_slice(), hash));
    }
    store.register(user(&"e".repeat(255), "longest", "pw")).await.unwrap();
    assert!(store.by_email(&"e".repeat(255)).await.unwrap().unwrap().accepts(b"pw"));
}

async fn what_is_too_long_is_refused(store: &dyn UserStore) {
    let long = "l".repeat(256);
    for wrong in [user(&long, "long", "pw"), user("long@example.org", &long, "pw"), user("", "long", "pw")] {
        assert!(matches!(store.register(wrong).await, Err(UserStoreError::OutOfBounds(_))));
    }
    assert!(store.by_email(&"l".repeat(100_000)).await.unwrap().is_none());
    assert!(store.by_username(&long).await.unwrap().is_none());
}

async fn of_many_at_once_none_is_lost(store: &Arc<dyn UserStore>) {
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            store.register(user(&format!("m{number}@example.org"), &format!("m{number}"), "pw")).await
        });
    }
    assert!(tasks.join_all().await.into_iter().all(|done| done.is_ok()));
    let all: Vec<_> = store.all().await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|u| u.username.starts_with('m') && u.accepts(b"pw")).count(), 40);
}

/// CL-63. Crossed e-mails and names, so that some are refused by the one and some by the other.
async fn of_many_for_one_name_one_is_in(store: &Arc<dyn UserStore>) {
    let before = store.all().await.unwrap().len();
    let mut tasks = JoinSet::new();
    for number in 0..120 {
        let store = Arc::clone(store);
        let (email, name) = (format!("x{}@example.org", number % 3), format!("x{}", number % 5));
        tasks.spawn(async move { store.register(user(&email, &name, "pw")).await });
    }
    let outcomes = tasks.join_all().await;
    for outcome in &outcomes {
        assert!(matches!(outcome, Ok(()) | Err(UserStoreError::Taken)), "{outcome:?}");
    }
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(store.all().await.unwrap().len() - before, done);
    assert!((1..=3).contains(&done), "{done}: three addresses, each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_passes_the_suite() {
    suite(users::open("memory").await.unwrap()).await;
    assert!(matches!(users::export("memory").await, Err(UserStoreError::BadPlace(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file_passes_the_suite_also_with_two_stores_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server_credentials.json");
    let place = path.to_str().unwrap();
    suite(users::open(place).await.unwrap()).await;
    let (one, two) = (users::open(place).await.unwrap(), users::open(place).await.unwrap());
    let mut tasks = JoinSet::new();
    for number in 0..40 {
        let store = Arc::clone(if number % 2 == 0 { &one } else { &two });
        tasks.spawn(async move {
            store.register(user(&format!("t{number}@x"), &format!("t{number}"), "pw")).await
        });
    }
    assert!(tasks.join_all().await.into_iter().all(|done| done.is_ok()));
    let exported = users::export(place).await.unwrap();
    assert_eq!(exported.iter().filter(|u| u.as_ref().unwrap().name.starts_with('t')).count(), 40);
}

#[tokio::test]
async fn memory_and_a_file_take_users_without_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server_credentials.json");
    for place in ["memory", path.to_str().unwrap()] {
        let store = users::open(place).await.unwrap();
        for name in ["ann", "bob"] {
            let new = NewUser { email: None, ..user("unused", name, "pw") };
            store.register(new).await.unwrap();
        }
        assert_eq!(store.by_username("bob").await.unwrap().unwrap().email, None);
        assert!(store.by_email("unused").await.unwrap().is_none());
    }
}
