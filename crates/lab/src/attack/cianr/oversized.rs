//! Exhibit 11: a message that is announced larger than anybody would store.

use classic::cianr::Dialect;
use classic::conversation::What;
use classic::limits::MAX_FRAME;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::Stage;

/// Bytes that are sent of a line that does not end: as many as a server has to refuse.
const ENDLESS: usize = 2 * MAX_FRAME;

/// Announces 4 GiB, or begins a line that does not end, before anything else.
pub(super) async fn run(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let mut server = stage.cianr_server(dialect, false).await?;
    let failed = || LabError::io("cannot speak with the server");
    let mut stream = TcpStream::connect(server.address).await.map_err(failed())?;
    let local = stream.local_addr().map_err(failed())?;
    let flow = capture.flow("attacker and server", local, server.address);
    let (bytes, note) = match dialect {
        Dialect::Pss | Dialect::Pkcs1 => (u32::MAX.to_be_bytes().to_vec(), "4 GiB, announced"),
        Dialect::Line => (vec![b'{'; ENDLESS], "a line without an end"),
    };
    capture.frame(flow, End::Client, &bytes, Some(note.to_owned()));
    // A server that has closed by now has given its answer.
    let _ = stream.write_all(&bytes).await;
    let closed = server.events.next(|what| match what {
        What::Disconnected { error } => Some(error.clone().unwrap_or_default()),
        _ => None,
    });
    Ok(match closed.await {
        Some(error) => Found::refused(format!("The server closes the connection: {error}.")),
        None => Found::succeeds("The server waits for it."),
    })
}
