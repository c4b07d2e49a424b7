//! The exhibits: what each attack is, in words, and what it does to each protocol (LA-1 to LA-4).

mod column;
mod rule;

pub use column::Column;
pub use rule::rule;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::LabError;
use crate::picture::Step;

/// Most words of an exhibit's text (LA-2).
pub const MAX_WORDS: usize = 120;

/// What an attack does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The attacker gets what it wants.
    Succeeds,
    /// Something stops it.
    Refused,
    /// There is nothing to attack in this way.
    NotApplicable,
    /// The attack could not be run, or came to an end that is none of these. No cell is expected to be this.
    Failed,
}

impl Outcome {
    /// As it stands in the matrix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeds => "succeeds",
            Self::Refused => "refused",
            Self::NotApplicable => "not applicable",
            Self::Failed => "failed",
        }
    }
}

/// What an attack is expected to do to one protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The outcome.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub reason: String,
    /// The rule of Countersign's specifications that stops it, or several with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// An attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// What it is called on the command line.
    pub name: String,
    /// Number of the exhibit that it belongs to, 1 to 12.
    pub exhibit: u8,
    /// Its title.
    pub title: String,
    /// Who sends what to whom.
    pub picture: Vec<Step>,
    /// What is sent.
    pub sent: String,
    /// What breaks.
    pub breaks: String,
    /// What stops it.
    pub stops: String,
    cells: BTreeMap<Column, Cell>,
    elsewhere: Cell,
}

impl Attack {
    /// What it is expected to do.
    pub fn expected(&self, column: Column) -> &Cell {
        self.cells.get(&column).unwrap_or(&self.elsewhere)
    }

    /// The protocols that it is run against.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        Column::ALL.into_iter().filter(|column| self.expected(*column).outcome != Outcome::NotApplicable)
    }
}

/// All attacks, in the order of the data file.
///
/// # Errors
/// [`LabError::Data`]: never for the file that is built in, which a test reads.
pub fn attacks() -> Result<&'static [Attack], LabError> {
    static ALL: LazyLock<Result<Vec<Attack>, String>> =
        LazyLock::new(|| read(include_str!("../../exhibits.toml")));
    ALL.as_deref().map_err(|why| LabError::Data(why.clone()))
}

/// The attack of a name.
///
/// # Errors
/// [`LabError::UnknownAttack`].
pub fn attack(name: &str) -> Result<&'static Attack, LabError> {
    let found = attacks()?.iter().find(|attack| attack.name == name);
    found.ok_or_else(|| LabError::UnknownAttack(name.to_owned()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    attack: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    exhibit: u8,
    title: String,
    picture: Vec<String>,
    sent: String,
    breaks: String,
    stops: String,
    elsewhere: String,
    cells: BTreeMap<Column, Vec<String>>,
}

fn read(text: &str) -> Result<Vec<Attack>, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string())?;
    file.attack.into_iter().map(one).collect()
}

fn one(row: Row) -> Result<Attack, String> {
    let words = [&row.sent, &row.breaks, &row.stops].iter().flat_map(|text| text.split_whitespace()).count();
    if words > MAX_WORDS {
        return Err(format!("{} has {words} words; at most {MAX_WORDS}", row.name));
    }
    let mut cells = BTreeMap::new();
    for (column, values) in row.cells {
        cells.insert(column, cell(column, &values).map_err(|why| format!("{}, {column}: {why}", row.name))?);
    }
    if cells.len() < Column::ALL.len() && row.elsewhere.is_empty() {
        return Err(format!("{} leaves protocols out and does not say why", row.name));
    }
    let picture = row.picture.iter().map(|line| Step::parse(line)).collect::<Result<_, _>>();
    let picture = picture.map_err(|why| format!("{}: {why}", row.name))?;
    Ok(Attack {
        name: row.name,
        exhibit: row.exhibit,
        title: row.title,
        picture,
        sent: row.sent,
        breaks: row.breaks,
        stops: row.stops,
        cells,
        elsewhere: Cell { outcome: Outcome::NotApplicable, reason: row.elsewhere, rule: None },
    })
}

fn cell(column: Column, values: &[String]) -> Result<Cell, String> {
    let (outcome, reason, rule) = match values {
        [outcome, reason] if column != Column::Countersign => (outcome, reason, None),
        [outcome, reason, rule] if column == Column::Countersign => (outcome, reason, Some(rule.clone())),
        _ => return Err("a cell is an outcome and a reason, and for Countersign a rule".to_owned()),
    };
    let outcome = match outcome.as_str() {
        "succeeds" => Outcome::Succeeds,
        "refused" => Outcome::Refused,
        other => return Err(format!("{other:?} is no outcome")),
    };
    Ok(Cell { outcome, reason: reason.clone(), rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LA-1 to LA-3.
    #[test]
    fn the_data_file_keeps_its_rules() {
        let attacks = attacks().unwrap();
        for number in 1..=12 {
            assert!(attacks.iter().any(|attack| attack.exhibit == number), "exhibit {number}");
        }
        for attack in attacks {
            let ours = attack.expected(Column::Countersign);
            assert_eq!(ours.outcome, Outcome::Refused, "{}", attack.name);
            assert!(Column::ALL.iter().all(|column| !attack.expected(*column).reason.is_empty()));
            assert_eq!(attacks.iter().filter(|other| other.name == attack.name).count(), 1);
        }
    }
}
