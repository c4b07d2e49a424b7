//! Databases of other makers, started for one test and removed after it.
//!
//! - [`MariaDb`]: a MariaDB server of its own, on a folder of its own.

mod mariadb;

pub use mariadb::MariaDb;
