//! The shape of what a rollout has besides its activities: waves and what lies between them, steps,
//! the switch, limits, and who steers it.

use crate::{
    diagnostics::DiagnosticCode as Code,
    hold_model::Exclusion,
    model::{Timed, Wave},
    node::{Kind, Node},
    rollout_model::{Controller, GateModel, Most, Order, Steps, Switch, WaveEntry, WaveHold},
    syntax::{Fields, Reader, listed},
    syntax_approval::{items, read_approver},
    syntax_work::{WORK, work},
};

pub(crate) const WAVE: &[&str] = &["to", "bake", "hold"];
pub(crate) const WAVE_HOLD: &[&str] = &["from", "need", "not"];
pub(crate) const STEPS: &[&str] = &["pre_check", "drain", "deploy", "verify", "undrain"];
pub(crate) const SWITCH: &[&str] = &[
    "run",
    "with",
    "timeout",
    "start_timeout",
    "whole_timeout",
    "heartbeat_timeout",
    "retry",
    "bake",
    "hold",
];
pub(crate) const ROLLBACK: &[&str] = &[
    "run",
    "with",
    "timeout",
    "start_timeout",
    "whole_timeout",
    "heartbeat_timeout",
    "retry",
    "waves",
    "max_parallel",
];
pub(crate) const CONTROL: &[&str] = &["from"];

const WAVES: &str = "waves are numbers or percentages of targets done by their end, each more than \
                     the one before, the last `100%`: `[1, 25%, 100%]`; or a mapping, such as \
                     `{ to: 25%, bake: 30m, hold: manual }`";

