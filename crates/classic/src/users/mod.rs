//! Users of the classic servers and where they are kept.
