//! The lab's page, driven in a real browser as a teacher would (LA-50 to LA-55).

#![expect(clippy::unwrap_used, reason = "clippy.toml exempts test functions and not what they call")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use testkit::browser::Browser;

const ENTER: &str = "\u{e007}";

/// A running lab; killed when it is dropped.
struct Lab {
    child: Child,
    link: String,
    temporary: tempfile::TempDir,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lab {
    fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["lab", "--listen", "127.0.0.1:0"])
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let link = line.trim().strip_prefix("READY ").unwrap().to_owned();
        Self { child, link, temporary }
    }

    /// Ends it in order.
    fn stop(mut self) {
        assert_eq!(std::fs::read_dir(self.temporary.path()).unwrap().count(), 1);
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        assert_eq!(std::fs::read_dir(self.temporary.path()).unwrap().count(), 0, "what is temporary goes");
    }
}

fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots")
}

async fn choose(browser: &Browser, select: &str, value: &str) {
    browser.find(select).await.select_by_value(value).await.unwrap();
}

#[tokio::test]
async fn a_lesson_in_chromium() {
    let lab = Lab::start();
    let browser = Browser::start(1500, 1000).await;
    // Who has not the link sees nothing.
    browser.client.goto(lab.link.split('?').next().unwrap()).await.unwrap();
    browser.shows("main", "open the link").await;
    browser.client.goto(&lab.link).await.unwrap();
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
    browser.client.goto(&format!("{}exhibits", lab.link.split('?').next().unwrap())).await.unwrap();
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
    browser.client.goto(&format!("{}exhibits", lab.link.split('?').next().unwrap())).await.unwrap();
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
    lab.stop();
}
