//! The bench: a server to start and stop, people to bring in, what they say, the log, the wire (LA-53).

use std::sync::Arc;

use axum::extract::{Form, State};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Lab, layout};
use crate::LabError;
use crate::exercise::{MAX_NAME, MAX_TEXT, Presence, Screen, Seen};
use crate::exhibit::{Column, attacks};

/// The page; what is on it comes by the stream.
pub(super) async fn page(State(lab): State<Arc<Lab>>) -> Markup {
    let column = lab.exercise.view().look().column;
    let body = html! {
        section.bench {
            div #status { (status(&lab.exercise.view().look())) }
            p #problem role="alert" {}
            div.panels {
                section.card aria-label="People" { h2 { "People" } div #people { (people(&lab.exercise.view().look())) } }
                section.card aria-label="Server log" {
                    h2 { "Server log" small { "times in UTC" } }
                    div.log #log tabindex="0" {}
                }
                section.card aria-label="The wire" {
                    h2 { "The wire" small.legend { span.learnt { "what an eavesdropper learns" } } }
                    div.wire #wire tabindex="0" {}
                }
            }
            (attack(column))
        }
    };
    layout::page("Bench", "/", body)
}

/// The choice of an attack; its names are those that work on some protocol.
fn attack(column: Column) -> Markup {
    html! {
        form.card.attack method="post" action="/attack" {
            h2 { "Attack" }
            label { "Exhibit "
                select name="attack" {
                    @for attack in attacks().unwrap_or_default() {
                        option value=(attack.name) { (attack.exhibit) " · " (attack.title) }
                    }
                }
            }
            label { "against "
                select name="protocol" {
                    @for protocol in Column::ALL {
                        option value=(protocol) selected[protocol == column] { (protocol) }
                    }
                }
            }
            button.bad { "Launch" }
            p.hint { "It is run for real, on a server and people of its own, and then against Countersign." }
        }
    }
}

/// The protocol and its server.
pub(super) fn status(seen: &Seen) -> Markup {
    let running = seen.running;
    html! {
        div.card.status {
            form method="post" action="/bench/start" {
                label { "Protocol "
                    select name="protocol" #protocol {
                        @for column in Column::ALL {
                            option value=(column) selected[column == seen.column] { (column) }
                        }
                    }
                }
                button.good #start { @if running.is_some() { "Restart server" } @else { "Start server" } }
            }
            form method="post" action="/bench/end" { button #end disabled[running.is_none()] { "End session" } }
            form method="post" action="/bench/stop" {
                button.bad #stop disabled[running.is_none()] { "Stop server" }
            }
            p.state {
                @match running {
                    Some((column, address)) => { span.lamp.on {} (column) " listens on " code { (address) } }
                    None => { span.lamp {} "no server runs" }
                }
            }
        }
    }
}

/// Everybody's screens.
pub(super) fn people(seen: &Seen) -> Markup {
    html! {
        @if seen.running.is_some() {
            form.row method="post" action="/bench/connect" {
                input #name name="name" placeholder="a name: alice, bob …" maxlength=(MAX_NAME) required
                    autocomplete="off" aria-label="Name";
                button.good #connect { "Connect" }
            }
        } @else {
            p.hint { "Start a server; then bring people in, and have them talk." }
        }
        @for (number, screen) in &seen.people { (person(*number, screen)) }
        @if seen.server_talks && seen.running.is_some() {
            div.person #person-server {
                h3 { "server" }
                (mouth(None, "server"))
            }
        }
    }
}

fn person(number: u32, screen: &Screen) -> Markup {
    html! {
        div.person id={ "person-" (number) } {
            h3 {
                (screen.name)
                @match &screen.presence {
                    Presence::Coming => small { "is coming in …" },
                    Presence::Here => {
                        form method="post" action="/bench/disconnect" {
                            button name="number" value=(number) { "Disconnect" }
                        }
                    }
                    Presence::Gone(None) => small { "has left in order" },
                    Presence::Gone(Some(why)) => small.wrong { "is gone: " (why) },
                }
            }
            div.screen { @for line in &screen.lines { p { (line) } } }
            @if screen.presence == Presence::Here { (mouth(Some(number), &screen.name)) }
        }
    }
}

fn mouth(number: Option<u32>, name: &str) -> Markup {
    html! {
        form.row method="post" action="/bench/say" {
            @if let Some(number) = number { input type="hidden" name="number" value=(number); }
            input id={ "say-" (name) } name="text" placeholder={ "say something as " (name) } maxlength=(MAX_TEXT)
                required autocomplete="off" aria-label={ "Say as " (name) };
            button { "Send" }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Start {
    protocol: Column,
}

#[derive(Deserialize)]
pub(super) struct Connect {
    name: String,
}

#[derive(Deserialize)]
pub(super) struct Disconnect {
    number: u32,
}

#[derive(Deserialize)]
pub(super) struct Say {
    number: Option<u32>,
    text: String,
}

/// Does it to its end, even if the browser does not wait for it; the browser stays where it is, and what came of it comes by the
/// stream.
async fn done<T, F>(lab: Arc<Lab>, act: impl FnOnce(Arc<Lab>) -> F) -> StatusCode
where
    T: Send + 'static,
    F: Future<Output = Result<T, LabError>> + Send + 'static,
{
    let doing = act(Arc::clone(&lab));
    let done = tokio::spawn(async move { lab.report(&doing.await) }).await;
    if done.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR }
}

pub(super) async fn start(State(lab): State<Arc<Lab>>, Form(form): Form<Start>) -> StatusCode {
    done(lab, |lab| async move { lab.exercise.start(form.protocol).await }).await
}

pub(super) async fn stop(State(lab): State<Arc<Lab>>) -> StatusCode {
    done(lab, |lab| async move {
        lab.exercise.stop().await;
        Ok(())
    })
    .await
}

pub(super) async fn end(State(lab): State<Arc<Lab>>) -> StatusCode {
    done(lab, |lab| async move { lab.exercise.end().await }).await
}

pub(super) async fn connect(State(lab): State<Arc<Lab>>, Form(form): Form<Connect>) -> StatusCode {
    done(lab, |lab| async move { lab.exercise.connect(form.name.trim()).await }).await
}

pub(super) async fn disconnect(State(lab): State<Arc<Lab>>, Form(form): Form<Disconnect>) -> StatusCode {
    done(lab, |lab| async move { lab.exercise.disconnect(form.number).await }).await
}

pub(super) async fn say(State(lab): State<Arc<Lab>>, Form(form): Form<Say>) -> StatusCode {
    done(lab, |lab| async move { lab.exercise.say(form.number, &form.text).await }).await
}
