//! The SQLite backend: the conformance suite.

use std::sync::Arc;

use store::{SqliteStore, Store};

#[expect(clippy::unwrap_used, reason = "test set-up")]
async fn open() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    (Arc::new(store), folder)
}

mod conformance {
    store::conformance_suite!(super::super::open);
}
