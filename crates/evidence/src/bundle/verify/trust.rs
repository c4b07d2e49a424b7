//! Which certificates of a bundle are good: chains, directory, vouching, and the checkpoints that log and cosigner
//! signed (EV-20, EV-28, EV-29, EV-36).

use std::collections::{HashMap, HashSet};

use pki::trust::NoRevocations;
use pki::{Chain, Name, TrustAnchor, TrustStore, Usage, VerifiedCertificate, sha256};

use super::findings::Findings;
use super::ms;
use crate::bundle::parts::Parts;
use crate::bundle::stop::Stop;
use crate::checkpoint::{Origin, SignedCheckpoint};
use crate::directory::{Issue, Leaf, Revoke, Subject};
use crate::hash::Hash;
use crate::log::{InclusionProof, leaf_hash};
use crate::membership::DeviceStatement;
use crate::verdict::{Code, NoteCode, utc};

/// Most certificates of logs, and of cosigners, that one bundle holds.
const MAX_SERVERS: usize = 16;

/// The good certificates of a bundle.
pub(super) struct Trusted {
    pub(super) certificates: HashMap<Hash, VerifiedCertificate>,
    pub(super) directory: SignedCheckpoint,
    revoked: HashMap<Hash, Revoke>,
    logs: Vec<VerifiedCertificate>,
    cosigners: Vec<VerifiedCertificate>,
}

/// A chain that verifies, and its issue leaf.
struct Issued {
    certificate: VerifiedCertificate,
    issue: Issue,
    index: u64,
}

impl Trusted {
    pub(super) fn establish(parts: &Parts, findings: &mut Findings) -> Result<Self, Stop> {
        let organisation = &parts.scope.organisation;
        let anchor = TrustAnchor::new(&parts.root, organisation.clone())
            .map_err(|error| Stop::new(Code::Certificate, format!("the root: {error}")))?;
        let store = TrustStore::new(vec![anchor]);
        let mut leaves = Leaves::read(parts)?;
        let mut issued: Vec<Issued> = Vec::new();
        for (hash, chain) in &parts.certificates {
            match leaves.issues.remove(hash) {
                Some((index, issue)) => match verified(&store, chain, &issue) {
                    Ok(certificate) => issued.push(Issued { certificate, issue, index }),
                    Err((code, message)) => findings.problem(code, None, naming(hash, &message)),
                },
                None => findings.problem(Code::NotInDirectory, None, naming(hash, "no issue leaf")),
            }
        }
        let of_usage = |usage| -> Vec<VerifiedCertificate> {
            let found = issued.iter().map(|issued| &issued.certificate);
            found.filter(|certificate| certificate.usage() == usage).cloned().collect()
        };
        let (logs, cosigners) = (of_usage(Usage::Log), of_usage(Usage::Cosigner));
        if logs.len() > MAX_SERVERS || cosigners.len() > MAX_SERVERS {
            return Err(Stop::new(Code::TooLarge, format!("more than {MAX_SERVERS} logs or cosigners")));
        }
        let origin = Origin::directory(organisation);
        let directory =
            signed_checkpoint(&parts.directory, &origin, &logs, &cosigners).map_err(|message| {
                Stop::new(Code::Directory, format!("the directory's checkpoint: {message}"))
            })?;
        leaves.prove(parts, &directory)?;
        let certificates = vouched(issued, parts, findings);
        Ok(Self { certificates, directory, revoked: leaves.revoked, logs, cosigners })
    }

    /// The room's checkpoints, verified; sizes ascend, times do not go back.
    pub(super) fn checkpoints(&self, parts: &Parts) -> Result<Vec<SignedCheckpoint>, Stop> {
        let scope = &parts.scope;
        let origin = Origin::room(&scope.organisation, scope.room);
        let mut checkpoints: Vec<SignedCheckpoint> = Vec::new();
        for (size, note) in &parts.checkpoints {
            let bad =
                |why: &str| Stop::new(Code::Checkpoint, format!("the checkpoint of size {size}: {why}"));
            let checkpoint =
                signed_checkpoint(note, &origin, &self.logs, &self.cosigners).map_err(|why| bad(&why))?;
            let back = checkpoints.last().is_some_and(|last| last.time_s() > checkpoint.time_s());
            if checkpoint.head().size != *size || !scope.bounds_time_at(*size) || back {
                return Err(bad("it is out of place, or its time goes back"));
            }
            checkpoints.push(checkpoint);
        }
        match checkpoints.last() {
            Some(last) if last.head().size == scope.size => Ok(checkpoints),
            _ => Err(Stop::new(Code::MissingPart, "the checkpoint of the bundle's size is missing")),
        }
    }

    /// When this certificate was revoked by the directory, as far as the bundle shows.
    pub(super) fn revoked_ms(&self, certificate: &Hash) -> Option<u64> {
        self.revoked.get(certificate).map(|revoke| revoke.time_ms)
    }

    /// Says of certificates that were used and revoked that a reader should look (EV-41, `disputed`).
    pub(super) fn note_revocations(&self, used: &HashSet<Hash>, findings: &mut Findings) {
        let mut revoked: Vec<&Revoke> =
            self.revoked.values().filter(|revoke| used.contains(&revoke.certificate)).collect();
        revoked.sort_by_key(|revoke| revoke.certificate);
        for revoke in revoked {
            let holder = self.certificates.get(&revoke.certificate).map(|certificate| {
                certificate.identity().holder.dns_name(&certificate.identity().organisation)
            });
            findings.note(
                NoteCode::Disputed,
                format!(
                    "the certificate of {} was revoked at {} ({})",
                    holder.unwrap_or_default(),
                    utc(revoke.time_ms),
                    revoke.reason.word()
                ),
            );
        }
    }
}

