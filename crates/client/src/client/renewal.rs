//! A room's keys begun anew, when nobody comes back into those that there are (docs/group.md, GR-35).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use evidence::limits::MAX_CHANGES;
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

/// Whatever becomes of it, nothing is renewed once nobody waits for it.
struct Asked<'a>(&'a Room);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.set_renewal(None);
    }
}

impl Client {
    /// Begins a room's keys anew, with all members but some users. Devices of which the server gives no good key package cannot come along: unless
    /// they may be left out, nothing is done then. Says which were.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] if one who is named is no member, or if a device cannot come along and none may be left out;
    /// [`ClientError::Unencrypted`]; [`ClientError::Offline`]; [`ClientError`].
    pub async fn renew(
        &self,
        room: RoomId,
        without: &[&str],
        leave_out: bool,
    ) -> Result<Vec<MemberDevice>, ClientError> {
        let without = names(without)?;
        if without.contains(&self.core().owner.user) {
            return Err(ClientError::Input("nobody renews a room without themselves: leave it".to_owned()));
        }
        let before = self.members(room).await?;
        if let Some(user) = without.iter().find(|user| before.iter().all(|one| one.user != user.as_str())) {
            return Err(ClientError::NotFound(format!("{user} is not a member of this room")));
        }
        let known = self.room(&room)?;
        let mut renewed = false;
        for _ in 0..TRIES {
            renewed = self.try_to_renew(&known, &without, leave_out).await?;
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
    async fn try_to_renew(
        &self,
        room: &Room,
        without: &BTreeSet<Name>,
        leave_out: bool,
    ) -> Result<bool, ClientError> {
        let (core, own) = (self.core(), self.certificate());
        let session = core.session()?;
        let members = self.present(&session, room).await?;
        let others: Vec<DeviceRef> = members.into_iter().filter(|member| member.certificate != own).collect();
        let stay = others.iter().filter(|member| !without.contains(&member.user));
        let stay: Vec<_> = stay.map(|member| member.certificate).collect();
        let packages = core.take_packages(&session, &stay).await?;
        let at = room.facts().keys.ok_or(ClientError::Unencrypted)?.at;
        let asked = others.iter().map(|member| member.certificate).collect();
        let renewal = Renewal { generation: at.generation, asked, packages };
        let (_, removed) = renewal.divide(others);
        let left: Vec<&DeviceRef> = removed.iter().filter(|member| !without.contains(&member.user)).collect();
        if !leave_out && !left.is_empty() {
            let users: BTreeSet<&str> = left.iter().map(|member| member.user.as_str()).collect();
            return Err(ClientError::NotFound(format!(
                "not all devices of {} can come along, as the server has no keys of them to do it by: they have to connect first, or may be left out",
                users.into_iter().collect::<Vec<_>>().join(", ")
            )));
        }
        if removed.len() > MAX_CHANGES {
            return Err(ClientError::Input(format!("more than {MAX_CHANGES} devices at once")));
        }
        room.set_renewal(Some(renewal));
        let _asked = Asked(room);
        core.put_care(room).await?;
        core.outbox_bell.notify_one();
        let mut facts = room.watch();
        let is_over = |facts: &Facts| {
            facts.stopped
                || !facts.member
                || facts.keys.is_some_and(|keys| keys.at.generation != at.generation)
        };
        let mut status = core.status.subscribe();
        let over = async {
            tokio::select! {
                _ = facts.wait_for(is_over) => Ok(()),
                () = room.renewal_settled() => Ok(()),
                ended = status.wait_for(|status| matches!(status, Status::Ended(_))) => match ended.as_deref() {
                    Ok(Status::Ended(cause)) => Err(ClientError::Ended(Arc::clone(cause))),
                    _ => Err(ClientError::Closed),
                },
            }
        };
        if let Ok(outcome) = timeout(PATIENCE, over).await {
            outcome?;
        }
        room.check_not_stopped()?;
        let now = room.facts();
        if !now.member {
            return Err(ClientError::NotAMember);
        }
        Ok(now.keys.is_some_and(|keys| keys.at.generation != at.generation))
    }
}
