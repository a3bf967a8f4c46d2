//! A definition that has been checked: what the machine runs.

use std::collections::BTreeMap;

use holdpoint_calendar::WorkingLength;
use holdpoint_core::{CalendarName, DefinitionName, QualificationName, RetryPolicy, TimeLimits};
use jiff::{SignedDuration, Span as JiffSpan, SpanRelativeTo};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    child::ChildModel,
    expr::{Expr, Vars},
    hold_model::Hold,
    node::Span,
    outputs_check::Use,
    parallel_model::{All, Within},
    risk::RiskModel,
    rollout_model::Rollout,
    settlers::Settlers,
    template::{Template, Tree},
    window_model::WorkWindow,
};

/// The outcome of a run that was cancelled.
pub(crate) const CANCELLED: &str = "cancelled";

/// A checked definition.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: DefinitionName,
    pub(crate) version: u32,
    pub(crate) title: String,
    pub(crate) schema: Value,
    pub(crate) validator: jsonschema::Validator,
    pub(crate) start: Target,
    /// How the risk of a run follows from its input.
    pub(crate) risk: Option<RiskModel>,
    /// How long a run may take, and where it goes then.
    pub(crate) expires: Option<(SignedDuration, Target)>,
    pub(crate) states: BTreeMap<String, StateModel>,
    /// The outputs that expressions use.
    pub(crate) uses: Vec<Use>,
}

/// The name of a state to go to, and where it is named.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// A state.
#[derive(Debug)]
pub(crate) struct StateModel {
    /// Where its name stands.
    pub(crate) span: Span,
    pub(crate) kind: StateKind,
    /// The branch that it is in, if it is in one.
    pub(crate) within: Option<Within>,
    /// How long its work may take.
    pub(crate) expires: Option<SignedDuration>,
    /// Whether the run gives its locks back when it enters it.
    pub(crate) unlock: bool,
    /// Where each outcome leads.
    pub(crate) on: BTreeMap<String, Target>,
    /// Where the key `on` stands, if there is one.
    pub(crate) on_span: Option<Span>,
    /// Where each outcome stands in it.
    pub(crate) outcome_spans: BTreeMap<String, Span>,
}

/// The kinds of state.
#[derive(Debug)]
pub(crate) enum StateKind {
    Hold(Box<Hold>),
    Activity(Box<Work>),
    Rollout(Box<Rollout>),
    Child(Box<ChildModel>),
    Choose { branches: Vec<(Expr, Target)>, otherwise: Target },
    All(Box<All>),
    End { outcome: String },
}

/// A duration, given or computed.
#[derive(Debug)]
pub(crate) enum Timed {
    Fixed(SignedDuration),
    Computed(Template),
}

impl Timed {
    /// The duration.
    pub(crate) fn eval(&self, vars: &Vars<'_>) -> Result<SignedDuration, String> {
        match self {
            Self::Fixed(duration) => Ok(*duration),
            Self::Computed(template) => {
                let text = template.render_text(vars)?;
                duration(&text).ok_or_else(|| format!("`{text}` is not a duration such as `10m`"))
            }
        }
    }
}

/// A length of time, or of a calendar's working time.
#[derive(Debug)]
pub(crate) enum Term {
    Timed(Timed),
    Working { length: WorkingLength, calendar: CalendarName },
}

/// One activity.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) run: String,
    pub(crate) with: Tree,
    pub(crate) timeout: SignedDuration,
    pub(crate) limits: TimeLimits,
    pub(crate) retry: RetryPolicy,
    pub(crate) settle: Option<Settle>,
    /// Who says what became of it when nobody knows, where that is said.
    pub(crate) settlers: Option<Settlers>,
    /// Whether it may be done again while nobody knows whether it was done.
    pub(crate) repeatable: bool,
    /// When it begins, where it is all that a state does.
    pub(crate) window: Option<WorkWindow>,
}

/// How it is found out whether an activity was done.
#[derive(Debug)]
pub(crate) struct Settle {
    pub(crate) run: String,
    /// What the check is given; what the activity is given, when `None`.
    pub(crate) with: Option<Tree>,
    pub(crate) timeout: SignedDuration,
    pub(crate) retry: RetryPolicy,
}

/// How many targets, of all, are to be done when the wave is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wave {
    Count(u32),
    Percent(u32),
}

impl Wave {
    /// The number of targets that are done at the wave's end, of `all`: a percentage is rounded
    /// up.
    pub(crate) fn end(self, all: u32) -> u32 {
        match self {
            Self::Count(count) => count.min(all),
            Self::Percent(percent) => {
                let end = u64::from(all).saturating_mul(u64::from(percent)).div_ceil(100);
                u32::try_from(end).unwrap_or(all).min(all)
            }
        }
    }
}

/// Reads a duration such as `90s`, `10m`, `2h 30m` or `7d`; a day has 24 hours. `None` when it is
/// none, negative, or has no fixed length, as a month.
#[must_use]
pub fn duration(text: &str) -> Option<SignedDuration> {
    signed(text).filter(|duration| !duration.is_negative())
}

/// Whether a text that is no duration would be one with other numbers: it is negative, or longer
/// than any time that there is.
pub(crate) fn is_out_of_range(text: &str) -> bool {
    let mut shape = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('1') => {}
            '0'..='9' => shape.push('1'),
            _ => shape.push(c),
        }
    }
    duration(text).is_none() && signed(&shape).is_some()
}

fn signed(text: &str) -> Option<SignedDuration> {
    let span: JiffSpan = text.trim().parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// Whether `text` can name a state, a rule, a signal, an outcome or an activity.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.parse::<QualificationName>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let s = SignedDuration::from_secs;
        for (text, expected) in [
            ("90s", Some(s(90))),
            ("10m", Some(s(600))),
            ("2h30m", Some(s(9_000))),
            ("2h 30m", Some(s(9_000))),
            ("7d", Some(s(604_800))),
            ("0s", Some(s(0))),
            ("1w", Some(s(604_800))),
            ("PT10M", Some(s(600))),
            ("500ms", Some(SignedDuration::from_millis(500))),
            ("-5s", None),
            ("1mo", None),
            ("1 year", None),
            ("soon", None),
            ("", None),
            ("10", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
        for (text, expected) in [
            ("-5s", true),
            ("99999999999999w", true),
            ("9999999999999999999999d 12h", true),
            ("5s", false),
            ("5", false),
            ("0.5d", false),
            ("1mo", false),
            ("soon", false),
            ("11111111 or so", false),
        ] {
            assert_eq!(is_out_of_range(text), expected, "{text}");
        }
    }

    #[test]
    fn waves_count_all_targets_done_and_round_up() {
        for (wave, all, expected) in [
            (Wave::Count(1), 6, 1),
            (Wave::Percent(25), 6, 2),
            (Wave::Percent(100), 6, 6),
            (Wave::Percent(1), 6, 1),
            (Wave::Count(9), 6, 6),
            (Wave::Percent(50), 1, 1),
        ] {
            assert_eq!(wave.end(all), expected, "{wave:?} of {all}");
        }
    }
}