/// The directory leaves of a bundle.
struct Leaves {
    issues: HashMap<Hash, (u64, Issue)>,
    revoked: HashMap<Hash, Revoke>,
}

impl Leaves {
    fn read(parts: &Parts) -> Result<Self, Stop> {
        let mut leaves = Self { issues: HashMap::new(), revoked: HashMap::new() };
        for proof in &parts.directory_proofs {
            let bad = |why: &str| Stop::new(Code::Directory, format!("leaf {}: {why}", proof.index));
            let doubled = match Leaf::from_bytes(&proof.leaf).map_err(|error| bad(&error.to_string()))? {
                Leaf::Issue(issue) => leaves.issues.insert(issue.certificate, (proof.index, issue)).is_some(),
                Leaf::Revoke(revoke) => leaves.revoked.insert(revoke.certificate, revoke).is_some(),
            };
            if doubled {
                return Err(bad("the same is said twice of one certificate"));
            }
        }
        Ok(leaves)
    }

    fn prove(&self, parts: &Parts, directory: &SignedCheckpoint) -> Result<(), Stop> {
        let head = directory.head();
        for proof in &parts.directory_proofs {
            let inclusion = InclusionProof { index: proof.index, size: head.size, path: proof.path.clone() };
            inclusion
                .verify(&leaf_hash(&proof.leaf), &head.root)
                .map_err(|error| Stop::new(Code::Directory, format!("leaf {}: {error}", proof.index)))?;
        }
        Ok(())
    }
}

/// Checks a chain as of the time of its issue (EV-29), and that leaf and certificate speak of the same holder.
fn verified(store: &TrustStore, chain: &Chain, issue: &Issue) -> Result<VerifiedCertificate, (Code, String)> {
    let Subject::Holder(holder) = &issue.subject else {
        return Err((Code::Directory, "its leaf is one of an authority".to_owned()));
    };
    let certificate = store
        .verify_as_of(chain, holder.usage(), issue.time_ms)
        .map_err(|error| (Code::Certificate, error.to_string()))?;
    if issue.is_of(&certificate) {
        Ok(certificate)
    } else {
        Err((Code::Directory, "its leaf is one of another holder".to_owned()))
    }
}

/// Verifies a note against whichever of the logs and cosigners signed it, both valid at its time. Several certificates may
/// be of one key, renewed: one that is valid then is enough.
fn signed_checkpoint(
    note: &[u8],
    origin: &Origin,
    logs: &[VerifiedCertificate],
    cosigners: &[VerifiedCertificate],
) -> Result<SignedCheckpoint, String> {
    let mut refusal = "there is no certificate of a log and of a cosigner".to_owned();
    for log in logs {
        for cosigner in cosigners {
            match SignedCheckpoint::verify(note, origin, log, cosigner) {
                Ok(checkpoint) => {
                    let at = ms(checkpoint.time_s());
                    match log.recheck(at, &NoRevocations).and(cosigner.recheck(at, &NoRevocations)) {
                        Ok(()) => return Ok(checkpoint),
                        Err(error) => refusal = error.to_string(),
                    }
                }
                Err(error) => refusal = error.to_string(),
            }
        }
    }
    Err(refusal)
}

/// Leaves out devices that nobody vouched for: all of a user's but the first (EV-20).
fn vouched(
    mut issued: Vec<Issued>,
    parts: &Parts,
    findings: &mut Findings,
) -> HashMap<Hash, VerifiedCertificate> {
    // EV-20
    let statements: HashMap<Hash, &[u8]> =
        parts.vouching.iter().map(|bytes| (sha256(bytes), bytes.as_slice())).collect();
    issued.sort_by_key(|issued| issued.index);
    let mut good = HashMap::new();
    let mut first: HashSet<Name> = HashSet::new();
    for Issued { certificate, issue, .. } in issued {
        let accepted = match (certificate.identity().user(), issue.vouched) {
            (None, vouched) => vouched.is_none(),
            (Some(user), None) => first.insert(user.clone()),
            (Some(_), Some(statement)) => {
                let bytes = statements.get(&statement).copied().unwrap_or_default();
                is_vouched(bytes, &certificate, &good)
            }
        };
        if accepted {
            good.insert(certificate.hash(), certificate);
        } else {
            let message = naming(&certificate.hash(), "no earlier device of its user vouched for it");
            findings.problem(Code::Unvouched, None, message);
        }
    }
    good
}

fn is_vouched(
    bytes: &[u8],
    certificate: &VerifiedCertificate,
    earlier: &HashMap<Hash, VerifiedCertificate>,
) -> bool {
    let check = || {
        let statement = DeviceStatement::parse(bytes).ok()?;
        let voucher = earlier.get(&statement.certificate())?;
        let statement = statement.verify(voucher).ok()?;
        voucher.recheck(statement.time_ms, &NoRevocations).ok()?;
        Some(statement.vouches_for(voucher, certificate))
    };
    check().unwrap_or(false)
}

fn naming(hash: &Hash, message: &str) -> String {
    format!("certificate {}: {message}", hex::encode(hash))
}
