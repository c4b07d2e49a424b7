//! The key between one member and the server (CL-52, CL-53).

use crate::cipher::CipherKey;
use crate::dh::{Agreed, Group, Number, Parameters, Share};
use crate::{ClassicError, json, mac};

const INFO: &[u8] = b"handshake data";
const KEY_LEN: usize = 16;

/// What a server offers with a login that succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Base64 of the group, PEM.
    pub dh_params: String,
    /// Base64 of the server's public value as SubjectPublicKeyInfo, PEM.
    pub public_key: String,
}

impl Offer {
    /// Offers a share of a group.
    ///
    /// # Errors
    /// None in practice.
    pub fn new(group: &Group, share: &Share) -> Result<Self, ClassicError> {
        let parameters = Parameters::of(group);
        Ok(Self {
            dh_params: json::base64(parameters.to_pem()?),
            public_key: json::base64(parameters.public_to_pem(share.public())?),
        })
    }

    /// The client's part: the key, and the `public_key` for the server. It takes seconds for a group that is not known.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`], [`ClassicError::DiffieHellman`] for a group or value that is not accepted.
    pub fn accept(&self) -> Result<Accepted, ClassicError> {
        let Parameters { prime, generator, .. } = Parameters::from_pem(&text(&self.dh_params)?)?;
        let (form, value) = Parameters::public_from_pem(&text(&self.public_key)?)?;
        let group = Group::of_peer(prime, generator)?;
        let share = Share::generate(&group)?;
        let key = agree(&group, &share, &form, &value)?;
        let public_key = json::base64(form.public_to_pem(share.public())?);
        Ok(Accepted { key, public_key, is_own_group: group.name() != Group::modp_14()?.name() })
    }
}

/// A client's part of an exchange.
pub struct Accepted {
    /// The key.
    pub key: RoomKey,
    /// For the server: base64 of a SubjectPublicKeyInfo, PEM.
    pub public_key: String,
    /// Whether the server brought a group of its own.
    pub is_own_group: bool,
}

/// The key of one member.
pub struct RoomKey(CipherKey);

impl RoomKey {
    /// Agrees with the other side's `public_key`.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`], [`ClassicError::DiffieHellman`] for a value that is not accepted.
    pub fn agree(group: &Group, share: &Share, public_key: &str) -> Result<Self, ClassicError> {
        let (parameters, value) = Parameters::public_from_pem(&text(public_key)?)?;
        agree(group, share, &parameters, &value)
    }

    /// Of what was agreed (CL-53).
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] if the library refuses.
    pub fn derive(agreed: &Agreed) -> Result<Self, ClassicError> {
        let derived = mac::derive(agreed.fixed_width(), INFO)?;
        let (key, _) = derived.split_first_chunk::<KEY_LEN>().ok_or(ClassicError::Cryptography)?;
        Ok(Self(CipherKey::aes_128(key)))
    }

    /// Seals a text as it stands in `data`.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] without randomness.
    pub fn seal(&self, text: &str) -> Result<String, ClassicError> {
        Ok(json::base64(self.0.seal_cbc(text.as_bytes())?))
    }

    /// Opens `data`. Nothing shows whether it was changed on its way.
    ///
    /// # Errors
    /// [`ClassicError::Decryption`]; [`ClassicError::Malformed`] for what is no base64 or no UTF-8.
    pub fn open(&self, data: &str) -> Result<String, ClassicError> {
        let text = self.0.open_cbc(&json::from_base64(data)?)?;
        String::from_utf8(text.to_vec()).map_err(|_| ClassicError::malformed("a text that is no UTF-8"))
    }
}

/// CL-52: the value's own parameters have to be those of the group.
fn agree(group: &Group, share: &Share, form: &Parameters, value: &Number) -> Result<RoomKey, ClassicError> {
    if !form.fit(group) {
        return Err(ClassicError::DiffieHellman("it is of another group"));
    }
    RoomKey::derive(&share.agree(value)?)
}

