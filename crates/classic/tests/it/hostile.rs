//! What is sent to us that should not be: the fault is named as the existing programs name it, and the connection ends.

use classic::ClassicError;
use classic::certificate::Role;
use classic::cianr::{Dialect, SignedMessage};
use classic::cipher::CipherKey;
use classic::conversation::What;
use classic::dh::{Group, Number, Share, session_key};
use classic::frame::Framing;
use classic::json::base64;
use classic::limits::MAX_FRAME;
use classic::rsa::SigningKey;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::handshake::{arrived, greeted, hello, own_pem};
use crate::raw::Raw;
use crate::world::{client, identity, server};

/// What an error says, whichever key it has.
fn words(error: &Value) -> String {
    error["message"].as_str().or(error["msg"].as_str()).unwrap().to_owned()
}

/// CL-84, CL-34.
#[tokio::test]
async fn what_is_no_certificate() {
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for dialect in Dialect::ALL {
        for field in ["", "no base64 !", "bm90aGluZw==", damaged] {
            let mut raw = Raw::to_server(server(dialect, None));
            raw.send(&hello(dialect, field)).await;
            let wanted = if dialect == Dialect::Line { "bad cert" } else { "BAD_CERT: Invalid certificate" };
            assert_eq!(words(&raw.next("error").await), wanted, "{dialect}: {field}");
            assert_eq!(raw.next_bytes().await, None);
        }
    }
}

/// CL-11, CL-2: values out of range, and what is no number.
#[tokio::test]
async fn values_that_no_side_may_send() {
    let prime = Group::modp_14().unwrap().prime().to_decimal();
    // The prime is odd, so that its last digit may become one less.
    let (head, digit) = prime.split_at(prime.len() - 1);
    let last = format!("{head}{}", digit.parse::<u8>().unwrap() - 1);
    let long = "9".repeat(3_000);
    for dialect in Dialect::ALL {
        for value in ["0", "1", &last, &prime, &long, "-1", "x", ""] {
            let mut raw = greeted(dialect).await;
            match dialect {
                Dialect::Pss => raw.send(&json!({"type": "auth_dh_init", "A_client": value})).await,
                Dialect::Pkcs1 => {
                    raw.send(&json!({"type": "dh_client", "g": 2, "p": prime, "A": value})).await;
                }
                Dialect::Line => {
                    raw.next("dh_params").await;
                    let hex = Number::from_decimal(value).map_or_else(|_| value.to_owned(), |n| n.to_hex());
                    raw.send(&json!({"type": "dh_pub", "y": hex})).await;
                }
            }
            assert!(!words(&raw.next("error").await).is_empty());
            assert_eq!(raw.next_bytes().await, None, "{dialect}: {value}");
            let (outcome, _) = raw.ended().await;
            let fits = matches!(
                outcome,
                Err(ClassicError::DiffieHellman(_) | ClassicError::Malformed(_) | ClassicError::Limit { .. })
            );
            assert!(fits, "{dialect}: {value}: {outcome:?}");
        }
    }
}

/// CL-10: the weak group is not taken from a client by a server that was not given it.
#[tokio::test]
async fn another_group_than_the_servers() {
    let weak = Group::weak_oakley_1().unwrap().prime().to_decimal();
    let mut raw = greeted(Dialect::Pkcs1).await;
    raw.send(&json!({"type": "dh_client", "g": 2, "p": weak, "A": 4})).await;
    assert_eq!(raw.next("error").await["code"], "PROTOCOL_ERROR");
    assert_eq!(raw.next_bytes().await, None);
}

