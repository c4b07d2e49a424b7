//! The lab's page, driven in a real browser as a teacher would (LA-50 to LA-55).

use std::path::{Path, PathBuf};

use testkit::browser::Browser;

use crate::support::{Place, Server};

const ENTER: &str = "\u{e007}";

fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots")
}

async fn choose(browser: &Browser, select: &str, value: &str) {
    browser.find(select).await.select_by_value(value).await.unwrap();
}

#[tokio::test]
async fn a_lesson_in_chromium() {
    let place = Place::new();
    let temporary = place.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let left = || std::fs::read_dir(&temporary).unwrap().count();
    let mut lab = place.command("lab --listen 127.0.0.1:0");
    lab.env("TMPDIR", &temporary);
    let lab = Server::start(lab);
    let link = lab.ready.strip_prefix("READY ").unwrap();
    let bare = link.split('?').next().unwrap();
    let browser = Browser::start(1500, 1000).await;
    // Who has not the link sees nothing.
    browser.client.goto(bare).await.unwrap();
    browser.shows("body", "Open the link").await;
    browser.client.goto(link).await.unwrap();
    browser.shows(".state", "no server runs").await;
    assert!(!browser.client.current_url().await.unwrap().as_str().contains("token"));

    // Start, connect, talk, with an eye on the wire.
    choose(&browser, "#protocol", "cianr-pkcs1").await;
    browser.click("#start").await;
    browser.shows(".state", "cianr-pkcs1 listens on 127.0.0.1:").await;
    browser.keys("#name", &format!("alice{ENTER}")).await;
    browser.shows(".person", "registered alice").await;
    for _ in 0..2 {
        browser.keys("#say-alice", &format!("meet me at noon by the old lighthouse, as agreed{ENTER}")).await;
    }
    browser.shows("#log", "From ('127.0.0.1', ").await;
    browser.shows("#wire", "equal blocks (ECB)").await;
    browser.keys("#say-alice", &format!("<script>document.title='owned'</script>{ENTER}")).await;
    browser.shows("#log", "<script>document.title='owned'</script>").await;
    assert!(browser.client.title().await.unwrap().starts_with("Bench"));
    browser.keys("#say-server", &format!("the server hears you{ENTER}")).await;
    browser.shows(".person .screen", ": the server hears you").await;
    browser.keys("#name", &format!("Alice!{ENTER}")).await;
    browser.shows("#problem", "a to z").await;
    browser.screenshot(&screenshots(), "bench").await;

    // Regression: who was on the way in when the browser turned away stayed there for ever.
    browser.keys("#name", &format!("dave{ENTER}")).await;
    browser.client.goto(&format!("{bare}exhibits")).await.unwrap();
    browser.click(".brand").await;
    // The browser may not even have asked.
    browser.keys("#name", &format!("dave{ENTER}")).await;
    browser.find("#say-dave").await;

    // Attack, and the same against Countersign.
    choose(&browser, ".attack select[name=attack]", "mitm-dh").await;
    browser.click(".attack button").await;
    browser.shows("#runs .run:first-child h2", "succeeds").await;
    browser.shows("#runs .run:last-child h2", "countersign refused").await;
    browser.shows("#runs .run:last-child .ruletext", "CH-").await;
    browser.screenshot(&screenshots(), "exhibit").await;
    browser.client.goto(&format!("{bare}exhibits")).await.unwrap();
    browser.shows(".matrix", "Shifting a digit").await;
    browser.screenshot(&screenshots(), "exhibits").await;

    // What was going on at the bench still is; end it.
    browser.click(".brand").await;
    browser.shows("#log", "meet me at noon").await;
    browser.click("#end").await;
    browser.shows(".person .screen", "receipt: good signature over the same transcript").await;
    browser.shows("#log", "Session ended").await;
    browser.click("#stop").await;
    browser.shows(".state", "no server runs").await;

    // Two people in Countersign's room.
    choose(&browser, "#protocol", "countersign").await;
    browser.click("#start").await;
    browser.shows(".state", "countersign listens on").await;
    for name in ["alice", "carol"] {
        browser.keys("#name", &format!("{name}{ENTER}")).await;
        browser.find(&format!("#say-{name}")).await;
    }
    browser.keys("#say-carol", &format!("who reads this?{ENTER}")).await;
    browser.shows(".person .screen", "carol: who reads this?").await;
    browser.shows("#log", "of carol/laptop: signed, logged, countersigned").await;
    browser.shows("#wire", "a size class").await;
    browser.screenshot(&screenshots(), "countersign").await;
    assert_eq!(left(), 1);
    assert_eq!(lab.end("-TERM").0, 0);
    assert_eq!(left(), 0, "what is temporary goes");
}
