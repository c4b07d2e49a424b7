//! The messages of both ports (CL-34).

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Accounts, row 1: the client's certificate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello")]
pub struct Hello {
    /// PEM, base64.
    pub cert: String,
    /// 16 random bytes, base64. Nobody looks at them.
    #[serde(default)]
    pub nonce: String,
}

/// Accounts, row 2: the server's certificate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "hello_ack")]
pub struct HelloAck {
    /// PEM, base64.
    pub cert: String,
    /// 16 random bytes, base64. Nobody looks at them.
    #[serde(default)]
    pub nonce: String,
}

/// Accounts, row 3: group and value of the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "dh_params")]
pub struct AccountParameters {
    /// The prime, `0x…`.
    pub p: String,
    /// The generator, `0x…`.
    pub g: String,
    /// The server's value, `0x…`.
    pub server_pub: String,
}

/// Accounts, row 4: value of the client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "dh_client_pub")]
pub struct AccountValue {
    /// `0x…`.
    pub client_pub: String,
}

/// Accounts, rows 5 and 6: credentials and answer, encrypted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "enc")]
pub struct Enc {
    /// The vector, base64.
    pub iv: String,
    /// The ciphertext, base64.
    pub ct: String,
}

/// What stands in row 5.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Credentials {
    /// A new account.
    Register {
        /// E-mail address.
        email: String,
        /// Name.
        username: String,
        /// Password, base64.
        pwd: Zeroizing<String>,
    },
    /// A login.
    Login {
        /// E-mail address.
        email: String,
        /// Password, base64.
        pwd: Zeroizing<String>,
    },
}

/// What stands in row 6.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// `ok` or `error`.
    pub status: String,
    /// For a person.
    #[serde(default)]
    pub msg: String,
}

/// Chat, rows 1 and 2: a certificate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "cert")]
pub struct Cert {
    /// PEM, base64.
    pub cert: String,
}

/// Chat, row 3: group and value of the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "dh_params")]
pub struct ChatParameters {
    /// The prime, `0x…`.
    pub p: String,
    /// The generator, `0x…`.
    pub g: String,
    /// The server's value, `0x…`.
    pub y: String,
}

/// Chat, row 4: value of the client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "dh_pub")]
pub struct ChatValue {
    /// `0x…`.
    pub y: String,
}
