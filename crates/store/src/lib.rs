//! Whole transactions over SQLite