/// CL-22.
#[tokio::test]
async fn credentials_of_cianr_pss_that_are_none() {
    let share = Share::generate(&Group::modp_14().unwrap()).unwrap();
    for (asked, answer) in [
        (None, "Decryption failed"),
        (Some("no JSON"), "Decryption failed"),
        (Some(r#"{"type": "delete"}"#), "Unknown auth type"),
        (Some("{}"), "Unknown auth type"),
        (Some(r#"{"type": "login", "email": "nobody", "password": ""}"#), "User not found"),
    ] {
        let mut raw = greeted(Dialect::Pss).await;
        raw.send(&json!({"type": "auth_dh_init", "A_client": share.public().to_decimal()})).await;
        let theirs = raw.next("auth_dh_reply").await["B_server"].as_str().unwrap().to_owned();
        let theirs = Number::from_decimal(&theirs).unwrap();
        let key = session_key(share.agree(&theirs).unwrap().minimal());
        let payload = asked.map_or("AAAA".to_owned(), |text| base64(key.seal_cbc(text.as_bytes()).unwrap()));
        raw.send(&json!({"type": "auth_cred_encrypted", "payload": payload})).await;
        let response = raw.next("auth_response").await;
        assert_eq!(response, json!({"type": "auth_response", "status": "error", "message": answer}));
        assert_eq!(raw.next_bytes().await, None);
    }
}

/// Regression: nothing told a server why what the 768-bit group of the existing programs agreed on did not fit.
#[tokio::test]
async fn who_meets_the_weak_group_unawares_is_told() {
    let share = Share::generate(&Group::weak_oakley_1().unwrap()).unwrap();
    let mut raw = greeted(Dialect::Pss).await;
    raw.send(&json!({"type": "auth_dh_init", "A_client": share.public().to_decimal()})).await;
    raw.next("auth_dh_reply").await;
    raw.send(&json!({"type": "auth_cred_encrypted", "payload": "AAAA"})).await;
    assert_eq!(raw.next("auth_response").await["message"], "Decryption failed");
    let (outcome, _) = raw.ended().await;
    assert!(outcome.unwrap_err().to_string().contains("--weak-group"));
    // The other way round a value is too large for the smaller group.
    let error = share.agree(Share::generate(&Group::modp_14().unwrap()).unwrap().public()).err().unwrap();
    assert!(error.to_string().contains("without --weak-group"), "{error}");
}

/// CL-30, CL-34.
#[tokio::test]
async fn credentials_of_the_other_dialects_that_are_none() {
    let group = Group::modp_14().unwrap();
    let share = Share::generate(&group).unwrap();
    let (p, a) = (group.prime().to_decimal(), share.public().to_decimal());
    let mut raw = greeted(Dialect::Pkcs1).await;
    raw.send(&json!({"type": "dh_client", "g": 2, "p": p, "A": a})).await;
    raw.next_bytes().await.unwrap();
    raw.send_bytes(&[7; 33]).await;
    assert_eq!(raw.next("error").await["code"], "PROTOCOL_ERROR");
    assert_eq!(raw.next_bytes().await, None);

    let own = own_pem(Dialect::Line, Role::Client);
    for (message, answer) in [
        (json!({"type": "login"}), "expected enc"),
        (json!({"type": "enc"}), "expected enc"),
        (json!({"type": "enc", "iv": "?", "ct": "?"}), "decrypt failed"),
        (json!({"type": "enc", "iv": base64([0; 16]), "ct": base64([0; 16])}), "decrypt failed"),
    ] {
        let mut raw = Raw::to_accounts(server(Dialect::Line, None));
        raw.send(&json!({"type": "hello", "cert": base64(&own), "nonce": ""})).await;
        raw.next("hello_ack").await;
        raw.next("dh_params").await;
        raw.send(&json!({"type": "dh_client_pub", "client_pub": share.public().to_hex()})).await;
        raw.send(&message).await;
        assert_eq!(raw.next("error").await, json!({"type": "error", "msg": answer}));
        assert_eq!(raw.next_bytes().await, None);
    }
}

/// Signed as it should be, over a ciphertext that need not be one.
fn signed(dialect: Dialect, signer: &SigningKey, seqno: u64, ct: &str) -> Value {
    let sig = base64(dialect.sign(signer, &dialect.signed_bytes(seqno, 5, ct)).unwrap());
    json!({"type": "msg", "seqno": seqno, "ts": 5, "iv": base64([0; 16]), "ct": ct, "sig": sig})
}

/// What is no UTF-8, sealed as a text.
fn sealed_bytes(dialect: Dialect, key: &CipherKey) -> String {
    let bytes = [255, 254];
    base64(match dialect {
        Dialect::Pss => key.seal_cbc(&bytes).unwrap(),
        Dialect::Pkcs1 => key.seal_weak_ecb(&bytes).unwrap(),
        Dialect::Line => key.cbc(&[0; 16], &bytes).unwrap(),
    })
}

/// CL-23, CL-31, CL-35: what a server says of a message that it does not take, and whether it goes on.
#[tokio::test]
async fn messages_that_are_not_taken() {
    let protocol = "the other side sent what does not fit the protocol";
    for dialect in Dialect::ALL {
        let identity = identity(dialect, Role::Client);
        let signer = identity.key();
        let (replay, decrypt) = match dialect {
            Dialect::Line => ("replay/sequence error", "decrypt failed"),
            Dialect::Pss | Dialect::Pkcs1 => ("REPLAY", "what the other side sent does not decrypt"),
        };
        let (pss, not_pkcs1) = (dialect == Dialect::Pss, dialect != Dialect::Pkcs1);
        for (case, wanted, goes_on) in [
            ("replayed", replay, not_pkcs1),
            ("forged", "SIG_FAIL", not_pkcs1),
            ("no signature", "SIG_FAIL", not_pkcs1),
            ("no base64", decrypt, pss),
            ("half a block", decrypt, pss),
            ("no UTF-8", decrypt, pss),
            ("no number", protocol, false),
            ("of a handshake", protocol, false),
            ("no object", protocol, false),
        ] {
            let (mut raw, key) = arrived(dialect).await;
            let message = |seqno, text: &str| {
                let made = SignedMessage::make(dialect, &key, signer, (seqno, 5), text);
                serde_json::to_value(made.unwrap()).unwrap()
            };
            let first = message(1, "first");
            raw.send(&first).await;
            if pss {
                raw.next("msg").await;
            }
            let mut second = message(2, "second");
            let bad = match case {
                "replayed" => first,
                "no base64" => signed(dialect, signer, 2, "?"),
                "half a block" => signed(dialect, signer, 2, "AAAA"),
                "no UTF-8" => signed(dialect, signer, 2, &sealed_bytes(dialect, &key)),
                "of a handshake" => hello(dialect, ""),
                "no object" => json!("msg"),
                case => {
                    let (field, value) = match case {
                        "forged" => ("ts", json!(6)),
                        "no signature" => ("sig", json!("?")),
                        _ => ("seqno", json!("two")),
                    };
                    second[field] = value;
                    second
                }
            };
            raw.send(&bad).await;
            let error = raw.next("error").await;
            assert!(words(&error).starts_with(wanted), "{dialect}: {case}: {error}");
            assert_eq!(error["code"], if not_pkcs1 { Value::Null } else { "CHAT_ERROR".into() });
            if goes_on {
                raw.send(&message(3, "third")).await;
                if pss {
                    raw.next("msg").await;
                } else {
                    raw.send(&json!({"type": "bye"})).await;
                    raw.next("receipt").await;
                }
            } else {
                assert_eq!(raw.next_bytes().await, None, "{dialect}: {case}");
            }
            let (_, told) = raw.ended().await;
            assert!(told.iter().any(|what| matches!(what, What::Rejected { .. })), "{dialect}: {case}");
        }
    }
}

/// CL-2: regression, four gigabytes are announced before anything is known of the peer.
#[tokio::test]
async fn frames_that_are_too_long() {
    for dialect in Dialect::ALL {
        let mut raw = Raw::to_server(server(dialect, None));
        match dialect.framing() {
            Framing::Length => raw.send_unframed(&[255; 4]).await,
            _ => raw.send_unframed(&vec![b'a'; MAX_FRAME + 5]).await,
        }
        assert!(words(&raw.next("error").await).contains("limit"));
        assert_eq!(raw.next_bytes().await, None);
    }
}

/// Messages that look like some of a handshake, and bytes that look like none.
fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let kinds = "hello|server_hello|hello_ack|cert|auth_dh_init|auth_dh_reply|dh_client|dh_server|dh_params|dh_pub|enc|error";
    let names = "client_cert|server_cert|cert|A_client|B_server|server_pub|A|B|g|p|y|iv|ct|payload|message";
    let value = prop_oneof!["[1-9][0-9]{0,700}", "\"[ -!#-Z]{0,40}\"", "\"0x[0-9a-f]{1,600}\"", "null"];
    let object = (kinds, proptest::collection::vec((names, value), 0..4)).prop_map(|(kind, fields)| {
        let fields: String = fields.iter().map(|(name, value)| format!(", \"{name}\": {value}")).collect();
        format!("{{\"type\": \"{kind}\"{fields}}}").into_bytes()
    });
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);
    proptest::collection::vec(prop_oneof![object, bytes], 0..4)
}

/// Runs one session to its end: a good certificate first, if it is to be so, and then what comes.
fn run(start: impl FnOnce() -> Raw, first: Option<Value>, frames: &[Vec<u8>]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (outcome, _) = runtime.block_on(async {
        let mut raw = start();
        if let Some(first) = &first {
            raw.send(first).await;
        }
        for frame in frames {
            raw.send_bytes(frame).await;
        }
        raw.ended().await
    });
    assert!(outcome.is_err(), "{frames:?}");
}

/// The server's first message.
fn server_hello(dialect: Dialect) -> Value {
    let pem = own_pem(dialect, Role::Server);
    match dialect {
        Dialect::Line => hello(dialect, &pem),
        Dialect::Pss | Dialect::Pkcs1 => json!({"type": "server_hello", "server_cert": pem, "nonce": ""}),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nobody arrives without a key, whatever is sent, and nothing panics.
    #[test]
    fn any_handshake_of_a_client_is_refused(number in 0..3_usize, good: bool, frames in frames()) {
        let dialect = Dialect::ALL[number];
        let first = good.then(|| hello(dialect, &own_pem(dialect, Role::Client)));
        run(|| Raw::to_server(server(dialect, None)), first, &frames);
        run(|| Raw::to_accounts(server(Dialect::Line, None)), None, &frames);
    }

    #[test]
    fn any_handshake_of_a_server_is_refused(number in 0..3_usize, good: bool, frames in frames()) {
        let dialect = Dialect::ALL[number];
        let first = good.then(|| server_hello(dialect));
        run(|| Raw::from_client(client(dialect, None, "pw"), Vec::new()), first, &frames);
        run(|| Raw::from_account_client(client(Dialect::Line, None, "pw")), None, &frames);
    }
}
