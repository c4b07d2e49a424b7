//! Groups and public values as PEM (CL-52).

use pkcs8::der::asn1::{AnyRef, BitStringRef, UintRef};
use pkcs8::der::{Decode, Encode, Reader, Tag};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{ObjectIdentifier, der};

use super::{Group, Number};
use crate::ClassicError;
use crate::pem::{self, PUBLIC_KEY};

const PKCS3: &str = "DH PARAMETERS";
const X942: &str = "X9.42 DH PARAMETERS";
/// `dhKeyAgreement` (PKCS#3, section 9).
const DH_KEY_AGREEMENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.3.1");
/// `dhpublicnumber` (RFC 3279, section 2.3.3).
const DH_PUBLIC_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10046.2.1");

/// The parameters of a group as they stand in a file or key. Nothing of them is checked: [`Group::of_peer`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// The prime p.
    pub prime: Number,
    /// The generator g.
    pub generator: Number,
    /// The subgroup's order q: there in the X9.42 form, absent in PKCS#3.
    pub order: Option<Number>,
}

impl Parameters {
    /// Those of a group, in the form of PKCS#3.
    pub fn of(group: &Group) -> Self {
        Self { prime: group.prime().clone(), generator: group.generator().clone(), order: None }
    }

    /// Whether these are the parameters of that group, in either form.
    pub fn fit(&self, group: &Group) -> bool {
        self.prime == *group.prime() && self.generator == *group.generator()
    }

    /// Reads `DH PARAMETERS` or `X9.42 DH PARAMETERS`.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for anything else.
    pub fn from_pem(text: &str) -> Result<Self, ClassicError> {
        let (label, der) = pem::decode(text, &[PKCS3, X942])?;
        AnyRef::from_der(&der).and_then(|any| parameters(any, label == X942)).map_err(malformed)
    }

    /// Writes them in their form.
    ///
    /// # Errors
    /// None in practice: memory is the only limit.
    pub fn to_pem(&self) -> Result<String, ClassicError> {
        let label = if self.order.is_some() { X942 } else { PKCS3 };
        let content = self.content().map_err(malformed)?;
        let der = AnyRef::new(Tag::Sequence, &content).and_then(|any| any.to_der()).map_err(malformed)?;
        pem::encode(label, &der)
    }

    /// Reads a public value with its parameters: SubjectPublicKeyInfo, PEM.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for anything but a Diffie-Hellman key.
    pub fn public_from_pem(text: &str) -> Result<(Self, Number), ClassicError> {
        let (_, der) = pem::decode(text, &[PUBLIC_KEY])?;
        public(&der).map_err(malformed)
    }

    /// Writes a public value with these parameters: SubjectPublicKeyInfo, PEM.
    ///
    /// # Errors
    /// None in practice: memory is the only limit.
    pub fn public_to_pem(&self, value: &Number) -> Result<String, ClassicError> {
        pem::encode(PUBLIC_KEY, &self.public_der(value).map_err(malformed)?)
    }

    fn public_der(&self, value: &Number) -> der::Result<Vec<u8>> {
        let content = self.content()?;
        let value = integer(value)?;
        let oid = if self.order.is_some() { DH_PUBLIC_NUMBER } else { DH_KEY_AGREEMENT };
        let info = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef {
                oid,
                parameters: Some(AnyRef::new(Tag::Sequence, &content)?),
            },
            subject_public_key: BitStringRef::from_bytes(&value)?,
        };
        info.to_der()
    }

    fn content(&self) -> der::Result<Vec<u8>> {
        let mut content = integer(&self.prime)?;
        content.extend(integer(&self.generator)?);
        if let Some(order) = &self.order {
            content.extend(integer(order)?);
        }
        Ok(content)
    }
}

fn malformed(error: der::Error) -> ClassicError {
    ClassicError::malformed(format!("Diffie-Hellman parameters or a key that cannot be read ({error})"))
}

fn integer(number: &Number) -> der::Result<Vec<u8>> {
    let bytes = number.to_bytes();
    // Zero has no bytes of its own and one in DER.
    UintRef::new(if bytes.is_empty() { &[0] } else { &bytes })?.to_der()
}

/// What follows p and g in PKCS#3, or p, g and q in X9.42, is optional and says nothing about the group.
fn parameters(any: AnyRef<'_>, is_x942: bool) -> der::Result<Parameters> {
    any.sequence(|reader| {
        let mut next = || UintRef::decode(reader).map(|number| Number::from_bytes(number.as_bytes()));
        let (prime, generator) = (next()?, next()?);
        let order = if is_x942 { Some(next()?) } else { None };
        while !reader.is_finished() {
            AnyRef::decode(reader)?;
        }
        Ok(Parameters { prime, generator, order })
    })
}

fn public(der: &[u8]) -> der::Result<(Parameters, Number)> {
    let info = SubjectPublicKeyInfoRef::from_der(der)?;
    let is_x942 = match info.algorithm.oid {
        DH_KEY_AGREEMENT => false,
        DH_PUBLIC_NUMBER => true,
        oid => return Err(der::ErrorKind::OidUnknown { oid }.into()),
    };
    let parameters = parameters(info.algorithm.parameters.unwrap_or(AnyRef::NULL), is_x942)?;
    let value = info.subject_public_key.as_bytes().ok_or(der::ErrorKind::Failed)?;
    Ok((parameters, Number::from_bytes(UintRef::from_der(value)?.as_bytes())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dh::Share;

    /// CL-52: both forms are read as they are written.
    #[test]
    fn cl52_groups_and_values_are_read_as_they_are_written() {
        let group = Group::modp_14().unwrap();
        let share = Share::generate(&group).unwrap();
        let pkcs3 = Parameters::of(&group);
        let x942 = Parameters { order: Some(Number::from_decimal("11").unwrap()), ..pkcs3.clone() };
        for parameters in [pkcs3, x942] {
            assert!(parameters.fit(&group));
            assert_eq!(Parameters::from_pem(&parameters.to_pem().unwrap()).unwrap(), parameters);
            let text = parameters.public_to_pem(share.public()).unwrap();
            let (read, value) = Parameters::public_from_pem(&text).unwrap();
            assert_eq!((read, &value), (parameters.clone(), share.public()));
            assert!(Parameters::from_pem(&text).is_err());
            assert!(Parameters::public_from_pem(&parameters.to_pem().unwrap()).is_err());
            for end in 0..text.len() - 1 {
                assert!(Parameters::public_from_pem(&text[..end]).is_err());
            }
        }
    }

    #[test]
    fn cl52_keys_of_another_kind_and_damaged_ones_are_refused() {
        let rsa = crate::rsa::DecryptingKey::generate().unwrap();
        let text = pem::encode(PUBLIC_KEY, rsa.public_der()).unwrap();
        assert!(matches!(Parameters::public_from_pem(&text), Err(ClassicError::Malformed(_))));
        // A negative number, an empty sequence, a number that is not the shortest.
        for der in ["30060201ff020102", "3000", "300702020001020102"] {
            let text = pem::encode(PKCS3, &hex::decode(der).unwrap()).unwrap();
            assert!(matches!(Parameters::from_pem(&text), Err(ClassicError::Malformed(_))), "{der}");
        }
    }

    proptest! {
        #[test]
        fn any_der_is_read_or_refused(der: Vec<u8>) {
            for label in [PKCS3, X942] {
                let _ = Parameters::from_pem(&pem::encode(label, &der).unwrap());
            }
            let _ = Parameters::public_from_pem(&pem::encode(PUBLIC_KEY, &der).unwrap());
        }
    }
}
