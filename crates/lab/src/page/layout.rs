//! What all pages have.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{DOCTYPE, Markup, html};

/// A page; `here` is the path of the part of the lab that it belongs to.
pub(super) fn page(title: &str, here: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Countersign lab" }
                link rel="stylesheet" href="/lab.css";
                script src="/lab.js" defer {}
            }
            body {
                header.top {
                    a.brand href="/" { "Countersign " b { "lab" } }
                    nav {
                        @for (path, name) in [("/", "Bench"), ("/exhibits", "Exhibits")] {
                            a href=(path) aria-current=[(path == here).then_some("page")] { (name) }
                        }
                    }
                    p.hint { "Everything here happens on this machine, for real, over TCP." }
                }
                main { (body) }
            }
        }
    }
}

/// What is not done, and why.
pub(super) fn sorry(why: &str) -> Markup {
    html! { section.card { h1 { "Not here" } p { (why) "." } p { a href="/" { "To the bench" } } } }
}

/// For a path that leads nowhere.
pub(super) async fn nowhere() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, page("Not here", "", sorry("there is no such page")))
}
