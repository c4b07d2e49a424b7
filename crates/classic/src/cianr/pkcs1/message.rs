//! The messages of the handshake (CL-30). The exchange of values is [`DhClient`](crate::cianr::pss::message::DhClient)'s,
//! with every number a JSON integer.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::ClassicError;
use crate::cianr::number;
use crate::dh::{Group, Number};

/// Row 1: the client's certificate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello")]
pub struct Hello {
    /// PEM; base64 of it is read too.
    pub client_cert: String,
    /// 16 random bytes, base64. Nobody looks at them.
    #[serde(default)]
    pub nonce: String,
}

/// Row 2: the server's certificate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "server_hello")]
pub struct ServerHello {
    /// PEM; base64 of it is read too.
    pub server_cert: String,
    /// 16 random bytes, base64. Nobody looks at them.
    #[serde(default)]
    pub nonce: String,
}

/// Rows 3 and 7: group and value of the client.
#[derive(Serialize)]
pub struct DhClient {
    #[serde(rename = "type")]
    kind: &'static str,
    g: Box<RawValue>,
    p: Box<RawValue>,
    #[serde(rename = "A")]
    a: Box<RawValue>,
}

impl DhClient {
    /// A client's group and value.
    ///
    /// # Errors
    /// None in practice: numbers are JSON.
    pub fn new(group: &Group, value: &Number) -> Result<Self, ClassicError> {
        Ok(Self { kind: "dh_client", g: raw(group.generator())?, p: raw(group.prime())?, a: raw(value)? })
    }
}

/// Rows 4 and 8: value of the server.
#[derive(Serialize)]
pub struct DhServer {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "B")]
    b: Box<RawValue>,
}

impl DhServer {
    /// A server's value.
    ///
    /// # Errors
    /// None in practice: numbers are JSON.
    pub fn new(value: &Number) -> Result<Self, ClassicError> {
        Ok(Self { kind: "dh_server", b: raw(value)? })
    }
}

/// Rows 4 and 8 as they are read: an integer, or its digits as a string.
#[derive(Deserialize)]
pub struct DhServerReceived<'a> {
    #[serde(borrow, rename = "B")]
    b: &'a RawValue,
}

impl DhServerReceived<'_> {
    /// The server's value.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`].
    pub fn value(&self) -> Result<Number, ClassicError> {
        number(self.b)
    }
}

fn raw(number: &Number) -> Result<Box<RawValue>, ClassicError> {
    RawValue::from_string(number.to_decimal()).map_err(ClassicError::malformed)
}

/// Row 5 before it is encrypted.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Credentials {
    /// A new account; salt and hash are made by the client.
    Register {
        /// E-mail address.
        email: String,
        /// Name.
        username: String,
        /// Base64 of the hexadecimal digits of SHA-256(salt | password).
        pwd: Zeroizing<String>,
        /// Base64.
        salt: String,
    },
    /// A login.
    Login {
        /// E-mail address.
        email: String,
        /// Base64 of the password.
        pwd: Zeroizing<String>,
        /// 16 random bytes, base64. Nobody looks at them.
        #[serde(default)]
        nonce: String,
    },
}

/// Row 6: the good answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "success")]
pub struct Success {
    /// For a person.
    #[serde(default)]
    pub message: String,
}

/// Row 6: the other one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "error")]
pub struct Failure {
    /// A word for a program.
    pub code: String,
    /// For a person.
    pub message: String,
}