/// Reads waves, each as long as it is or as a mapping with what lies behind it.
pub(crate) fn read_waves(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<WaveEntry>> {
    let Kind::List(items) = &node.kind else {
        reader.wrong(node, WAVES);
        return None;
    };
    let mut waves: Vec<WaveEntry> = Vec::with_capacity(items.len());
    for item in items {
        let (at, gate) = match &item.kind {
            Kind::Map(_) => {
                let fields = reader.fields(item, "a wave", WAVE)?;
                (fields.need(reader, "to")?, read_gate(&fields, reader)?)
            }
            _ => (item, GateModel::default()),
        };
        let Some(end) = read_wave(at) else {
            reader.findings.add(Code::InvalidWaves, &at.span, "this is not a wave").help(WAVES);
            return None;
        };
        if waves.last().is_some_and(|before| shrinks(before.end, end)) {
            reader
                .findings
                .add(Code::InvalidWaves, &at.span, "this wave adds no targets")
                .help(WAVES);
            return None;
        }
        waves.push(WaveEntry { end, gate });
    }
    if waves.last().map(|wave| wave.end) != Some(Wave::Percent(100)) {
        let span = items.last().map_or(&node.span, |last| &last.span);
        reader
            .findings
            .add(Code::InvalidWaves, span, "the last wave does not reach every target")
            .help("end the waves with `100%`");
        return None;
    }
    Some(waves)
}

/// Reads the waves in which a rollout is undone: nothing lies between those.
pub(crate) fn read_undo_waves(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Wave>> {
    let waves = read_waves(node, reader)?;
    if waves.iter().any(|wave| wave.gate.bake.is_some() || wave.gate.hold.is_some()) {
        reader
            .findings
            .add(Code::InvalidWaves, &node.span, "nothing lies between waves that undo something")
            .help("give numbers and percentages only: `[1, 50%, 100%]`");
        return None;
    }
    Some(waves.into_iter().map(|wave| wave.end).collect())
}

fn read_wave(node: &Node) -> Option<Wave> {
    match &node.kind {
        Kind::Int(count) => u32::try_from(*count).ok().filter(|n| *n >= 1).map(Wave::Count),
        Kind::Text(text) => percent(text).map(Wave::Percent),
        _ => None,
    }
}

fn percent(text: &str) -> Option<u32> {
    let percent = text.strip_suffix('%')?.parse().ok()?;
    (1..=100).contains(&percent).then_some(percent)
}

const fn shrinks(before: Wave, now: Wave) -> bool {
    match (before, now) {
        (Wave::Count(before), Wave::Count(now)) => now <= before,
        (Wave::Percent(before), Wave::Percent(now)) => now <= before,
        (Wave::Percent(100), Wave::Count(_)) => true,
        _ => false,
    }
}

/// Reads what lies behind a wave.
fn read_gate(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<GateModel> {
    let bake = match fields.get("bake") {
        None => None,
        Some(node) => match reader.timed(node, "`bake`")? {
            Timed::Fixed(span) if span.is_zero() => {
                reader
                    .findings
                    .add(Code::OutOfRange, &node.span, "`bake` must be longer than nothing")
                    .help("give a duration such as `30m`, or leave it out");
                return None;
            }
            timed => Some(timed),
        },
    };
    let hold = match fields.get("hold") {
        None => None,
        Some(node) => Some(read_hold(node, reader)?),
    };
    Some(GateModel { bake, hold })
}

fn read_hold(node: &Node, reader: &mut Reader<'_>) -> Option<WaveHold> {
    const SHAPE: &str = "`hold` is `manual`, or says who promotes the rollout: \
                         `{ from: role:release-manager, need: 1 }`";
    match &node.kind {
        Kind::Text(text) if text == "manual" => {
            return Some(WaveHold { from: None, need: 1, not: Vec::new() });
        }
        Kind::Map(_) => {}
        _ => {
            reader.wrong(node, SHAPE);
            return None;
        }
    }
    let fields = reader.fields(node, "the hold after a wave", WAVE_HOLD)?;
    let from = fields.need(reader, "from").and_then(|node| read_controllers(node, reader));
    let need = match fields.get("need") {
        None => Some(1),
        Some(node) => reader.count(node, "`need`"),
    };
    let not = match fields.get("not") {
        None => Some(Vec::new()),
        Some(node) => read_not(node, reader),
    };
    let (from, need, not) = (from?, need?, not?);
    // Members are one seat each, roles may have any number.
    let named = from.iter().all(|one| !matches!(one, Controller::Approver(approver) if approver.named().starts_with("role:")));
    if named && usize::try_from(need).is_ok_and(|need| need > from.len()) {
        let span = fields.get("need").map_or(&node.span, |node| &node.span);
        reader
            .findings
            .add(Code::NobodyCanRelease, span, format!("{need} must promote it, and fewer may"))
            .help("lower `need`, or name a role");
        return None;
    }
    Some(WaveHold { from: Some(from), need, not })
}

fn read_not(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Exclusion>> {
    let names = Exclusion::ALL.map(Exclusion::as_str);
    let read: Vec<_> = items(node)
        .iter()
        .map(|item| {
            let text = reader.text(item, "`not`")?;
            let found = Exclusion::ALL.into_iter().find(|one| one.as_str() == text);
            if found.is_none() {
                reader
                    .findings
                    .add(Code::UnknownApprover, &item.span, format!("`{text}` excludes nobody"))
                    .help(format!("those who can be excluded are {}", listed(&names)));
            }
            found
        })
        .collect();
    read.into_iter().collect()
}

/// Who may steer: `requester`, roles and members.
pub(crate) fn read_controllers(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Controller>> {
    let items = items(node);
    if items.is_empty() {
        reader
            .findings
            .add(Code::NobodyCanRelease, &node.span, "nobody is named here")
            .help("name `requester`, roles or members, such as `role:release-manager`");
        return None;
    }
    let read: Vec<_> = items
        .iter()
        .map(|item| match &item.kind {
            Kind::Text(text) if text == "requester" => Some(Controller::Requester),
            _ => read_approver(item, reader).map(Controller::Approver),
        })
        .collect();
    read.into_iter().collect()
}

/// Reads who steers a rollout.
pub(crate) fn read_control(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Controller>> {
    let fields = reader.fields(node, "`control`", CONTROL)?;
    fields.need(reader, "from").and_then(|node| read_controllers(node, reader))
}

/// Reads the steps at a target: the deployment, and the others.
pub(crate) fn read_steps(
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<(crate::model::Work, Steps)> {
    let fields = reader.fields(node, "`steps`", STEPS)?;
    let mut step = |key: &str| match fields.get(key) {
        None => Some(None),
        Some(node) => {
            let fields = reader.fields(node, "a step", WORK)?;
            work(&fields, &["target"], reader).map(Some)
        }
    };
    let (pre_check, drain, verify, undrain) =
        (step("pre_check"), step("drain"), step("verify"), step("undrain"));
    let deploy = step("deploy");
    let deploy = deploy.and_then(|deploy| {
        fields.need(reader, "deploy")?;
        deploy
    });
    let drain = match (drain?, undrain?) {
        (Some(drain), Some(undrain)) => Some((drain, undrain)),
        (None, None) => None,
        (drain, _) => {
            let (there, missing) =
                if drain.is_some() { ("drain", "undrain") } else { ("undrain", "drain") };
            reader
                .findings
                .add(
                    Code::MissingKey,
                    &node.span,
                    format!("the steps have `{there}` and no `{missing}`"),
                )
                .help("a target that is taken out of service must be put back: give both");
            return None;
        }
    };
    Some((deploy?, Steps { pre_check: pre_check?, drain, verify: verify? }))
}

/// Reads what is done after every target, and what undoes it.
pub(crate) fn read_switch(
    to: &Node,
    back: Option<&Node>,
    reader: &mut Reader<'_>,
) -> Option<Switch> {
    let fields = reader.fields(to, "`switch`", SWITCH)?;
    let gate = read_gate(&fields, reader);
    let switch = work(&fields, &[], reader);
    let Some(back) = back else {
        reader
            .findings
            .add(Code::MissingKey, &to.span, "the rollout has a `switch` and no `switch_back`")
            .help("say what switches back when the rollout is undone: `switch_back: { run: … }`");
        return None;
    };
    let fields = reader.fields(back, "`switch_back`", WORK)?;
    let back = work(&fields, &[], reader);
    Some(Switch { to: switch?, back: back?, gate: gate? })
}

/// Reads how many at most: a number, or a percentage of all targets.
pub(crate) fn read_most(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Most> {
    match &node.kind {
        Kind::Text(text) => {
            let percent = percent(text);
            if percent.is_none() {
                reader
                    .findings
                    .add(Code::OutOfRange, &node.span, format!("{what} cannot be `{text}`"))
                    .help("give a whole number of at least 1, or a percentage from 1% to 100%");
            }
            percent.map(Most::Percent)
        }
        _ => reader.count(node, what).map(Most::Count),
    }
}

/// Reads how many are worked on at once: a number, or `all`.
pub(crate) fn read_parallel(
    fields: &Fields<'_>,
    default: u32,
    reader: &mut Reader<'_>,
) -> Option<u32> {
    match fields.get("max_parallel") {
        None => Some(default),
        Some(Node { kind: Kind::Text(text), .. }) if text == "all" => Some(u32::MAX),
        Some(node) => reader.count(node, "`max_parallel`"),
    }
}

/// Reads in which order targets come.
pub(crate) fn read_order(node: &Node, reader: &mut Reader<'_>) -> Option<Order> {
    match reader.text(node, "`order`")? {
        "listed" => Some(Order::Listed),
        "name" => Some(Order::Name),
        other => {
            reader
                .findings
                .add(Code::WrongKind, &node.span, format!("`order` cannot be `{other}`"))
                .help("`order` is `listed` or `name`; `first` names targets that come before");
            None
        }
    }
}
