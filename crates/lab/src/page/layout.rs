//! What all pages have.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use maud::{DOCTYPE, Markup, html};

/// A whole document; `style` is how it comes by its style, and by its script if it has one.
pub(crate) fn document(title: &str, style: Markup, header: Markup, main: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                (style)
            }
            body { header.top { (header) } main { (main) } }
        }
    }
}

/// A page of the lab; `here` is the path of the part that it belongs to.
pub(super) fn page(title: &str, here: &str, body: Markup) -> Markup {
    let style = html! {
        link rel="stylesheet" href="/lab.css";
        script src="/lab.js" defer {}
    };
    let header = html! {
        a.brand href="/" { "Countersign " b { "lab" } }
        nav {
            @for (path, name) in [("/", "Bench"), ("/exhibits", "Exhibits")] {
                a href=(path) aria-current=[(path == here).then_some("page")] { (name) }
            }
        }
        p.hint { "Everything here happens on this machine, for real, over TCP." }
    };
    document(&format!("{title} · Countersign lab"), style, header, body)
}

/// What is not done, and why.
pub(super) fn sorry(why: &str) -> Markup {
    html! { section.card { h1 { "Not here" } p { (why) "." } p { a href="/" { "To the bench" } } } }
}

/// For a path that leads nowhere.
pub(super) async fn nowhere() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, page("Not here", "", sorry("there is no such page")))
}
