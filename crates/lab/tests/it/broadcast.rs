//! Attacks on `broadcast`.

use lab::exhibit::Column;

use crate::world::check;

#[tokio::test]
async fn eavesdropping() {
    check("eavesdropping", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn mitm_dh() {
    check("mitm-dh", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn whole_session_replay() {
    check("whole-session-replay", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn message_replay() {
    check("message-replay", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn iv_flipping() {
    check("iv-flipping", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn tampered_ciphertext() {
    check("tampered-ciphertext", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn reordered() {
    check("reordered", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn dropped() {
    check("dropped", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn truncated() {
    check("truncated", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn duplicated() {
    check("duplicated", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn oversized_frame() {
    check("oversized-frame", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn weak_group() {
    check("weak-group", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn user_enumeration() {
    check("user-enumeration", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn name_spoofing() {
    check("name-spoofing", &[Column::Broadcast]).await;
}

#[tokio::test]
async fn no_forward_secrecy() {
    check("no-forward-secrecy", &[Column::Broadcast]).await;
}
