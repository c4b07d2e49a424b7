//! Named limits. The programs that these protocols come from set none (docs/classic.md, CL-2).

use std::time::Duration;

/// Longest frame, line or object that is read, in bytes.
pub const MAX_FRAME: usize = 256 * 1024;
/// Longest text that is sent as one message, in bytes of UTF-8.
pub const MAX_TEXT: usize = 64 * 1024;
/// Longest decimal or hexadecimal number that is read, in digits: 8,192 bits and some.
pub const MAX_DIGITS: usize = 2_500;
/// Longest e-mail address, user name or password that is read, in bytes.
pub const MAX_CREDENTIAL: usize = 1_024;
/// Connections that one server serves at a time.
pub const MAX_CONNECTIONS: usize = 512;
/// How long a peer may take from connecting until it may talk.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);
/// How long the side that leaves waits for the other's next message, receipt or end.
pub const LEAVE_DEADLINE: Duration = Duration::from_secs(10);
/// How long it waits in all, whatever comes.
pub const LEAVE_LIMIT: Duration = Duration::from_secs(60);
/// How long a server that has named a fault takes what still comes before it closes.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How long a write may wait for a peer that does not read.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Messages that wait for one slow reader before it is cut off.
pub const MAX_WAITING: usize = 1_024;
/// How long a `key-transport` client may take from connecting until its key is there (CL-43).
pub const KEY_TRANSPORT_DEADLINE: Duration = Duration::from_secs(10);
/// Rest after a message to a program that takes whatever it reads at once for one message (CL-44, CL-50).
pub const MESSAGE_PAUSE: Duration = Duration::from_millis(50);
/// The same after a message that makes the other side compute with its key (CL-44, CL-50).
pub const KEY_PAUSE: Duration = Duration::from_millis(500);
/// The same after a key in a group that the other side's library does not know, and checks for half a second (CL-50).
pub const GROUP_PAUSE: Duration = Duration::from_secs(3);
/// Longest text that `broadcast` sends, with its sender's name, in bytes: it fills an object of 4,096 bytes, and programs that
/// exist read no more at once (CL-50).
pub const MAX_ROOM_TEXT: usize = 3_023;
/// Registrations and logins that one `broadcast` connection may ask for (CL-51).
pub const MAX_ATTEMPTS: usize = 20;
