//! Captures as tshark reads them (LA-20 to LA-22).

use std::path::Path;
use std::process::Command;

use lab::capture::{Capture, End};
use lab::pcap::File;
use tempfile::TempDir;

fn tshark(file: &Path, arguments: &[&str]) -> String {
    let output = Command::new("tshark").arg("-nr").arg(file).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The bytes of a stream, client's lines first and server's indented, as hex.
fn followed(file: &Path, stream: usize) -> [String; 2] {
    let text = tshark(file, &["-q", "-z", &format!("follow,tcp,raw,{stream}")]);
    let mut sides = [String::new(), String::new()];
    for line in text.lines() {
        let hex = line.trim();
        if !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            sides.get_mut(usize::from(line.starts_with('\t'))).unwrap().push_str(hex);
        }
    }
    sides
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn tshark_reads_the_streams_without_a_remark() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("wire.pcapng");
    let long: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let capture = Capture::new(|| 1_700_000_000_000_000);
    let near = capture.flow(
        "client and attacker",
        "127.0.0.1:61001".parse().unwrap(),
        "127.0.0.1:61002".parse().unwrap(),
    );
    let far =
        capture.flow("attacker and server", "[::1]:61003".parse().unwrap(), "[::1]:61004".parse().unwrap());
    capture.frame(far, End::Server, b"the server speaks first", Some("a “note” of odd length".to_owned()));
    capture.frame(near, End::Client, b"hello", None);
    capture.frame(near, End::Server, &long, Some("long".to_owned()));
    capture.frame(far, End::Client, b"bye", None);
    capture.flow("nothing", "127.0.0.1:61005".parse().unwrap(), "127.0.0.1:61002".parse().unwrap());
    let mut pcap = File::default();
    pcap.add("first", &capture.recorded()).unwrap();
    pcap.add("second", &capture.recorded()).unwrap();
    std::fs::write(&file, pcap.into_bytes()).unwrap();

    let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let bad = "_ws.malformed || tcp.checksum.status == Bad || ip.checksum.status == Bad";
    let remarks = format!("{bad} || (tcp.analysis.flags && !tcp.analysis.reused_ports)");
    let found = tshark(&file, &[&checks[..], &["-Y", &remarks]].concat());
    assert!(found.is_empty(), "{:?}", found.lines().next());
    for (stream, sides) in [
        (near, [hex(b"hello"), hex(&long)]),
        (far, [hex(b"bye"), hex(b"the server speaks first")]),
        (3, [hex(b"hello"), hex(&long)]),
    ] {
        let mut sides = sides;
        // tshark takes who speaks first for the first side.
        let mut seen = followed(&file, stream);
        sides.sort();
        seen.sort();
        assert_eq!(seen, sides, "stream {stream}");
    }
    let comments = tshark(&file, &["-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"]);
    assert!(comments.contains("a “note” of odd length\n"), "{comments}");
    assert!(comments.contains("first: client and attacker\n"), "{comments}");
    assert_eq!(comments.lines().count(), 10, "{comments}");
}
