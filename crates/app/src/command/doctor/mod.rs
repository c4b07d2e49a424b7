//! `doctor`: finds and explains what is wrong with a home, with the server as it is reached from here, and with a
//! server's folder.

mod folder;
mod home;

use client::Home;
use serde_json::json;
use server::organisation::DataFolder;

use super::Context;
use crate::cli::DoctorArguments;
use crate::clock::utc;
use crate::terminal::Failure;

/// Days before its end from which a certificate is worth a word.
const SOON_MS: u64 = 30 * 86_400_000;

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
            "become a member with `countersign join INVITE`, or name your home with --home DIR",
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
            "have the request signed, then run `countersign ca install`",
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
