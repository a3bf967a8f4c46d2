//! Whether a definition can be published: the event that does so has all of its text.

use crate::{
    diagnostics::{DiagnosticCode as Code, Findings},
    model::Model,
};

/// How large it may be as JSON, in bytes: less than an event, which also says who publishes it, where and when.
const PUBLISHED_BYTES_MAX: usize = 1024 * 1024 - 16 * 1024;

/// Finds what a log would not take.
pub(crate) fn check(source: &str, model: &Model, findings: &mut Findings) {
    let as_json = |text: &str| serde_json::to_string(text).map_or(usize::MAX, |json| json.len());
    let bytes = as_json(source).saturating_add(as_json(&model.title));
    if bytes > PUBLISHED_BYTES_MAX {
        let text = format!(
            "the definition could not be published: as JSON, with its title, it has {bytes} bytes, and at most \
             {PUBLISHED_BYTES_MAX} can be kept"
        );
        findings.add(Code::Syntax, &(0..0), text).help(
            "make it smaller: a line end or a quote takes two bytes as JSON; what is long, such as instructions, can be \
             kept elsewhere and be named",
        );
    }
}
