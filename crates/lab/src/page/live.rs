//! What changes on the bench, as a stream of events: status, people, problem, and new rows of log and wire (LA-53).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use maud::{Markup, html};
use tokio::time::sleep;

use super::{Lab, bench, wire};
use crate::decode::Decoder;

/// How long a change may wait to be shown.
const PAUSE: Duration = Duration::from_millis(120);
/// Frames that are sent at a time.
const MAX_FRAMES: usize = 200;

/// Frames that a page keeps.
const MAX_SHOWN: usize = 400;

/// What one browser has been shown.
struct Watcher {
    lab: Arc<Lab>,
    run: u64,
    version: Option<u64>,
    problem: u64,
    log: usize,
    frames: usize,
    decoder: Decoder,
    waiting: VecDeque<Event>,
}

/// The stream of one browser.
pub(super) async fn stream(
    State(lab): State<Arc<Lab>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let seen = lab.exercise.view().look();
    let (run, column) = (seen.run, seen.column);
    drop(seen);
    let (problem, _) = lab.problem();
    let mut watcher = Watcher {
        lab,
        run,
        version: None,
        problem,
        log: 0,
        frames: 0,
        decoder: Decoder::new(column),
        waiting: VecDeque::new(),
    };
    watcher.pass_over();
    // A browser that has lost the stream comes again and is shown everything.
    watcher.tell("clear", &html! {});
    let events = unfold(watcher, |mut watcher| async {
        loop {
            if let Some(event) = watcher.waiting.pop_front() {
                return Some((Ok(event), watcher));
            }
            watcher.look();
            if watcher.waiting.is_empty() {
                sleep(PAUSE).await;
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

impl Watcher {
    /// Reads the frames that no page would keep, for what they tell of later ones.
    fn pass_over(&mut self) {
        let capture = self.lab.exercise.view().look().capture.clone();
        self.frames = capture.count().saturating_sub(MAX_SHOWN);
        for frame in capture.recorded_from(0, self.frames).frames {
            self.decoder.read(&frame);
        }
    }

    fn tell(&mut self, name: &str, what: &Markup) {
        // As JSON: an event's data has no newlines of its own. A text can always be written as JSON.
        if let Ok(data) = serde_json::to_string(&what.0) {
            self.waiting.push_back(Event::default().event(name).data(data));
        }
    }

    fn look(&mut self) {
        let lab = Arc::clone(&self.lab);
        let seen = lab.exercise.view().look();
        if seen.run != self.run {
            self.run = seen.run;
            (self.log, self.frames) = (0, 0);
            self.decoder = Decoder::new(seen.column);
            self.tell("clear", &html! {});
        }
        if self.version != Some(seen.version) {
            self.version = Some(seen.version);
            self.tell("status", &bench::status(&seen));
            self.tell("people", &bench::people(&seen));
        }
        let (_, lines) = seen.log_from(self.log);
        let lines = html! { @for line in lines { p { (line) } } };
        if seen.log_end() > self.log {
            self.log = seen.log_end();
            self.tell("log", &lines);
        }
        let capture = seen.capture.clone();
        drop(seen);
        let recorded = capture.recorded_from(self.frames, MAX_FRAMES);
        if !recorded.frames.is_empty() {
            let start = capture.start_us();
            let rows = html! {
                @for frame in &recorded.frames { (wire::row(&mut self.decoder, &recorded, frame, start)) }
            };
            self.frames = self.frames.saturating_add(recorded.frames.len());
            self.tell("wire", &rows);
        }
        let (number, problem) = lab.problem();
        if number != self.problem {
            self.problem = number;
            self.tell("problem", &html! { (problem) });
        }
    }
}
