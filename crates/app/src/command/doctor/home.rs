//! A home: whether it opens, and whether its server is there and agrees about who it is.

use std::path::Path;
use std::time::Duration;

use client::{Client, ClientError, ClientOptions, Event, Home};
use pki::Password;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Findings;
use crate::clock::now_ms;
use crate::command::{Context, news};

/// How long the server has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at it. Without a password in a file or descriptor only what lies open is looked at.
pub async fn examine(context: &Context, folder: &Path, findings: &mut Findings) {
    match Home::root_fingerprint(folder) {
        Ok(root) => findings.good("home", format!("{}, root {root}", folder.display())),
        Err(e) => findings.bad(
            "home",
            e.to_string(),
            "restore the home from a backup, or add this machine as a new device",
        ),
    }
    findings.private("home", folder);
    findings.space(folder);
    if !context.password_given() {
        let advice = "give --password-file FILE to look further: whether it opens, and its server";
        return findings.warn("home", "not opened: no password was given", advice);
    }
    let home = match open(context, folder).await {
        Ok(home) => home,
        Err((what, advice)) => return findings.bad("home", what, advice),
    };
    findings.good("home", format!("opens; {} on {} in {}", home.user(), home.device(), home.organisation()));
    let advice = format!(
        "before that day run `{}` here, and join with its link as a new device in another folder; after it, do that on \
         another device of yours",
        context.typed("device add")
    );
    findings.validity("this device's certificate", home.validity_ms(), now_ms(), &advice);
    let address = (home.server().host.clone(), home.server().port);
    if reachable(&address, findings).await {
        log_in(context, home, findings).await;
    }
}

async fn open(context: &Context, folder: &Path) -> Result<Home, (String, &'static str)> {
    let password =
        context.password().read("Password: ").map_err(|e| (e.to_string(), "name a file that can be read"))?;
    let opened = Home::open(folder, Password::new(password.as_str().to_owned())).await;
    opened.map_err(|e| {
        (
            e.to_string(),
            "the password is that of your account; a home that is damaged is replaced by a new device",
        )
    })
}

async fn reachable(address: &(String, u16), findings: &mut Findings) -> bool {
    let (host, port) = address;
    let shown = format!("{host}:{port}");
    let why = match timeout(PATIENCE, TcpStream::connect((host.as_str(), *port))).await {
        Ok(Ok(_)) => {
            findings.good("server", format!("{shown} is reachable"));
            return true;
        }
        Ok(Err(e)) => e.to_string(),
        Err(_) => format!("no answer in {} s", PATIENCE.as_secs()),
    };
    findings.bad(
        "server",
        format!("{shown} is not reachable: {why}"),
        "check the network, and whether the server runs; its operator sees that with `countersign doctor --data DIR`",
    );
    false
}

/// Handshake, login, the time, and names in the directory.
async fn log_in(context: &Context, home: Home, findings: &mut Findings) {
    let client = match Client::start(home, ClientOptions::default()).await {
        Ok(client) => client,
        Err(e) => {
            return findings.bad(
                "login",
                e.to_string(),
                "restore the home, or add this machine as a new device",
            );
        }
    };
    let mut events = client.events();
    let refused = async {
        loop {
            match events.next().await {
                Some(Event::Disconnected { why, .. }) => return why,
                Some(_) => {}
                None => return "the client ended".to_owned(),
            }
        }
    };
    let outcome: Result<Result<(), String>, _> = timeout(PATIENCE, async {
        tokio::select! {
            ready = client.ready() => ready.map_err(|e: ClientError| e.to_string()),
            why = refused => Err(why),
        }
    })
    .await;
    match outcome {
        Ok(Ok(())) => {
            findings.good("login", "the server is the organisation's, and takes the login");
            match client.clock_skew_ms().await {
                Ok(skew_ms) => findings.clock(skew_ms),
                Err(e) => {
                    findings.bad("clock", format!("the server does not tell its time: {e}"), "try again")
                }
            }
            if let Err(e) = names(context, &client, findings).await {
                findings.bad("names", e.to_string(), "try again");
            }
        }
        Ok(Err(why)) => findings.bad(
            "login",
            why,
            "an administrator can tell whether the account is enabled and the device in force",
        ),
        Err(_) => findings.bad(
            "login",
            format!("not logged in within {} s", PATIENCE.as_secs()),
            "try again; if it stays so, the server's log says more",
        ),
    }
    client.close().await;
}

/// Whether the directory has what must not be there (session.md, SE-40).
async fn names(context: &Context, client: &Client, findings: &mut Findings) -> Result<(), ClientError> {
    let (news, _) = client.directory_news(true).await?;
    let alarms: Vec<_> = news.iter().filter(|news| news.is_alarm()).collect();
    if alarms.is_empty() {
        findings.good(
            "names",
            "the directory has one beginning of each name, and nothing under yours that is not yours",
        );
    }
    for alarm in alarms {
        let (_, message) = news::message(context, client, alarm).await?;
        findings.bad("names", message, "compare safety codes anew: `countersign user code @NAME`");
    }
    Ok(())
}
