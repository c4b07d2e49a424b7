//! The outer frames that cross TCP.
