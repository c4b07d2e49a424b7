//! Attacks on Countersign: each is refused.

use lab::exhibit::{Column, attacks};

use crate::world::check;

#[tokio::test]
async fn nothing_succeeds_against_countersign() {
    for attack in attacks().unwrap() {
        check(&attack.name, &[Column::Countersign]).await;
    }
}
