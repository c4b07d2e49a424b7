//! The handshakes of `cianr-line`: accounts on one port, the chat on another (CL-34).

pub mod client;
pub mod message;
pub mod server;

use zeroize::Zeroizing;

use crate::ClassicError;
use crate::cipher::{BLOCK_LEN, CipherKey};
use crate::json::{self, base64, from_base64};
use message::Enc;

/// Seals a message of the accounts port.
fn seal(key: &CipherKey, message: &impl serde::Serialize) -> Result<Enc, ClassicError> {
    let mut iv = [0; BLOCK_LEN];
    aws_lc_rs::rand::fill(&mut iv)?;
    let text = Zeroizing::new(json::write(message)?);
    Ok(Enc { iv: base64(iv), ct: base64(key.cbc(&iv, &text)?) })
}

/// Opens a message of the accounts port.
fn open<T: serde::de::DeserializeOwned>(key: &CipherKey, sealed: &Enc) -> Result<T, ClassicError> {
    let bytes = |field| from_base64(field).map_err(|_| ClassicError::Decryption);
    let iv = bytes(&sealed.iv)?.try_into().map_err(|_| ClassicError::Decryption)?;
    let text = key.open_cbc_under(&iv, &bytes(&sealed.ct)?)?;
    json::read(&text).map_err(|_| ClassicError::Decryption)
}
