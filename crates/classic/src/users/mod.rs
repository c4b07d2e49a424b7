//! Users of the classic servers and where they are kept (CL-60 to CL-74).
//!
//! - [`open`]: the store at a place that was typed; [`export`]: all that is in it.
//! - [`UserStore`]: what a server asks of a store, one whole operation a method.
//! - [`memory`], [`credentials_file`], [`mysql`]: the stores.
//! - [`limits`]: the size of everything.
//!
//! Called by the servers of this crate and, for moving users into the product, by the program.

pub mod credentials_file;
mod error;
mod hash;
pub mod limits;
pub mod memory;
pub mod mysql;
mod place;
mod record;

use std::sync::Arc;

use async_trait::async_trait;

pub use error::UserStoreError;
pub use hash::PasswordHash;
pub use record::{BadRow, ImportedUser, NewUser, OutOfBounds, StoredUser};

use credentials_file::CredentialsFile;
use memory::MemoryUsers;
use mysql::MySqlUsers;
use place::Place;

/// Where a classic server's users are. Shared by all its connections.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Adds a user, whole or not at all (CL-63).
    ///
    /// # Errors
    /// [`UserStoreError::Taken`]; values out of bounds; that the store failed.
    async fn register(&self, user: NewUser) -> Result<(), UserStoreError>;

    /// The user of an e-mail address, compared as the store does it (CL-64).
    ///
    /// # Errors
    /// [`UserStoreError::Malformed`] if the row is no user; that the store failed.
    async fn by_email(&self, email: &str) -> Result<Option<StoredUser>, UserStoreError>;

    /// The user of a name, compared as the store does it (CL-64).
    ///
    /// # Errors
    /// As of [`Self::by_email`].
    async fn by_username(&self, username: &str) -> Result<Option<StoredUser>, UserStoreError>;

    /// Every row, at most [`limits::MAX_EXPORTED_USERS`]; one that is no user stands there as such (CL-65).
    ///
    /// # Errors
    /// That the store failed or has more rows.
    async fn all(&self) -> Result<Vec<Result<StoredUser, BadRow>>, UserStoreError>;
}

/// Opens the store that a text names (CL-62) for a server: it is read once, so that what is wrong shows at the start.
///
/// # Errors
/// The text names no place; what the store says.
pub async fn open(text: &str) -> Result<Arc<dyn UserStore>, UserStoreError> {
    Ok(match Place::parse(text)? {
        Place::MySql(url) => Arc::new(MySqlUsers::connect(url).await?),
        Place::File(path) => Arc::new(CredentialsFile::open(path).await?),
        Place::Memory => Arc::new(MemoryUsers::default()),
    })
}

/// All users at the place that a text names (CL-62), to be taken elsewhere; rows that are no users stand among them (CL-65).
///
/// # Errors
/// The text names no place that lasts; what the store says.
pub async fn export(text: &str) -> Result<Vec<Result<ImportedUser, BadRow>>, UserStoreError> {
    let rows = match Place::parse(text)? {
        Place::MySql(url) => mysql::read_all(url).await?,
        Place::File(path) => CredentialsFile::existing(path).await?.all().await?,
        Place::Memory => return Err(UserStoreError::BadPlace("`memory` holds nobody before a server runs")),
    };
    Ok(rows.into_iter().map(|row| row.map(ImportedUser::from)).collect())
}
