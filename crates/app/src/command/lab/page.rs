//! `lab`: the page, until it is told to stop.

use std::net::SocketAddr;

use lab::page::Page;
use serde_json::json;
use tokio::signal::unix::SignalKind;

use super::super::Context;
use super::super::serve::stop_signal;
use crate::clock::{now_ms, now_us};
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, listen: SocketAddr) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) =
        (stop_signal(SignalKind::terminate())?, stop_signal(SignalKind::interrupt())?);
    let page = Page::open(listen, now_ms, now_us).await?;
    let link = page.link();
    context.output.note("Open the link in a browser of this machine; Ctrl-C ends the lab.");
    context.output.result(|| json!({ "ready": link }), || format!("READY {link}"))?;
    tokio::select! {
        ended = page.serve() => Ok(ended?),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
