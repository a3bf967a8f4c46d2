//! Reading YAML files whose every fault is told with its place and a remedy: what definitions are
//! read with, for other files that come with them.

pub use crate::{
    diagnostics::{Added, Findings},
    expr::did_you_mean,
    model::{duration, is_name},
    node::{Key, Kind, Node, Span, read},
    syntax::{Fields, Reader, listed},
};
