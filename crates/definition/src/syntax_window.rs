//! The shape of `window` and `not_during`, in a hold, in a rollout and in an activity.

use holdpoint_calendar::WorkingLength;

use crate::{
    diagnostics::DiagnosticCode as Code,
    hold_model::{Approver, Exclusion},
    model::Term,
    node::{Kind, Node},
    syntax::{Fields, Reader},
    syntax_approval::{read_approvers, read_not},
    window_model::{CalendarNamed, Closing, HoldWindow, Missed, Times, WorkWindow, calendar},
};

pub(crate) const WINDOW: &[&str] = &["in", "fits", "missed", "override", "not"];
pub(crate) const WORK_WINDOW: &[&str] = &["in", "closes", "override", "not"];
pub(crate) const WORKING: &[&str] = &["working", "calendar"];

const NAMED: &str = "name a calendar as `calendar:NAME`, or several in a list";

/// Reads the window that a hold waits for, out of the keys of the hold.
pub(crate) fn read(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Option<HoldWindow>> {
    let (window, not_during) = (fields.get("window"), fields.get("not_during"));
    let Some(at) = window.or(not_during) else { return Some(None) };
    let options = match window {
        Some(node) if matches!(node.kind, Kind::Map(_)) => {
            Some(reader.fields(node, "a window", WINDOW)?)
        }
        _ => None,
    };
    let of = |key: &str| options.as_ref().and_then(|options| options.get(key));
    let named = if options.is_some() { of("in") } else { window };
    let times = read_times(at, named, not_during, reader);
    let fits = match of("fits") {
        None => Some(None),
        Some(node) => match reader.timed(node, "`fits`") {
            Some(crate::model::Timed::Fixed(span)) if span.is_zero() => {
                reader
                    .findings
                    .add(Code::OutOfRange, &node.span, "`fits` must be longer than nothing")
                    .help("say how long the work takes, such as `2h`, or leave `fits` out");
                None
            }
            timed => timed.map(Some),
        },
    };
    let missed = match of("missed") {
        None => Some(Missed::Wait),
        Some(node) => read_missed(node, reader),
    };
    let (overriders, not) = read_override(of("override"), of("not"), reader)?;
    Some(Some(HoldWindow { times: times?, fits: fits?, missed: missed?, overriders, not }))
}

/// Work that has a window, and what can become of it when that closes.
pub(crate) struct Windowed {
    what: &'static str,
    closes: &'static [(&'static str, Closing)],
    help: &'static str,
}

pub(crate) const ROLLOUT: Windowed = Windowed {
    what: "the rollout",
    closes: &[("finish", Closing::Finish), ("pause", Closing::Pause), ("stop", Closing::Stop)],
    help: "what becomes of the rollout when its window closes: `finish` what was begun \
           with the rollout, `pause` until it opens again, or `stop` and turn round",
};

pub(crate) const ACTIVITY: Windowed = Windowed {
    what: "the activity",
    closes: &[("finish", Closing::Finish), ("stop", Closing::Stop)],
    help: "what becomes of the activity when its window closes: `finish`, or `stop`, which gives it \
           up: it has failed",
};

/// Reads the window within which work is done, out of the keys of the work.
pub(crate) fn read_work(
    fields: &Fields<'_>,
    work: &Windowed,
    reader: &mut Reader<'_>,
) -> Option<Option<WorkWindow>> {
    let (window, not_during) = (fields.get("window"), fields.get("not_during"));
    let Some(at) = window.or(not_during) else { return Some(None) };
    let Some(options) = window.filter(|node| matches!(node.kind, Kind::Map(_))) else {
        reader
            .findings
            .add(
                Code::MissingKey,
                &at.span,
                format!("{} does not say what becomes of it when its window closes", work.what),
            )
            .help(format!("write `window: {{ in: calendar:NAME, closes: … }}` with {}", or(work)));
        return None;
    };
    let options = reader.fields(options, "a window", WORK_WINDOW)?;
    let times = read_times(at, options.get("in"), not_during, reader);
    let closes = options.need(reader, "closes").and_then(|node| read_closing(node, work, reader));
    let (overriders, not) = read_override(options.get("override"), options.get("not"), reader)?;
    Some(Some(WorkWindow { times: times?, closes: closes?, overriders, not }))
}

fn read_times(
    at: &Node,
    windows: Option<&Node>,
    not_during: Option<&Node>,
    reader: &mut Reader<'_>,
) -> Option<Times> {
    if windows.is_none() && not_during.is_none() {
        reader
            .findings
            .add(Code::MissingKey, &at.span, "the window names no calendar")
            .help("give `in: calendar:NAME`, or `not_during: calendar:NAME` beside the window");
        return None;
    }
    let mut read = |node: Option<&Node>| match node {
        None => Some(Vec::new()),
        Some(node) => read_calendars(node, reader),
    };
    let (windows, not_during) = (read(windows), read(not_during));
    Some(Times { windows: windows?, not_during: not_during? })
}

