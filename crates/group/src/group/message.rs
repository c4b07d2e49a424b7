//! Messages: sealing and opening (GR-13 to GR-15).

use openmls::prelude::{MlsMessageBodyIn, ProcessedMessageContent, ProtocolMessage, Sender};
use zeroize::Zeroizing;

use super::change::refused;
use super::{Group, bytes_of, library, parse};
use crate::credential::{Device, certificate_hash};
use crate::error::{GroupError, Refusal};
use crate::provider::Provider;

/// The authenticated data of a message (GR-13): room, certificate of the sender, its number and the commitment, 104 bytes.
pub fn context(room: &[u8; 32], certificate: &[u8; 32], seq: u64, commitment: &[u8; 32]) -> Vec<u8> {
    [room.as_slice(), certificate, &seq.to_be_bytes(), commitment].concat()
}

impl Group {
    /// Seals content for the group; `context` is authenticated beside it and shows (GR-13). Its key is used once: what it changes must be stored
    /// before the result is sent.
    ///
    /// # Errors
    /// [`Refusal::Membership`] if this device is not in the group.
    pub fn seal(
        &mut self,
        provider: &Provider,
        device: &Device<'_>,
        context: &[u8],
        content: &[u8],
    ) -> Result<Vec<u8>, GroupError> {
        if !self.group.is_active() {
            return Err(Refusal::Membership.into());
        }
        self.group.set_aad(context.to_vec());
        let message = self.group.create_message(provider, device, content).map_err(library);
        self.group.set_aad(Vec::new());
        bytes_of(&message?)
    }

    /// Opens another device's message, which opens once.
    ///
    /// # Errors
    /// [`GroupError::Malformed`], [`GroupError::Refused`].
    pub fn open(
        &mut self,
        provider: &Provider,
        message: &[u8],
        context: &[u8],
        sender: &[u8; 32],
    ) -> Result<Zeroizing<Vec<u8>>, GroupError> {
        const WHAT: &str = "message";
        let MlsMessageBodyIn::PrivateMessage(message) = parse(message, WHAT)? else {
            return Err(GroupError::Malformed(WHAT));
        };
        // Before a key is used: a ciphertext under a statement that is not its own must still open under its own.
        let foreign = message.aad() != context;
        let message = ProtocolMessage::from(message);
        if message.is_handshake_message() {
            return Err(GroupError::Malformed(WHAT));
        }
        self.check_place(&message)?;
        if foreign {
            return Err(Refusal::Context.into());
        }
        let processed = self.group.process_message(provider, message).map_err(refused)?;
        let Sender::Member(index) = processed.sender() else {
            return Err(Refusal::Sender.into());
        };
        let leaf = self.group.public_group().leaf(*index).ok_or(Refusal::Sender)?;
        if certificate_hash(leaf.credential())? != *sender {
            return Err(Refusal::Sender.into());
        }
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(content) => Ok(Zeroizing::new(content.into_bytes())),
            _ => Err(Refusal::Undecryptable.into()),
        }
    }
}
