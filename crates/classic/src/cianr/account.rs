//! Accounts, as all three dialects have them: e-mail address, name, password.

use super::Server;
use crate::ClassicError;
use crate::conversation::What;
use crate::users::limits::SALT_LEN;
use crate::users::{NewUser, PasswordHash, UserStoreError};

/// Why somebody is not let in; each dialect has words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// The e-mail address or the name is there already.
    Taken,
    /// Nobody has this e-mail address.
    Unknown,
    /// It is not the password.
    WrongPassword,
}

/// Who was let in, and what is told of it.
pub(super) struct Admitted {
    pub user: String,
    pub event: What,
}

impl Server {
    /// Makes an account under a fresh salt.
    pub(super) async fn register(
        &self,
        email: String,
        user: String,
        password: &[u8],
    ) -> Result<Result<Admitted, Denied>, ClassicError> {
        let mut salt = [0; SALT_LEN];
        aws_lc_rs::rand::fill(&mut salt)?;
        let new = NewUser::with_password(Some(email), user, salt, password).map_err(UserStoreError::from)?;
        self.enrol(new).await
    }

    /// Makes an account whose salt and hash the client has made.
    pub(super) async fn register_hashed(
        &self,
        email: String,
        user: String,
        salt: [u8; SALT_LEN],
        hash: PasswordHash,
    ) -> Result<Result<Admitted, Denied>, ClassicError> {
        self.enrol(NewUser { email: Some(email), username: user, salt, hash }).await
    }

    async fn enrol(&self, new: NewUser) -> Result<Result<Admitted, Denied>, ClassicError> {
        let (user, email) = (new.username.clone(), new.email.clone());
        match self.users.register(new).await {
            Ok(()) => {
                let event = What::Registered { user: user.clone(), email };
                Ok(Ok(Admitted { user, event }))
            }
            Err(UserStoreError::Taken) => Ok(Err(Denied::Taken)),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks a password.
    pub(super) async fn log_in(
        &self,
        email: &str,
        password: &[u8],
    ) -> Result<Result<Admitted, Denied>, ClassicError> {
        Ok(match self.users.by_email(email).await? {
            None => Err(Denied::Unknown),
            Some(user) if user.accepts(password) => {
                let event = What::LoggedIn { user: user.username.clone() };
                Ok(Admitted { user: user.username, event })
            }
            Some(_) => Err(Denied::WrongPassword),
        })
    }
}
