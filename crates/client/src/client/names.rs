//! Rooms by what people call them: a name is theirs to choose and not unique, so it never moves to another room silently.

use evidence::entry::{Entry, UnverifiedEntry};
use evidence::room::{RoomId, RoomName};
use pki::Name;

use super::{Client, RoomSummary};
use crate::ClientError;
use crate::room::Room;

/// Entries read from the home at a time.
const PAGE: usize = 4096;

impl Client {
    /// Finds a room by `@USER`, by its id in 64 hexadecimal digits, or by its name.
    ///
    /// A name means the one room of that name of which this device is a member. If it was put out of a room that it knew
    /// by that name before, another room of somebody else does not take the name over. Without a room to be a member of,
    /// the name means the one that is known.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::Ambiguous`].
    pub async fn find_room(&self, text: &str) -> Result<RoomId, ClientError> {
        if let Some(user) = text.strip_prefix('@') {
            let user = Name::parse(user).map_err(|error| ClientError::Input(error.to_string()))?;
            return self
                .find_direct(&user)
                .await?
                .ok_or_else(|| ClientError::NotFound(format!("there is no direct room with {user} yet")));
        }
        if let Ok(id) = text.parse::<RoomId>() {
            return Ok(self.room(&id)?.id);
        }
        let rooms = self.rooms().await?;
        let named: Vec<_> = rooms.iter().filter(|room| room.name.as_deref() == Some(text)).collect();
        let ours: Vec<_> = named.iter().copied().filter(|room| room.member).collect();
        match (named.as_slice(), ours.as_slice()) {
            ([], _) => {
                Err(ClientError::NotFound(format!("no room is called {text:?}; `room list` shows yours")))
            }
            ([one], _) => Ok(one.id),
            (_, [one]) => {
                let lost = self.lost_before(one, &named).await?;
                if lost.is_empty() {
                    return Ok(one.id);
                }
                let mut all = lost;
                all.push(one);
                Err(self.ambiguous(text, &all).await?)
            }
            (_, []) => Err(self.ambiguous(text, &named).await?),
            (_, several) => Err(self.ambiguous(text, several).await?),
        }
    }

    pub(super) async fn find_direct(&self, user: &Name) -> Result<Option<RoomId>, ClientError> {
        let rooms = self.rooms().await?;
        let with = |room: &&RoomSummary| room.direct_with.as_deref() == Some(user.as_str());
        // One of content suite 0, which an earlier version made, is not talked in any more.
        if let Some(room) = rooms.iter().filter(with).find(|room| room.key_epoch.is_some()) {
            return Ok(Some(room.id));
        }
        for room in rooms.iter().filter(with).filter(|room| room.size == 0) {
            // On its way.
            if !self.core().vault.outbox(self.room(&room.id)?.key, 0, 1).await?.is_empty() {
                return Ok(Some(room.id));
            }
        }
        Ok(None)
    }

    /// That no room of which this device is a member has the name.
    pub(super) async fn check_name_is_free(&self, name: &RoomName) -> Result<(), ClientError> {
        let rooms = self.rooms().await?;
        match rooms.iter().find(|room| room.member && room.name.as_deref() == Some(name.as_str())) {
            Some(room) => Err(ClientError::Exists(format!(
                "you are in a room called {:?} already: {}",
                name.as_str(),
                room.id
            ))),
            None => Ok(()),
        }
    }

    /// Those of `named` that this device knew before `one`, which somebody else created, and was put out of.
    async fn lost_before<'a>(
        &self,
        one: &RoomSummary,
        named: &[&'a RoomSummary],
    ) -> Result<Vec<&'a RoomSummary>, ClientError> {
        let taker = self.room(&one.id)?;
        let mut lost = Vec::new();
        if self.creator(&taker).await?.as_ref() == Some(&self.core().owner.user) {
            return Ok(lost);
        }
        for other in named.iter().copied().filter(|other| other.id != one.id) {
            let room = self.room(&other.id)?;
            if room.key < taker.key && !self.left_by_itself(&room).await? {
                lost.push(other);
            }
        }
        Ok(lost)
    }

    /// Whether the last change that took this device out of a room was its own user's.
    async fn left_by_itself(&self, room: &Room) -> Result<bool, ClientError> {
        let core = self.core();
        let own = core.owner.certificate.hash();
        let (mut next, mut by_itself) = (0, false);
        loop {
            let page = core.vault.entries(room.key, next, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(by_itself) };
            next = last + 1;
            for (_, entry) in &page {
                let Ok(UnverifiedEntry::Membership(statement)) = Entry::parse(&entry.entry) else {
                    continue;
                };
                let claim = statement.claim();
                if claim.change.removed().iter().any(|device| device.certificate == own) {
                    by_itself = core
                        .certificates
                        .accepted(&claim.certificate)
                        .is_some_and(|signer| signer.certificate.identity().user() == Some(&core.owner.user));
                }
            }
        }
    }

    async fn creator(&self, room: &Room) -> Result<Option<Name>, ClientError> {
        let Some((creation, _)) = self.creation(room).await? else { return Ok(None) };
        let known = self.core().certificates.accepted(&creation.creator);
        Ok(known.and_then(|known| known.certificate.identity().user().cloned()))
    }

    /// Says which rooms a name may mean.
    async fn ambiguous(&self, name: &str, rooms: &[&RoomSummary]) -> Result<ClientError, ClientError> {
        let mut text = format!("several rooms are called {name:?}; use an id:");
        for summary in rooms {
            let creator = self.creator(&*self.room(&summary.id)?).await?;
            let creator = creator.map_or_else(|| "nobody known".to_owned(), |user| user.to_string());
            let member = if summary.member { "" } else { ", and you are not a member of it" };
            text.push_str(&format!("\n  {}, created by {creator}{member}", summary.id));
        }
        Ok(ClientError::Ambiguous(text))
    }
}
