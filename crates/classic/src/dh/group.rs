//! Groups: the standard ones, and those that a peer brings.

use std::sync::LazyLock;

use crypto_bigint::modular::BoxedMontyParams;
use crypto_bigint::{BoxedUint, Odd};
use crypto_primes::{Flavor, is_prime};

use super::Number;
use crate::ClassicError;

/// Smallest and largest prime of a peer's own group, in bits.
const PEER_GROUP_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// RFC 3526, section 3.
const MODP_14: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
15728E5A8AACAA68FFFFFFFFFFFFFFFF";
/// RFC 2409, section 6.1.
const OAKLEY_1: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF";

static MODP_14_GROUP: LazyLock<Option<Group>> =
    LazyLock::new(|| Group::standard("MODP-14, 2048 bits", MODP_14));
/// Size of its prime, in bits.
const OAKLEY_1_BITS: u32 = 768;

static OAKLEY_1_GROUP: LazyLock<Option<Group>> =
    LazyLock::new(|| Group::standard("Oakley group 1, 768 bits: weak", OAKLEY_1));

/// A prime and a generator.
#[derive(Debug, Clone)]
pub struct Group {
    name: &'static str,
    prime: Number,
    generator: Number,
    params: BoxedMontyParams,
}

impl Group {
    /// MODP-14 of RFC 3526: 2,048 bits, generator 2.
    ///
    /// # Errors
    /// None in practice: the constant is a number.
    pub fn modp_14() -> Result<Self, ClassicError> {
        MODP_14_GROUP.clone().ok_or(ClassicError::Cryptography)
    }

    /// Group 1 of RFC 2409: 768 bits, generator 2. It can be broken; programs that called it "Group 14" use it.
    ///
    /// # Errors
    /// None in practice: the constant is a number.
    pub fn weak_oakley_1() -> Result<Self, ClassicError> {
        OAKLEY_1_GROUP.clone().ok_or(ClassicError::Cryptography)
    }

    /// A group that a peer brings: a safe prime of 2,048 to 4,096 bits, and a generator between 2 and p − 2.
    ///
    /// # Errors
    /// [`ClassicError::DiffieHellman`] says what is wrong with it.
    pub fn of_peer(prime: Number, generator: Number) -> Result<Self, ClassicError> {
        for known in [Self::modp_14()?, Self::weak_oakley_1()?] {
            if known.prime == prime && known.generator == generator && PEER_GROUP_BITS.contains(&prime.bits())
            {
                return Ok(known);
            }
        }
        if !PEER_GROUP_BITS.contains(&prime.bits()) {
            return Err(ClassicError::DiffieHellman("its prime has not between 2048 and 4096 bits"));
        }
        if !is_prime(Flavor::Safe, &prime.0) {
            return Err(ClassicError::DiffieHellman("its prime is no safe prime"));
        }
        let group = Self::new("the other side's own group", prime, generator.clone());
        let group = group.ok_or(ClassicError::DiffieHellman("its prime is no safe prime"))?;
        group.check(&generator)?;
        Ok(group)
    }

    fn standard(name: &'static str, hex: &str) -> Option<Self> {
        let prime = BoxedUint::from_str_radix_vartime(hex, 16).ok()?;
        Self::new(name, Number(prime), Number(BoxedUint::from(2_u8)))
    }

