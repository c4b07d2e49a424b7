//! What both sides of a protocol are given.

use classic::certificate::{Folder, Identity, Passphrase, Role};
use classic::cianr::{Dialect, Transcripts};
use classic::dh::Group;
use classic::protocol::Protocol;

use super::super::Context;
use crate::cli::SideArguments;
use crate::terminal::{Failure, PasswordSource};

/// Refuses options that the protocol has no use for.
pub fn check(protocol: Protocol, side: &SideArguments) -> Result<(), Failure> {
    let unused = |what: &str| Err(Failure::usage(format!("{protocol} has no use for {what}")));
    match protocol {
        Protocol::Cianr(_) => Ok(()),
        _ if side.expect_cn.is_some() => unused("--expect-cn: it has no certificates"),
        _ if side.transcripts.is_some() => unused("--transcripts: it keeps none"),
        _ if side.weak_group => unused("--weak-group"),
        Protocol::Broadcast if side.certs.is_some() => unused("--certs: it has no certificates"),
        _ => Ok(()),
    }
}

/// One's own certificate, key and CA.
pub fn identity(context: &Context, side: &SideArguments, role: Role) -> Result<Identity, Failure> {
    let Some(folder) = &side.certs else {
        return Err(Failure::usage(
            "the dialects of cianr need certificates: --certs DIR; `countersign classic certs DIR` makes them",
        ));
    };
    let passphrase = match &side.key_password_file {
        None => None,
        Some(file) => {
            let text = PasswordSource::File(file.clone()).read("")?;
            Some(Passphrase::new(text))
        }
    };
    let identity = Folder::open(folder, role, passphrase.as_ref())
        .map_err(|error| Failure::new("certificates", error.to_string()))?;
    context.output.note(&format!(
        "certificate {} of {}",
        identity.certificate().common_name().unwrap_or("without a name"),
        folder.display()
    ));
    Ok(identity)
}

/// The group of one's own Diffie-Hellmans; what is weak is said.
pub fn group(context: &Context, dialect: Dialect, side: &SideArguments) -> Result<Group, Failure> {
    let group = match side.weak_group {
        true if dialect == Dialect::Pss => Group::weak_oakley_1(),
        true => return Err(Failure::usage(format!("{dialect} has no weak group; cianr-pss has"))),
        false => Group::modp_14(),
    };
    let group = group.map_err(|e| Failure::failed(e.to_string()))?;
    if side.weak_group {
        context.output.warn("weak-group", &format!("the keys are agreed on in {}", group.name()));
    }
    Ok(group)
}

/// Where transcripts go.
pub fn transcripts(side: &SideArguments) -> Option<Transcripts> {
    side.transcripts.clone().map(Transcripts::new)
}
