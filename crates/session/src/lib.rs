//! Login, commands and events, as seen from both sides (sans-IO)
