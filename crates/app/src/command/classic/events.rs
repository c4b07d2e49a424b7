//! What happens in a classic conversation, as it is printed: a line, or an object with `--json`.

use std::sync::Arc;

use classic::conversation::{Event, What};
use evidence::verdict::safe;
use serde_json::json;

use crate::terminal::Output;

/// Prints each event as it comes.
pub fn printer(output: Output) -> Arc<dyn Fn(Event) + Send + Sync> {
    Arc::new(move |event| {
        // Whoever read the output may have gone; the conversation goes on.
        if let What::Receipt { same_transcript: false, .. } = event.what {
            output.warn(
                "another-transcript",
                "the other side's receipt is over another transcript than ours: something was said by both at once, or something was changed",
            );
        }
        let _ = output.result(|| serde_json::to_value(&event).unwrap_or_else(|_| json!({})), || text(&event));
    })
}

fn text(event: &Event) -> String {
    let line = match &event.what {
        What::Connected => "connected".to_owned(),
        What::Certified { name, fingerprint } => format!("certificate {name} {fingerprint}"),
        What::Registered { user, .. } => format!("registered {user}"),
        What::LoggedIn { user } => format!("logged-in {user}"),
        What::Message { from, text, .. } if from.is_empty() => format!("message {text}"),
        What::Message { from, text, .. } => format!("message {from}: {text}"),
        What::Sent { text, .. } => format!("sent {text}"),
        What::Rejected { error } => format!("rejected {error}"),
        What::Refused { error } => format!("refused {error}"),
        What::Receipt { signature, same_transcript, transcript_sha256 } => {
            let good = if *signature { "good signature" } else { "BAD SIGNATURE" };
            let same = if *same_transcript { "same transcript" } else { "another transcript" };
            format!("receipt {transcript_sha256} {good}, {same}")
        }
        What::Saved { file } => format!("saved {}", file.display()),
        What::Disconnected { error: Some(error) } => format!("disconnected {error}"),
        What::Disconnected { error: None } => "disconnected".to_owned(),
    };
    format!("[{} {}] {}", event.session, event.peer, safe(&line))
}