    fn new(name: &'static str, prime: Number, generator: Number) -> Option<Self> {
        let params = BoxedMontyParams::new_vartime(Odd::new(prime.0.clone()).into_option()?);
        Some(Self { name, prime, generator, params })
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The prime.
    pub fn prime(&self) -> &Number {
        &self.prime
    }

    /// The generator.
    pub fn generator(&self) -> &Number {
        &self.generator
    }

    pub(super) fn params(&self) -> &BoxedMontyParams {
        &self.params
    }

    /// Whether a value is most likely one of the 768-bit group, and this is another: one of 2,048 bits is that small once in 2^1280.
    pub fn suspects_weak_peer(&self, value: &Number) -> bool {
        self.prime.bits() > OAKLEY_1_BITS && value.bits() <= OAKLEY_1_BITS
    }

    /// Refuses a public value outside 2 … p − 2.
    ///
    /// # Errors
    /// [`ClassicError::DiffieHellman`].
    pub fn check(&self, value: &Number) -> Result<(), ClassicError> {
        let one = BoxedUint::one();
        let highest = self.prime.0.wrapping_sub(&one);
        if value.0 >= highest && self.prime.bits() <= OAKLEY_1_BITS {
            return Err(ClassicError::DiffieHellman(
                "it is above our prime of 768 bits: try without --weak-group",
            ));
        }
        if value.0 <= one || value.0 >= highest {
            return Err(ClassicError::DiffieHellman("it is not between 2 and p - 2"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dh::Share;

    #[test]
    fn both_sides_agree_in_each_group() {
        for group in [Group::modp_14().unwrap(), Group::weak_oakley_1().unwrap()] {
            let (a, b) = (Share::generate(&group).unwrap(), Share::generate(&group).unwrap());
            let (x, y) = (a.agree(b.public()).unwrap(), b.agree(a.public()).unwrap());
            assert_eq!(x.fixed_width(), y.fixed_width());
            assert_eq!(x.fixed_width().len() * 8, usize::try_from(group.prime().bits()).unwrap());
            assert!(x.fixed_width().ends_with(x.minimal()));
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let group = Group::modp_14().unwrap();
        let share = Share::generate(&group).unwrap();
        let prime = group.prime();
        let last = Number(prime.0.wrapping_sub(BoxedUint::one()));
        let above = Number::from_decimal(&"9".repeat(900)).unwrap();
        for value in [
            Number::from_decimal("0").unwrap(),
            Number::from_decimal("1").unwrap(),
            last,
            prime.clone(),
            above,
        ] {
            assert!(matches!(share.agree(&value), Err(ClassicError::DiffieHellman(_))));
        }
        share.agree(&Number::from_decimal("2").unwrap()).unwrap();
    }

    #[test]
    fn groups_of_a_peer_are_safe_primes_of_a_good_size() {
        let two = Number::from_decimal("2").unwrap();
        let known = Group::of_peer(Group::modp_14().unwrap().prime().clone(), two.clone()).unwrap();
        assert_eq!(known.name(), "MODP-14, 2048 bits");
        let small = Group::weak_oakley_1().unwrap().prime().clone();
        assert!(Group::of_peer(small, two.clone()).is_err());
        let even = Number(Group::modp_14().unwrap().prime().0.wrapping_sub(BoxedUint::one()));
        assert!(Group::of_peer(even, two.clone()).is_err());
        let composite = Number::from_hex(&format!("0x{}1", "f".repeat(511))).unwrap();
        assert!(Group::of_peer(composite, two.clone()).is_err());
        let one = Number::from_decimal("1").unwrap();
        assert!(Group::of_peer(Group::modp_14().unwrap().prime().clone(), one).is_err());
        assert!(Group::of_peer(Number::from_decimal("0").unwrap(), two).is_err());
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let prime = Group::modp_14().unwrap().prime().clone();
        assert_eq!(Number::from_decimal(&prime.to_decimal()).unwrap().to_bytes(), prime.to_bytes());
        assert_eq!(Number::from_hex(&prime.to_hex()).unwrap().to_bytes(), prime.to_bytes());
        for bad in ["", "-1", "+1", "1_0", "1e3", "0x10", "ä"] {
            assert!(Number::from_decimal(bad).is_err(), "{bad}");
        }
        for bad in ["", "10", "0x", "0x-1", "0xg"] {
            assert!(Number::from_hex(bad).is_err(), "{bad}");
        }
        assert!(matches!(Number::from_decimal(&"1".repeat(2_501)), Err(ClassicError::Limit { .. })));
    }
}
