//! `ca`: the organisation's certificate authority, on the server's folder.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use pki::certificate::certificate_to_pem;
use pki::name::Holder;
use pki::trust::Reason;
use pki::{Fingerprint, Name, Organisation};
use serde_json::json;
use server::console::{Console, Known};
use server::organisation::{
    Authority, AuthorityError, DataFolder, Inventory, Listed, OpenKeys, export_root_key, from_pem, to_pem,
    validity_ms,
};

use super::Context;
use super::keys::{KeyOptions, new_passphrase};
use crate::cli::{CaCommand, KeyArguments};
use crate::clock::{now_ms, utc};
use crate::terminal::Failure;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Runs it.
pub async fn run(context: &Context, command: CaCommand) -> Result<(), Failure> {
    match command {
        CaCommand::Init { organisation, external_root, keys } => {
            let organisation = Organisation::parse(&organisation)
                .map_err(|e| Failure::usage(format!("--organisation {organisation:?}: {e}")))?;
            match external_root {
                None => init(context, &organisation, &keys),
                Some(request) => init_under_own_root(context, &organisation, &request, &keys),
            }
        }
        CaCommand::Install { certificate, root, keys } => install(context, &certificate, &root, &keys),
        CaCommand::Issue { request, user, device, out, keys } => {
            let name =
                |what, text: &str| Name::parse(text).map_err(|e| Failure::usage(format!("{what}: {e}")));
            let (user, device) = (name("--user", &user)?, name("--device", &device)?);
            issue(context, &request, user, device, &out, &keys).await
        }
        CaCommand::Revoke { certificate, reason, keys } => {
            let certificate: Fingerprint =
                certificate.parse().map_err(|e| Failure::usage(format!("{certificate:?}: {e}")))?;
            let reason: Reason =
                reason.parse().map_err(|e| Failure::usage(format!("--reason {reason:?}: {e}")))?;
            revoke(context, certificate, reason, &keys).await
        }
        CaCommand::Crl { out, keys } => crl(context, &out, &keys).await,
        CaCommand::ExportRoot { out, keys } => export_root(context, &out, &keys),
        CaCommand::ChangePassphrase { new_key_password_file, keys } => {
            change_passphrase(context, new_key_password_file, &keys)
        }
        CaCommand::Show { keys } => show(context, &keys).await,
    }
}

fn init(context: &Context, organisation: &Organisation, keys: &KeyArguments) -> Result<(), Failure> {
    let place = DataFolder::at(&context.data_folder(&keys.data));
    refuse_existing(&place)?;
    let protection = KeyOptions::from(keys).for_new_keys(&context.output)?;
    let folder = DataFolder::open(place.path())?;
    let _lock = folder.lock()?;
    Authority::create(&folder, organisation, &protection, now_ms())?;
    made(context, &folder)
}

fn init_under_own_root(
    context: &Context,
    organisation: &Organisation,
    request: &Path,
    keys: &KeyArguments,
) -> Result<(), Failure> {
    let place = DataFolder::at(&context.data_folder(&keys.data));
    refuse_existing(&place)?;
    refuse_overwriting(request)?;
    let protection = KeyOptions::from(keys).for_new_keys(&context.output)?;
    let folder = DataFolder::open(place.path())?;
    let _lock = folder.lock()?;
    let text = Authority::request(&folder, organisation, &protection)?;
    write_new(request, text.as_bytes())?;
    let (data, request) = (super::shown(folder.path()), super::shown(request));
    context.output.note(&format!(
        "Wrote the request of the issuing CA of {organisation}. Sign it with your root, all its extensions included, \
         with OpenSSL 3:\n  \
         openssl x509 -req -in {request} -CA root.pem -CAkey root.key -days 1800 -copy_extensions copyall -out issuing.pem\n\
         then\n  \
         countersign ca install issuing.pem --root root.pem --data {data}"
    ));
    context.object(|| json!({ "organisation": organisation.as_str(), "request": request }))
}

fn install(context: &Context, certificate: &Path, root: &Path, keys: &KeyArguments) -> Result<(), Failure> {
    let folder = DataFolder::at(&context.data_folder(&keys.data));
    if DataFolder::existing(folder.path()).is_some() {
        return Err(AuthorityError::Exists.into());
    }
    if !folder.awaits_certificate() {
        return Err(Failure::new(
            "nothing-waits",
            format!(
                "no issuing CA waits for a certificate in {}; `countersign ca init --external-root REQUEST.pem` makes its request",
                folder.path().display()
            ),
        ));
    }
    let (certificate, root) = (read_text(certificate)?, read_text(root)?);
    let protection = KeyOptions::from(keys).for_waiting_key(&context.output, &folder)?;
    let _lock = folder.lock()?;
    Authority::install(&folder, &certificate, &root, &protection, now_ms())?;
    made(context, &folder)
}

