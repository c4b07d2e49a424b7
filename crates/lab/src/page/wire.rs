//! Frames as rows of a table: who sent what, what an eavesdropper learns of it, what the attacker did (LA-54).

use maud::{Markup, html};

use crate::capture::{End, Frame, Recorded};
use crate::decode::Decoder;
use crate::exhibit::Column;

/// Rows that are shown of a run; the capture has all.
const MAX_ROWS: usize = 120;

/// Rows that are shown before the first one that the attacker had a hand in; those before are folded.
const BEFORE: usize = 3;

/// A frame; `start_us` is when the recording began.
pub(super) fn row(decoder: &mut Decoder, recorded: &Recorded, frame: &Frame, start_us: u64) -> Markup {
    let readable = decoder.read(frame);
    let flow = recorded.flows.get(frame.flow);
    let (left, right) = flow.and_then(|flow| flow.name.split_once(" and ")).unwrap_or(("client", "server"));
    let (from, to) = if frame.from == End::Client { (left, right) } else { (right, left) };
    let ms = frame.at_us.saturating_sub(start_us) / 1_000;
    html! {
        div class=@if frame.note.is_some() { "frame touched" } @else { "frame" } {
            div.who {
                span.time { (ms / 1_000) "." (format!("{:03}", ms % 1_000)) }
                span.flow title="connection" { "#" (frame.flow + 1) }
                span { (from) " → " (to) }
                b { (readable.name) }
                span.size { (frame.bytes.len()) " bytes" }
            }
            @if let Some(note) = &frame.note { p.note { (note) } }
            @for learnt in &readable.learnt { p.learnt { (learnt) } }
            @if !readable.fields.is_empty() {
                dl.fields { @for field in &readable.fields { dt { (field.name) } dd { (field.value) } } }
            }
        }
    }
}

/// The wire of a run.
pub(super) fn table(column: Column, recorded: &Recorded) -> Markup {
    let mut decoder = Decoder::new(column);
    let start = recorded.frames.first().map_or(0, |frame| frame.at_us);
    let touched = recorded.frames.iter().position(|frame| frame.note.is_some()).unwrap_or_default();
    let folded = touched.saturating_sub(BEFORE);
    let more = recorded.frames.len().saturating_sub(folded).saturating_sub(MAX_ROWS);
    let rows = recorded.frames.iter().map(|frame| row(&mut decoder, recorded, frame, start));
    let mut rows = rows.collect::<Vec<_>>().into_iter();
    html! {
        div.wire {
            @if folded > 0 {
                details { summary { "Frames before: " (folded) } @for row in rows.by_ref().take(folded) { (row) } }
            }
            @for row in rows.take(MAX_ROWS) { (row) }
            @if more > 0 { p.more { (more) " more are in the capture." } }
        }
    }
}