fn read_calendars(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<CalendarNamed>> {
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        reader.findings.add(Code::CalendarName, &node.span, "no calendar is named").help(NAMED);
        return None;
    }
    let read: Vec<_> = items.iter().map(|item| read_calendar(item, reader)).collect();
    read.into_iter().collect()
}

fn read_calendar(node: &Node, reader: &mut Reader<'_>) -> Option<CalendarNamed> {
    if !matches!(node.kind, Kind::Text(_)) {
        reader.findings.add(Code::CalendarName, &node.span, "this names no calendar").help(NAMED);
        return None;
    }
    let template = reader.template(node, &[])?;
    if let Some(text) = template.literal()
        && let Err(why) = calendar(text)
    {
        reader.findings.add(Code::CalendarName, &node.span, why).help(NAMED);
        return None;
    }
    Some(CalendarNamed { template, span: node.span.clone() })
}

fn read_missed(node: &Node, reader: &mut Reader<'_>) -> Option<Missed> {
    match reader.text(node, "`missed`")? {
        "wait" => Some(Missed::Wait),
        "expire" => Some(Missed::Expire),
        other => {
            reader
                .findings
                .add(Code::WrongKind, &node.span, format!("`missed` cannot be `{other}`"))
                .help("what becomes of a hold that misses its window: `wait` for the next, or `expire`");
            None
        }
    }
}

fn read_closing(node: &Node, work: &Windowed, reader: &mut Reader<'_>) -> Option<Closing> {
    let text = reader.text(node, "`closes`")?;
    let found = work.closes.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        reader
            .findings
            .add(Code::WrongKind, &node.span, format!("`closes` cannot be `{text}`"))
            .help(work.help);
    }
    found.map(|(_, closes)| *closes)
}

/// What can be written, such as `` `finish` or `stop` ``.
fn or(work: &Windowed) -> String {
    let names: Vec<String> = work.closes.iter().map(|(name, _)| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// Reads who may override a window, and whom that excludes: where nothing is said, who submitted the run.
fn read_override(
    node: Option<&Node>,
    not: Option<&Node>,
    reader: &mut Reader<'_>,
) -> Option<(Vec<Approver>, Vec<Exclusion>)> {
    if let (None, Some(not)) = (node, not) {
        reader
            .findings
            .add(Code::MissingKey, &not.span, "`not` excludes from `override`, which is absent")
            .help("say who may `override` the window, or leave `not` out");
        return None;
    }
    let overriders = node.map_or_else(|| Some(Vec::new()), |node| read_approvers(node, reader));
    let not = match not {
        Some(not) => read_not(not, reader),
        None => Some(vec![Exclusion::Requester]),
    };
    Some((overriders?, not?))
}

/// Reads a length of working time: `{ working: 2d, calendar: NAME }`.
pub(crate) fn read_working(node: &Node, reader: &mut Reader<'_>) -> Option<Term> {
    let fields = reader.fields(node, "a length of working time", WORKING)?;
    let length = fields.need(reader, "working").and_then(|node| {
        let text = reader.text(node, "`working`")?;
        let read = working_length(text);
        if read.is_none() {
            reader
                .findings
                .add(
                    Code::InvalidDuration,
                    &node.span,
                    format!("`{text}` is not a length of working time"),
                )
                .help("write one number and its unit, `2d`, `8h` or `90m`, at most 9999");
        }
        read
    });
    let calendar = fields.need(reader, "calendar").and_then(|node| {
        let text = reader.text(node, "`calendar`")?;
        let read = text.parse();
        if let Err(error) = &read {
            let error: &holdpoint_core::id::MalformedId = error;
            reader
                .findings
                .add(Code::CalendarName, &node.span, error.to_string())
                .help("name the calendar alone, such as `calendar: office`");
        }
        read.ok()
    });
    Some(Term::Working { length: length?, calendar: calendar? })
}

/// `2d`, `8h` and `90m`.
fn working_length(text: &str) -> Option<WorkingLength> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?.trim_end();
    let unit = match unit {
        'd' => "days",
        'h' => "hours",
        'm' => "minutes",
        _ => return None,
    };
    format!("{number} working {unit}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_working_time_are_read() {
        for (text, expected) in [
            ("2d", Some("2 working days")),
            ("8h", Some("8 working hours")),
            ("90m", Some("90 working minutes")),
            ("1 d", Some("1 working day")),
            ("0d", None),
            ("-1d", None),
            ("2d 4h", None),
            ("10000h", None),
            ("2w", None),
            ("d", None),
            ("2", None),
            ("", None),
        ] {
            assert_eq!(
                working_length(text).map(|length| length.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
