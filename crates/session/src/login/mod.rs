//! OPAQUE (RFC 9807) registration and login, both sides (SE-6, SE-7).
//!
//! The context carries the channel's exporter, so that a login relayed over another channel fails; the
//! session key goes into epoch 1, so that who holds only epoch 0 does not get the chat.

mod classic;
mod client;
mod server;

pub use classic::{ClassicHash, classic_identity, imported_credential, record_for};
pub use client::{ClientLogin, ClientRegistration, LoggedIn};
pub use server::{Challenge, PasswordRecord, ServerLogin, ServerSetup};

use opaque_ke::{CipherSuite, Identifiers};
use zeroize::Zeroizing;

/// Number of the OPAQUE login method in the channel's epoch 1 (SE-8).
pub const METHOD_OPAQUE: u8 = 1;
/// Bytes of OPAQUE's session key and export key.
pub const KEY_LEN: usize = 64;

/// 64 secret bytes of a login: the session key, which both sides share, or the export key, which the client alone has, from the same password
/// and record always the same.
pub struct LoginSecret(Zeroizing<[u8; KEY_LEN]>);

impl LoginSecret {
    /// The secret's bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    fn new(bytes: &[u8]) -> Result<Self, LoginError> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        if bytes.len() != KEY_LEN {
            return Err(LoginError::Malformed);
        }
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }
}

impl std::fmt::Debug for LoginSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginSecret(..)")
    }
}

/// Why a registration or login stopped.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum LoginError {
    /// A message has the wrong length or holds an invalid group element.
    #[error("an OPAQUE message that cannot be read")]
    Malformed,
    /// The other side's proof is wrong: wrong password, unknown user or another channel.
    #[error("wrong user or password")]
    Refused,
    /// The password's stretching failed for want of memory.
    #[error("the password cannot be processed: not enough memory")]
    Local,
}

/// Who takes part in a login (SE-6).
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// Canonical user name.
    pub user: &'a str,
    /// SHA-256 of the organisation's root certificate.
    pub root: &'a [u8; 32],
}

impl<'a> Parties<'a> {
    fn identifiers(&self) -> Identifiers<'a> {
        Identifiers { client: Some(self.user.as_bytes()), server: Some(self.root) }
    }
}

struct Suite;

impl CipherSuite for Suite {
    type OprfCs = opaque_ke::Ristretto255;
    type KeyExchange = opaque_ke::TripleDh<opaque_ke::Ristretto255, sha2::Sha512>;
    type Ksf = argon2::Argon2<'static>;
}

/// Argon2id, version 0x13, 19,456 KiB, 2 passes, 1 lane (SE-6).
fn stretching() -> Result<argon2::Argon2<'static>, LoginError> {
    let params = argon2::Params::new(19_456, 2, 1, None).map_err(|_| LoginError::Local)?;
    Ok(argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params))
}

fn context(exporter: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    const LABEL: &[u8] = b"countersign v1 login";
    let mut out = Zeroizing::new(Vec::with_capacity(LABEL.len() + exporter.len()));
    out.extend_from_slice(LABEL);
    out.extend_from_slice(exporter);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Account {
        setup: ServerSetup,
        record: PasswordRecord,
    }

    const ALICE: Parties<'_> = Parties { user: "alice", root: &[1; 32] };

    fn account(password: &str) -> Account {
        let setup = ServerSetup::generate();
        let (registration, request) = ClientRegistration::start(password).unwrap();
        let response = setup.registration_response("alice", &request).unwrap();
        let upload = registration.finish(password, &response, ALICE).unwrap();
        Account { record: PasswordRecord::from_upload(&upload).unwrap(), setup }
    }

    fn login(
        account: Option<&Account>,
        setup: &ServerSetup,
        password: &str,
        client: Parties<'_>,
        exporters: ([u8; 32], [u8; 32]),
    ) -> Result<(LoginSecret, LoginSecret), LoginError> {
        let (login, ke1) = ClientLogin::start(password)?;
        let Challenge { state, ke2 } =
            ServerLogin::start(setup, account.map(|a| &a.record), &ke1, ALICE, &exporters.0)?;
        let done = login.finish(password, &ke2, client, &exporters.1)?;
        Ok((state.finish(&done.ke3)?, done.session_key))
    }

    #[test]
    fn both_sides_share_a_key_only_with_the_right_password_user_root_and_channel() {
        let account = account("correct horse battery");
        let setup = &account.setup;
        let same = ([5; 32], [5; 32]);
        let (a, b) = login(Some(&account), setup, "correct horse battery", ALICE, same).unwrap();
        assert_eq!(a.as_bytes(), b.as_bytes());
        let refused = |r: Result<_, _>| assert_eq!(r.err(), Some(LoginError::Refused));
        refused(login(Some(&account), setup, "wrong horse battery", ALICE, same));
        refused(login(None, setup, "correct horse battery", ALICE, same));
        refused(login(
            Some(&account),
            setup,
            "correct horse battery",
            Parties { user: "bob", ..ALICE },
            same,
        ));
        refused(login(
            Some(&account),
            setup,
            "correct horse battery",
            Parties { root: &[2; 32], ..ALICE },
            same,
        ));
        refused(login(Some(&account), setup, "correct horse battery", ALICE, ([5; 32], [6; 32])));
        refused(login(Some(&account), &ServerSetup::generate(), "correct horse battery", ALICE, same));
    }

    #[test]
    fn setup_and_record_survive_storage() {
        let account = account("correct horse battery");
        let setup = ServerSetup::from_bytes(&account.setup.to_bytes()).unwrap();
        let record = PasswordRecord::from_bytes(account.record.as_bytes()).unwrap();
        let account = Account { setup, record };
        assert!(
            login(Some(&account), &account.setup, "correct horse battery", ALICE, ([5; 32], [5; 32])).is_ok()
        );
        assert!(ServerSetup::from_bytes(&[0; 3]).is_err());
        assert!(PasswordRecord::from_bytes(&[0; 3]).is_err());
    }

    #[test]
    fn the_answer_for_an_unknown_user_has_the_same_size() {
        let account = account("correct horse battery");
        let (_, ke1) = ClientLogin::start("correct horse battery").unwrap();
        let known =
            ServerLogin::start(&account.setup, Some(&account.record), &ke1, ALICE, &[5; 32]).unwrap().ke2;
        let unknown = ServerLogin::start(&account.setup, None, &ke1, ALICE, &[5; 32]).unwrap().ke2;
        assert_eq!(known.len(), unknown.len());
    }
}
