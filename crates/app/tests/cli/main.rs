//! The built program, as a shell runs it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod authority;
mod blind;
mod changes;
mod classic_certs;
mod classic_talk;
mod classic_users;
mod doctor;
mod erasures;
mod external_root;
mod invite;
mod lab;
mod lab_page;
mod migration;
mod people;
mod recovery;
mod serve;
mod support;
mod usage;
mod verification;
