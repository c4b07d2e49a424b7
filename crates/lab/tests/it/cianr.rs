//! Attacks on the dialects of `cianr`.

use lab::exhibit::Column;

use crate::world::check;

#[tokio::test]
async fn eavesdropping() {
    check("eavesdropping", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn mitm_dh() {
    check("mitm-dh", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn field_shifting() {
    check("field-shifting", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn sequence_poisoning() {
    check("sequence-poisoning", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn cross_session_replay() {
    check("cross-session-replay", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn whole_session_replay() {
    check("whole-session-replay", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn message_replay() {
    check("message-replay", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn iv_flipping() {
    check("iv-flipping", &[Column::CianrPss, Column::CianrLine]).await;
}

#[tokio::test]
async fn forged_receipt() {
    check("forged-receipt", &[Column::CianrPss]).await;
}

#[tokio::test]
async fn self_signed() {
    check("self-signed", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn expired() {
    check("expired", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn wrong_cn() {
    check("wrong-cn", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn other_ca() {
    check("other-ca", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn client_as_server() {
    check("client-as-server", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn tampered_ciphertext() {
    check("tampered-ciphertext", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn tampered_signature() {
    check("tampered-signature", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn reordered() {
    check("reordered", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn dropped() {
    check("dropped", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn truncated() {
    check("truncated", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn duplicated() {
    check("duplicated", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn oversized_frame() {
    check("oversized-frame", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn weak_group() {
    check("weak-group", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn padding_oracle() {
    check("padding-oracle", &[Column::CianrPss, Column::CianrLine]).await;
}

#[tokio::test]
async fn user_enumeration() {
    check("user-enumeration", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}

#[tokio::test]
async fn no_forward_secrecy() {
    check("no-forward-secrecy", &[Column::CianrPss, Column::CianrPkcs1, Column::CianrLine]).await;
}
