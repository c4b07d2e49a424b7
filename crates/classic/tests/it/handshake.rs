//! Handshakes by hand: byte for byte, and in the ways that are read too.

use std::sync::Arc;

use classic::certificate::Role;
use classic::cianr::Dialect;
use classic::cipher::CipherKey;
use classic::dh::{Group, Number, Share, session_key};
use classic::json::{base64, from_base64};
use classic::users::memory::MemoryUsers;
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::world::{client, identity, server};

pub fn own_pem(dialect: Dialect, role: Role) -> String {
    identity(dialect, role).certificate().pem().to_owned()
}

/// The client's first message to the chat, with a certificate as the dialect writes it, or with what should be one.
pub fn hello(dialect: Dialect, certificate: &str) -> Value {
    let wrapped = if certificate.starts_with("-----") { base64(certificate) } else { certificate.to_owned() };
    match dialect {
        Dialect::Pss => json!({"type": "hello", "client_cert": wrapped}),
        Dialect::Pkcs1 => json!({"type": "hello", "client_cert": certificate, "nonce": base64([0; 16])}),
        Dialect::Line => json!({"type": "cert", "cert": wrapped}),
    }
}

/// A session with our server after the certificates.
pub async fn greeted(dialect: Dialect) -> Raw {
    let mut raw = Raw::to_server(server(dialect, None));
    raw.send(&hello(dialect, &own_pem(dialect, Role::Client))).await;
    raw.next(if dialect == Dialect::Line { "cert" } else { "server_hello" }).await;
    raw
}

