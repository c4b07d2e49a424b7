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

#[test]
fn a_report_is_written_whole_or_not_at_all() {
    let place = Place::new();
    std::fs::write(
        place.path("users.json"),
        r#"{"carol": {"salt": "c2FsdHNhbHRzYWx0c2FsdA==", "hash": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}"#,
    )
    .unwrap();
    std::fs::create_dir(place.path("full")).unwrap();
    std::fs::write(place.path("full/kept"), "").unwrap();
    place.run("lab report --out full").refused("name a new folder");
    place.run("lab report --out no/such/folder/report").refused("cannot write the report");
    place.run("lab report --out report --users nobody.json").refused("nobody.json");
    assert!(!place.path("report").exists());

    let run = place.run("lab report --out report --users users.json --json");
    let object: Value = serde_json::from_str(run.ok()).unwrap();
    assert_eq!(object["runs"].as_array().unwrap().len(), 162);
    let page = place.read("report/index.html");
    for text in ["All went as the documentation says", "Shifting a digit", "carol", "01234567…", "</svg>"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("0123456789abcdef") && !page.contains("not as documented"));
    // Every link leads to a file that is there.
    for link in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(link.starts_with('#') || place.path(&format!("report/{link}")).exists(), "{link}");
    }
    // What is handed in can be checked without the lab.
    for dialect in ["cianr-pss", "cianr-pkcs1", "cianr-line"] {
        let folder = place.path(&format!("report/sessions/{dialect}"));
        let mut names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        let receipt = names
            .find(|name| {
                let name = name.to_str().unwrap();
                name.ends_with("_receipt.json") && !name.ends_with("received_receipt.json")
            })
            .unwrap();
        let receipt = folder.join(receipt);
        let root = folder.join("ca.pem");
        place.run(&format!("classic verify {} --root {}", receipt.display(), root.display())).ok();
    }
    let folder = place.path("report/sessions/countersign");
    let (bundle, root) = (folder.join("room.bundle"), folder.join("root.pem"));
    place.run(&format!("verify {} --root {}", bundle.display(), root.display())).ok();
    place.run("lab report --out report").refused("name a new folder");
}
