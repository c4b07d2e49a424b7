//! The messages of the handshake (CL-21).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::ClassicError;
use crate::cianr::{digits, number};
use crate::dh::{Group, Number};

/// Row 1: the client's certificate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello")]
pub struct Hello {
    /// PEM, base64.
    pub client_cert: String,
}

/// Row 2: the server's certificate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "server_hello")]
pub struct ServerHello {
    /// PEM, base64.
    pub server_cert: String,
}

/// Row 3: the client's value for `k_auth`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "auth_dh_init")]
pub struct AuthDhInit {
    /// Decimal digits; an integer is read too.
    #[serde(rename = "A_client", deserialize_with = "digits")]
    pub a_client: String,
}

/// Row 4: the server's value for `k_auth`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "auth_dh_reply")]
pub struct AuthDhReply {
    /// Decimal digits; an integer is read too.
    #[serde(rename = "B_server", deserialize_with = "digits")]
    pub b_server: String,
}

/// Row 5: the credentials under `k_auth`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "auth_cred_encrypted")]
pub struct AuthCredentials {
    /// Vector and ciphertext, base64.
    pub payload: String,
}

/// What stands in [`AuthCredentials`].
#[derive(Serialize, Deserialize)]
pub struct Credentials {
    /// `register` or `login`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// E-mail address.
    #[serde(default)]
    pub email: String,
    /// User name, to register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password.
    #[serde(default)]
    pub password: Zeroizing<String>,
}

/// Row 6: what the server says to the credentials, in clear.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "auth_response")]
pub struct AuthResponse {
    /// `ok` or `error`.
    pub status: String,
    /// One of the texts of CL-22.
    pub message: String,
}

/// Row 7: group and value of the client for `k_chat`.
#[derive(Serialize)]
pub struct DhClient {
    #[serde(rename = "type")]
    kind: &'static str,
    g: Box<RawValue>,
    p: Box<RawValue>,
    #[serde(rename = "A")]
    a: String,
}

/// Row 7 as it is read: JSON integers of any size, or their digits as strings.
#[derive(Deserialize)]
pub struct DhClientReceived<'a> {
    #[serde(borrow)]
    g: &'a RawValue,
    #[serde(borrow)]
    p: &'a RawValue,
    #[serde(borrow, rename = "A")]
    a: &'a RawValue,
}

/// Row 8: value of the server for `k_chat`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "dh_server")]
pub struct DhServer {
    /// Decimal digits; an integer is read too.
    #[serde(rename = "B", deserialize_with = "digits")]
    pub b: String,
}

impl DhClient {
    /// A client's group and value.
    ///
    /// # Errors
    /// None in practice: numbers are JSON.
    pub fn new(group: &Group, value: &Number) -> Result<Self, ClassicError> {
        let raw =
            |number: &Number| RawValue::from_string(number.to_decimal()).map_err(ClassicError::malformed);
        Ok(Self {
            kind: "dh_client",
            g: raw(group.generator())?,
            p: raw(group.prime())?,
            a: value.to_decimal(),
        })
    }
}

impl DhClientReceived<'_> {
    /// The client's value.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`].
    pub fn value(&self) -> Result<Number, ClassicError> {
        number(self.a)
    }

    /// Refuses another group than `group`.
    ///
    /// # Errors
    /// [`ClassicError::DiffieHellman`].
    pub fn check(&self, group: &Group) -> Result<(), ClassicError> {
        let same = number(self.p)? == *group.prime() && number(self.g)? == *group.generator();
        if same { Ok(()) } else { Err(ClassicError::DiffieHellman("it is of another group than ours")) }
    }
}
