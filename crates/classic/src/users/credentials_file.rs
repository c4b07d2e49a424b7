//! `server_credentials.json` of the `broadcast` protocol (CL-66 to CL-68).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use super::limits::{MAX_CREDENTIALS_FILE, MAX_EXPORTED_USERS};
use super::{BadRow, NewUser, StoredUser, UserStore, UserStoreError};
use crate::platform;

/// A file of users. It is read anew for every operation, so that what other programs add is seen.
pub struct CredentialsFile {
    path: PathBuf,
}

/// Entries by name, as they stand in the file.
type Entries = BTreeMap<String, Box<RawValue>>;

#[derive(Serialize, Deserialize)]
struct Entry {
    salt: String,
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl CredentialsFile {
    /// Of a path where there is a file of users, or none yet.
    ///
    /// # Errors
    /// The file cannot be read, or is no file of users.
    pub async fn open(path: &Path) -> Result<Self, UserStoreError> {
        // Renamed over is the file itself, not a link to it.
        let store = Self { path: fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()) };
        store.blocking(|path| read(path).map(drop)).await?;
        Ok(store)
    }

    /// Of a path where there is a file of users.
    ///
    /// # Errors
    /// As of [`Self::open`]; there is none.
    pub async fn existing(path: &Path) -> Result<Self, UserStoreError> {
        if let Err(source) = fs::metadata(path) {
            return Err(UserStoreError::Io { action: "read", path: path.to_owned(), source });
        }
        Self::open(path).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Path) -> Result<T, UserStoreError> + Send + 'static,
    ) -> Result<T, UserStoreError> {
        let path = self.path.clone();
        let done = spawn_blocking(move || act(&path)).await;
        done.unwrap_or_else(|e| Err(failed("use", &self.path)(io::Error::other(e))))
    }
}

#[async_trait]
impl UserStore for CredentialsFile {
    async fn register(&self, user: NewUser) -> Result<(), UserStoreError> {
        user.check()?;
        self.blocking(move |path| add(path, &user)).await
    }

    async fn by_email(&self, email: &str) -> Result<Option<StoredUser>, UserStoreError> {
        let email = email.to_owned();
        self.blocking(move |path| {
            let entries = read(path)?;
            let found = entries.iter().find(|(_, entry)| email_of(entry).is_some_and(|e| e == email));
            Ok(found.map(|(name, entry)| parse(name, entry)).transpose()?)
        })
        .await
    }

    async fn by_username(&self, username: &str) -> Result<Option<StoredUser>, UserStoreError> {
        let username = username.to_owned();
        self.blocking(move |path| {
            let entries = read(path)?;
            Ok(entries.get(&username).map(|entry| parse(&username, entry)).transpose()?)
        })
        .await
    }

    async fn all(&self) -> Result<Vec<Result<StoredUser, BadRow>>, UserStoreError> {
        self.blocking(|path| {
            let entries = read(path)?;
            if entries.len() > MAX_EXPORTED_USERS {
                return Err(UserStoreError::TooMany(MAX_EXPORTED_USERS));
            }
            Ok(entries.iter().map(|(name, entry)| parse(name, entry)).collect())
        })
        .await
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UserStoreError {
    let path = path.to_owned();
    move |source| UserStoreError::Io { action, path, source }
}

/// The entries of the file; none if there is no file (CL-66).
fn read(path: &Path) -> Result<Entries, UserStoreError> {
    let bad = |why: String| UserStoreError::BadFile { path: path.to_owned(), why };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Entries::new()),
        Err(e) => return Err(failed("read", path)(e)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_CREDENTIALS_FILE as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() > MAX_CREDENTIALS_FILE {
        return Err(bad("it has more than 16 MiB".into()));
    }
    // The place alone: the words of the parser may quote what stands there.
    serde_json::from_slice(&bytes)
        .map_err(|e| bad(format!("no JSON object of users, line {} column {}", e.line(), e.column())))
}

fn email_of(entry: &RawValue) -> Option<String> {
    serde_json::from_str::<Entry>(entry.get()).ok()?.email
}

fn parse(name: &str, entry: &RawValue) -> Result<StoredUser, BadRow> {
    let bad = |why: String| BadRow { row: format!("{name:?}"), why };
    let entry: Entry = serde_json::from_str(entry.get())
        .map_err(|_| bad("its entry is not {\"salt\": text, \"hash\": text}".into()))?;
    let salt = STANDARD.decode(&entry.salt).map_err(|_| bad("the salt is not base64".into()))?;
    if entry.hash.len() != 64 {
        return Err(bad("the hash is not 64 hexadecimal digits".into()));
    }
    StoredUser::parse(entry.email, name.to_owned(), salt, entry.hash.as_bytes()).map_err(bad)
}

/// Adds a user and replaces the file (CL-68).
fn add(path: &Path, user: &NewUser) -> Result<(), UserStoreError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let locked = platform::lock_folder(folder).map_err(failed("lock", folder))?;
    let mut entries = read(path)?;
    let email_taken = user.email.is_some() && entries.values().any(|entry| email_of(entry) == user.email);
    if email_taken || entries.contains_key(&user.username) {
        return Err(UserStoreError::Taken);
    }
    let entry = Entry {
        salt: STANDARD.encode(user.salt),
        hash: user.hash.to_hex().to_string(),
        email: user.email.clone(),
    };
    let unwritable = |e: serde_json::Error| failed("write", path)(e.into());
    entries.insert(user.username.clone(), serde_json::value::to_raw_value(&entry).map_err(unwritable)?);
    let bytes = serde_json::to_vec(&entries).map_err(unwritable)?;
    if bytes.len() > MAX_CREDENTIALS_FILE {
        return Err(UserStoreError::Full("the file would have more than 16 MiB; keep them in a database"));
    }
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed("write into", folder))?;
    file.write_all(&bytes)
        .and_then(|()| file.as_file().sync_all())
        .and_then(|()| file.persist(path).map_err(io::Error::from))
        .and_then(|_| platform::sync_folder(&locked))
        .map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// Written by Python's `json.dump` with salt `b"0123456789abcdef"` and password `secret`.
    const EXISTING: &str =
        r#"{"bob": {"salt": "MDEyMzQ1Njc4OWFiY2RlZg==", "hash": "HASH", "since":  1e3}, "eve": {"salt": 7}}"#;

