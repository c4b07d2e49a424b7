//! `lab list`: the attacks.

use lab::exhibit::attacks;
use serde_json::json;

use super::super::Context;
use crate::terminal::Failure;

/// Runs it.
pub fn run(context: &Context) -> Result<(), Failure> {
    for attack in attacks()? {
        let protocols: Vec<&str> = attack.columns().map(|column| column.name()).collect();
        context.output.result(
            || {
                json!({
                    "attack": attack.name, "exhibit": attack.exhibit, "title": attack.title, "sent": attack.sent,
                    "breaks": attack.breaks, "stops": attack.stops, "protocols": protocols,
                })
            },
            || format!("{:2} {:21} {} ({})", attack.exhibit, attack.name, attack.title, protocols.join(", ")),
        )?;
    }
    Ok(())
}
