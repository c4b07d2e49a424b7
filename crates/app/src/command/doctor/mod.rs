//! `doctor`: finds and explains what is wrong with a home, with the server as it is reached from here, and with a
//! server's folder.

mod folder;
mod home;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use client::Home;
use evidence::limits::MAX_SKEW_MS;
use rustix::fs::statvfs;
use rustix::process::geteuid;
use serde_json::json;
use server::organisation::DataFolder;

use super::Context;
use super::context::SOON_MS;
use crate::cli::DoctorArguments;
use crate::clock::utc;
use crate::terminal::Failure;

/// Permission bits that nobody but the owner may have.
const OTHERS: u32 = 0o077;
/// Free bytes of a disk below which a warning is due, and those below which soon nothing can be stored.
const LITTLE_SPACE: u64 = 1 << 30;
const NO_SPACE: u64 = 64 << 20;
/// Milliseconds between this clock and the server's above which a warning is due.
const CLOCK_WARNED_MS: u64 = 60_000;

/// Runs it.
pub async fn run(context: &Context, arguments: DoctorArguments) -> Result<(), Failure> {
    let mut findings = Findings::default();
    findings.good("program", format!("countersign {}", env!("CARGO_PKG_VERSION")));
    let home = context.home_folder()?;
    let data = context.data_folder(&arguments.data);
    let home_wanted = Home::exists(&home);
    let folder = DataFolder::existing(&data);
    if home_wanted {
        home::examine(context, &home, &mut findings).await;
    } else if context.home_selected() && folder.is_none() {
        findings.bad(
            "home",
            format!("there is no home in {}", home.display()),
            format!(
                "become a member with `{}`, or name your home with --home DIR",
                context.typed("join INVITE")
            ),
        );
    }
    match folder {
        Some(folder) => folder::examine(&folder, &mut findings).await,
        None if DataFolder::at(&data).awaits_certificate() => findings.bad(
            "folder",
            format!(
                "the issuing CA in {} waits for the certificate that your own root signs",
                data.display()
            ),
            format!(
                "have the request signed, then run `countersign ca install CERTIFICATE --root ROOT --data {}`",
                super::shown(&data)
            ),
        ),
        None if arguments.data.data.is_some() => findings.bad(
            "folder",
            format!("there is no organisation in {}", data.display()),
            "name the server's folder with --data DIR, or make one with `countersign serve`",
        ),
        None => {}
    }
    if findings.0.len() == 1 {
        findings.bad(
            "place",
            format!(
                "there is neither a home in {} nor a server's folder in {}",
                home.display(),
                data.display()
            ),
            "name them with --home DIR and --data DIR; `countersign demo` shows everything without either",
        );
    }
    findings.print(context)
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Warning,
    Bad,
}

/// What was looked at and how it is.
struct Finding {
    check: &'static str,
    state: State,
    what: String,
    advice: Option<String>,
}

