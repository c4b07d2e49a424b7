//! The report's page: it stands by itself, with its style in it and links to the files beside it (LA-61).

use classic::users::{BadRow, ImportedUser};
use evidence::verdict::utc;
use maud::{Markup, PreEscaped, html};

use super::session::Session;
use super::{Report, SESSIONS, Users};
use crate::exhibit::{Attack, Column, Outcome, attacks};
use crate::matrix::Run;
use crate::page::{STYLE, document, matrix, rules, verdict, words_and_picture};

/// Characters of a hash or salt that are shown: enough to tell rows apart, too few to guess against.
const SHOWN: usize = 8;
/// Characters of a file that are shown.
const MAX_TEXT: usize = 4_000;

pub(super) fn of(report: &Report) -> Markup {
    let wrong = report.runs.iter().filter(|run| !run.ok).count();
    let run = report.runs.iter().filter(|run| run.outcome != Outcome::NotApplicable).count();
    let made = utc(report.made_ms);
    let style = html! { style { (PreEscaped(STYLE)) } };
    let parts =
        [("matrix", "Matrix"), ("exhibits", "Exhibits"), ("sessions", "Sessions"), ("users", "Users")];
    let header = html! {
        span.brand { "Countersign " b { "lab" } " report" }
        nav { @for (id, name) in parts { a href={ "#" (id) } { (name) } } }
        p.hint { "Made at " (made) " by countersign " (env!("CARGO_PKG_VERSION")) }
    };
    let main = html! {
        section.card #matrix {
            h1 { "Attacks and protocols" }
            p {
                (run) " attacks on protocols, run for real; in " (report.runs.len() - run) " cells there is nothing to attack. "
                @if wrong == 0 { "All went as the documentation says." }
                @else { b.wrong { (wrong) " went otherwise than the documentation says." } }
            }
            (matrix("#", |attack, column| cell(report, attack, column)))
        }
        h1 #exhibits { "Exhibits" }
        @for attack in attacks().unwrap_or_default() { (exhibit(report, attack)) }
        h1 #sessions { "Sessions" }
        @for session in &report.sessions { (conversation(session)) }
        section.card #users {
            h1 { "Users" }
            p.hint { "Salts and hashes are shortened: a whole hash is worth as much as the password to who can guess." }
            @for users in &report.users { (table(users)) }
        }
    };
    document("Countersign lab: report", style, header, main)
}

fn found<'a>(report: &'a Report, attack: &Attack, column: Column) -> Option<&'a Run> {
    report.runs.iter().find(|run| run.attack == attack.name && run.protocol == column)
}

fn cell(report: &Report, attack: &Attack, column: Column) -> Markup {
    html! {
        @match found(report, attack, column) {
            Some(run) if run.outcome == Outcome::NotApplicable && run.ok => "–",
            Some(run) => (verdict(run)),
            None => "",
        }
    }
}

fn exhibit(report: &Report, attack: &Attack) -> Markup {
    html! {
        article.card.exhibit id=(attack.name) {
            p.number { "Exhibit " (attack.exhibit) }
            h2 { (attack.title) }
            (words_and_picture(attack))
            table.matrix {
                tbody {
                    @for run in Column::ALL.into_iter().filter_map(|column| found(report, attack, column)) {
                        tr {
                            th { (run.protocol) }
                            td { (verdict(run)) }
                            td.wide {
                                (run.seen)
                                @if let Some(numbers) = &run.rule { (rules(numbers)) }
                            }
                            td { @if let Some(capture) = &run.capture { a href=(capture) { "capture" } } }
                        }
                    }
                }
            }
        }
    }
}

fn conversation(session: &Session) -> Markup {
    let folder = format!("{SESSIONS}/{}", session.column);
    html! {
        section.card {
            h2 { (session.column) }
            p { a href={ (folder) "/wire.pcapng" } { "The wire" } ", " (session.frames) " frames" }
            div.log.short { @for line in &session.log { p { (line) } } }
            @if session.evidence.is_empty() {
                p.hint { "This protocol leaves nothing that a third party could check." }
            }
            @for evidence in &session.evidence {
                h3.file {
                    a href={ (folder) "/" (evidence.file) } { (evidence.file) }
                    @if let Some(word) = &evidence.verdict {
                        span class=@if word == "valid" { "outcome good" } @else { "outcome bad" } { (word) }
                    }
                }
                @for (passed, detail) in &evidence.checks {
                    p.check { @if *passed { "✓ " } @else { "✗ " } (detail) }
                }
                @if let Some(text) = &evidence.text {
                    pre { (text.chars().take(MAX_TEXT).collect::<String>())
                        @if text.chars().nth(MAX_TEXT).is_some() { "…" } }
                }
            }
        }
    }
}

fn table(users: &Users) -> Markup {
    html! {
        h2 { (users.of) }
        div.scroll { table.matrix {
            thead { tr { th { "Name" } th { "E-mail" } th { "Salt" } th { "SHA-256(salt, password)" } } }
            tbody { @for row in &users.rows { (user(row)) } }
        } }
    }
}

fn user(row: &Result<ImportedUser, BadRow>) -> Markup {
    html! {
        tr {
            @match row {
                Ok(user) => {
                    td { (user.name) }
                    td { (user.email.as_deref().unwrap_or("–")) }
                    td { code { (short(&hex::encode(&user.salt))) } }
                    td { code { (short(&user.password_hash)) } }
                }
                Err(bad) => { td.wrong colspan="4" { (bad) } }
            }
        }
    }
}

fn short(digits: &str) -> String {
    format!("{}…", digits.get(..SHOWN).unwrap_or_default())
}
