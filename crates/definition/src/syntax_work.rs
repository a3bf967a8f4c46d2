//! The shape of `do`: activities and rollouts.

use holdpoint_core::{RetryPolicy, TimeLimits};
use jiff::SignedDuration;

use crate::{
    diagnostics::DiagnosticCode as Code,
    hold_model::Approver,
    model::{StateKind, Timed, Wave, Work},
    node::{Kind, Node},
    rollout_model::{Controller, GateModel, Order, Rollout, WaveEntry},
    syntax::{Fields, Reader},
    syntax_child, syntax_health, syntax_rollout, syntax_settle, syntax_targets, syntax_window,
    template::Tree,
};

pub(crate) const DO: &[&str] = &["activity", "rollout", "run", "expires"];
pub(crate) const WORK: &[&str] = &[
    "run",
    "with",
    "timeout",
    "start_timeout",
    "whole_timeout",
    "heartbeat_timeout",
    "retry",
    "settle",
    "repeatable",
];
/// What an activity has besides that is all that a state does.
pub(crate) const IN_WINDOW: &[&str] = &["window", "not_during"];
pub(crate) const RETRY: &[&str] = &["attempts", "backoff", "delay", "max_delay", "jitter"];
pub(crate) const ROLLOUT: &[&str] = &[
    "targets",
    "order",
    "first",
    "waves",
    "max_failed",
    "max_parallel",
    "max_unavailable",
    "each",
    "steps",
    "healthy",
    "rollback",
    "switch",
    "switch_back",
    "control",
    "window",
    "not_during",
    "approved_at",
];

pub(crate) const TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_mins(10);
const DELAY_DEFAULT: SignedDuration = SignedDuration::from_secs(1);
const DELAY_MAX_DEFAULT: SignedDuration = SignedDuration::from_mins(1);
/// What is in flight is looked through for every event, so it is bounded unless the author knows.
const PARALLEL_DEFAULT: u32 = 50;