async fn issue(
    context: &Context,
    request: &Path,
    user: Name,
    device: Name,
    out: &Path,
    keys: &KeyArguments,
) -> Result<(), Failure> {
    let der = request_der(request)?;
    refuse_overwriting(out)?;
    let (folder, authority) = load(context, keys)?;
    let console = Console::open(&folder).await?;
    let chain = console.issue(&authority, &der, user.clone(), device.clone()).await?;
    console.close().await;
    let text: String = chain.0.iter().map(|der| certificate_to_pem(der)).collect();
    write_new(out, text.as_bytes())?;
    let fingerprint = Fingerprint(chain.leaf_hash().unwrap_or_default());
    context.output.result(
        || json!({ "certificate": fingerprint.to_string(), "user": user.as_str(), "device": device.as_str() }),
        || fingerprint.to_string(),
    )
}

async fn revoke(
    context: &Context,
    certificate: Fingerprint,
    reason: Reason,
    keys: &KeyArguments,
) -> Result<(), Failure> {
    let (folder, authority) = load(context, keys)?;
    let console = Console::open(&folder).await?;
    console.revoke(&authority, certificate, reason).await?;
    console.close().await;
    context.output.note(&format!(
        "Revoked. A running server enforces it within seconds; then write a new list with `countersign ca crl --data {} \
         --out FILE`.",
        super::shown(folder.path())
    ));
    context.object(|| json!({ "revoked": certificate.to_string(), "reason": reason.word() }))
}

async fn crl(context: &Context, out: &Path, keys: &KeyArguments) -> Result<(), Failure> {
    let (folder, authority) = load(context, keys)?;
    let console = Console::open(&folder).await?;
    let der = console.crl(&authority).await?;
    console.close().await;
    replace(out, to_pem("X509 CRL", &der).as_bytes())?;
    context.output.note(&format!("Wrote {}; it is good for seven days.", out.display()));
    context.object(|| json!({ "crl": out.display().to_string() }))
}

fn export_root(context: &Context, out: &Path, keys: &KeyArguments) -> Result<(), Failure> {
    let folder = existing(context, keys)?;
    let options = KeyOptions::from(keys);
    if options.given() {
        // A key that its passphrase does not open would be lost.
        let protection = options.for_existing_keys(&context.output, &folder)?;
        Authority::check_root_key(&folder, &protection)?;
    }
    export_root_key(&folder, out)?;
    context.output.note(&format!(
        "Moved the root's key to {0}. Keep it off this machine, with its passphrase apart: it is needed to make another \
         issuing CA. The server runs on without it.",
        out.display()
    ));
    context.object(|| json!({ "root_key": out.display().to_string() }))
}

fn change_passphrase(
    context: &Context,
    new_password_file: Option<PathBuf>,
    keys: &KeyArguments,
) -> Result<(), Failure> {
    let folder = existing(context, keys)?;
    let _lock = folder.lock()?;
    let old = KeyOptions::from(keys).for_existing_keys(&context.output, &folder)?;
    let open = OpenKeys::open(&folder, &old)?;
    open.encrypt(&folder, new_passphrase(new_password_file)?)?;
    context.output.note(
        "The keys open with the new passphrase alone: give it to `serve` from now on. Copies of the folder from before still \
         open with the old one.",
    );
    context.object(|| json!({ "changed": true }))
}

async fn show(context: &Context, keys: &KeyArguments) -> Result<(), Failure> {
    let folder = existing(context, keys)?;
    let inventory = Inventory::read(&folder)?;
    let root_key = inventory.keys.iter().any(|key| key.name == "root");
    let organisation = inventory.organisation.as_str();
    let output = &context.output;
    output.result(
        || {
            json!({
                "kind": "organisation", "name": organisation, "root_key_here": root_key,
                "keys_encrypted": inventory.encrypted(),
            })
        },
        || {
            let place = if root_key { "in this folder" } else { "not in this folder" };
            let state = if inventory.encrypted() { "encrypted" } else { "NOT encrypted" };
            format!("organisation  {organisation}; root key {place}; keys {state}")
        },
    )?;
    for certificate in [&inventory.root, &inventory.issuing].into_iter().chain(&inventory.leaves) {
        let Listed { name, fingerprint, not_before_ms, not_after_ms } = certificate;
        Row {
            kind: name,
            name: None,
            fingerprint: *fingerprint,
            validity: Some((*not_before_ms, *not_after_ms)),
            revoked_ms: None,
        }
        .print(context)?;
    }
    if !folder.has_database() {
        return Ok(());
    }
    let console = Console::open(&folder).await?;
    let known = console.certificates().await?;
    console.close().await;
    known.iter().filter_map(Row::of_device).try_for_each(|row| row.print(context))
}

