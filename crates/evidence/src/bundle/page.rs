//! The page for people that every bundle begins with.

use pki::Fingerprint;

use super::Scope;
use crate::verdict::safe;

/// The page. It is evidence of nothing and says so.
pub(super) fn page(scope: &Scope, name: Option<&str>, root: &Fingerprint) -> String {
    let Scope { organisation, room, from, to, size } = scope;
    let name =
        name.map_or_else(|| "a direct conversation".to_owned(), |name| format!("room \"{}\"", safe(name)));
    format!(
        "COUNTERSIGN EVIDENCE BUNDLE

This file holds entries {from} to {to} of the record of {name}
of {organisation}, a log of {size} entries at the time of export.

  room  {room}
  root  {root}

Every entry was signed by the device of a named person, put in order in a tamper-evident log, and countersigned
by the server with the time; the recipients' receipts stand beside it. Some messages may be withheld by whoever
made this file, and some may have been erased by their own writer, who says why: their places show, and mostly
who wrote and when. An entry that is missing makes the file invalid.

THIS PAGE PROVES NOTHING. Neither does the file vouch for its own root. Check it:

  1. Ask {organisation}, by a way that does not lead through whoever gave you this file,
     for the fingerprint of its root certificate. It must be the one above.
  2. countersign-verify FILE --root {root}

The first line of its answer must be VALID. The same can be checked with tar, sha256sum, OpenSSL and any COSE
library; the project's docs/evidence.md has the commands and says what each part means.

What it does not show: a key is not a person. Whether the server could read these messages, the answer says too.
"
    )
}
