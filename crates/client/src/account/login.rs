//! From a home to a session: handshake with certificate, OPAQUE, epoch 1 (SE-5 to SE-8).

use std::sync::Arc;

use channel::{ClientConfig, LoginBinding, OpaqueSessionKey, ServerTrust, Suite};
use pki::{Chain, NoRevocations, Password, Usage, VerifiedCertificate};
use session::login::{ClientLogin, LoggedIn as Proof, LoginSecret, METHOD_OPAQUE, Parties};
use session::message::{Command, Reply, Role};

use crate::ClientError;
use crate::clock::Clock;
use crate::connection::{Address, Connection, Established, Events};
use crate::home::Owner;
use crate::reply::expect_reply;

/// A session in epoch 1.
pub(crate) struct LoggedIn {
    pub(crate) connection: Connection,
    pub(crate) events: Events,
    pub(crate) role: Role,
    /// The key that signs checkpoints now.
    pub(crate) log: (Chain, VerifiedCertificate),
    /// The key that cosigns checkpoints now.
    pub(crate) cosigner: (Chain, VerifiedCertificate),
    /// The server's time less ours at login, milliseconds.
    pub(crate) skew_ms: i64,
    /// OPAQUE's export key, which password and account give.
    pub(crate) export_key: LoginSecret,
}

/// Connects and logs in.
pub(crate) async fn log_in(
    owner: &Owner,
    address: &Address,
    password: Arc<Password>,
    clock: Clock,
) -> Result<LoggedIn, ClientError> {
    let config = ClientConfig {
        trust: ServerTrust::Anchors {
            store: Arc::clone(&owner.trust),
            organisation: owner.organisation.clone(),
            revocations: Arc::new(NoRevocations),
        },
        identity: Some(Arc::clone(&owner.identity)),
        suites: Suite::ALL.to_vec(),
    };
    let Established { connection, events, exporter, .. } = Connection::open(address, config, clock).await?;
    let outcome = prove(owner, &connection, &exporter, password, clock).await;
    match outcome {
        Ok((role, log, cosigner, skew_ms, export_key)) => {
            Ok(LoggedIn { connection, events, role, log, cosigner, skew_ms, export_key })
        }
        Err(error) => {
            connection.close().await;
            Err(error)
        }
    }
}

type Welcome = (Role, (Chain, VerifiedCertificate), (Chain, VerifiedCertificate), i64, LoginSecret);

async fn prove(
    owner: &Owner,
    connection: &Connection,
    exporter: &channel::Exporter,
    password: Arc<Password>,
    clock: Clock,
) -> Result<Welcome, ClientError> {
    let root = pki::sha256(&owner.root);
    let Proof { ke3, session_key, export_key } =
        challenge(connection, owner.user.as_str(), root, exporter, password, |ke1| Command::LoginStart {
            ke1,
        })
        .await?;
    let reply = connection.ask(Command::LoginFinish { ke3 }).await?;
    let (time, user, device, role, log, cosigner) = expect_reply!(reply,
        Reply::Welcome { time, user, device, role, log, cosigner } => (time, user, device, role, log, cosigner))?;
    if user != owner.user.as_str() || device != owner.device.as_str() {
        return Err(ClientError::Untrusted("the server welcomes somebody else".to_owned()));
    }
    let now = clock();
    let certified = |chain: Vec<minicbor::bytes::ByteVec>, usage| {
        let chain = Chain(chain.into_iter().map(Vec::from).collect());
        let certificate = owner.trust.verify_as_of(&chain, usage, now)?;
        Ok::<_, ClientError>((chain, certificate))
    };
    let log = certified(log, Usage::Log)?;
    let cosigner = certified(cosigner, Usage::Cosigner)?;
    connection
        .bind(LoginBinding {
            method: METHOD_OPAQUE,
            user: user.into_bytes(),
            device: device.into_bytes(),
            opaque_session_key: Some(OpaqueSessionKey::new(*session_key.as_bytes())),
        })
        .await?;
    let skew = i64::try_from(time).unwrap_or(i64::MAX).saturating_sub(i64::try_from(now).unwrap_or(i64::MAX));
    Ok((role, log, cosigner, skew, export_key))
}

/// OPAQUE up to its third message; Argon2id runs off the runtime's threads (SE-10).
pub(crate) async fn challenge(
    connection: &Connection,
    user: &str,
    root: [u8; 32],
    exporter: &channel::Exporter,
    password: Arc<Password>,
    start: impl FnOnce(Vec<u8>) -> Command,
) -> Result<Proof, ClientError> {
    let (login, ke1) = ClientLogin::start(password.expose())?;
    let ke2 = expect_reply!(connection.ask(start(ke1)).await?, Reply::LoginChallenge { ke2 } => ke2)?;
    let (user, exporter) = (user.to_owned(), *exporter.as_bytes());
    let done = tokio::task::spawn_blocking(move || {
        login.finish(password.expose(), &ke2, Parties { user: &user, root: &root }, &exporter)
    })
    .await
    .map_err(|_| ClientError::Cryptography)??;
    Ok(done)
}
