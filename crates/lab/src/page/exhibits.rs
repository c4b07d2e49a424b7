//! The exhibits: the matrix, and each attack with its words, its picture, its runs and their wires (LA-55).

use std::sync::{Arc, PoisonError};

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Lab, layout, wire};
use crate::exhibit::{Attack, Column, Outcome, attack, attacks, rule};
use crate::matrix::{self, Run};
use crate::{pcap, picture};

/// How an outcome is coloured: what succeeds for the attacker is bad.
fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeds | Outcome::Failed => "bad",
        Outcome::Refused => "good",
        Outcome::NotApplicable => "none",
    }
}

/// What came of a run, in a word.
pub(crate) fn verdict(run: &Run) -> Markup {
    html! {
        span class={ "outcome " (outcome_class(run.outcome)) } { (run.outcome.name()) }
        @if !run.ok { span.outcome.wrong { "not as documented: " (run.expected.name()) } }
    }
}

impl Lab {
    fn run_of(&self, attack: &str, column: Column) -> Option<Arc<Run>> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(&(attack.to_owned(), column)).cloned()
    }

    /// Runs an attack against a protocol and then against Countersign, and keeps what came of it.
    async fn launch(&self, attack: &Attack, protocol: Column) {
        let stage = self.stage.lock().await;
        let second = (protocol != Column::Countersign).then_some(Column::Countersign);
        for column in std::iter::once(protocol).chain(second) {
            let run = matrix::run(&stage, attack, column, self.clock_us).await;
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            runs.insert((attack.name.clone(), column), Arc::new(run));
        }
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, layout::page("Not here", "", layout::sorry("there is no such exhibit")))
        .into_response()
}

/// The matrix.
pub(super) async fn all(State(lab): State<Arc<Lab>>) -> Markup {
    let body = html! {
        section.card {
            h1 { "Exhibits" }
            p.hint {
                "What each attack does to each protocol. An outcome with a dot was seen here since the lab was started; the others are what the "
                "documentation says."
            }
            (matrix("/exhibits/", |attack, column| cell(&lab, attack, column)))
        }
    };
    layout::page("Exhibits", "/exhibits", body)
}

/// All attacks against all protocols; an attack leads to what stands after `link`.
pub(crate) fn matrix(link: &str, cell: impl Fn(&Attack, Column) -> Markup) -> Markup {
    html! {
        div.scroll { table.matrix {
            thead { tr { th { "Attack" } @for column in Column::ALL { th { (column) } } } }
            tbody {
                @for attack in attacks().unwrap_or_default() {
                    tr {
                        th { a href={ (link) (attack.name) } { (attack.exhibit) " · " (attack.title) } }
                        @for column in Column::ALL { td { (cell(attack, column)) } }
                    }
                }
            }
        } }
    }
}

fn cell(lab: &Lab, attack: &Attack, column: Column) -> Markup {
    let expected = attack.expected(column);
    match lab.run_of(&attack.name, column) {
        Some(run) => html! { (verdict(&run)) span.dot title=(run.seen) { "●" } },
        None => html! {
            span class={ "outcome " (outcome_class(expected.outcome)) } title=(expected.reason) {
                @if expected.outcome == Outcome::NotApplicable { "–" } @else { (expected.outcome.name()) }
            }
        },
    }
}

/// One attack.
pub(super) async fn one(State(lab): State<Arc<Lab>>, Path(name): Path<String>) -> Response {
    let Ok(attack) = attack(&name) else { return not_found() };
    let runs: Vec<Arc<Run>> =
        Column::ALL.into_iter().filter_map(|column| lab.run_of(&attack.name, column)).collect();
    let succeeds = |column: &Column| attack.expected(*column).outcome == Outcome::Succeeds;
    let chosen = runs.first().map(|run| run.protocol).filter(|column| *column != Column::Countersign);
    let chosen = chosen.or_else(|| attack.columns().find(succeeds));
    let body = html! {
        article.card.exhibit {
            p.number { "Exhibit " (attack.exhibit) }
            h1 { (attack.title) }
            (words_and_picture(attack))
            form.launch method="post" action={ "/exhibits/" (attack.name) } {
                label { "Against "
                    select name="protocol" {
                        @for column in attack.columns() {
                            option value=(column) selected[Some(column) == chosen] { (column) }
                        }
                    }
                }
                button.bad #launch { "Launch the attack" }
            }
        }
        section #runs {
            @for run in &runs { (run_view(run)) }
        }
    };
    layout::page(&attack.title, "/exhibits", body).into_response()
}

/// What an attack is (LA-2).
pub(crate) fn words_and_picture(attack: &Attack) -> Markup {
    html! {
        div.columns {
            dl.words {
                dt { "What is sent" } dd { (attack.sent) }
                dt { "What breaks" } dd { (attack.breaks) }
                dt { "What stops it" }
                dd {
                    (attack.stops)
                    @if let Some(rule) = &attack.expected(Column::Countersign).rule { " " span.rule { (rule) } }
                }
            }
            (picture::draw(&attack.picture))
        }
    }
}

/// Rules, with commas between their numbers, in the words of their specifications.
pub(crate) fn rules(numbers: &str) -> Markup {
    html! {
        @for number in numbers.split(", ") {
            p.ruletext { b { (number) } " " (rule(number).unwrap_or_default()) }
        }
    }
}

/// A run: what came of it, why, and the wire.
fn run_view(run: &Run) -> Markup {
    html! {
        section.card.run {
            h2 { (run.protocol) " " (verdict(run)) }
            p.seen { (run.seen) }
            @if run.outcome != Outcome::NotApplicable { p.reason { (run.reason) } }
            @if let Some(numbers) = &run.rule { (rules(numbers)) }
            @if !run.wire.frames.is_empty() {
                details open {
                    summary { "The wire: " (run.wire.frames.len()) " frames" }
                    (wire::table(run.protocol, &run.wire))
                }
                p {
                    a href={ "/exhibits/" (run.attack) "/" (run.protocol) } download { "Capture for Wireshark" }
                }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Launch {
    protocol: Column,
}

/// Launches an attack; the browser is shown its page again.
pub(super) async fn launch(
    State(lab): State<Arc<Lab>>,
    Path(name): Path<String>,
    Form(form): Form<Launch>,
) -> Response {
    let Ok(attack) = attack(&name) else { return not_found() };
    // To its end, even if the browser does not wait for it.
    let launched = tokio::spawn(async move { lab.launch(attack, form.protocol).await }).await;
    if launched.is_err() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the attack could not be run").into_response();
    }
    Redirect::to(&format!("/exhibits/{}#runs", attack.name)).into_response()
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    attack: String,
    protocol: Column,
}

/// Launches the attack that was chosen on the bench.
pub(super) async fn launch_chosen(State(lab): State<Arc<Lab>>, Form(form): Form<Chosen>) -> Response {
    launch(State(lab), Path(form.attack), Form(Launch { protocol: form.protocol })).await
}

/// The capture of a run.
pub(super) async fn capture(
    State(lab): State<Arc<Lab>>,
    Path((name, protocol)): Path<(String, Column)>,
) -> Response {
    let Some(run) = lab.run_of(&name, protocol) else { return not_found() };
    let mut packets = pcap::File::default();
    match packets.add(&format!("{name} against {protocol}"), &run.wire) {
        Ok(()) => {
            let file = format!("attachment; filename=\"{name}-{protocol}.pcapng\"");
            let headers =
                [(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, file)];
            (headers, packets.into_bytes()).into_response()
        }
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            layout::page("Not here", "", layout::sorry(&error.to_string())),
        )
            .into_response(),
    }
}
