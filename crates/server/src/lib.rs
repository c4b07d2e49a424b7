//! Listener, connections, rooms, fan-out, administration
