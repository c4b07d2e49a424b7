//! Users in memory: gone when the server ends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::limits::MAX_MEMORY_USERS;
use super::{BadRow, NewUser, PasswordHash, StoredUser, UserStore, UserStoreError};

/// Users of this process alone.
#[derive(Default)]
pub struct MemoryUsers(Mutex<Maps>);

#[derive(Default)]
struct Maps {
    by_username: HashMap<String, NewUser>,
    names_by_email: HashMap<String, String>,
}

impl Maps {
    fn stored(&self, username: &str) -> Option<StoredUser> {
        self.by_username.get(username).map(|user| StoredUser {
            email: user.email.clone(),
            username: user.username.clone(),
            salt: user.salt.to_vec(),
            hash: PasswordHash::from_bytes(*user.hash.as_bytes()),
        })
    }
}

impl MemoryUsers {
    fn with<T>(&self, act: impl FnOnce(&mut Maps) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl UserStore for MemoryUsers {
    async fn register(&self, user: NewUser) -> Result<(), UserStoreError> {
        user.check()?;
        self.with(|maps| {
            let email_taken =
                user.email.as_ref().is_some_and(|email| maps.names_by_email.contains_key(email));
            if email_taken || maps.by_username.contains_key(&user.username) {
                return Err(UserStoreError::Taken);
            }
            if maps.by_username.len() >= MAX_MEMORY_USERS {
                return Err(UserStoreError::Full("100,000 are in memory; keep them in a file or a database"));
            }
            if let Some(email) = &user.email {
                maps.names_by_email.insert(email.clone(), user.username.clone());
            }
            maps.by_username.insert(user.username.clone(), user);
            Ok(())
        })
    }

    async fn by_email(&self, email: &str) -> Result<Option<StoredUser>, UserStoreError> {
        Ok(self.with(|maps| maps.names_by_email.get(email).and_then(|name| maps.stored(name))))
    }

    async fn by_username(&self, username: &str) -> Result<Option<StoredUser>, UserStoreError> {
        Ok(self.with(|maps| maps.stored(username)))
    }

    async fn all(&self) -> Result<Vec<Result<StoredUser, BadRow>>, UserStoreError> {
        Ok(self.with(|maps| maps.by_username.keys().filter_map(|name| maps.stored(name)).map(Ok).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cl61_memory_holds_as_many_as_it_may() {
        let users = MemoryUsers::default();
        let user = |n: usize| NewUser {
            email: None,
            username: n.to_string(),
            salt: [0; 16],
            hash: PasswordHash::from_bytes([0; 32]),
        };
        for n in 0..MAX_MEMORY_USERS {
            users.register(user(n)).await.unwrap();
        }
        assert!(matches!(users.register(user(MAX_MEMORY_USERS)).await, Err(UserStoreError::Full(_))));
    }
}
