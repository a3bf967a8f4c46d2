//! The shape of `do`: activities and rollouts.

use holdpoint_core::RetryPolicy;
use jiff::SignedDuration;

use crate::{
    diagnostics::DiagnosticCode as Code,
    model::{Health, Rollout, StateKind, Timed, Wave, Work},
    node::{Kind, Node},
    syntax::Reader,
    syntax_child, syntax_targets,
    template::Tree,
};

pub(crate) const DO: &[&str] = &["activity", "rollout", "run", "expires"];
pub(crate) const WORK: &[&str] = &["run", "with", "timeout", "retry"];
pub(crate) const RETRY: &[&str] = &["attempts", "backoff", "delay", "max_delay"];
pub(crate) const ROLLOUT: &[&str] =
    &["targets", "waves", "max_failed", "max_parallel", "each", "healthy", "rollback"];
pub(crate) const HEALTHY: &[&str] = &["http", "expect", "for", "every"];

const TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_mins(10);
const DELAY_DEFAULT: SignedDuration = SignedDuration::from_secs(1);
const DELAY_MAX_DEFAULT: SignedDuration = SignedDuration::from_mins(1);
/// What is in flight is looked through for every event, so it is bounded unless the author knows.
const PARALLEL_DEFAULT: u32 = 50;
const EVERY_DEFAULT: SignedDuration = SignedDuration::from_secs(1);

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
        (Some(activity), None, None) => read_work(activity, "an activity", &[], reader)
            .map(|work| StateKind::Activity(work.into())),
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

fn read_work(
    node: &Node,
    what: &'static str,
    also: &[&'static str],
    reader: &mut Reader<'_>,
) -> Option<Work> {
    let fields = reader.fields(node, what, WORK)?;
    let run = fields.need(reader, "run").and_then(|node| reader.name(node, "an activity"));
    let with = match fields.get("with") {
        None => Some(Tree::empty()),
        Some(node) if matches!(node.kind, Kind::Map(_)) => reader.tree(node, also),
        Some(node) => {
            reader.wrong(node, "`with` is a mapping: what the worker is given");
            None
        }
    };
    let timeout = match fields.get("timeout") {
        None => Some(TIMEOUT_DEFAULT),
        Some(node) => fixed(node, "`timeout`", reader),
    };
    let retry = match fields.get("retry") {
        None => Some(RetryPolicy::never()),
        Some(node) => read_retry(node, reader),
    };
    Some(Work { run: run?, with: with?, timeout: timeout?, retry: retry? })
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

fn read_retry(node: &Node, reader: &mut Reader<'_>) -> Option<RetryPolicy> {
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
    let (attempts, delay) = (attempts?, delay?);
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
    Some(if exponential? {
        RetryPolicy::exponential(attempts, delay, delay_max.max(delay))
    } else {
        RetryPolicy::fixed(attempts, delay)
    })
}

fn read_rollout(node: &Node, reader: &mut Reader<'_>) -> Option<Rollout> {
    let fields = reader.fields(node, "a rollout", ROLLOUT)?;
    let targets =
        fields.need(reader, "targets").and_then(|node| syntax_targets::read(node, reader));
    let waves = match fields.get("waves") {
        None => Some(vec![Wave::Percent(100)]),
        Some(node) => read_waves(node, reader),
    };
    let max_failed = match fields.get("max_failed") {
        None => Some(1),
        Some(node) => reader.count(node, "`max_failed`"),
    };
    let max_parallel = match fields.get("max_parallel") {
        None => Some(PARALLEL_DEFAULT),
        Some(node) => reader.count(node, "`max_parallel`"),
    };
    let each =
        fields.need(reader, "each").and_then(|node| read_work(node, "`each`", &["target"], reader));
    let healthy = match fields.get("healthy") {
        None => Some(None),
        Some(node) => read_healthy(node, reader).map(Some),
    };
    let rollback = match fields.get("rollback") {
        None => Some(None),
        Some(node) => read_work(node, "`rollback`", &["target"], reader).map(Some),
    };
    Some(Rollout {
        targets: targets?,
        waves: waves?,
        max_failed: max_failed?,
        max_parallel: max_parallel?,
        each: each?,
        healthy: healthy?,
        rollback: rollback?,
    })
}

fn read_waves(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Wave>> {
    const SHAPE: &str = "waves are numbers or percentages of targets done by their end, each more \
                         than the one before, the last `100%`: `[1, 25%, 100%]`";
    let Kind::List(items) = &node.kind else {
        reader.wrong(node, SHAPE);
        return None;
    };
    let mut waves = Vec::with_capacity(items.len());
    for item in items {
        let wave = match &item.kind {
            Kind::Int(count) => u32::try_from(*count).ok().filter(|n| *n >= 1).map(Wave::Count),
            Kind::Text(text) => text
                .strip_suffix('%')
                .and_then(|percent| percent.parse().ok())
                .filter(|percent| (1..=100).contains(percent))
                .map(Wave::Percent),
            _ => None,
        };
        let Some(wave) = wave else {
            reader.findings.add(Code::InvalidWaves, &item.span, "this is not a wave").help(SHAPE);
            return None;
        };
        let shrinks = match (waves.last(), wave) {
            (Some(Wave::Count(before)), Wave::Count(now)) => now <= *before,
            (Some(Wave::Percent(before)), Wave::Percent(now)) => now <= *before,
            (Some(Wave::Percent(100)), Wave::Count(_)) => true,
            _ => false,
        };
        if shrinks {
            reader
                .findings
                .add(Code::InvalidWaves, &item.span, "this wave adds no targets")
                .help(SHAPE);
            return None;
        }
        waves.push(wave);
    }
    if waves.last() != Some(&Wave::Percent(100)) {
        let span = items.last().map_or(&node.span, |last| &last.span);
        reader
            .findings
            .add(Code::InvalidWaves, span, "the last wave does not reach every target")
            .help("end the waves with `100%`");
        return None;
    }
    Some(waves)
}

fn read_healthy(node: &Node, reader: &mut Reader<'_>) -> Option<Health> {
    let fields = reader.fields(node, "`healthy`", HEALTHY)?;
    let http = fields.need(reader, "http").and_then(|node| {
        let template = reader.template(node, &["target"])?;
        if template.literal_start().starts_with("http://") {
            return Some(template);
        }
        reader
            .findings
            .add(Code::WrongKind, &node.span, "the address does not begin with `http://`")
            .help(
                "write its beginning out, such as `http://${target}/health`; there is no `https`",
            );
        None
    });
    let expect = match fields.get("expect") {
        None => Some(200),
        Some(node) => reader.count(node, "`expect`").and_then(|status| {
            let status = u16::try_from(status).ok().filter(|status| (100..600).contains(status));
            if status.is_none() {
                reader
                    .findings
                    .add(Code::OutOfRange, &node.span, "`expect` is not an HTTP status")
                    .help("give a status from 100 to 599, such as 200");
            }
            status
        }),
    };
    let span = match fields.get("for") {
        None => Some(Timed::Fixed(SignedDuration::ZERO)),
        Some(node) => reader.timed(node, "`for`"),
    };
    let every = match fields.get("every") {
        None => Some(Timed::Fixed(EVERY_DEFAULT)),
        Some(node) => reader.timed(node, "`every`"),
    };
    Some(Health { http: http?, expect: expect?, span: span?, every: every? })
}
