//! What a certificate's one DNS name says of its holder.

use super::{Name, Organisation};
use crate::certificate::Usage;

/// Labels that stand between the holder's own labels and the organisation (ID-10).
const DEVICES: &str = "devices";
const SERVERS: &str = "servers";
const LOGS: &str = "logs";
const COSIGNERS: &str = "cosigners";

/// Who holds a certificate, within an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A device of a user: `DEVICE.USER.devices.ORG`.
    Device {
        /// The user.
        user: Name,
        /// The device.
        device: Name,
    },
    /// The handshake key of a server's node: `NODE.servers.ORG`.
    Server(Name),
    /// The log key of a server's node: `NODE.logs.ORG`.
    Log(Name),
    /// The cosigner key of a server's node: `NODE.cosigners.ORG`.
    Cosigner(Name),
}

impl Holder {
    /// The usage that goes with the holder: a certificate has this one and no other (ID-12).
    pub fn usage(&self) -> Usage {
        match self {
            Self::Device { .. } => Usage::Device,
            Self::Server(_) => Usage::ServerHandshake,
            Self::Log(_) => Usage::Log,
            Self::Cosigner(_) => Usage::Cosigner,
        }
    }

    /// The DNS name under `organisation` (ID-10).
    pub fn dns_name(&self, organisation: &Organisation) -> String {
        match self {
            Self::Device { user, device } => format!("{device}.{user}.{DEVICES}.{organisation}"),
            Self::Server(node) => format!("{node}.{SERVERS}.{organisation}"),
            Self::Log(node) => format!("{node}.{LOGS}.{organisation}"),
            Self::Cosigner(node) => format!("{node}.{COSIGNERS}.{organisation}"),
        }
    }

    /// A hint for people, at most [`super::MAX_NAME`] characters: the user or the node.
    pub(crate) fn hint(&self) -> &str {
        match self {
            Self::Device { user: name, .. } | Self::Server(name) | Self::Log(name) | Self::Cosigner(name) => {
                name.as_str()
            }
        }
    }
}

/// An organisation and a holder in it, as a verified certificate names them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The organisation to which the trust anchor is bound.
    pub organisation: Organisation,
    /// Who within it.
    pub holder: Holder,
}

impl Identity {
    /// Reads a DNS name under `organisation`; `None` unless it is exactly one of the forms of ID-10.
    pub fn from_dns_name(name: &str, organisation: &Organisation) -> Option<Self> {
        // ID-10
        let labels = name.strip_suffix(organisation.as_str())?.strip_suffix('.')?;
        let (own, kind) = labels.rsplit_once('.')?;
        let holder = match kind {
            DEVICES => {
                let (device, user) = own.split_once('.')?;
                Holder::Device { user: Name::canonical(user).ok()?, device: Name::canonical(device).ok()? }
            }
            SERVERS => Holder::Server(Name::canonical(own).ok()?),
            LOGS => Holder::Log(Name::canonical(own).ok()?),
            COSIGNERS => Holder::Cosigner(Name::canonical(own).ok()?),
            _ => return None,
        };
        Some(Self { organisation: organisation.clone(), holder })
    }

    /// The user, if the holder is a device.
    pub fn user(&self) -> Option<&Name> {
        match &self.holder {
            Holder::Device { user, .. } => Some(user),
            _ => None,
        }
    }

    /// The device's name, if the holder is a device.
    pub fn device(&self) -> Option<&Name> {
        match &self.holder {
            Holder::Device { device, .. } => Some(device),
            _ => None,
        }
    }

    /// The node's name, if the holder is a key of a server.
    pub fn server(&self) -> Option<&Name> {
        match &self.holder {
            Holder::Server(node) | Holder::Log(node) | Holder::Cosigner(node) => Some(node),
            Holder::Device { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn organisation() -> Organisation {
        Organisation::parse("apollo.example").unwrap()
    }

    #[test]
    fn names_are_read_back_and_nothing_else_is_read() {
        let name = |text| Name::canonical(text).unwrap();
        for holder in [
            Holder::Device { user: name("cdr"), device: name("laptop") },
            Holder::Server(name("node1")),
            Holder::Log(name("node1")),
            Holder::Cosigner(name("node1")),
        ] {
            let identity = Identity { organisation: organisation(), holder };
            let dns = identity.holder.dns_name(&organisation());
            assert_eq!(Identity::from_dns_name(&dns, &organisation()), Some(identity), "{dns}");
        }
        for bad in [
            "apollo.example",
            ".apollo.example",
            "servers.apollo.example",
            ".servers.apollo.example",
            "laptop.devices.apollo.example",
            "x.laptop.cdr.devices.apollo.example",
            "a.node1.servers.apollo.example",
            "Laptop.cdr.devices.apollo.example",
            "laptop.cdr.devices.apollo.example.",
            "laptop.cdr.devices.other.example",
            "laptop.cdr.devices.xapollo.example",
            "laptop.cdr.devicesapollo.example",
            "*.cdr.devices.apollo.example",
            "laptop.admin.devices.apollo.example",
            "cdr.users.apollo.example",
        ] {
            assert_eq!(Identity::from_dns_name(bad, &organisation()), None, "{bad}");
        }
    }

    #[test]
    fn a_name_of_a_longer_suffix_is_not_read_under_a_shorter_one() {
        let long = Organisation::parse("devices.apollo.example").unwrap();
        let holder =
            Holder::Device { user: Name::parse("cdr").unwrap(), device: Name::parse("laptop").unwrap() };
        assert_eq!(Identity::from_dns_name(&holder.dns_name(&long), &organisation()), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_back_alike(text in "[a-z0-9.-]{0,80}\\.apollo\\.example") {
            if let Some(identity) = Identity::from_dns_name(&text, &organisation()) {
                prop_assert_eq!(identity.holder.dns_name(&organisation()), text);
            }
        }
    }
}
