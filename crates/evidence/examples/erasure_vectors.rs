//! Writes the bundles with erasures of `docs/vectors/evidence` anew: `cargo run -p countersign-evidence --example erasure_vectors`.
//! Keys and certificates are fresh each time, so all of them change together.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "made of what the tests use")]

#[path = "../tests/it/world.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod world;

use std::error::Error;
use std::fs;
use std::path::Path;

use evidence::room::ContentSuite;
use serde_json::json;
use world::{Show, World};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors/evidence");
    let mut world = World::with_room_of(ContentSuite::EndToEnd, &["cdr", "cmp"]);
    let slip = world.say(0, "A slip.");
    let withheld = world.say(1, "This is Houston. Say again, please.");
    world.say(0, "We've had a MAIN B BUS UNDERVOLT.");
    let last = world.erase(0, &[slip], "said in the wrong room");
    let show = |index| if index == slip || index == withheld { Show::Nothing } else { Show::All };
    let honest = world.write(&world.export(0, last), show);
    let kept = world.bundle();
    world.erase(1, &[last - 1], "not mine to erase");
    let foreign = world.bundle();
    let all = ["disclosed"; 3];
    let mut list = Vec::new();
    for (name, says, verdict, codes, states, bytes) in [
        (
            "erased",
            "one message erased, one withheld, one shown",
            "valid",
            vec![],
            ["erased", "withheld", "disclosed"],
            honest,
        ),
        ("erased-and-kept", "by somebody who kept what was erased", "valid", vec![], all, kept),
        (
            "erased-by-another",
            "an erasure of what another user said",
            "invalid",
            vec!["erasure"],
            all,
            foreign,
        ),
    ] {
        let file = format!("{name}.bundle");
        fs::write(folder.join(&file), bytes)?;
        list.push(
            json!({ "file": file, "says": says, "verdict": verdict, "codes": codes, "states": states }),
        );
    }
    let list = json!({ "root": world.root.fingerprint().to_string(), "bundles": list });
    Ok(fs::write(folder.join("erasures.json"), serde_json::to_string_pretty(&list)? + "\n")?)
}
