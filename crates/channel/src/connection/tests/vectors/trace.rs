//! Every intermediate value of the key schedule, step by step as `docs/channel.md` writes it.

use aws_lc_rs::digest::{self, SHA256};
use serde_json::{Map, Value, json};

use crate::schedule::kdf::{self, Secret};

/// What a handshake's secrets depend on.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) client_hello: &'a [u8],
    pub(super) server_hello_clear: &'a [u8],
    pub(super) server_chain: &'a [u8],
    pub(super) server_signature: &'a [u8],
    pub(super) client_chain: &'a [u8],
    pub(super) client_signature: &'a [u8],
    pub(super) ss_kem: &'a [u8],
    pub(super) ss_dh: &'a [u8],
}

impl Inputs<'_> {
    pub(super) fn to_json(self) -> Value {
        json!({
            "m1": hex::encode(self.client_hello),
            "m2p": hex::encode(self.server_hello_clear),
            "chain_s": hex::encode(self.server_chain),
            "sig_s": hex::encode(self.server_signature),
            "chain_c": hex::encode(self.client_chain),
            "sig_c": hex::encode(self.client_signature),
            "ss_kem": hex::encode(self.ss_kem),
            "ss_dh": hex::encode(self.ss_dh),
        })
    }

    pub(super) fn secrets(self) -> Value {
        let mut values = Map::new();
        let mut note = |name: &str, value: &[u8; 32]| {
            values.insert(name.to_owned(), Value::from(hex::encode(value)));
        };
        let th1 = hash(&[
            b"countersign v1 hs",
            &length(self.client_hello),
            self.client_hello,
            &length(self.server_hello_clear),
            self.server_hello_clear,
        ]);
        let hs = kdf::extract(&Secret::ZERO, &[self.ss_kem, self.ss_dh].concat()).unwrap();
        let c_hs = exp(&hs, "c hs", &th1);
        let s_hs = exp(&hs, "s hs", &th1);
        let ms = kdf::extract(&exp(&hs, "derived", &hash(&[])), &[0; 32]).unwrap();
        let th2 = hash(&[&th1, self.server_chain]);
        let th3 = hash(&[&th2, self.server_signature]);
        let fin_s = *kdf::mac(&exp(&s_hs, "finished", b""), &th3).unwrap().as_bytes();
        let th4 = hash(&[&th3, &fin_s]);
        let th5 = hash(&[&th4, self.client_chain]);
        let th6 = hash(&[&th5, self.client_signature]);
        let fin_c = *kdf::mac(&exp(&c_hs, "finished", b""), &th6).unwrap().as_bytes();
        let th7 = hash(&[&th6, &fin_c]);
        let epoch = exp(&ms, "epoch 0", &th7);
        for (name, value) in [
            ("th1", &th1),
            ("hs", hs.as_bytes()),
            ("c_hs", c_hs.as_bytes()),
            ("s_hs", s_hs.as_bytes()),
            ("ms", ms.as_bytes()),
            ("th2", &th2),
            ("th3", &th3),
            ("fin_s", &fin_s),
            ("th4", &th4),
            ("th5", &th5),
            ("th6", &th6),
            ("fin_c", &fin_c),
            ("th7", &th7),
            ("epoch_0", epoch.as_bytes()),
            ("exporter", exp(&ms, "exporter", &th7).as_bytes()),
            ("c_traffic", exp(&epoch, "c traffic", b"").as_bytes()),
            ("s_traffic", exp(&epoch, "s traffic", b"").as_bytes()),
            ("s_confirm", exp(&epoch, "s confirm", &th7).as_bytes()),
        ] {
            note(name, value);
        }
        Value::Object(values)
    }
}

/// What the next epoch's secrets depend on.
#[derive(Clone)]
pub(super) struct Rekey<'a> {
    pub(super) number: u32,
    pub(super) epoch: [u8; 32],
    pub(super) exporter: [u8; 32],
    pub(super) method: u8,
    pub(super) user: &'a [u8],
    pub(super) device: &'a [u8],
    pub(super) session_key: &'a [u8],
    pub(super) request: &'a [u8],
    pub(super) response: &'a [u8],
    pub(super) ss_kem: &'a [u8],
    pub(super) ss_dh: &'a [u8],
}

impl Rekey<'_> {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "number": self.number,
            "epoch": hex::encode(self.epoch),
            "exporter": hex::encode(self.exporter),
            "method": self.method,
            "user": hex::encode(self.user),
            "device": hex::encode(self.device),
            "opaque_session_key": hex::encode(self.session_key),
            "r1": hex::encode(self.request),
            "r2": hex::encode(self.response),
            "ss_kem": hex::encode(self.ss_kem),
            "ss_dh": hex::encode(self.ss_dh),
        })
    }

    pub(super) fn secrets(&self) -> Value {
        let short = |field: &[u8]| u16::try_from(field.len()).unwrap().to_be_bytes();
        let th = hash(&[
            b"countersign v1 epoch",
            &self.number.to_be_bytes(),
            &self.exporter,
            &[self.method],
            &short(self.user),
            self.user,
            &short(self.device),
            self.device,
            &length(self.request),
            self.request,
            &length(self.response),
            self.response,
        ]);
        let input = [self.ss_kem, self.ss_dh, &short(self.session_key), self.session_key].concat();
        let mixed = kdf::extract(&Secret::from_bytes(self.epoch), &input).unwrap();
        let epoch = exp(&mixed, "epoch", &th);
        json!({
            "th": hex::encode(th),
            "epoch": hex::encode(epoch.as_bytes()),
            "c_traffic": hex::encode(exp(&epoch, "c traffic", b"").as_bytes()),
            "s_traffic": hex::encode(exp(&epoch, "s traffic", b"").as_bytes()),
            "c_confirm": hex::encode(exp(&epoch, "c confirm", &th).as_bytes()),
            "s_confirm": hex::encode(exp(&epoch, "s confirm", &th).as_bytes()),
        })
    }
}

fn exp(secret: &Secret, label: &str, context: &[u8]) -> Secret {
    kdf::expand(secret, label, context).unwrap()
}

fn length(message: &[u8]) -> [u8; 4] {
    u32::try_from(message.len()).unwrap().to_be_bytes()
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    digest::digest(&SHA256, &parts.concat()).as_ref().try_into().unwrap()
}
