//! What a key is for: our extended key usages (RFC 5280, section 4.2.1.12).

use super::der::{OBJECT_IDENTIFIER, SEQUENCE, tlv};

/// The arc of our object identifiers: 2.25 and the UUID 6f9cffab-d025-457c-95cd-9f852612e20a as an integer
/// (ITU-T X.667); extended key usages stand below `.1` of it (ID-11).
pub const ARC: &str = "2.25.148359491468939756557176734159387943434";

/// Octets of an object identifier below `ARC.1`.
const OID_LEN: usize = 22;

const fn oid(number: u8) -> [u8; OID_LEN] {
    [
        0x69, 0x81, 0xdf, 0x9c, 0xff, 0xea, 0xfa, 0x82, 0xaa, 0x95, 0xf9, 0x95, 0xe6, 0xe7, 0xf0, 0xd2, 0xb0,
        0xcb, 0xc4, 0x0a, 0x01, number,
    ]
}

const SERVER_HANDSHAKE: [u8; OID_LEN] = oid(1);
const DEVICE: [u8; OID_LEN] = oid(2);
const LOG: [u8; OID_LEN] = oid(3);
const COSIGNER: [u8; OID_LEN] = oid(4);

/// The job of a leaf's key, a row of ID-8's table. A leaf has exactly one (ID-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Usage {
    /// A server's signature in the handshake.
    ServerHandshake,
    /// A user's device: handshake and statements.
    Device,
    /// Checkpoints of rooms and of the directory.
    Log,
    /// Timestamped cosignatures of checkpoints.
    Cosigner,
}

impl Usage {
    /// All usages, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::ServerHandshake, Self::Device, Self::Log, Self::Cosigner];

    /// The object identifier's content octets in DER.
    pub const fn oid(self) -> &'static [u8] {
        match self {
            Self::ServerHandshake => &SERVER_HANDSHAKE,
            Self::Device => &DEVICE,
            Self::Log => &LOG,
            Self::Cosigner => &COSIGNER,
        }
    }

    /// The object identifier in dotted decimals.
    pub fn oid_text(self) -> String {
        format!("{ARC}.1.{}", self.number())
    }

    /// For messages to people.
    pub const fn description(self) -> &'static str {
        match self {
            Self::ServerHandshake => "a server's handshake",
            Self::Device => "a user's device",
            Self::Log => "a log",
            Self::Cosigner => "a cosigner",
        }
    }

    /// Whether certificates carry contentCommitment beside digitalSignature: those whose signatures are
    /// evidence (ID-12).
    pub(crate) const fn commits_to_content(self) -> bool {
        !matches!(self, Self::ServerHandshake)
    }

    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::ServerHandshake => 1,
            Self::Device => 2,
            Self::Log => 3,
            Self::Cosigner => 4,
        }
    }
}

/// The value of an ExtendedKeyUsage extension with exactly these usages, DER. Written here since the arc has 128
/// bits, which the encoder's own type does not hold; read by comparison.
pub(crate) fn extension_value(usages: &[Usage]) -> Vec<u8> {
    let identifiers: Vec<u8> = usages.iter().flat_map(|usage| tlv(OBJECT_IDENTIFIER, usage.oid())).collect();
    tlv(SEQUENCE, &identifiers)
}