/// A session with our server whose chat may begin, and its key. Numbers come as integers where the existing programs send
/// digits in a string, and once the other way round.
pub async fn arrived(dialect: Dialect) -> (Raw, CipherKey) {
    let mut raw = greeted(dialect).await;
    let group = Group::modp_14().unwrap();
    let share = Share::generate(&group).unwrap();
    let (p, a) = (group.prime().to_decimal(), share.public().to_decimal());
    let integers = format!(r#"{{"type": "dh_client", "g": 2, "p": {p}, "A": {a}}}"#);
    let agree =
        |digits: &str| session_key(share.agree(&Number::from_decimal(digits).unwrap()).unwrap().minimal());
    match dialect {
        Dialect::Pss => {
            let init = format!(r#"{{"type": "auth_dh_init", "A_client": {a}}}"#);
            raw.send_bytes(init.as_bytes()).await;
            let k_auth = agree(raw.next("auth_dh_reply").await["B_server"].as_str().unwrap());
            let asked = json!({"type": "register", "email": "a@b", "username": "alice", "password": "pw"});
            let payload = base64(k_auth.seal_cbc(asked.to_string().as_bytes()).unwrap());
            raw.send(&json!({"type": "auth_cred_encrypted", "payload": payload})).await;
            raw.next("auth_response").await;
            raw.send_bytes(integers.as_bytes()).await;
            let session = agree(raw.next("dh_server").await["B"].as_str().unwrap());
            (raw, session)
        }
        Dialect::Pkcs1 => {
            raw.send_bytes(integers.as_bytes()).await;
            let k_auth = agree(&dh_server(&mut raw).await);
            let (pwd, salt) = (base64("0".repeat(64)), base64([1; 16]));
            let asked =
                json!({"type": "register", "email": "a@b", "username": "alice", "pwd": pwd, "salt": salt});
            raw.send_bytes(&k_auth.seal_weak_ecb(asked.to_string().as_bytes()).unwrap()).await;
            raw.next("success").await;
            raw.send(&json!({"type": "dh_client", "g": "2", "p": p, "A": a})).await;
            let session = agree(&dh_server(&mut raw).await);
            (raw, session)
        }
        Dialect::Line => {
            let offer = raw.next("dh_params").await;
            raw.send(&json!({"type": "dh_pub", "y": share.public().to_hex()})).await;
            let theirs = Number::from_hex(offer["y"].as_str().unwrap()).unwrap();
            (raw, session_key(share.agree(&theirs).unwrap().fixed_width()))
        }
    }
}

/// The digits of the value in a `dh_server` of `cianr-pkcs1`, which has to be written as an integer.
async fn dh_server(raw: &mut Raw) -> String {
    let reply = String::from_utf8(raw.next_bytes().await.unwrap()).unwrap();
    let digits = reply.strip_prefix(r#"{"type": "dh_server", "B": "#).unwrap().strip_suffix('}').unwrap();
    assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
    digits.to_owned()
}

/// CL-30: whichever way a certificate is written.
#[tokio::test]
async fn a_certificate_is_read_as_pem_and_in_base64() {
    for dialect in Dialect::ALL {
        let certificate = identity(dialect, Role::Client).certificate().clone();
        let line = base64(certificate.pem());
        let lines: Vec<_> =
            line.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        for field in [certificate.pem(), &line, &base64(certificate.der()), &lines.join("\n")] {
            let mut raw = Raw::to_server(server(dialect, None));
            let mut message = hello(dialect, "");
            message[if dialect == Dialect::Line { "cert" } else { "client_cert" }] = field.into();
            raw.send(&message).await;
            raw.next(if dialect == Dialect::Line { "cert" } else { "server_hello" }).await;
        }
    }
}

/// CL-34: a client that waits for the server's certificate is shown it.
#[tokio::test(start_paused = true)]
async fn either_side_of_cianr_line_may_show_its_certificate_first() {
    let mut raw = Raw::to_server(server(Dialect::Line, None));
    raw.next("cert").await;
    raw.send(&hello(Dialect::Line, &own_pem(Dialect::Line, Role::Client))).await;
    raw.next("dh_params").await;
}

/// CL-34: a login with the bare password, even one that could be base64.
#[tokio::test]
async fn a_bare_password_logs_in_to_cianr_line() {
    let users = Arc::new(MemoryUsers::default());
    let own = own_pem(Dialect::Line, Role::Client);
    for (asked, status) in [
        (json!({"type": "register", "email": "a@b", "username": "a", "pwd": base64("password")}), "ok"),
        (json!({"type": "login", "email": "a@b", "pwd": base64("password")}), "ok"),
        (json!({"type": "login", "email": "a@b", "pwd": "password"}), "ok"),
        (json!({"type": "login", "email": "a@b", "pwd": "Password"}), "error"),
        (json!({"type": "login", "email": "a@c", "pwd": "password"}), "error"),
        (json!({"type": "register", "email": "e@b", "username": "e", "pwd": ""}), "ok"),
        (json!({"type": "login", "email": "e@b", "pwd": "?"}), "error"),
    ] {
        let mut ours = server(Dialect::Line, None);
        ours.users = users.clone();
        let mut raw = Raw::to_accounts(ours);
        raw.send(&json!({"type": "hello", "cert": base64(&own), "nonce": ""})).await;
        raw.next("hello_ack").await;
        let offer = raw.next("dh_params").await;
        let share = Share::generate(&Group::modp_14().unwrap()).unwrap();
        raw.send(&json!({"type": "dh_client_pub", "client_pub": share.public().to_hex()})).await;
        let theirs = Number::from_hex(offer["server_pub"].as_str().unwrap()).unwrap();
        let key = session_key(share.agree(&theirs).unwrap().fixed_width());
        let ct = key.cbc(&[3; 16], asked.to_string().as_bytes()).unwrap();
        raw.send(&json!({"type": "enc", "iv": base64([3; 16]), "ct": base64(ct)})).await;
        let answer = raw.next("enc").await;
        let field = |name: &str| from_base64(answer[name].as_str().unwrap()).unwrap();
        let opened = key.open_cbc_under(&field("iv").try_into().unwrap(), &field("ct")).unwrap();
        let answer: Value = serde_json::from_slice(&opened).unwrap();
        assert_eq!(answer["status"], status, "{asked}");
    }
}

/// CL-21, CL-30, CL-34.
#[tokio::test]
async fn the_first_messages_are_written_as_the_existing_programs_write_them() {
    for dialect in Dialect::ALL {
        let written = |role: Role| {
            let pem = own_pem(dialect, role);
            let (kind, name) = match role {
                Role::Client => ("hello", "client_cert"),
                Role::Server => ("server_hello", "server_cert"),
            };
            match dialect {
                Dialect::Pss => format!(r#"{{"type": "{kind}", "{name}": "{}"}}"#, base64(pem)),
                Dialect::Pkcs1 => {
                    format!(r#"{{"type": "{kind}", "{name}": "{}", "nonce": ""#, pem.replace('\n', "\\n"))
                }
                Dialect::Line => format!(r#"{{"type": "cert", "cert": "{}"}}"#, base64(pem)),
            }
        };
        let same = |sent: &[u8], role: Role| {
            let sent = std::str::from_utf8(sent).unwrap();
            let rest = sent.strip_prefix(&written(role)).unwrap_or_else(|| panic!("{sent}"));
            let nonce = rest.strip_suffix("\"}").map(|nonce| from_base64(nonce).unwrap().len());
            assert_eq!(nonce, (dialect == Dialect::Pkcs1).then_some(16), "{rest}");
        };
        let mut ours = Raw::from_client(client(dialect, None, "pw"), Vec::new());
        let sent = ours.next_bytes().await.unwrap();
        same(&sent, Role::Client);
        let mut ours = Raw::to_server(server(dialect, None));
        ours.send_bytes(&sent).await;
        same(&ours.next_bytes().await.unwrap(), Role::Server);
    }
}
