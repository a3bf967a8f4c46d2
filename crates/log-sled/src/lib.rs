//! log-sled
