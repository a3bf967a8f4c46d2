//! Parts of a definition in a few words: what pictures, explanations and comparisons have in common.

use holdpoint_core::{RetryPolicy, TimeLimits};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    child::ChildModel,
    conflicting,
    evidence::{Again, Demand},
    hold_model::{Approver, Exclusion, Hold, Need, Remind, Roster, Rule, Share, Wait, listed},
    locking,
    model::{StateKind, Term, Timed, Wave, Work},
    parallel_model::{All, Join, Others},
    rollout_model::{GateModel, Most, Rollout, WaveEntry},
    settlers,
    syntax_evidence::size_in_words,
    template::{Template, Tree},
    window_model::{CALENDAR, CalendarNamed, Closing, Missed, Times},
};

/// What a state waits for or does, a line each.
pub(crate) fn summary(kind: &StateKind) -> Vec<String> {
    match kind {
        StateKind::Hold(hold) => hold_summary(hold),
        StateKind::Activity(work) => {
            let window = work.window.iter().map(|window| times(&window.times));
            [work.run.clone()].into_iter().chain(window).collect()
        }
        StateKind::Rollout(rollout) => rollout_summary(rollout),
        StateKind::Child(child) => vec![format!("run of {}", run(child))],
        StateKind::All(all) => vec![join(all), others(all)],
        StateKind::Choose { .. } => Vec::new(),
        StateKind::End { outcome } => vec![outcome.clone()],
    }
}

/// The definition of a run, and its version where that is said.
pub(crate) fn run(child: &ChildModel) -> String {
    let version = child.version.map(|version| format!(" v{version}")).unwrap_or_default();
    format!("{}{version}", child.definition)
}

/// How many branches must end well.
pub(crate) fn join(all: &All) -> String {
    let good: Vec<String> = all.good.iter().cloned().collect();
    let which = match all.join {
        Join::All => "every branch",
        Join::Any => "one branch",
    };
    format!("{which} ends with {}", joined(&good, "or"))
}

/// What becomes of the branches that are under way when that is settled.
pub(crate) fn others(all: &All) -> String {
    match all.others {
        Others::Wait => "once that is settled, the others go on to their ends".to_owned(),
        Others::Cancel => "once that is settled, the others are stopped".to_owned(),
    }
}

fn hold_summary(hold: &Hold) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in hold.approval.iter().flat_map(|approval| &approval.rules) {
        let when = if rule.when.is_some() { ", if it applies" } else { "" };
        lines.push(format!("{} of {}{when}", need(&rule.need), approvers(&rule.from)));
    }
    if let Some(witness) = &hold.witness {
        lines.push(format!(
            "no objection by {} for {}",
            approvers(&witness.from),
            duration(witness.span)
        ));
    }
    if !hold.evidence.is_empty() {
        let names: Vec<String> = hold.evidence.iter().map(|one| one.name.clone()).collect();
        lines.push(format!("evidence {}", joined(&names, "and")));
    }
    for task in &hold.tasks {
        let twice = if task.need > 1 { format!("{} of ", task.need) } else { String::new() };
        lines.push(format!("task {} by {twice}{}", task.name, approvers(&task.from)));
    }
    for check in &hold.checks {
        let must = check.health.must();
        lines.push(format!("check {}: {must}", check.name));
    }
    if let Some(waiver) = &hold.waiver {
        lines.push(format!("or waived by {}", approvers(&waiver.from)));
    }
    match &hold.wait {
        None => {}
        Some(Wait::For(span)) => lines.push(format!("wait {}", term(span))),
        Some(Wait::Until(at)) => lines.push(format!("wait until {}", template(at))),
    }
    lines.extend(hold.signal.iter().map(|signal| {
        let by = signal.senders.words().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("signal {}{by}", signal.name)
    }));
    lines.extend(hold.conflicts.as_ref().map(conflicting::words));
    lines.extend(hold.lock.as_ref().map(locking::words));
    if let Some(window) = &hold.window {
        lines.push(times(&window.times));
        lines.extend(window.fits.iter().map(|span| format!("work of {} fits", timed(span))));
        if window.missed == Missed::Expire {
            lines.push("expires with the window".to_owned());
        }
    }
    lines.extend(hold.expiries().map(|span| format!("expires after {}", term(span))));
    lines
}

