//! The lab in a browser: a bench where a protocol is tried by hand, and the exhibits, whose attacks are launched from it (LA-50 to LA-55).
//!
//! - `guard`: who may see it. `bench`: the bench's page and what its forms do; `live`: what changes on it.
//! - `exhibits`: the exhibits' pages and their runs. `wire`: frames as rows of a table. `layout`: what all pages have.

mod bench;
mod exhibits;
mod guard;
mod layout;
mod live;
mod wire;

pub(crate) use exhibits::{matrix, rules, verdict, words_and_picture};
pub(crate) use layout::document;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::LabError;
use crate::exercise::Exercise;
use crate::exhibit::Column;
use crate::matrix::Run;
use crate::stage::{Stage, private_folder};
use guard::Guard;

/// The style of the pages.
pub(crate) const STYLE: &str = include_str!("assets/lab.css");
const SCRIPT: &str = include_str!("assets/lab.js");
/// Most bytes of a form.
const MAX_FORM: usize = 16 * 1024;

/// The lab's pages, about to be served.
pub struct Page {
    listener: TcpListener,
    lab: Arc<Lab>,
    /// Everything that the lab writes is in it. It goes with the page, whoever still looks at one.
    folder: TempDir,
}

/// What all pages share.
struct Lab {
    guard: Guard,
    exercise: Exercise,
    /// What the bench was asked for and could not do, with a number that grows.
    problem: Mutex<(u64, String)>,
    /// Where attacks are run; each of them by itself.
    stage: tokio::sync::Mutex<Stage>,
    runs: Mutex<BTreeMap<(String, Column), Arc<Run>>>,
    clock_us: fn() -> u64,
}

impl Page {
    /// Listens on a loopback address. The clocks give Unix milliseconds and microseconds.
    ///
    /// # Errors
    /// [`LabError::NotLoopback`]; [`LabError::Listen`]; [`LabError::Io`] without a place for temporary files.
    pub async fn open(
        listen: SocketAddr,
        clock_ms: fn() -> u64,
        clock_us: fn() -> u64,
    ) -> Result<Self, LabError> {
        if !listen.ip().is_loopback() {
            return Err(LabError::NotLoopback(listen));
        }
        let failed = |source| LabError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let folder = private_folder(&std::env::temp_dir())?;
        let lab = Lab {
            guard: Guard::new(address)?,
            exercise: Exercise::within(folder.path(), clock_ms, clock_us)?,
            problem: Mutex::default(),
            stage: tokio::sync::Mutex::new(Stage::within(folder.path(), clock_ms)?),
            runs: Mutex::default(),
            clock_us,
        };
        Ok(Self { listener, lab: Arc::new(lab), folder })
    }

    /// The link that opens the lab; whoever has it can use the lab.
    pub fn link(&self) -> String {
        self.lab.guard.link()
    }

    /// Serves the pages until it is dropped.
    ///
    /// # Errors
    /// [`LabError::Io`] for a listener that fails.
    pub async fn serve(self) -> Result<(), LabError> {
        let Self { listener, lab, folder: _folder } = self;
        let pages = Router::new()
            .route("/", get(bench::page))
            .route("/live", get(live::stream))
            .route("/bench/start", post(bench::start))
            .route("/bench/stop", post(bench::stop))
            .route("/bench/end", post(bench::end))
            .route("/bench/connect", post(bench::connect))
            .route("/bench/disconnect", post(bench::disconnect))
            .route("/bench/say", post(bench::say))
            .route("/exhibits", get(exhibits::all))
            .route("/exhibits/{name}", get(exhibits::one).post(exhibits::launch))
            .route("/exhibits/{name}/{protocol}", get(exhibits::capture))
            .route("/attack", post(exhibits::launch_chosen))
            .route("/lab.css", get(([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
            .route("/lab.js", get(([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)))
            .fallback(layout::nowhere)
            .layer(DefaultBodyLimit::max(MAX_FORM))
            .layer(from_fn_with_state(Arc::clone(&lab), guard::check))
            .with_state(lab);
        axum::serve(listener, pages).await.map_err(LabError::io("cannot serve the lab"))
    }
}

impl Lab {
    /// Says what the bench could not do; or, with `Ok`, nothing any more.
    fn report<T>(&self, outcome: &Result<T, LabError>) {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.0 = problem.0.wrapping_add(1);
        problem.1 = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
    }

    fn problem(&self) -> (u64, String) {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
