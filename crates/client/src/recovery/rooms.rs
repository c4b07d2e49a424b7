//! Who has come back with a recovery key is added to the rooms again, by whoever is there (GR-34).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evidence::Hash;
use evidence::membership::DeviceRef;
use pki::Name;
use tokio::time::sleep;

use crate::directory::Held;
use crate::room::{Log, Room};
use crate::{Client, ClientError};

/// Longest wait before somebody is added, so that not all who are there do it at once.
const ADD_SPREAD: Duration = Duration::from_secs(5);

impl Client {
    /// Adds new devices of users for which recovery keys vouched to the rooms that these users are in; at once if others are not about to do
    /// the same.
    pub(crate) async fn add_recovered(&self, at_once: bool) -> Result<(), ClientError> {
        let mut all = Vec::new();
        for summary in self.rooms().await? {
            if summary.member && !summary.stopped && summary.key_epoch.is_some() {
                let room = self.room(&summary.id)?;
                let devices = self.recovered_in(&room).await?;
                all.extend((!devices.is_empty()).then_some((summary.id, devices)));
            }
        }
        if all.is_empty() {
            return Ok(());
        }
        if !at_once {
            sleep(spread()?).await;
        }
        let mut outcome = Ok(());
        for (room, devices) in all {
            // One room is not the others.
            let added = self.add_further(room, &devices).await;
            outcome = outcome.and(added);
        }
        outcome
    }

    /// New devices of users in a room for which recovery keys vouched, and that are not in it.
    async fn recovered_in(&self, room: &Room) -> Result<Vec<DeviceRef>, ClientError> {
        let core = self.core();
        let members: BTreeMap<Hash, Name> = core
            .with_log(room, |log: &Log| {
                let members = log.state().into_iter().flat_map(|state| state.members());
                members.map(|(certificate, member)| (*certificate, member.user.clone())).collect()
            })
            .await?;
        let wanted = {
            let mut guard = core.directory.lock().await;
            candidates(core.held_directory(&mut guard).await?, &members)
        };
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let session = core.session()?;
        core.certificates.fetch(&wanted, &core.owner, &core.vault, &session.connection).await?;
        core.complete_directory(&session).await?;
        let mut guard = core.directory.lock().await;
        let held = core.held_directory(&mut guard).await?;
        let devices = wanted.into_iter().filter_map(|(certificate, _)| {
            let user = core.certificates.accepted(&certificate)?.certificate.identity().user()?.clone();
            let entered =
                held.devices_of(&user).into_iter().find(|one| one.issue.certificate == certificate)?;
            let (_, by) = core.voucher(held, &entered)?;
            let good = by.is_recovery_key()
                && !core.certificates.is_revoked_in_a_room(&certificate)
                && core.is_vouched_in_time(held, certificate);
            good.then_some(DeviceRef { user, certificate })
        });
        Ok(devices.collect())
    }
}

/// Devices in force that were entered with a voucher after all of their users' devices in a room, and when.
fn candidates(held: &Held, members: &BTreeMap<Hash, Name>) -> Vec<(Hash, u64)> {
    let users: BTreeSet<&Name> = members.values().collect();
    let mut found = Vec::new();
    for user in users {
        let entered = held.devices_of(user);
        let is_in = |certificate: &Hash| members.contains_key(certificate);
        let newest = entered.iter().rposition(|one| is_in(&one.issue.certificate));
        let later = entered.iter().skip(newest.map_or(0, |at| at.saturating_add(1)));
        let fits = later.filter(|one| {
            one.issue.vouched.is_some()
                && !one.device.is_recovery_key()
                && held.revocation(&one.issue.certificate).is_none()
        });
        found.extend(fits.map(|one| one.in_use()));
    }
    found
}

/// Some time up to [`ADD_SPREAD`].
fn spread() -> Result<Duration, ClientError> {
    let mut byte = [0];
    aws_lc_rs::rand::fill(&mut byte).map_err(|_| ClientError::Cryptography)?;
    let [byte] = byte;
    Ok(ADD_SPREAD * u32::from(byte) / 255)
}
