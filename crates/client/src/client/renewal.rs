//! A room's keys begun anew, when nobody comes back into those that there are (docs/group.md, GR-35).

use std::collections::BTreeSet;
use std::time::Duration;

use evidence::membership::DeviceRef;
use evidence::room::RoomId;
use pki::Name;
use session::message::FailureCode;
use tokio::time::timeout;

use super::Client;
use super::rooms::names;
use crate::engine::Status;
use crate::mls::Renewal;
use crate::room::{Facts, Room};
use crate::{ClientError, MemberDevice};

/// How often this is begun again when the room changes meanwhile.
const TRIES: usize = 5;
/// How long one try has.
const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    /// Begins a room's keys anew, with all members but some users, and devices that have no key packages; says whose devices did not come along without
    /// having been named.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if one who is named is no member; [`ClientError::Unencrypted`]; [`ClientError::Offline`]; [`ClientError`].
    pub async fn renew(&self, room: RoomId, without: &[&str]) -> Result<Vec<MemberDevice>, ClientError> {
        let without = names(without)?;
        if without.contains(&self.core().owner.user) {
            return Err(ClientError::Input("nobody renews a room without themselves: leave it".to_owned()));
        }
        let before = self.members(room).await?;
        let known = self.room(&room)?;
        let mut renewed = false;
        for _ in 0..TRIES {
            renewed = self.try_to_renew(&known, &without).await?;
            known.set_renewal(None);
            if renewed {
                break;
            }
        }
        if !renewed {
            return Err(ClientError::Failed {
                code: FailureCode::Conflict,
                message: "the room changes all the time, or the server does not answer: try again later"
                    .to_owned(),
                retry_ms: None,
            });
        }
        // Another member may have been first, with those.
        let still: Vec<&str> = {
            let now = self.members(room).await?;
            let is_there = |user: &&Name| now.iter().any(|member| member.user == user.as_str());
            without.iter().filter(is_there).map(Name::as_str).collect()
        };
        if !still.is_empty() {
            self.remove(room, &still).await?;
        }
        let now = self.members(room).await?;
        let left = |member: &MemberDevice| {
            now.iter().all(|other| other.certificate != member.certificate)
                && without.iter().all(|user| user.as_str() != member.user)
        };
        Ok(before.into_iter().filter(left).collect())
    }

    /// Whether the room is in another generation then.
    async fn try_to_renew(&self, room: &Room, without: &BTreeSet<Name>) -> Result<bool, ClientError> {
        let (core, own) = (self.core(), self.certificate());
        let session = core.session()?;
        let members = self.present(&session, room).await?;
        if let Some(user) = without.iter().find(|user| members.iter().all(|member| member.user != **user)) {
            return Err(ClientError::NotFound(format!("{user} is not a member of this room")));
        }
        let others: Vec<DeviceRef> = members.into_iter().filter(|member| member.certificate != own).collect();
        let stay = others.iter().filter(|member| !without.contains(&member.user));
        let stay: Vec<_> = stay.map(|member| member.certificate).collect();
        let packages = core.take_packages(&session, &stay).await?;
        let asked = others.into_iter().map(|member| member.certificate).collect();
        let mut facts = room.watch();
        let generation = facts.borrow().keys.ok_or(ClientError::Unencrypted)?.at.generation;
        room.set_renewal(Some(Renewal { asked, packages }));
        core.put_care(room).await?;
        core.outbox_bell.notify_one();
        let is_over = |facts: &Facts| {
            facts.stopped || !facts.member || facts.keys.is_some_and(|keys| keys.at.generation > generation)
        };
        let mut status = core.status.subscribe();
        let over = async {
            tokio::select! {
                _ = facts.wait_for(is_over) => Ok(()),
                ended = status.wait_for(|status| matches!(status, Status::Ended(_))) => match ended.as_deref() {
                    Ok(Status::Ended(cause)) => Err(ClientError::Ended(std::sync::Arc::clone(cause))),
                    _ => Err(ClientError::Closed),
                },
            }
        };
        match timeout(PATIENCE, over).await {
            Ok(outcome) => outcome?,
            Err(_) => return Ok(false),
        }
        room.check_not_stopped()?;
        if room.facts().member { Ok(true) } else { Err(ClientError::NotAMember) }
    }
}
