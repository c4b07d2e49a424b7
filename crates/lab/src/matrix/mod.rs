//! All attacks against all protocols, held against what the data file says (LA-8).

use std::fmt::Write as _;

use serde::Serialize;

use crate::LabError;
use crate::attack::{self, Found};
use crate::capture::{Capture, Recorded};
use crate::exhibit::{Attack, Column, Outcome};
use crate::stage::Stage;

/// One attack against one protocol, as it went.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The attack's name.
    pub attack: String,
    /// The exhibit's number.
    pub exhibit: u8,
    /// The protocol.
    pub protocol: Column,
    /// What came of it.
    pub outcome: Outcome,
    /// What the data file says.
    pub expected: Outcome,
    /// Whether both are the same.
    pub ok: bool,
    /// What the attacker got, or what stopped it, as seen; the failure of the stage, if it failed.
    pub seen: String,
    /// Why the data file says so.
    pub reason: String,
    /// The rule of Countersign that stops it, or several with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Where its capture is, if it has been kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// The wire.
    #[serde(skip)]
    pub wire: Recorded,
}

/// Runs one attack against one protocol, or says why there is nothing to run.
pub async fn run(stage: &Stage, attack: &Attack, column: Column, clock_us: fn() -> u64) -> Run {
    let cell = attack.expected(column);
    let capture = Capture::new(clock_us);
    let found = match cell.outcome {
        Outcome::NotApplicable => Ok(Found { outcome: Outcome::NotApplicable, seen: cell.reason.clone() }),
        _ => attack::run(stage, attack, column, &capture).await,
    };
    let ok = found.as_ref().is_ok_and(|found| found.outcome == cell.outcome);
    let found = found.unwrap_or_else(|error: LabError| Found {
        outcome: Outcome::Failed,
        seen: format!("the attack failed: {error}"),
    });
    Run {
        attack: attack.name.clone(),
        exhibit: attack.exhibit,
        protocol: column,
        outcome: found.outcome,
        expected: cell.outcome,
        ok,
        seen: found.seen,
        reason: cell.reason.clone(),
        rule: cell.rule.clone(),
        capture: None,
        wire: capture.recorded(),
    }
}

/// Width of a column in the table, in characters.
const COLUMN: usize = 14;
/// Width of the attacks' names.
const NAME: usize = 24;

/// The first line of the table.
pub fn heading() -> String {
    let mut line = format!("{:NAME$}", "attack");
    for column in Column::ALL {
        // Writing to a string cannot fail.
        let _ = write!(line, " {column:COLUMN$}");
    }
    line
}

/// One attack's line: each outcome, with `!` where it is not the expected one.
pub fn row(attack: &Attack, runs: &[Run]) -> String {
    let mut line = format!("{:2} {:width$}", attack.exhibit, attack.name, width = NAME - 3);
    for column in Column::ALL {
        let run = runs.iter().find(|run| run.protocol == column && run.attack == attack.name);
        let word = match run {
            Some(run) if !run.ok => format!("! {}", run.outcome.name()),
            Some(Run { outcome: Outcome::NotApplicable, .. }) => "-".to_owned(),
            Some(run) => run.outcome.name().to_owned(),
            None => String::new(),
        };
        let _ = write!(line, " {word:COLUMN$}");
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exhibit::attacks;

    /// Regression: an attack that could not be run stood as “! not applicable”, wider than its column.
    #[test]
    fn every_outcome_keeps_to_its_column() {
        let attack = attacks().unwrap().first().unwrap();
        for outcome in [Outcome::Succeeds, Outcome::Refused, Outcome::Failed] {
            let run = |protocol| Run {
                attack: attack.name.clone(),
                exhibit: attack.exhibit,
                protocol,
                outcome,
                expected: Outcome::NotApplicable,
                ok: false,
                seen: String::new(),
                reason: String::new(),
                rule: None,
                capture: None,
                wire: Recorded::default(),
            };
            let row = row(attack, &Column::ALL.map(run));
            let word = format!("! {}", outcome.name());
            let places: Vec<usize> = row.match_indices(&word).map(|(at, _)| at).collect();
            let columns: Vec<usize> =
                (0..Column::ALL.len()).map(|number| NAME + 1 + number * (COLUMN + 1)).collect();
            assert_eq!(places, columns, "{row}");
        }
    }
}
