//! Who may see the lab's page, and what becomes of a request that nobody waits for (LA-50 to LA-53).

use std::net::SocketAddr;
use std::time::Duration;

use lab::LabError;
use lab::page::Page;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::world::{clock_ms, clock_us};

/// More than any test waits for anything.
const LONG: Duration = Duration::from_secs(60);

/// A page that is served, by hand.
struct Browser {
    address: SocketAddr,
    token: String,
    serving: JoinHandle<Result<(), LabError>>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Browser {
    async fn open() -> Self {
        let page = Page::open(([127, 0, 0, 1], 0).into(), clock_ms, clock_us).await.unwrap();
        let link = page.link();
        let (address, token) = link.strip_prefix("http://").unwrap().split_once("/?token=").unwrap();
        let (address, token) = (address.parse().unwrap(), token.to_owned());
        Self { address, token, serving: tokio::spawn(page.serve()) }
    }

    fn host(&self) -> String {
        format!("Host: {}\r\n", self.address)
    }

    fn cookie(&self) -> String {
        format!("Cookie: countersign-lab-{}={}\r\n", self.address.port(), self.token)
    }

    async fn send(&self, first: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let form = match body.len() {
            0 => String::new(),
            length => {
                format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n")
            }
        };
        let request = format!("{first} HTTP/1.1\r\n{headers}{form}Connection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// The whole answer.
    async fn ask(&self, first: &str, headers: &str, body: &str) -> String {
        let mut answer = Vec::new();
        let mut stream = self.send(first, headers, body).await;
        timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// The status of a form that is sent with everything that is needed, and these headers.
    async fn post(&self, path: &str, headers: &str, body: &str) -> u16 {
        let headers = format!("{}{}{headers}", self.host(), self.cookie());
        status(&self.ask(&format!("POST {path}"), &headers, body).await)
    }
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_page_that_others_could_see_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:127.0.0.1]:0"] {
        let refused = Page::open(address.parse().unwrap(), clock_ms, clock_us).await;
        assert!(matches!(refused, Err(LabError::NotLoopback(_))), "{address}");
    }
    let browser = Browser::open().await;
    let taken = Page::open(browser.address, clock_ms, clock_us).await.err().unwrap().to_string();
    assert!(taken.contains("--listen") && taken.contains(&browser.address.to_string()), "{taken}");
}

#[tokio::test]
async fn only_the_browser_that_came_by_the_link_is_answered() {
    let browser = Browser::open().await;
    let (host, cookie) = (browser.host(), browser.cookie());
    let port = browser.address.port();
    let by_link = browser.ask(&format!("GET /?token={}", browser.token), &host, "").await;
    assert_eq!(status(&by_link), 303);
    let set = cookie.replace("Cookie: ", "set-cookie: ").trim_end().to_owned();
    assert!(by_link.contains(&format!("{set}; Path=/; HttpOnly; SameSite=Strict")), "{by_link}");
    let page = browser.ask("GET /", &format!("{host}{cookie}"), "").await;
    assert!(status(&page) == 200 && page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert_eq!(status(&browser.ask("GET /", &format!("Host: localhost:{port}\r\n{cookie}"), "").await), 200);

    let foreign = format!("Host: evil.example:{port}\r\n{cookie}");
    let wrong = cookie.replace(&browser.token, &"0".repeat(32));
    for headers in [host.clone(), foreign, cookie.clone(), format!("{host}{wrong}")] {
        for path in ["/", "/live", "/exhibits", "/lab.css", "/nowhere", "/?token=0"] {
            let answer = browser.ask(&format!("GET {path}"), &headers, "").await;
            assert!(status(&answer) == 403 && !answer.contains("<html"), "{headers}{answer}");
        }
    }
    let start = "protocol=key-transport";
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"] {
        assert_eq!(browser.post("/bench/start", &format!("Origin: {origin}\r\n"), start).await, 403);
    }
    let own = format!("Origin: http://{}\r\n", browser.address);
    assert_eq!(browser.post("/bench/start", &own, start).await, 204);
}

#[tokio::test]
async fn forms_that_are_none_are_refused() {
    let browser = Browser::open().await;
    assert_eq!(browser.post("/bench/start", "", "protocol=tls").await, 422);
    assert_eq!(browser.post("/bench/say", "", &format!("text={}", "x".repeat(20_000))).await, 413);
    assert_eq!(browser.post("/exhibits/nothing", "", "protocol=cianr-pss").await, 404);
    assert_eq!(browser.post("/attack", "", "attack=nothing&protocol=cianr-pss").await, 404);
}

/// Regression: what a browser had asked for and did not wait for was half done, and the bench could not be used any more.
#[tokio::test]
async fn what_nobody_waits_for_is_done_to_its_end() {
    let browser = Browser::open().await;
    assert_eq!(browser.post("/bench/start", "", "protocol=countersign").await, 204);
    let headers = format!("{}{}", browser.host(), browser.cookie());
    let stream = browser.send("POST /bench/connect", &headers, "name=carol").await;
    sleep(Duration::from_millis(20)).await;
    drop(stream);
    let there = async {
        while !browser.ask("GET /", &headers, "").await.contains("say-carol") {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, there).await.unwrap();
}