fn rollout_summary(rollout: &Rollout) -> Vec<String> {
    let mut lines = vec![format!("{} in waves {}", rollout.each.run, waves(&rollout.waves))];
    for entry in rollout.waves.iter().filter(|entry| has_gate(&entry.gate)) {
        lines.push(format!("after {}: {}", wave(entry.end), gate(&entry.gate)));
    }
    lines.extend(rollout.switch.iter().map(|switch| format!("then {}", switch.to.run)));
    lines.extend(rollout.rollback.iter().map(|work| format!("{} to undo", work.run)));
    lines.extend(rollout.window.iter().map(|window| times(&window.times)));
    lines
}

/// How many, such as `2`, or the template that says it.
pub(crate) fn need(need: &Need) -> String {
    match need {
        Need::Fixed(count) => count.to_string(),
        Need::Share(Share::All) => "all".to_owned(),
        Need::Share(Share::Majority) => "a majority".to_owned(),
        Need::Share(Share::Percent(percent)) => format!("{percent}%"),
        Need::Computed(computed) => template(computed),
    }
}

/// Whose roster a rule goes by.
pub(crate) const fn roster(roster: Roster) -> &'static str {
    match roster {
        Roster::Opening => "those there are when the hold opens",
        Roster::Now => "those there are at each vote",
    }
}

/// A moment, to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// When people are reminded.
pub(crate) fn remind(remind: &Remind) -> String {
    match remind {
        Remind::Every(span) => format!("every {}", term(span)),
        Remind::After(span) => format!("once, after {}", term(span)),
    }
}

/// When work may be done: `a window of maintenance, not during freeze`.
pub(crate) fn times(times: &Times) -> String {
    let named = |all: &[CalendarNamed]| {
        let names = all.iter().map(|one| {
            let text = template(&one.template);
            text.strip_prefix(CALENDAR).map_or(text.clone(), str::to_owned)
        });
        joined(&names.collect::<Vec<_>>(), "or")
    };
    match (times.windows.is_empty(), times.not_during.is_empty()) {
        (false, true) => format!("a window of {}", named(&times.windows)),
        (false, false) => {
            format!(
                "a window of {}, not during {}",
                named(&times.windows),
                named(&times.not_during)
            )
        }
        (true, _) => format!("a time not during {}", named(&times.not_during)),
    }
}

/// What becomes of a rollout when its window closes.
pub(crate) const fn closing(closes: Closing) -> &'static str {
    match closes {
        Closing::Finish => "it goes on to its end",
        Closing::Pause => "it begins with nothing more until the window opens again",
        Closing::Stop => "it is turned round",
    }
}

/// What becomes of an activity whose window closes.
pub(crate) const fn closing_alone(closes: Closing) -> &'static str {
    match closes {
        Closing::Finish | Closing::Pause => "it goes on to its end",
        Closing::Stop => "it is given up and has failed",
    }
}

/// A template; one that is a single expression, without what marks it as such.
pub(crate) fn template(template: &Template) -> String {
    let text = template.text();
    let inner = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    inner.filter(|inner| !inner.contains("${")).unwrap_or(text).to_owned()
}

/// Whom a rule asks: `role engineer or member grace`.
pub(crate) fn approvers(from: &[Approver]) -> String {
    let names: Vec<String> = from.iter().map(ToString::to_string).collect();
    joined(&names, "or")
}

/// Who may vote under a rule, with what they must be qualified in.
pub(crate) fn who(rule: &Rule) -> String {
    let qualified = rule
        .qualified
        .as_ref()
        .map(|domain| {
            let then = if rule.at_work { ", also when the work begins" } else { "" };
            format!(", qualified in {}{then}", template(domain))
        })
        .unwrap_or_default();
    format!("{}{qualified}", approvers(&rule.from))
}

