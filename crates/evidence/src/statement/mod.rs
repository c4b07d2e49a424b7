//! Statements: this device said this, here, then, after that (EV-10, EV-12).

use pki::{Name, Usage, sha256};

use crate::content::{Binding, Content};
use crate::cose::{Header, Kind, Malformed, Object};
use crate::entry::Place;
use crate::hash::Hash;
use crate::limits::MAX_ENTRY;

/// A verified statement.
pub type Statement = Object<StatementClaim>;

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementClaim {
    /// SHA-256 of the sender's certificate.
    pub certificate: Hash,
    /// Where and when.
    pub place: Place,
    /// SHA-256 of the ciphertext (EV-8).
    pub ciphertext: Hash,
    /// The commitment to the content (EV-7).
    pub commitment: Hash,
}

impl StatementClaim {
    /// The claim of `user` to have said `content`, sent as `ciphertext` (in suite 0 the content's bytes).
    pub fn new(user: &Name, certificate: Hash, place: Place, content: &Content, ciphertext: &[u8]) -> Self {
        let binding = Binding { user, certificate, room: place.room, seq: place.seq };
        let commitment = content.commitment(&binding);
        Self { certificate, place, ciphertext: sha256(ciphertext), commitment }
    }

    /// The place that the commitment is bound to, said by `user`.
    pub fn binding<'a>(&self, user: &'a Name) -> Binding<'a> {
        Binding { user, certificate: self.certificate, room: self.place.room, seq: self.place.seq }
    }

    /// Whether `content` is what `user` committed to here.
    pub fn is_commitment_to(&self, user: &Name, content: &Content) -> bool {
        content.commitment(&self.binding(user)) == self.commitment
    }

    /// Whether `bytes` are the ciphertext that the statement names.
    pub fn is_ciphertext(&self, bytes: &[u8]) -> bool {
        sha256(bytes) == self.ciphertext
    }

    /// Whether two statements show that their signer used one number for two different things.
    pub fn contradicts(&self, other: &Self) -> bool {
        self.certificate == other.certificate
            && self.place.room == other.place.room
            && self.place.seq == other.place.seq
            && self.commitment != other.commitment
    }
}

impl Kind for StatementClaim {
    const TYP: &'static str = "statement-v1+cose";
    const MAX: usize = MAX_ENTRY;
    const USAGE: Usage = Usage::Device;

    fn encode(&self) -> (Header, Vec<u8>) {
        let mut header = self.place.header(self.certificate);
        header.hash_envelope = true;
        header.ciphertext = Some(self.ciphertext);
        (header, self.commitment.to_vec())
    }

    fn decode(header: &Header, payload: &[u8]) -> Result<Self, Malformed> {
        Ok(Self {
            certificate: header.certificate,
            place: Place::from_header(header)?,
            ciphertext: header.ciphertext.ok_or(Malformed::Header)?,
            commitment: payload.try_into().map_err(|_| Malformed::Payload("a commitment has 32 bytes"))?,
        })
    }
}
