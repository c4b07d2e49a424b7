//! The picture of an attack: who sends what to whom, drawn as SVG (LA-2).

use maud::{Markup, html};

/// Width of a lane, and of the room at both sides, in units of the drawing.
const LANE: usize = 260;
const MARGIN: usize = 150;
/// Height of the names, and of a step.
const HEAD: usize = 46;
const STEP: usize = 44;

/// Who may be in a picture, from left to right.
const ACTORS: [&str; 5] = ["alice", "attacker", "server", "bob", "verifier"];

/// One step of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    from: usize,
    to: Option<usize>,
    text: String,
    attacker: bool,
}

impl Step {
    /// Reads `FROM -> TO: TEXT`, or `WHO: TEXT` for what one does by itself; ` !` at the end marks what the attacker does or gains.
    ///
    /// # Errors
    /// In words, what cannot be read.
    pub fn parse(line: &str) -> Result<Self, String> {
        let (who, text) = line.split_once(": ").ok_or_else(|| format!("{line:?} says nothing"))?;
        let (text, attacker) = match text.strip_suffix(" !") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (from, to) = match who.split_once(" -> ") {
            Some((from, to)) => (actor(from)?, Some(actor(to)?)),
            None => (actor(who)?, None),
        };
        Ok(Self { from, to, text: text.to_owned(), attacker })
    }
}

fn actor(name: &str) -> Result<usize, String> {
    ACTORS.iter().position(|other| *other == name).ok_or_else(|| format!("{name:?} is in no picture"))
}

/// Draws the steps from top to bottom, with a lane for each who has a part.
pub fn draw(steps: &[Step]) -> Markup {
    let parts: Vec<usize> = (0..ACTORS.len())
        .filter(|actor| steps.iter().any(|step| step.from == *actor || step.to == Some(*actor)))
        .collect();
    let lane =
        |actor: usize| MARGIN + LANE * parts.iter().position(|part| *part == actor).unwrap_or_default();
    let width = MARGIN * 2 + LANE * parts.len().saturating_sub(1);
    let height = HEAD + STEP * steps.len() + 12;
    html! {
        svg.picture xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
            viewBox={ "0 0 " (width) " " (height) } role="img"
            aria-label="Who sends what to whom" {
            @for part in &parts {
                line.lane x1=(lane(*part)) x2=(lane(*part)) y1=(HEAD - 12) y2=(height) {}
                g class=@if ACTORS.get(*part) == Some(&"attacker") { "actor bad" } @else { "actor" } {
                    rect x=(lane(*part) - 48) y="4" width="96" height="28" rx="6" {}
                    text x=(lane(*part)) y="23" { (ACTORS.get(*part).unwrap_or(&"")) }
                }
            }
            @for (number, step) in steps.iter().enumerate() {
                (row(step, HEAD + STEP * number + 30, &lane))
            }
        }
    }
}

fn row(step: &Step, y: usize, lane: &impl Fn(usize) -> usize) -> Markup {
    let class = if step.attacker { "step bad" } else { "step" };
    let x = lane(step.from);
    html! {
        g class=(class) {
            @match step.to {
                Some(to) => {
                    @let (end, back) = (lane(to), lane(to) < x);
                    text x=((x + end) / 2) y=(y - 7) { (step.text) }
                    line x1=(x) x2=(end) y1=(y) y2=(y) {}
                    @let (tip, wing) = if back { (end, end + 9) } else { (end, end.saturating_sub(9)) };
                    polygon points={ (tip) "," (y) " " (wing) "," (y - 5) " " (wing) "," (y + 5) } {}
                }
                None => {
                    circle cx=(x) cy=(y - 10) r="5" {}
                    text.own x=(x) y=(y + 8) { (step.text) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_between_two_or_of_one() {
        let step = Step::parse("alice -> server: one <two> !").unwrap();
        assert_eq!((step.from, step.to, step.attacker), (0, Some(2), true));
        assert_eq!(Step::parse("bob: thinks").unwrap().to, None);
        for bad in ["alice -> server", "carol: thinks", "alice -> carol: one", ""] {
            assert!(Step::parse(bad).is_err(), "{bad}");
        }
        let drawn = draw(&[step]).into_string();
        assert!(drawn.contains("one &lt;two&gt;") && !drawn.contains("bob"), "{drawn}");
    }
}
