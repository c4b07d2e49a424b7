//! What every backend must do, written against [`crate::Store`] alone.
//!
//! A backend's tests call [`crate::conformance_suite!`] with a function that opens an empty store and a value
//! that is kept while the case runs (a temporary directory, a schema to be dropped). Each case becomes a test of
//! its own; after it, the store must pass a deep check.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code, compiled for tests alone")]

pub mod appends;
pub mod blobs;
pub mod devices;
pub mod directory;
pub mod erasures;
pub mod fixtures;
pub mod history;
pub mod imports;
pub mod keys;
pub mod people;
pub mod reads;
pub mod receipts;
pub mod recoveries;
pub mod rooms;

use crate::{Depth, Store};

/// Asserts that the deep check finds nothing.
pub async fn assert_sound(store: &dyn Store) {
    let report = store.check(Depth::Deep).await.unwrap();
    assert_eq!(report.problems, [], "the deep check");
    let report = store.check(Depth::Quick).await.unwrap();
    assert_eq!(report.problems, [], "the quick check");
}

/// Makes a `tokio` test of every case. `$open` is an `async fn() -> (Arc<dyn Store>, impl Sized)`.
#[macro_export]
macro_rules! conformance_suite {
    ($open:path) => {
        $crate::conformance_suite!(@cases $open,
            people: settings, invites, enrolment_makes_all, enrolment_refused_leaves_nothing, last_use_goes_to_one,
                    one_of_names_that_look_alike, accounts;
            imports: imports_wait, an_import_joins_once;
            devices: second_device, links_in_wrong_order, links_out_of_force, open_links_are_limited;
            directory: grows_by_compare_and_swap, revocation, revoked_senders, one_of_many_wins;
            rooms: creation, creation_refused_leaves_nothing, one_direct_room, lists, membership;
            appends: growth, refused_alone, chained_in_one_batch, larger_than_any_chunk, shape, integers,
                     member_changes, many_writers;
            reads: pages, by_seq;
            receipts: receipts, final_refusals, equivocations;
            keys: packages_are_given_once, packages_are_limited, the_oldest_packages_make_room,
                packages_go_with_the_certificate, many_takers;
            blobs: pieces, another_hash, pending_ones_are_limited, a_large_one_goes_in_steps, an_entry_takes_its_blobs, a_missing_one_leaves_the_room;
            recoveries: records_are_kept_and_go, a_password_goes_with_all_records;
            history: boxes_are_taken_once, pieces_go_on, a_users_devices_read_each_other;
            erasures: what_was_said_goes, what_came_in_one_batch_goes, pieces_of_history_lose_it, shapes;
        );
    };
    (@cases $open:path, $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _kept) = $open().await;
                $crate::conformance::$module::$case(std::sync::Arc::clone(&store)).await;
                $crate::conformance::assert_sound(&*store).await;
            })+
        })+
    };
}