/// Who is asked, with what they must be qualified in, and whom that excludes: `role operator, qualified
/// in network, but not the requester`.
pub(crate) fn asked(whom: &str, qualified: Option<&Template>, not: &[Exclusion]) -> String {
    let qualified = qualified.map(template);
    let qualified = qualified.map(|domain| format!(", qualified in {domain}")).unwrap_or_default();
    let not: Vec<String> = not.iter().map(|one| format!("the {}", one.as_str())).collect();
    let not = match not.as_slice() {
        [] => String::new(),
        not => format!(", but not {}", joined(not, "or")),
    };
    format!("{whom}{qualified}{not}")
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn joined(names: &[String], word: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

/// A duration, or the template that gives it.
pub(crate) fn timed(timed: &Timed) -> String {
    match timed {
        Timed::Fixed(span) => duration(*span),
        Timed::Computed(computed) => template(computed),
    }
}

/// A duration, the template that gives it, or a length of working time.
pub(crate) fn term(term: &Term) -> String {
    match term {
        Term::Timed(span) => timed(span),
        Term::Working { length, calendar } => format!("{length} of {calendar}"),
    }
}

/// A duration as definitions are written: `7d`, `2h 30m`.
pub(crate) fn duration(span: SignedDuration) -> String {
    let mut left = span.as_millis();
    let mut parts = Vec::new();
    for (unit, millis) in
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
    {
        let count = left.checked_div(millis).unwrap_or(0);
        if count > 0 {
            parts.push(format!("{count}{unit}"));
            left = left.checked_rem(millis).unwrap_or(0);
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// A size in bytes, as definitions are written: `10 MB`.
pub(crate) fn size(bytes: u64) -> String {
    size_in_words(bytes)
}

/// What a piece of evidence must be, besides being there; nothing, where that is all.
pub(crate) fn demand(demand: &Demand) -> Vec<String> {
    let mut parts = Vec::new();
    if !demand.from.is_empty() {
        parts.push(format!("attached by {}", approvers(&demand.from)));
    }
    if !demand.not.is_empty() {
        let not: Vec<String> =
            demand.not.iter().map(|one| format!("the {}", one.as_str())).collect();
        parts.push(format!("not by {}", joined(&not, "or")));
    }
    if !demand.media.is_empty() {
        parts.push(format!("of type {}", joined(&demand.media, "or")));
    }
    parts.extend(demand.max_size.map(|bytes| format!("of at most {}", size(bytes))));
    parts.extend(demand.valid.map(|span| format!("at most {} old at the release", duration(span))));
    parts.extend(demand.again.iter().map(|again| match again {
        Again::EachVisit => "anew at each visit".to_owned(),
        Again::Amended => "anew when the input is amended".to_owned(),
    }));
    parts
}

/// The waves of a rollout: `1, 25%, 100%`.
pub(crate) fn waves(waves: &[WaveEntry]) -> String {
    let waves: Vec<String> = waves.iter().map(|entry| wave(entry.end)).collect();
    waves.join(", ")
}

/// The end of a wave.
pub(crate) fn wave(wave: Wave) -> String {
    match wave {
        Wave::Count(count) => count.to_string(),
        Wave::Percent(percent) => format!("{percent}%"),
    }
}

/// Whether something lies behind a wave.
pub(crate) const fn has_gate(gate: &GateModel) -> bool {
    gate.bake.is_some() || gate.hold.is_some()
}

/// What lies behind a wave: `bake 30m, then 2 of role head promote it`.
pub(crate) fn gate(gate: &GateModel) -> String {
    let bake = gate.bake.iter().map(|span| format!("bake {}", timed(span)));
    let hold = gate.hold.iter().map(|hold| {
        let not = match hold.not.as_slice() {
            [] => String::new(),
            not => {
                let not: Vec<String> = not.iter().map(|one| one.as_str().to_owned()).collect();
                format!(", not {}", joined(&not, "or"))
            }
        };
        match &hold.from {
            None => format!("until somebody who steers it promotes it{not}"),
            Some(from) => format!("until {} of {} promote it{not}", hold.need, listed(from)),
        }
    });
    bake.chain(hold).collect::<Vec<_>>().join(", then ")
}

/// How many at most: `3` or `25%`.
pub(crate) fn most(most: Most) -> String {
    match most {
        Most::Count(count) => count.to_string(),
        Most::Percent(percent) => format!("{percent}%"),
    }
}

/// How many at once.
pub(crate) fn parallel(parallel: u32) -> String {
    if parallel == u32::MAX { "all".to_owned() } else { parallel.to_string() }
}

/// When work is tried again.
pub(crate) fn retry(retry: &RetryPolicy) -> String {
    if retry.attempts_max == 1 {
        return "one attempt".to_owned();
    }
    let pauses = if retry.factor > 1 {
        format!(
            "{}, then twice as long each time, at most {}",
            duration(retry.delay_first),
            duration(retry.delay_max)
        )
    } else {
        duration(retry.delay_first)
    };
    let jitter = match retry.jitter {
        0 => String::new(),
        percent => format!(", each up to {percent}% shorter"),
    };
    format!("up to {} attempts, with pauses of {pauses}{jitter}", retry.attempts_max)
}

/// How long work may take besides the time of each attempt, where something is said of it.
pub(crate) fn limits(limits: &TimeLimits) -> Vec<(&'static str, String)> {
    let TimeLimits { start, whole, heartbeat } = limits;
    [
        ("waiting for its turn", start),
        ("all attempts together", whole),
        ("without a sign of life", heartbeat),
    ]
    .into_iter()
    .filter_map(|(what, limit)| limit.map(|limit| (what, duration(limit))))
    .collect()
}

/// An activity with its limits: `deploy, at most 10m an attempt, one attempt`.
pub(crate) fn work(work: &Work) -> String {
    let with = tree(&work.with);
    let with = if with == "{}" { String::new() } else { format!(" with {with}") };
    let limits = limits(&work.limits).into_iter();
    let limits: String = limits.map(|(what, limit)| format!(", {limit} {what}")).collect();
    format!(
        "`{}`{with} (at most {} an attempt{limits}, {}{})",
        work.run,
        duration(work.timeout),
        retry(&work.retry),
        if work.settle.is_none() && work.repeatable {
            String::new()
        } else {
            format!("; {}", unknown(work))
        }
    )
}

/// What becomes of work when nobody knows whether it was done.
pub(crate) fn unknown(work: &Work) -> String {
    let whom = settlers::words(work);
    let then = if work.repeatable {
        "it is done again".to_owned()
    } else {
        format!("a person decides: {whom}")
    };
    match &work.settle {
        None => format!("when nobody knows whether it was done, {then}"),
        Some(check) => format!(
            "whether it was done is asked of `{}`{}, and when that does not know either, {then}",
            check.run,
            check.with.as_ref().map(|with| format!(" with {}", tree(with))).unwrap_or_default(),
        ),
    }
}

/// What stands in a tree: one expression, or JSON with the templates as they were written.
pub(crate) fn tree(tree: &Tree) -> String {
    match tree {
        Tree::Text(text) => template(text),
        _ => as_written(tree).to_string(),
    }
}

fn as_written(tree: &Tree) -> Value {
    match tree {
        Tree::Value(value) => value.clone(),
        Tree::Text(template) => template.text().into(),
        Tree::List(items) => items.iter().map(as_written).collect(),
        Tree::Map(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), as_written(member)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// Who may override a window.
pub(crate) fn overriders(from: &[Approver], not: &[Exclusion]) -> String {
    let whom = approvers(from);
    if not.is_empty() {
        return whom;
    }
    let names: Vec<String> = not.iter().map(|one| format!("the {}", one.as_str())).collect();
    format!("{whom}, but not {}", joined(&names, "and"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["7d", "2h 30m", "90s", "1m 30s", "500ms", "0s", "8d 1h"] {
            let span = crate::model::duration(text).unwrap();
            let written = duration(span);
            assert_eq!(crate::model::duration(&written), Some(span), "{text}: {written}");
        }
        assert_eq!(duration(SignedDuration::from_hours(24 * 7)), "7d");
        assert_eq!(duration(SignedDuration::from_mins(150)), "2h 30m");
    }

    #[test]
    fn names_are_joined() {
        let names: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        assert_eq!(joined(&names, "and"), "a, b and c");
        assert_eq!(joined(names.get(..2).unwrap(), "or"), "a or b");
        assert_eq!(joined(names.get(..1).unwrap(), "or"), "a");
    }
}