    fn existing() -> String {
        EXISTING
            .replace("HASH", &super::super::PasswordHash::compute(b"0123456789abcdef", b"secret").to_hex())
    }

    fn ann(email: Option<&str>) -> NewUser {
        NewUser::with_password(email.map(str::to_owned), "ann".into(), [7; 16], b"pw").unwrap()
    }

    #[tokio::test]
    async fn cl68_entries_of_others_stay_byte_for_byte_and_the_file_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server_credentials.json");
        fs::write(&path, existing()).unwrap();
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let store = CredentialsFile::open(&link).await.unwrap();
        store.register(ann(Some("ann@x"))).await.unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let (bob, eve) = existing()
            .split_once(", \"eve\": ")
            .map(|(b, e)| (b[8..].to_owned(), e[..11].to_owned()))
            .unwrap();
        assert!(text.contains(&bob) && text.contains(&eve), "{text}\n{bob}\n{eve}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no other file is left");
        assert!(store.by_username("bob").await.unwrap().unwrap().accepts(b"secret"));
        assert!(store.by_email("ann@x").await.unwrap().unwrap().accepts(b"pw"));
        assert!(matches!(store.register(ann(None)).await, Err(UserStoreError::Taken)));
    }

    #[tokio::test]
    async fn cl65_an_entry_that_is_no_user_is_an_error_at_its_own_login() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        fs::write(&path, existing()).unwrap();
        let store = CredentialsFile::open(&path).await.unwrap();
        let error = store.by_username("eve").await.unwrap_err().to_string();
        assert_eq!(error, "\"eve\" is no user: its entry is not {\"salt\": text, \"hash\": text}");
        let all = store.all().await.unwrap();
        assert_eq!(all.iter().filter(|row| row.is_ok()).count(), 1);
        assert_eq!(all.len(), 2);
    }

    #[tokio::test]
    async fn cl67_a_file_that_cannot_be_read_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let large = format!("{}{{}}", " ".repeat(MAX_CREDENTIALS_FILE));
        let store = CredentialsFile::open(&path).await.unwrap();
        for text in ["", "[]", "{\"a\":", "{} x", "\u{feff}{}", "{\"a\":{\"hash\":\"topsecret\"}", &large] {
            fs::write(&path, text).unwrap();
            let error = store.register(ann(None)).await.unwrap_err();
            assert!(matches!(error, UserStoreError::BadFile { .. }), "{text}: {error}");
            assert!(!error.to_string().contains("topsecret"), "{error}");
            assert!(matches!(CredentialsFile::open(&path).await, Err(UserStoreError::BadFile { .. })));
            assert!(fs::read_to_string(&path).unwrap() == text);
        }
    }

    #[tokio::test]
    async fn cl61_a_registration_that_would_make_the_file_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let text = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_CREDENTIALS_FILE - 8));
        fs::write(&path, &text).unwrap();
        let store = CredentialsFile::open(&path).await.unwrap();
        assert!(matches!(store.register(ann(None)).await, Err(UserStoreError::Full(_))));
        assert!(fs::read_to_string(&path).unwrap() == text);
    }

    #[tokio::test]
    async fn cl66_a_folder_that_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let store = CredentialsFile::open(&folder.path().join("none/users.json")).await.unwrap();
        assert!(matches!(store.register(ann(None)).await, Err(UserStoreError::Io { action: "lock", .. })));
        let there = CredentialsFile::existing(&folder.path().join("users.json")).await;
        assert!(matches!(there, Err(UserStoreError::Io { action: "read", .. })));
    }
}
