//! Who has code and password adds this machine as a device, by the word of the recovery key (GR-33).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evidence::Hash;
use minicbor::bytes::ByteArray;
use pki::{Name, Password};
use session::link::RecoveryAddress;
use session::message::{Command, Reply};
use tokio::sync::watch;

use super::record::RecoveryKey;
use super::{RecoveryCode, context};
use crate::account::{challenge, connect_to, name};
use crate::client::FIRST_LOGIN_POLL;
use crate::clock::system_clock;
use crate::connection::Address;
use crate::home::{Home, make_home};
use crate::reply::expect_reply;
use crate::vault::Profile;
use crate::{Client, ClientError, ClientOptions, Progress, join_device};

const SUFFIX: &str = ".recovering";

/// Adds this machine as a new device of a user by the address and code of a recovery key, and makes a home in `folder`, to which
/// the history of all earlier devices is open.
///
/// # Errors
/// [`ClientError::Login`] if password or code are not this user's, or the recovery key was revoked; [`ClientError`]. `folder` has no home then, except if the device was
/// made and the history keys did not reach it: it stays, and the error says so.
pub async fn recover(
    folder: &Path,
    address: &RecoveryAddress,
    code: &RecoveryCode,
    device: &str,
    password: Password,
) -> Result<Home, ClientError> {
    let device = name(device, "device name")?;
    if device.is_recovery_key() {
        return Err(ClientError::Input("a device cannot have the name of a recovery key".to_owned()));
    }
    let aside = Aside::beside(folder)?;
    if Home::exists(folder) {
        return Err(ClientError::HomeExists(folder.to_owned()));
    }
    let password = Arc::new(password);
    let (key, profile) = open_record(address, code, &password).await?;
    let RecoveryKey { key, packages, .. } = key;
    let home = make_home(&aside.0, &profile, &key, packages, Arc::clone(&password)).await?;
    let paper = Client::start(home, ClientOptions::default()).await?;
    let outcome = add_device(&paper, folder, &device, &password).await;
    paper.close().await;
    outcome
}

/// The recovery key acts in a home of its own, which goes with the last of it.
struct Aside(PathBuf);

impl Aside {
    fn beside(folder: &Path) -> Result<Self, ClientError> {
        let last = folder
            .file_name()
            .ok_or_else(|| ClientError::Input(format!("{} cannot be a home", folder.display())))?;
        let mut last = OsString::from(last);
        last.push(SUFFIX);
        let aside = Self(folder.with_file_name(last));
        // An earlier try was killed.
        if aside.0.exists() {
            std::fs::remove_dir_all(&aside.0)?;
        }
        Ok(aside)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("{} is to be removed: {error}", self.0.display());
        }
    }
}

/// Gets the record from the server and opens it (SE-42).
async fn open_record(
    address: &RecoveryAddress,
    code: &RecoveryCode,
    password: &Arc<Password>,
) -> Result<(RecoveryKey, Profile), ClientError> {
    let user = name(&address.user, "user name")?;
    let context = context(&address.root, &user);
    let token = code.token(&context)?;
    let server = Address { host: address.host.clone(), port: address.port };
    let session = connect_to(&server, address.root).await?;
    let start = |ke1| Command::RecoveryStart { token: token.to_vec(), user: user.to_string(), ke1 };
    let proof = challenge(
        &session.connection,
        user.as_str(),
        address.root,
        &session.exporter,
        Arc::clone(password),
        start,
    )
    .await?;
    let reply = session.connection.ask(Command::RecoveryOpen { ke3: proof.ke3 }).await?;
    session.connection.close().await;
    let sealed = expect_reply!(reply, Reply::Recovery { sealed } => sealed)?;
    let key = RecoveryKey::open(&sealed, code, &proof.export_key, &context)?;
    let profile = Profile {
        organisation: session.server_organisation.to_string(),
        user: user.to_string(),
        device: Name::of_recovery_key(key.key.public()).to_string(),
        host: server.host,
        port: server.port,
        root: session.root,
        chain: key.chain.0.iter().map(|der| der.clone().into()).collect(),
        joined_ms: system_clock(),
        first: false,
    };
    Ok((key, profile))
}

async fn add_device(
    paper: &Client,
    folder: &Path,
    device: &Name,
    password: &Arc<Password>,
) -> Result<Home, ClientError> {
    paper.ready().await?;
    paper.history_read().await;
    let (link, _) = paper.create_device_link().await?;
    let (id, text) = (pki::sha256(&link.token), link.format());
    let (shown, code) = watch::channel(None);
    let joining = async {
        let copy = Password::new(password.expose().to_owned());
        let show = |progress| {
            let Progress::Waiting { code } = progress;
            shown.send_replace(Some(code));
        };
        let joined = join_device(folder, &text, device.as_str(), copy, show).await;
        drop(shown);
        joined
    };
    let approving = async {
        let mut code = code;
        let Ok(code) = code.wait_for(Option::is_some).await.map(|code| code.clone()) else { return Ok(()) };
        loop {
            let requests = paper.device_requests().await?;
            // Here both sides are one: what is compared is the key.
            match requests.iter().find(|request| request.id == id) {
                Some(request) if Some(&request.code) == code.as_ref() => {
                    return paper.approve_device(request).await;
                }
                Some(_) => {
                    let text = "the server shows another key than that of this device".to_owned();
                    return Err(ClientError::Untrusted(text));
                }
                None => tokio::time::sleep(FIRST_LOGIN_POLL).await,
            }
        }
    };
    let home = match tokio::try_join!(joining, approving) {
        Ok((home, ())) => home,
        Err(error) => {
            // The link is of no use to anybody any more.
            paper.deny(id).await;
            return Err(error);
        }
    };
    let given = paper.has_history_of(&home).await?;
    if !given {
        return Err(ClientError::Failed {
            code: session::message::FailureCode::Unavailable,
            message: "this device is yours, but what opens your history did not reach it; recover once more, into another home".to_owned(),
            retry_ms: None,
        });
    }
    Ok(home)
}

impl Client {
    /// Takes back a link for a device, as far as that can be done.
    async fn deny(&self, id: Hash) {
        if let Ok(session) = self.core().session() {
            let deny = Command::DeviceDeny { id: ByteArray::from(id) };
            if let Err(error) = session.connection.ask(deny).await {
                tracing::info!("the link stays open until it expires: {error}");
            }
        }
    }

    /// Whether a device of this user has been given all history keys that this one has.
    async fn has_history_of(&self, home: &Home) -> Result<bool, ClientError> {
        let core = self.core();
        let given = core.give_history_keys(&*core.session()?).await?;
        Ok(given.get(&home.owner.certificate.hash()) == Some(&true))
    }
}
