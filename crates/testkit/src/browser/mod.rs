//! A headless Chromium for one test: Debian's `chromium-driver`, on a free port, with a profile of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;
use tempfile::TempDir;

/// How long the driver may take to say that it is ready, and a page to show what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);
const MISSING: &str = "chromedriver cannot be run: run `cargo xtask test`, which installs chromium-driver";

/// A browser. It ends, and its profile goes, when this is dropped.
pub struct Browser {
    /// The page, by WebDriver.
    pub client: Client,
    driver: Child,
    // Dropped after the browser has ended.
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its driver's process group.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Starts one with a window of this size, in pixels.
    ///
    /// # Panics
    /// The program is missing, or does not start.
    pub async fn start(width: u32, height: u32) -> Self {
        use std::os::unix::process::CommandExt as _;
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect(MISSING);
        let output = BufReader::new(driver.stdout.take().expect("its output"));
        let (sender, ports) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // “ChromeDriver was started successfully on port 40123.”
                if let Some((_, port)) = line.rsplit_once("successfully on port ") {
                    let _ = sender.send(port.trim_end_matches('.').to_owned());
                }
            }
        });
        let port = ports.recv_timeout(PATIENCE).expect("chromedriver says its port");
        let options = json!({
            "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
                format!("--window-size={width},{height}"), format!("--user-data-dir={}", profile.path().display()),
            ],
        });
        let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a session with the browser");
        Self { client, driver, _profile: profile }
    }

    /// Waits for an element that a CSS selector finds.
    ///
    /// # Panics
    /// It does not come.
    pub async fn find(&self, selector: &str) -> Element {
        let wait = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector));
        wait.await.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Waits until a text is on an element that a CSS selector finds.
    ///
    /// # Panics
    /// It does not come; with what is there.
    pub async fn shows(&self, selector: &str, text: &str) {
        let mut there = String::new();
        for _ in 0..PATIENCE.as_millis() / 100 {
            // The page may replace the element while it is read.
            if let Ok(element) = self.client.find(Locator::Css(selector)).await
                && let Ok(found) = element.text().await
            {
                if found.contains(text) {
                    return;
                }
                there = found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{selector} does not show {text:?} but {there:?}");
    }

    /// Clicks what a CSS selector finds, once it can be clicked.
    ///
    /// # Panics
    /// It does not come, or cannot be clicked.
    pub async fn click(&self, selector: &str) {
        let mut last = None;
        for _ in 0..PATIENCE.as_millis() / 100 {
            match self.find(selector).await.click().await {
                Ok(()) => return,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{selector} cannot be clicked: {last:?}");
    }

    /// Types into what a CSS selector finds; `\u{e007}` is the Enter key.
    ///
    /// # Panics
    /// It does not come, or takes no keys.
    pub async fn keys(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        element.send_keys(text).await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Writes a picture of the window into a folder of the build, for whoever wants to look; where it is.
    ///
    /// # Panics
    /// It cannot be taken or written.
    pub async fn screenshot(&self, folder: &Path, name: &str) -> PathBuf {
        fs::create_dir_all(folder).expect("a folder for screenshots");
        let path = folder.join(format!("{name}.png"));
        let picture = self.client.screenshot().await.expect("a screenshot");
        fs::write(&path, picture).expect("a file for it");
        path
    }
}