/// In the order in which it was looked at.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn good(&mut self, check: &'static str, what: impl Into<String>) {
        self.0.push(Finding { check, state: State::Good, what: what.into(), advice: None });
    }

    fn warn(&mut self, check: &'static str, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { check, state: State::Warning, what: what.into(), advice: Some(advice.into()) });
    }

    fn bad(&mut self, check: &'static str, what: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { check, state: State::Bad, what: what.into(), advice: Some(advice.into()) });
    }

    /// A certificate's validity at `now_ms`.
    fn validity(&mut self, what: &str, (start, end): (u64, u64), now_ms: u64, advice: &str) {
        let check = "certificate";
        if now_ms < start {
            self.bad(check, format!("{what} is valid only from {}", utc(start)), "set this machine's clock");
        } else if now_ms > end {
            self.bad(check, format!("{what} expired {}", utc(end)), advice);
        } else if end - now_ms < SOON_MS {
            self.warn(check, format!("{what} expires {}", utc(end)), advice);
        } else {
            self.good(check, format!("{what} is valid until {}", utc(end)));
        }
    }

    /// Whether others than its owner can use a file or folder; only what is wrong is told.
    fn private(&mut self, check: &'static str, path: &Path) {
        let Ok(metadata) = fs::metadata(path) else { return };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            let tidy = if metadata.is_dir() { "700" } else { "600" };
            self.bad(
                check,
                format!("{} can be used by others than its owner (mode {mode:o})", path.display()),
                format!("chmod {tidy} {}", super::shown(path)),
            );
        }
    }

    /// Whose the folder is: what is made in it by another user, its own server cannot use.
    fn owner(&mut self, check: &'static str, path: &Path) {
        let Ok(metadata) = fs::metadata(path) else { return };
        let (owner, own) = (metadata.uid(), geteuid().as_raw());
        if owner != own {
            self.warn(
                check,
                format!("{} belongs to another user (number {owner}; this one is {own})", path.display()),
                "run `countersign serve` and every command on this folder as that user, or change the owner with chown -R",
            );
        }
    }

    /// The room left on the disk of a folder.
    fn space(&mut self, folder: &Path) {
        match statvfs(folder) {
            Ok(disk) => {
                self.space_of(&folder.display().to_string(), disk.f_bavail.saturating_mul(disk.f_frsize))
            }
            Err(e) => self.bad(
                "disk",
                format!("cannot ask for the free space of {}: {e}", folder.display()),
                "check that the disk is mounted",
            ),
        }
    }

    fn space_of(&mut self, folder: &str, free: u64) {
        let what = format!("{} MiB are free for {folder}", free >> 20);
        let advice = "make room on that disk, or move the folder to a larger one while nothing runs on it";
        match free {
            0..NO_SPACE => self.bad("disk", what, advice),
            NO_SPACE..LITTLE_SPACE => self.warn("disk", what, advice),
            _ => self.good("disk", what),
        }
    }

    /// The server's time less this machine's.
    fn clock(&mut self, skew_ms: i64) {
        let off = skew_ms.unsigned_abs();
        let side = if skew_ms > 0 { "behind" } else { "ahead of" };
        let what = format!("this machine's clock is {} s {side} the server's", off / 1000);
        let limit = MAX_SKEW_MS / 60_000;
        let advice = format!(
            "find out which of the two is wrong (`timedatectl` on both) and set it; above {limit} minutes the server takes no \
             messages"
        );
        if off > MAX_SKEW_MS {
            self.bad("clock", what, advice);
        } else if off > CLOCK_WARNED_MS {
            self.warn("clock", what, advice);
        } else {
            self.good("clock", "this machine's clock and the server's agree");
        }
    }

    fn print(&self, context: &Context) -> Result<(), Failure> {
        for Finding { check, state, what, advice } in &self.0 {
            let (word, mark) = match state {
                State::Good => ("good", "ok "),
                State::Warning => ("warning", "?? "),
                State::Bad => ("bad", "!! "),
            };
            if context.output.quiet && *state == State::Good {
                continue;
            }
            context.output.result(
                || json!({ "check": check, "state": word, "what": what, "advice": advice }),
                || match advice {
                    Some(advice) => format!("{mark} {check:12}  {what}\n{:18}to do: {advice}", ""),
                    None => format!("{mark} {check:12}  {what}"),
                },
            )?;
        }
        match self.0.iter().filter(|finding| finding.state == State::Bad).count() {
            0 => Ok(()),
            1 => Err(Failure::new("unhealthy", "one thing is wrong; see above for what to do")),
            many => {
                Err(Failure::new("unhealthy", format!("{many} things are wrong; see above for what to do")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(look: impl FnOnce(&mut Findings)) -> State {
        let mut findings = Findings::default();
        look(&mut findings);
        let [finding] = findings.0.try_into().map_err(|_| "one finding").unwrap();
        assert_eq!(
            finding.advice.is_none(),
            finding.state == State::Good,
            "what is not good says what to do"
        );
        finding.state
    }

    #[test]
    fn a_clock_may_be_a_minute_off_and_not_five() {
        for (skew_s, expected) in [
            (0, State::Good),
            (60, State::Good),
            (-61, State::Warning),
            (61, State::Warning),
            (300, State::Warning),
            (301, State::Bad),
            (-301, State::Bad),
        ] {
            assert_eq!(state(|findings| findings.clock(skew_s * 1000)), expected, "{skew_s}");
        }
    }

    #[test]
    fn a_disk_that_fills_is_told_before_it_is_full() {
        for (free, expected) in
            [(LITTLE_SPACE, State::Good), (LITTLE_SPACE - 1, State::Warning), (NO_SPACE - 1, State::Bad)]
        {
            assert_eq!(state(|findings| findings.space_of("d", free)), expected, "{free}");
        }
    }

    #[test]
    fn a_certificate_is_told_of_thirty_days_before_its_end() {
        let end = 1_800_000_000_000;
        for (now, expected) in [
            (end - SOON_MS, State::Good),
            (end - SOON_MS + 1, State::Warning),
            (end + 1, State::Bad),
            (0, State::Bad),
        ] {
            assert_eq!(state(|findings| findings.validity("it", (1, end), now, "do")), expected, "{now}");
        }
    }
}