/// Reads what a `do` state does.
pub(crate) fn read(
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<(StateKind, Option<SignedDuration>)> {
    let fields = reader.fields(node, "`do`", DO)?;
    let expires = match fields.get("expires") {
        None => Some(None),
        Some(node) => fixed(node, "`expires`", reader).map(Some),
    };
    let kind = match (fields.get("activity"), fields.get("rollout"), fields.get("run")) {
        (None, None, Some(run)) => syntax_child::read(run, reader),
        (Some(activity), None, None) => {
            read_activity(activity, reader).map(|work| StateKind::Activity(work.into()))
        }
        (None, Some(rollout), None) => {
            read_rollout(rollout, reader).map(|rollout| StateKind::Rollout(rollout.into()))
        }
        _ => {
            reader
                .findings
                .add(
                    Code::StateKind,
                    &node.span,
                    "`do` needs exactly one of `activity`, `rollout` and `run`",
                )
                .help("an `activity` is done once, a `rollout` once for each target, a `run` is one of another definition");
            None
        }
    };
    Some((kind?, expires?))
}

/// Reads what a state does that does nothing else.
fn read_activity(node: &Node, reader: &mut Reader<'_>) -> Option<Work> {
    let fields = reader.fields(node, "an activity", &[WORK, IN_WINDOW].concat())?;
    let work = work(&fields, &[], reader);
    let window = syntax_window::read_work(&fields, &syntax_window::ACTIVITY, reader);
    Some(Work { window: window?, ..work? })
}

fn read_work(
    node: &Node,
    what: &'static str,
    also: &[&'static str],
    reader: &mut Reader<'_>,
) -> Option<Work> {
    let fields = reader.fields(node, what, WORK)?;
    work(&fields, also, reader)
}

/// What is done, of a mapping that may say more.
pub(crate) fn work(
    fields: &Fields<'_>,
    also: &[&'static str],
    reader: &mut Reader<'_>,
) -> Option<Work> {
    let run = fields.need(reader, "run").and_then(|node| reader.name(node, "an activity"));
    let with = match fields.get("with") {
        None => Some(Tree::empty()),
        Some(node) => read_with(node, also, reader),
    };
    let timeout = match fields.get("timeout") {
        None => Some(TIMEOUT_DEFAULT),
        Some(node) => fixed(node, "`timeout`", reader),
    };
    let mut limit = |key: &'static str| match fields.get(key) {
        None => Some(None),
        Some(node) => fixed(node, &format!("`{key}`"), reader).map(Some),
    };
    let start = limit("start_timeout");
    let (whole, heartbeat) = (limit("whole_timeout"), limit("heartbeat_timeout"));
    let retry = match fields.get("retry") {
        None => Some(RetryPolicy::never()),
        Some(node) => read_retry(node, reader),
    };
    let settle = match fields.get("settle") {
        None => Some((None, None)),
        Some(node) => syntax_settle::read(node, run.as_deref(), also, reader),
    };
    let repeatable = match fields.get("repeatable").map(|node| (&node.kind, node)) {
        None => Some(None),
        Some((Kind::Bool(repeatable), _)) => Some(Some(*repeatable)),
        Some((_, node)) => {
            reader.wrong(node, "`repeatable` is `true` or `false`");
            None
        }
    };
    let (settle, settlers) = settle?;
    // Who has a check, or names who decides, wants to know before anything is done a second time.
    let repeatable = repeatable?.unwrap_or(fields.get("settle").is_none());
    if let (true, None, Some(_), Some(node)) =
        (repeatable, &settle, &settlers, fields.get("settle"))
    {
        reader
            .findings
            .add(
                Code::NeverSettled,
                &node.span,
                "nobody is ever asked what became of the work: it is simply done again",
            )
            .help("leave `repeatable` out, or `settle`; or name an activity that looks (`run`)");
        return None;
    }
    let limits = TimeLimits { start: start?, whole: whole?, heartbeat: heartbeat? };
    Some(Work {
        run: run?,
        with: with?,
        timeout: timeout?,
        limits,
        retry: retry?,
        settle,
        settlers,
        repeatable,
        window: None,
    })
}

pub(crate) fn read_with(
    node: &Node,
    also: &[&'static str],
    reader: &mut Reader<'_>,
) -> Option<Tree> {
    if matches!(node.kind, Kind::Map(_)) {
        return reader.tree(node, also);
    }
    reader.wrong(node, "`with` is a mapping: what the worker is given");
    None
}

/// A duration that stands in the definition itself.
pub(crate) fn fixed(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<SignedDuration> {
    match reader.timed(node, what)? {
        Timed::Fixed(duration) if duration.is_positive() => Some(duration),
        Timed::Fixed(_) => {
            reader
                .findings
                .add(Code::OutOfRange, &node.span, format!("{what} must be longer than nothing"))
                .help("give a duration such as `10m`");
            None
        }
        Timed::Computed(_) => {
            reader
                .findings
                .add(Code::InvalidDuration, &node.span, format!("{what} cannot be computed"))
                .help("write the duration itself, such as `10m`");
            None
        }
    }
}

pub(crate) fn read_retry(node: &Node, reader: &mut Reader<'_>) -> Option<RetryPolicy> {
    let fields = reader.fields(node, "`retry`", RETRY)?;
    let attempts =
        fields.need(reader, "attempts").and_then(|node| reader.count(node, "`attempts`"));
    let exponential = match fields.get("backoff") {
        None => Some(false),
        Some(node) => match &node.kind {
            Kind::Text(text) if text == "fixed" => Some(false),
            Kind::Text(text) if text == "exponential" => Some(true),
            Kind::Text(text) => {
                reader
                    .findings
                    .add(Code::WrongKind, &node.span, format!("there is no backoff `{text}`"))
                    .help("`backoff` is `fixed` or `exponential`");
                None
            }
            _ => {
                reader.wrong(node, "`backoff` is `fixed` or `exponential`");
                None
            }
        },
    };
    let delay = match fields.get("delay") {
        None => Some(DELAY_DEFAULT),
        Some(node) => fixed(node, "`delay`", reader),
    };
    let delay_max = match fields.get("max_delay") {
        None => Some(DELAY_MAX_DEFAULT),
        Some(node) => fixed(node, "`max_delay`", reader),
    };
    let jitter = match fields.get("jitter") {
        None => Some(0),
        Some(node) => read_jitter(node, reader),
    };
    let (attempts, delay, jitter) = (attempts?, delay?, jitter?);
    // A first delay above the default limit is meant; only a given limit below it is a mistake.
    let delay_max = delay_max?;
    if let Some(node) = fields.get("max_delay")
        && delay_max < delay
    {
        reader
            .findings
            .add(Code::OutOfRange, &node.span, "`max_delay` is shorter than `delay`")
            .help("no delay is longer than `max_delay`: raise it, or lower `delay`");
        return None;
    }
    let policy = if exponential? {
        RetryPolicy::exponential(attempts, delay, delay_max.max(delay))
    } else {
        RetryPolicy::fixed(attempts, delay)
    };
    Some(policy.with_jitter(jitter))
}

fn read_jitter(node: &Node, reader: &mut Reader<'_>) -> Option<u8> {
    let percent = match &node.kind {
        Kind::Text(text) => text.strip_suffix('%').and_then(|percent| percent.parse().ok()),
        _ => None,
    };
    let percent = percent.filter(|percent| *percent <= 100);
    if percent.is_none() {
        reader
            .findings
            .add(Code::WrongKind, &node.span, "`jitter` is not a percentage from 0% to 100%")
            .help("say by how much a pause may be shorter, such as `25%`");
    }
    percent
}

fn read_rollout(node: &Node, reader: &mut Reader<'_>) -> Option<Rollout> {
    let fields = reader.fields(node, "a rollout", ROLLOUT)?;
    let targets =
        fields.need(reader, "targets").and_then(|node| syntax_targets::read(node, reader));
    let order = match fields.get("order") {
        None => Some(Order::Listed),
        Some(node) => syntax_rollout::read_order(node, reader),
    };
    let first = match fields.get("first") {
        None => Some(None),
        Some(node) => syntax_targets::read_list(node, reader).map(Some),
    };
    let waves = match fields.get("waves") {
        None => Some(vec![WaveEntry { end: Wave::Percent(100), gate: GateModel::default() }]),
        Some(node) => syntax_rollout::read_waves(node, reader),
    };
    let max_failed = match fields.get("max_failed") {
        None => Some(1),
        Some(node) => reader.count(node, "`max_failed`"),
    };
    let max_parallel = syntax_rollout::read_parallel(&fields, PARALLEL_DEFAULT, reader);
    let max_unavailable = match fields.get("max_unavailable") {
        None => Some(None),
        Some(node) => syntax_rollout::read_most(node, "`max_unavailable`", reader).map(Some),
    };
    let done = match (fields.get("each"), fields.get("steps")) {
        (Some(each), None) => {
            read_work(each, "`each`", &["target"], reader).map(|work| (work, None))
        }
        (None, Some(steps)) => {
            syntax_rollout::read_steps(steps, reader).map(|(deploy, steps)| (deploy, Some(steps)))
        }
        _ => {
            reader
                .findings
                .add(
                    Code::MissingKey,
                    &node.span,
                    "a rollout has exactly one of `each` and `steps`",
                )
                .help("`each` is one activity for each target, `steps` are several");
            None
        }
    };
    let healthy = match fields.get("healthy") {
        None => Some(None),
        Some(node) => syntax_health::read(node, reader).map(Some),
    };
    let rollback = match fields.get("rollback") {
        None => Some(None),
        Some(node) => read_rollback(node, reader).map(Some),
    };
    let switch = match (fields.get("switch"), fields.get("switch_back")) {
        (None, None) => Some(None),
        (Some(to), back) => syntax_rollout::read_switch(to, back, reader).map(Some),
        (None, Some(back)) => {
            reader
                .findings
                .add(
                    Code::MissingKey,
                    &back.span,
                    "the rollout has a `switch_back` and no `switch`",
                )
                .help("say what is switched when all targets are healthy: `switch: { run: … }`");
            None
        }
    };
    let control = match fields.get("control") {
        None => Some(vec![
            Controller::Requester,
            Controller::Approver(Approver::Role(holdpoint_core::project::OWNER.parse().ok()?)),
        ]),
        Some(node) => syntax_rollout::read_control(node, reader),
    };
    let (each, steps) = done?;
    let (rollback, undo_waves, undo_parallel) = match rollback? {
        None => (None, Vec::new(), 1),
        Some((work, waves, parallel)) => (Some(work), waves, parallel),
    };
    let window = syntax_window::read_work(&fields, &syntax_window::ROLLOUT, reader);
    let approved_at = match fields.get("approved_at") {
        None => Some(None),
        Some(node) => reader.target(node).map(Some),
    };
    Some(Rollout {
        targets: targets?,
        order: order?,
        first: first?,
        waves: waves?,
        max_failed: max_failed?,
        max_parallel: max_parallel?,
        max_unavailable: max_unavailable?,
        each,
        steps,
        healthy: healthy?,
        rollback,
        undo_waves: undo_waves.into(),
        undo_parallel,
        switch: switch?,
        control: control?,
        window: window?,
        approved_at: approved_at?,
    })
}

/// What restores a target, and in which waves.
fn read_rollback(node: &Node, reader: &mut Reader<'_>) -> Option<(Work, Vec<Wave>, u32)> {
    let fields = reader.fields(node, "`rollback`", syntax_rollout::ROLLBACK)?;
    let work = work(&fields, &["target"], reader);
    let waves = match fields.get("waves") {
        None => Some(Vec::new()),
        Some(node) => syntax_rollout::read_undo_waves(node, reader),
    };
    // One at a time, unless the author knows: so that the order is strictly the reverse.
    let parallel = syntax_rollout::read_parallel(&fields, 1, reader);
    Some((work?, waves?, parallel?))
}
