//! Attacks on `key-transport`.

use lab::exhibit::Column;

use crate::world::check;

#[tokio::test]
async fn eavesdropping() {
    check("eavesdropping", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn mitm_key_transport() {
    check("mitm-key-transport", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn whole_session_replay() {
    check("whole-session-replay", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn message_replay() {
    check("message-replay", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn tampered_ciphertext() {
    check("tampered-ciphertext", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn tampered_signature() {
    check("tampered-signature", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn reordered() {
    check("reordered", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn dropped() {
    check("dropped", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn truncated() {
    check("truncated", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn duplicated() {
    check("duplicated", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn oversized_frame() {
    check("oversized-frame", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn padding_oracle() {
    check("padding-oracle", &[Column::KeyTransport]).await;
}

#[tokio::test]
async fn no_forward_secrecy() {
    check("no-forward-secrecy", &[Column::KeyTransport]).await;
}
