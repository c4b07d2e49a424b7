//! Exhibit 12: whether a server's answers tell who has an account.

use classic::ClassicError;
use classic::cianr::Dialect;
use zeroize::Zeroizing;

use super::session::register;
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{EMAIL, Stage, enter, say};
use crate::tap::{Marks, Tap};

/// Logs in with a wrong password, by a name that exists and by one that does not.
pub(super) async fn run(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let mut server = stage.cianr_server(dialect, false).await?;
    register(stage, dialect, &mut server).await?;
    let door = server.accounts.as_ref().map_or(server.address, |accounts| accounts.address);
    let tap = Tap::listen(door, Marks::Classic(dialect.framing()), capture.clone()).await?;
    let mut answers = Vec::new();
    for email in [EMAIL, "nobody@example.org"] {
        let mut client = stage.alice(dialect, None, false).await?;
        email.clone_into(&mut client.account.email);
        client.account.password = Zeroizing::new("a guess".to_owned());
        let outcome = match dialect {
            Dialect::Pss | Dialect::Pkcs1 => say(&client, tap.address(), &[]).await?.outcome,
            Dialect::Line => enter(&client, tap.address()).await?,
        };
        match outcome {
            Err(ClassicError::Refused(answer)) => answers.push(answer),
            other => return Err(LabError::stage(format!("a login with a wrong password: {other:?}"))),
        }
        capture.note(format!("the answer to {email}"));
    }
    Ok(match answers.as_slice() {
        [known, unknown] if known == unknown => Found::refused(format!("The server says “{known}” to both.")),
        [known, unknown] => Found::succeeds(format!(
            "The server says “{known}” to a name that exists, and “{unknown}” to one that does not."
        )),
        _ => return Err(LabError::stage("there were not two answers")),
    })
}
