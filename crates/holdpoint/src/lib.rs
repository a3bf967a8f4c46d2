//! holdpoint
