//! The messages of a room (CL-50).

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::ClassicError;
use crate::limits::MAX_CREDENTIAL;

/// What a client sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Asks for an account.
    Register(Credentials),
    /// Asks to be let in.
    Login(Credentials),
    /// Answers the server's public value.
    DhKey {
        /// Base64 of a SubjectPublicKeyInfo, PEM.
        public_key: String,
    },
    /// Says something.
    Message {
        /// Base64 of `IV | ciphertext`.
        data: String,
    },
}

/// What a server sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Answers a registration.
    RegisterResponse {
        /// Whether there is an account now.
        success: bool,
        /// The same in words.
        message: String,
    },
    /// Answers a login.
    LoginResponse {
        /// Whether the client is let in.
        success: bool,
        /// The same in words.
        message: String,
        /// With success, base64 of the group, PEM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dh_params: Option<String>,
        /// With success, base64 of a SubjectPublicKeyInfo, PEM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_key: Option<String>,
    },
    /// Passes on what somebody said, or who came and went.
    Message {
        /// Base64 of `IV | ciphertext`.
        data: String,
    },
}

/// A name and a password, in the clear.
#[derive(Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Password,
}

impl Credentials {
    /// Refuses what is longer than [`MAX_CREDENTIAL`].
    pub(super) fn check(self) -> Result<Self, ClassicError> {
        if self.username.len().max(self.password.0.len()) > MAX_CREDENTIAL {
            return Err(ClassicError::Limit { what: "bytes in a name or password", limit: MAX_CREDENTIAL });
        }
        Ok(self)
    }
}

/// A password; cleared when dropped, never printed. It travels in the clear all the same.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Takes the text as it is.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for who has to compare it or has overheard it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    fn credentials() -> Credentials {
        Credentials { username: "ann".into(), password: Password::new("secret".into()) }
    }

    #[test]
    fn cl50_messages_have_these_bytes() {
        let client = [
            (
                ClientMessage::Register(credentials()),
                r#"{"type": "register", "username": "ann", "password": "secret"}"#,
            ),
            (
                ClientMessage::Login(credentials()),
                r#"{"type": "login", "username": "ann", "password": "secret"}"#,
            ),
            (ClientMessage::DhKey { public_key: "a".into() }, r#"{"type": "dh_key", "public_key": "a"}"#),
            (ClientMessage::Message { data: "a".into() }, r#"{"type": "message", "data": "a"}"#),
        ];
        for (message, text) in client {
            assert_eq!(String::from_utf8(json::write(&message).unwrap()).unwrap(), text);
            let read: ClientMessage = json::read(text.as_bytes()).unwrap();
            assert_eq!(json::write(&read).unwrap(), text.as_bytes());
            assert!(!format!("{read:?}").contains("secret"));
        }
        let login = |success, field: Option<&str>| ServerMessage::LoginResponse {
            success,
            message: "m".into(),
            dh_params: field.map(str::to_owned),
            public_key: field.map(str::to_owned),
        };
        let server = [
            (
                ServerMessage::RegisterResponse { success: true, message: "m".into() },
                r#"{"type": "register_response", "success": true, "message": "m"}"#,
            ),
            (login(false, None), r#"{"type": "login_response", "success": false, "message": "m"}"#),
            (
                login(true, Some("a")),
                r#"{"type": "login_response", "success": true, "message": "m", "dh_params": "a", "public_key": "a"}"#,
            ),
            (ServerMessage::Message { data: "a".into() }, r#"{"type": "message", "data": "a"}"#),
        ];
        for (message, text) in server {
            assert_eq!(String::from_utf8(json::write(&message).unwrap()).unwrap(), text);
            let read: ServerMessage = json::read(text.as_bytes()).unwrap();
            assert_eq!(json::write(&read).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn cl2_long_names_and_passwords_are_refused() {
        let of = |name: usize, password: usize| Credentials {
            username: "a".repeat(name),
            password: Password::new("a".repeat(password)),
        };
        of(MAX_CREDENTIAL, MAX_CREDENTIAL).check().unwrap();
        assert!(matches!(of(MAX_CREDENTIAL + 1, 1).check(), Err(ClassicError::Limit { .. })));
        assert!(matches!(of(1, MAX_CREDENTIAL + 1).check(), Err(ClassicError::Limit { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            prop_assert!(json::read::<ClientMessage>(&bytes).is_err());
            prop_assert!(json::read::<ServerMessage>(&bytes).is_err());
        }
    }
}
