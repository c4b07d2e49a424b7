//! A client in Python, written from the page alone, speaks `cianr-pss` and `cianr-pkcs1` with our server.

use std::path::PathBuf;
use std::process::Command;

use classic::cianr::Dialect;
use classic::conversation::What;
use classic::dh::Group;
use classic::verify::{Files, Verdict, root, verify};
use tempfile::TempDir;

use crate::world::{certificates, server, start};

/// CL-20 to CL-33; its receipts and ours are over one transcript, and ours verify.
#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_talks_in_two_dialects_and_both_groups() {
    let python = std::env::var_os("COUNTERSIGN_TEST_PYTHON").expect(
        "COUNTERSIGN_TEST_PYTHON is not set: run `cargo xtask test`, which prepares the tests' Python",
    );
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/classic_cianr.py");
    for (dialect, name, group) in [
        (Dialect::Pss, "pss", "oakley-1"),
        (Dialect::Pss, "pss", "modp-14"),
        (Dialect::Pkcs1, "pkcs1", "modp-14"),
    ] {
        let folder = TempDir::new().unwrap();
        let mut settings = server(dialect, Some(folder.path()));
        if group == "oakley-1" {
            settings.group = Group::weak_oakley_1().unwrap();
        }
        let mut running = start(settings).await;
        let mut client = Command::new(&python);
        client.arg(&program).arg(running.address.port().to_string()).arg(certificates()).args([name, group]);
        let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && output.stdout == b"OK\n", "{name} {group}: {said}");
        let same = running.next(|what| match what {
            What::Receipt { signature, same_transcript, .. } => Some(*signature && *same_transcript),
            _ => None,
        });
        assert!(same.await, "{name} {group}");
        let receipt = running.next(|what| match what {
            What::Saved { file } => Some(file.clone()),
            _ => None,
        });
        let ca = root(&certificates().join("ca.crt")).unwrap();
        let report = verify(&Files::of(receipt.await), Some(&ca)).unwrap();
        assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    }
}
