//! `invite`: makes, lists and revokes invites, on a server's folder or through an administrator's home.

use client::{Home, InviteSummary};
use pki::Name;
use serde_json::json;
use server::console::Console;
use server::organisation::{DataFolder, Inventory, PublicAddress};
use session::link::{Link, Purpose};
use session::message::{InviteInfo, Role};

use super::{Context, online};
use crate::cli::{DataArguments, InviteCommand, RoleArgument};
use crate::clock::{now_ms, utc};
use crate::terminal::Failure;

/// An invite to be made.
struct Wanted {
    user: Option<Name>,
    role: Role,
    uses: u32,
    expires_ms: u64,
}

/// Where invites are made.
enum Desk {
    /// On the server's folder, also while a server runs on it.
    Folder(DataFolder),
    /// Through the home, as an administrator.
    Home,
}

/// Runs it.
pub async fn run(context: &Context, command: InviteCommand) -> Result<(), Failure> {
    match command {
        InviteCommand::Create { user, role, uses, expires, data } => {
            let user = user.map(|user| Name::parse(&user)).transpose();
            let wanted = Wanted {
                user: user.map_err(|e| Failure::usage(format!("--user: {e}")))?,
                role: role.into(),
                uses,
                expires_ms: now_ms().saturating_add(expires.ms),
            };
            let expires_ms = wanted.expires_ms;
            let link = match Desk::choose(context, &data)? {
                Desk::Folder(folder) => create_on_folder(&folder, wanted).await?,
                Desk::Home => create_through_home(context, wanted).await?,
            };
            let id = hex::encode(pki::sha256(&link.token));
            let text = link.format();
            context
                .output
                .result(|| json!({ "link": text, "id": id, "expires": expires_ms }), || text.clone())
        }
        InviteCommand::List { data } => {
            let invites: Vec<InviteSummary> = match Desk::choose(context, &data)? {
                Desk::Folder(folder) => {
                    let console = Console::open(&folder).await?;
                    let invites = console.invites().await?.into_iter().map(summary).collect();
                    console.close().await;
                    invites
                }
                Desk::Home => {
                    let client = online(context).await?;
                    let invites = client.invites().await;
                    client.close().await;
                    invites?
                }
            };
            if invites.is_empty() {
                let make = typed(context, &data, "invite create");
                context.output.note(&format!("No invite can be used. Make one with `{make}`."));
            }
            invites.iter().try_for_each(|invite| context.output.result(|| object(invite), || line(invite)))
        }
        InviteCommand::Revoke { invite, data } => {
            let id = parse_id(&invite)?;
            match Desk::choose(context, &data)? {
                Desk::Folder(folder) => {
                    let console = Console::open(&folder).await?;
                    let known = console.invites().await?.iter().any(|open| *open.id == id);
                    if !known {
                        return Err(no_such_invite(&typed(context, &data, "invite list")));
                    }
                    console.revoke_invite(&id).await?;
                    console.close().await;
                }
                Desk::Home => {
                    let client = online(context).await?;
                    let outcome = client.revoke_invite(id).await;
                    client.close().await;
                    outcome?;
                }
            }
            context.output.note("Revoked: nobody can use that invite any more.");
            context.object(|| json!({ "revoked": hex::encode(id) }))
        }
    }
}

impl From<RoleArgument> for Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Member => Self::Member,
            RoleArgument::Admin => Self::Admin,
        }
    }
}

impl Desk {
    /// The folder that is named; else the home; else, without a home, the folder at its default place.
    fn choose(context: &Context, arguments: &DataArguments) -> Result<Self, Failure> {
        let path = context.data_folder(arguments);
        let folder = DataFolder::existing(&path);
        if arguments.data.is_some() {
            return folder.map(Self::Folder).ok_or_else(|| super::no_organisation(&path));
        }
        let home = context.home_folder()?;
        match folder {
            _ if Home::exists(&home) => Ok(Self::Home),
            Some(folder) => Ok(Self::Folder(folder)),
            None => Err(Failure::new(
                "no-home",
                format!(
                    "there is neither a home in {} nor a server's folder in {}; name one with --home DIR or --data DIR",
                    home.display(),
                    path.display()
                ),
            )),
        }
    }
}

async fn create_on_folder(folder: &DataFolder, wanted: Wanted) -> Result<Link, Failure> {
    let root = Inventory::read(folder)?.root.fingerprint;
    let address = folder.address()?.ok_or_else(|| {
        Failure::new(
            "never-served",
            format!(
                "no server has run on {} yet, so there is no address to put into the link; start `countersign serve` first",
                folder.path().display()
            ),
        )
    })?;
    let console = Console::open(folder).await?;
    let token =
        console.create_invite(wanted.user.as_ref(), wanted.role, wanted.uses, wanted.expires_ms).await?;
    console.close().await;
    let PublicAddress { host, port } = address;
    Ok(Link { host, port, root: *root.as_bytes(), token, purpose: Purpose::Join })
}

async fn create_through_home(context: &Context, wanted: Wanted) -> Result<Link, Failure> {
    let client = online(context).await?;
    let made = client
        .create_invite(wanted.user.as_ref().map(Name::as_str), wanted.role, wanted.uses, wanted.expires_ms)
        .await;
    client.close().await;
    Ok(made?.link)
}

/// An invite's id: 64 hexadecimal digits, or the link.
fn parse_id(text: &str) -> Result<[u8; 32], Failure> {
    let mut id = [0; 32];
    if hex::decode_to_slice(text, &mut id).is_ok() {
        return Ok(id);
    }
    match Link::parse(text) {
        Ok(link) => Ok(pki::sha256(&link.token)),
        Err(_) => Err(Failure::usage(
            "name the invite by its id, 64 hexadecimal digits as `countersign invite list` shows it, or by its whole link",
        )),
    }
}

fn no_such_invite(list: &str) -> Failure {
    Failure::new("not-found", format!("no invite of that id can be used; `{list}` shows those that can"))
}

/// A command on the same folder, or through the same home.
fn typed(context: &Context, arguments: &DataArguments, command: &str) -> String {
    match &arguments.data {
        Some(folder) => format!("countersign {command} --data {}", super::shown(folder)),
        None => context.typed(command),
    }
}

fn summary(info: InviteInfo) -> InviteSummary {
    InviteSummary {
        id: *info.id,
        user: info.user,
        role: info.role,
        uses_left: info.uses_left,
        expires_ms: info.expires,
    }
}

fn object(invite: &InviteSummary) -> serde_json::Value {
    json!({
        "id": hex::encode(invite.id),
        "role": role_word(invite.role),
        "user": invite.user,
        "uses_left": invite.uses_left,
        "expires": invite.expires_ms,
    })
}

fn line(invite: &InviteSummary) -> String {
    format!(
        "{}  {:6}  for {}, {} left, until {}",
        hex::encode(invite.id),
        role_word(invite.role),
        invite.user.as_deref().unwrap_or("anybody"),
        invite.uses_left,
        utc(invite.expires_ms)
    )
}

/// A role as it is typed.
pub(super) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
    }
}