/// One line of `ca show`.
struct Row<'a> {
    kind: &'a str,
    name: Option<String>,
    fingerprint: Fingerprint,
    validity: Option<(u64, u64)>,
    revoked_ms: Option<u64>,
}

impl Row<'_> {
    fn of_device(known: &Known) -> Option<Self> {
        let Some(Holder::Device { user, device }) = &known.holder else { return None };
        Some(Self {
            kind: "device",
            name: Some(format!("{user}/{device}")),
            fingerprint: Fingerprint(known.hash),
            validity: known.chain.leaf().and_then(validity_ms),
            revoked_ms: known.revoked_ms,
        })
    }

    fn print(&self, context: &Context) -> Result<(), Failure> {
        context.output.result(
            || {
                json!({
                    "kind": self.kind, "name": self.name, "certificate": self.fingerprint.to_string(),
                    "not_before": self.validity.map(|v| v.0), "not_after": self.validity.map(|v| v.1),
                    "revoked": self.revoked_ms,
                })
            },
            || {
                let until = self.validity.map(|(_, end)| format!("until {}", utc(end))).unwrap_or_default();
                let state = self.revoked_ms.map_or(until, |at| format!("REVOKED {}", utc(at)));
                let name = self.name.as_deref().map(|name| format!("  {name}")).unwrap_or_default();
                format!("{:12}  {}  {state}{name}", self.kind, self.fingerprint)
            },
        )
    }
}

fn made(context: &Context, folder: &DataFolder) -> Result<(), Failure> {
    let inventory = Inventory::read(folder)?;
    let (organisation, root) = (&inventory.organisation, inventory.root.fingerprint);
    let data = super::shown(folder.path());
    context.output.note(&format!(
        "Made the organisation {organisation} in {data}. Start it with\n  countersign serve --data {data}"
    ));
    context.output.result(
        || json!({ "organisation": organisation.as_str(), "root": root.to_string() }),
        || root.to_string(),
    )
}

fn existing(context: &Context, keys: &KeyArguments) -> Result<DataFolder, Failure> {
    let path = context.data_folder(&keys.data);
    DataFolder::existing(&path).ok_or_else(|| super::no_organisation(&path))
}

fn load(context: &Context, keys: &KeyArguments) -> Result<(DataFolder, Authority), Failure> {
    let folder = existing(context, keys)?;
    let protection = KeyOptions::from(keys).for_existing_keys(&context.output, &folder)?;
    let authority = Authority::load(&folder, &protection)?;
    Ok((folder, authority))
}

fn refuse_existing(folder: &DataFolder) -> Result<(), Failure> {
    match DataFolder::existing(folder.path()) {
        Some(_) => Err(AuthorityError::Exists.into()),
        None => Ok(()),
    }
}

fn refuse_overwriting(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::new(
            "exists",
            format!("{} is there already; name another file", path.display()),
        ));
    }
    Ok(())
}

/// A request in PEM or DER.
fn request_der(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read(path)?;
    if !bytes.starts_with(b"-----BEGIN") {
        return Ok(bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    from_pem("CERTIFICATE REQUEST", &text).ok_or_else(|| {
        Failure::new("bad-request", format!("{} holds no CERTIFICATE REQUEST in PEM", path.display()))
    })
}

fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?)
        .map_err(|_| Failure::new("bad-certificate", format!("{} is no PEM file", path.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |why: String| Failure::new("io", format!("cannot read {}: {why}", path.display()));
    let size = fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
    if size > MAX_FILE {
        return Err(unreadable(format!("it has {size} bytes, and at most {MAX_FILE} are read")));
    }
    fs::read(path).map_err(|e| unreadable(e.to_string()))
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o644).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e: std::io::Error| cannot_write(path, &e))
}

/// Writes a file whole, over an earlier one: to a name beside it, then renamed.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path)).map_err(|e| cannot_write(path, &e))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new("io", format!("cannot write {}: {error}", path.display()))
}
