//! What pages say of the tests is so.

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

use std::fs;
use std::path::Path;

/// All that stands in the Rust files of a folder.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    all
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(workspace.join("docs/threat-model.md")).unwrap();
    let shown = page.split("## What shows it").nth(1).unwrap();
    let sources = sources(&workspace.join("crates"));
    let names = shown.split('`').skip(1).step_by(2);
    // Other names are of files and commands.
    let names: Vec<&str> =
        names.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).collect();
    assert!(names.len() > 50, "{names:?}");
    let missing: Vec<&&str> = names.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
