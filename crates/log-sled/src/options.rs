//! How a log is opened.

/// With so many bytes of events a tail is sealed, by default.
const TAIL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// With so many bytes of events a segment need not be merged, by default.
pub(crate) const SEGMENT_BYTES: u64 = 256 * 1024 * 1024;

/// A tail that has this part of the bytes with which it would be sealed is sealed at opening:
/// every opening reads it.
const OPENING_PART: u64 = 8;

/// How a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// With so many bytes of events the part of the log that is in sled is sealed: written to an
    /// immutable file, and dropped from sled. At opening an eighth of it is enough. 16 MiB by
    /// default.
    pub tail_bytes_max: u64,
    /// Immutable files with fewer bytes of events than this are merged with those beside them, in
    /// steps, so that they are few. 256 MiB by default; 0 leaves all as they are.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { tail_bytes_max: TAIL_BYTES_MAX, segment_bytes: SEGMENT_BYTES }
    }
}

impl Options {
    /// With so many bytes of events the last tail is sealed at opening.
    pub(crate) fn opening_bytes(self) -> u64 {
        (self.tail_bytes_max / OPENING_PART).max(1)
    }
}