fn text(base64: &str) -> Result<String, ClassicError> {
    String::from_utf8(json::from_base64(base64)?)
        .map_err(|_| ClassicError::malformed("a field that is no PEM"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::MAX_ROOM_TEXT;

    fn key() -> RoomKey {
        RoomKey(CipherKey::aes_128(&[7; 16]))
    }

    #[test]
    fn cl52_both_sides_have_the_same_key_in_either_form() {
        let group = Group::modp_14().unwrap();
        let share = Share::generate(&group).unwrap();
        let offer = Offer::new(&group, &share).unwrap();
        let pkcs3 = Parameters::of(&group);
        let x942 = Parameters { order: Some(Number::from_decimal("11").unwrap()), ..pkcs3.clone() };
        let other = Offer {
            dh_params: json::base64(x942.to_pem().unwrap()),
            public_key: json::base64(x942.public_to_pem(share.public()).unwrap()),
        };
        for (offer, form) in [(offer, pkcs3), (other, x942)] {
            let Accepted { key: client, public_key, is_own_group } = offer.accept().unwrap();
            assert!(!is_own_group);
            let (answered, _) = Parameters::public_from_pem(&text(&public_key).unwrap()).unwrap();
            assert_eq!(answered, form);
            let server = RoomKey::agree(&group, &share, &public_key).unwrap();
            assert_eq!(server.open(&client.seal("hello").unwrap()).unwrap(), "hello");
        }
    }

    #[test]
    fn cl52_values_out_of_range_and_of_other_groups_are_refused() {
        let group = Group::modp_14().unwrap();
        let share = Share::generate(&group).unwrap();
        let good = Parameters::of(&group);
        for number in ["0", "1"] {
            let value = Number::from_decimal(number).unwrap();
            let public_key = json::base64(good.public_to_pem(&value).unwrap());
            let agreed = RoomKey::agree(&group, &share, &public_key);
            assert!(matches!(agreed, Err(ClassicError::DiffieHellman(_))));
            let offer = Offer { public_key, ..Offer::new(&group, &share).unwrap() };
            assert!(matches!(offer.accept(), Err(ClassicError::DiffieHellman(_))));
        }
        let five = Number::from_decimal("5").unwrap();
        let weak = Group::weak_oakley_1().unwrap().prime().clone();
        for other in
            [Parameters { generator: five, ..good.clone() }, Parameters { prime: weak, ..good.clone() }]
        {
            let public_key = json::base64(other.public_to_pem(share.public()).unwrap());
            let agreed = RoomKey::agree(&group, &share, &public_key);
            assert!(matches!(agreed, Err(ClassicError::DiffieHellman(_))));
            let offer = Offer { public_key, dh_params: json::base64(good.to_pem().unwrap()) };
            assert!(matches!(offer.accept(), Err(ClassicError::DiffieHellman(_))));
        }
        let weak = Parameters::of(&Group::weak_oakley_1().unwrap());
        let offer = Offer {
            dh_params: json::base64(weak.to_pem().unwrap()),
            public_key: json::base64(weak.public_to_pem(share.public()).unwrap()),
        };
        assert!(matches!(offer.accept(), Err(ClassicError::DiffieHellman(_))));
    }

    /// CL-50: what fits is an object of at most 4,096 bytes, and what is a byte longer is not.
    #[test]
    fn cl50_the_longest_text_fills_an_object() {
        let object = |size| {
            let data = key().seal(&"a".repeat(size)).unwrap();
            json::write(&crate::broadcast::ServerMessage::Message { data }).unwrap().len()
        };
        assert!(object(MAX_ROOM_TEXT) <= 4_096);
        assert!(object(MAX_ROOM_TEXT + 1) > 4_096);
    }

    #[test]
    fn what_does_not_open_says_why() {
        let bytes = json::base64(key().0.seal_cbc(b"\xff").unwrap());
        for (data, code) in
            [("?", "malformed"), ("", "decryption"), ("AAAA", "decryption"), (&bytes, "malformed")]
        {
            assert_eq!(key().open(data).unwrap_err().code(), code, "{data}");
        }
    }

    proptest! {
        #[test]
        fn any_data_is_opened_or_refused(data: Vec<u8>, text: String) {
            let _ = key().open(&json::base64(&data));
            prop_assert_eq!(key().open(&key().seal(&text).unwrap()).unwrap(), text);
        }
    }
}
