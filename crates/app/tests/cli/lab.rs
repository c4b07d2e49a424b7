use serde_json::Value;

use crate::support::Place;

#[test]
fn an_attack_is_run_and_its_wire_written() {
    let place = Place::new();
    let run = place.run("lab run mitm-dh --protocol cianr-pss --pcap wire.pcapng --json");
    let object: Value = serde_json::from_str(run.ok()).unwrap();
    assert_eq!(object["attack"], "mitm-dh");
    assert_eq!(object["outcome"], "succeeds");
    assert_eq!(object["ok"], true);
    let wire = std::fs::read(place.path("wire.pcapng")).unwrap();
    assert!(wire.starts_with(&[0x0A, 0x0D, 0x0D, 0x0A]));
    assert!(wire.windows(4).any(|window| window == b"open"), "the attacker's note");
    // What a protocol does not have is no fault.
    place.run("lab run mitm-dh --protocol key-transport").ok();
    place.run("lab run mitm-dh --protocol cianr-pss --pcap no/such/folder").refused("--pcap");
}

#[test]
fn attacks_are_listed_and_unknown_ones_refused() {
    let place = Place::new();
    let list = place.run("lab list --json");
    let names: Vec<Value> = list.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(names.iter().any(|object| object["attack"] == "mitm-dh" && object["exhibit"] == 2));
    place.run("lab run nothing").ended(2, "lab list");
    place.run("lab run").ended(2, "<NAME>");
    place.run("lab run mitm-dh --protocol tls").ended(2, "cianr-pss");
}
