//! `holdpoint show`: a run, what holds it and who could release it.

use std::collections::BTreeMap;

use holdpoint::{
    core::{
        MemberId, NextAsk, NextStep, RunAnswer, RunStatus, RunView, Sequence, Steering, Version,
        Vote,
        view::{
            BetweenView, BranchView, Candidate, ConditionStatus, ConditionView, DutyView,
            EarlierRolloutView, EvidenceView, HoldView, OtherText, PlaceView, PlansChanged,
            RiskView, RolloutView, TargetView, UnknownView, WaivedView,
        },
    },
    engine::{AsOf, RunDetail, RunRow},
};
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use crate::{
    arguments::{self, Show},
    command::{baseline::stands_in_words, conflicts},
    context::Context,
    failure::Failure,
    narrate,
    output::{Answer, count, line, short, table, time},
    relay::caller,
};

/// Shows a run, now or as it was.
pub(crate) async fn show(context: &Context, arguments: &Show) -> Result<Answer, Failure> {
    let as_of = arguments.at.as_deref().map(as_of).transpose()?;
    let (detail, found) = context
        .with_engine_to_read(async |engine| {
            let run = context.run(engine, &arguments.run.run).await?;
            let Some(as_of) = as_of else {
                let mut detail = engine.run(run).await?;
                engine.note_newer_work(&mut detail).await?;
                let found = match engine.project(&detail.row.project) {
                    Some(project) => engine.conflicts(&project, Some(run)).await?,
                    None => Vec::new(),
                };
                return Ok((detail, found));
            };
            let now = engine.run(run).await?;
            let too_early = match as_of {
                AsOf::Version(version) => version == Version::ZERO,
                AsOf::Time(at) => at < now.row.started,
                AsOf::Sequence(at) => at == Sequence::ZERO,
            };
            let too_late = matches!(as_of, AsOf::Version(version) if version > now.row.at.version);
            if too_early || too_late {
                return Err(Failure::usage(
                    format!(
                        "the run has no state as of `{}`",
                        arguments.at.as_deref().unwrap_or("")
                    ),
                    format!(
                        "it was submitted at {} UTC, and has the versions 1 to {}",
                        time(now.row.started),
                        now.row.at.version
                    ),
                ));
            }
            Ok((engine.run_as_of(run, as_of).await?, Vec::new()))
        })
        .await?;
    let now = match as_of {
        Some(_) => detail.row.updated,
        None => Timestamp::now(),
    };
    let mut json = serde_json::to_value(&detail)?;
    conflicts::add(&mut json, &found)?;
    let text = text(&detail, as_of.is_some(), now) + &conflicts::warnings(&found);
    Answer::new(text, &json)
}

/// The risk of a run, in words.
pub(crate) fn risk_in_words(risk: &RiskView) -> String {
    let RiskView { level, score, factors, by_points, at_least } = risk;
    let of = phrase_of_risk(*score, factors, by_points.as_deref(), at_least.as_deref());
    format!("{level} ({of})")
}

/// What a level of risk follows from, in words.
pub(crate) fn phrase_of_risk(
    score: i64,
    factors: &BTreeMap<String, i64>,
    by_points: Option<&str>,
    at_least: Option<&str>,
) -> String {
    let factors: Vec<String> =
        factors.iter().map(|(name, points)| format!("{name} {points}")).collect();
    let of = if factors.is_empty() { String::new() } else { format!(": {}", factors.join(", ")) };
    let raised = match (by_points, at_least) {
        (Some(by_points), Some(at_least)) => {
            format!("; {by_points} by points, at least {at_least}")
        }
        _ => String::new(),
    };
    format!("{score} points{of}{raised}")
}

fn as_of(text: &str) -> Result<AsOf, Failure> {
    if let Ok(version) = text.parse() {
        return Ok(AsOf::Version(Version(version)));
    }
    let end_of_second = SignedDuration::from_nanos(999_999_999);
    match arguments::time(text) {
        // Times are shown to the second: what is shown at this time must count as of this time.
        Ok(at) if at.subsec_nanosecond() == 0 && !text.contains('.') => {
            Ok(AsOf::Time(at.saturating_add(end_of_second).unwrap_or(Timestamp::MAX)))
        }
        Ok(at) => Ok(AsOf::Time(at)),
        Err(_) => Err(Failure::usage(
            format!("`--at {text}` is neither a version nor a time"),
            "give a number of events such as `--at 3`, or a time such as \
             `--at 2026-01-05T09:00:00Z`",
        )),
    }
}

fn text(detail: &RunDetail, past: bool, now: Timestamp) -> String {
    let row = &detail.row;
    let requester = row.requester.member().map_or_else(|| "engine".to_owned(), ToString::to_string);
    let as_it_was = if past {
        format!("\nas of     version {}, {} UTC", row.at.version, time(row.updated))
    } else {
        String::new()
    };
    format!(
        "run {}: {}{as_it_was}\n\
         id        {}\n\
         project   {}\n\
         workflow  {} v{} ({})\n\
         submitted {} UTC by {requester}{}\n\
         updated   {} UTC, version {}\n\
         input     {}{}\n\
         \n\
         {}",
        row.number,
        line(&row.title),
        row.id,
        row.project,
        row.definition.name,
        row.definition.version,
        row.definition.digest,
        time(row.started),
        started_by(detail),
        time(row.updated),
        row.at.version,
        input(&detail.input),
        detail
            .view
            .risk
            .as_ref()
            .map(|risk| format!("\nrisk      {}", risk_in_words(risk)))
            .unwrap_or_default(),
        // What could be done then cannot be done any more.
        if past { stands(detail, now) } else { standing(detail, now) },
    ) + &detail.view.baseline.as_ref().map(stands_in_words).unwrap_or_default()
}

/// By which run it was submitted, where one did.
fn started_by(detail: &RunDetail) -> String {
    let Some(kin) = &detail.started_by else { return String::new() };
    format!(", started by run {} for {}", kin.number, kin.effect)
}

/// The runs that it has started.
fn children_in_words(detail: &RunDetail) -> String {
    let children = detail.children.iter().map(|kin| {
        let ended = kin.outcome.as_ref().map_or_else(
            || format!("goes on, see `holdpoint show {}`", kin.number),
            |outcome| format!("ended: {outcome}"),
        );
        format!("run {}, started for {}: {ended}\n", kin.number, kin.effect)
    });
    children.collect()
}

fn input(input: &Value) -> String {
    let Value::Object(members) = input else { return line(&input.to_string()) };
    if members.is_empty() {
        return "none".to_owned();
    }
    let lines: Vec<_> =
        members.iter().map(|(key, value)| line(&format!("{key} = {value}"))).collect();
    lines.join("\n          ")
}

/// Where a run stands, what holds it and what a person can do.
pub(crate) fn standing(detail: &RunDetail, now: Timestamp) -> String {
    stands(detail, now) + &next_steps(detail)
}

/// Where a run stands and what holds it.
fn stands(detail: &RunDetail, now: Timestamp) -> String {
    let view = &detail.view;
    let mut text = place(view, now);
    text.push_str(&children_in_words(detail));
    if let Some(failure) = &view.failure {
        text.push_str(&line(&format!("  failed   `{}`: {}", failure.state, failure.reason)));
        text.push('\n');
    }
    for name in &detail.row.unconfigured {
        text.push_str(&format!("  waiting  no activity `{name}` is configured here\n"));
    }
    text
}

/// What can be done next, a line each.
fn next_steps(detail: &RunDetail) -> String {
    let view = &detail.view;
    let mut text = String::new();
    let waits = |kinds: &[&str]| {
        let mut conditions = view.holds.iter().flat_map(|hold| &hold.conditions);
        conditions.any(|one| kinds.contains(&one.kind) && !one.met)
    };
    let lifted = view.holds.iter().flat_map(|hold| &hold.conditions);
    let mut lifted = lifted.filter(|one| one.kind == "lockdown").peekable();
    let lifted = lifted.peek().is_some() && lifted.all(|one| one.met);
    if detail.row.waits_for_configuration() {
        text.push_str(
            "next: configure it in the directory's `holdpoint.toml`, then run `holdpoint work`\n",
        );
    } else if caller::current().is_some() {
        // The process that has the directory does all that machines and the time are to do.
    } else if works(&view.status, &view.branches) && !view.state.is_empty() {
        text.push_str("next: run `holdpoint work`, which does what machines are to do\n");
    } else if lifted {
        text.push_str("next: run `holdpoint work`, which takes it up after the lockdown\n");
    } else if waits(&["run"]) {
        text.push_str("next: run `holdpoint work`, which starts such a run and notices its end\n");
    } else if waits(&["wait", "witness"]) || bakes(view) {
        text.push_str("next: run `holdpoint work`, which notices when the time has come\n");
    }
    for step in &view.next_steps {
        text.push_str(&format!("next: {}\n", line(&with_command(step, &detail.row, view))));
    }
    text
}

/// Whether machines are to do something, in one of the branches at least.
fn works(status: &RunStatus, branches: &[BranchView]) -> bool {
    *status == RunStatus::Working || branches.iter().any(|one| works(&one.status, &one.branches))
}

/// Whether it is a rollout itself that is held.
fn waits_within(view: &RunView) -> bool {
    view.rollouts().iter().any(|rollout| {
        !matches!(rollout.phase, "done" | "undone" | "failed")
            && (rollout.paused.is_some() || rollout.between.is_some())
    })
}

/// Whether a rollout of the run goes on by itself after a time.
pub(crate) fn bakes(view: &RunView) -> bool {
    let until = |rollout: &&RolloutView| rollout.between.as_ref().and_then(|one| one.until);
    view.rollouts().iter().any(|rollout| until(rollout).is_some())
}

/// Where a run stands and what holds it.
pub(crate) fn place(view: &RunView, now: Timestamp) -> String {
    let mut text = match &view.status {
        RunStatus::Ended { outcome } => format!("it has ended: {outcome}\n"),
        // Its first event says only what was submitted.
        _ if view.state.is_empty() => "submitted, and at no state yet\n".to_owned(),
        RunStatus::Held if view.holds.is_empty() && !waits_within(view) => {
            format!("held after `{}`, for what was made a condition\n", view.state)
        }
        RunStatus::Held => format!("held at `{}`\n", view.state),
        RunStatus::Working => format!("working at `{}`\n", view.state),
        RunStatus::Stuck => {
            format!("stuck at `{}`: a person must decide how it goes on\n", view.state)
        }
    };
    branches_in_words(&view.branches, 1, &mut text);
    for hold in &view.holds {
        // Which hold it is says the place, where there is but one.
        if !view.branches.is_empty() {
            text.push_str(&format!("`{}` waits for:\n", hold.hold));
        }
        text.push_str(&hold_in_words(hold, now));
    }
    if !view.locks.is_empty() {
        text.push_str(&format!("it holds the locks on {}\n", view.locks.join(", ")));
    }
    for waived in &view.waived {
        text.push_str(&waived_in_words(waived));
    }
    for accepted in &view.accepted {
        text.push_str(&format!(
            "  accepted the conflict with run {} in `{}`, by {} at {} UTC\n           {}\n",
            accepted.number,
            accepted.hold,
            accepted.by,
            time(accepted.at),
            line(&accepted.reason)
        ));
    }
    for duty in &view.duties {
        text.push_str(&duty_in_words(duty));
    }
    for evidence in &view.evidence {
        text.push_str(&evidence_in_words(evidence));
    }
    for earlier in &view.earlier_rollouts {
        text.push_str(&earlier_in_words(earlier));
    }
    for rollout in view.rollouts() {
        text.push_str(&rollout_in_words(rollout, now));
    }
    for one in view.queued.iter().take(QUEUED_SHOWN) {
        text.push_str(&format!(
            "  queued   `{}` (`{}`), since {} UTC: waits for {}{}\n",
            line(one.effect.as_str()),
            one.activity,
            time(one.since),
            line(&one.waits_for),
            narrate::before_it(one.before)
        ));
    }
    let more = view.queued.len().saturating_sub(QUEUED_SHOWN);
    if more > 0 {
        text.push_str(&format!("           and {more} more\n"));
    }
    for one in &view.unknown {
        text.push_str(&unknown_in_words(one));
    }
    if let Some(deadline) = &view.deadline {
        text.push_str(&format!(
            "the run ends at `{}` unless it has before {} UTC (in {})\n",
            deadline.outcome,
            time(deadline.at),
            span(deadline.at.duration_since(now)),
        ));
    }
    text
}

fn branches_in_words(branches: &[BranchView], depth: usize, text: &mut String) {
    for one in branches {
        let stands = match &one.status {
            RunStatus::Ended { outcome } => format!("ended: {outcome}"),
            status => format!("{} at `{}`", status.as_str(), one.state),
        };
        text.push_str(&format!("{}branch {}: {stands}\n", "  ".repeat(depth), one.branch));
        branches_in_words(&one.branches, depth.saturating_add(1), text);
    }
}

/// How many attempts that wait for their turn are shown.
const QUEUED_SHOWN: usize = 10;

/// A step, with what is typed for it where that is not plain from its words.
fn with_command(step: &NextStep, row: &RunRow, view: &RunView) -> String {
    let number = row.number;
    let at = |hold: &str| match view.holds.as_slice() {
        [] | [_] => String::new(),
        _ => format!(" --hold {hold}"),
    };
    let arguments = match &step.ask {
        Some(NextAsk::Steer { steering, state, over }) => {
            let more = match steering {
                Steering::Skip => " TARGET --reason TEXT",
                Steering::Pause | Steering::Abort | Steering::Rollback => " --reason TEXT",
                Steering::Resume | Steering::Promote | Steering::Retry | Steering::TakeOver => "",
            };
            let of =
                if view.rollouts().len() > 1 { format!(" --state {state}") } else { String::new() };
            let over: String = over.iter().map(|run| format!(" --over {run}")).collect();
            format!("{steering} {number}{more}{of}{over}")
        }
        Some(NextAsk::Signal { name, with_data }) => {
            let data = if *with_data { " --data JSON" } else { "" };
            format!("signal {number} {name}{data}")
        }
        Some(NextAsk::Settle { effect }) => {
            format!("settle {number} done|failed|again --effect {effect} --reason TEXT")
        }
        Some(NextAsk::Recheck { check, hold }) => format!("recheck {number} {check}{}", at(hold)),
        Some(NextAsk::OverrideRequirement { requirement }) => {
            format!("override {number} --requirement {requirement} --reason TEXT")
        }
        Some(NextAsk::AcceptConflict { number: with, .. }) => {
            format!("conflicts accept {number} --with {with} --reason TEXT")
        }
        _ => return step.to_string(),
    };
    format!("{step}: `holdpoint {arguments}`")
}

fn hold_in_words(hold: &HoldView, now: Timestamp) -> String {
    let mut text = String::new();
    for condition in &hold.conditions {
        let mark = match condition.status {
            ConditionStatus::NotApplicable => "n/a    ",
            ConditionStatus::Open => "waiting",
            ConditionStatus::Met => "met    ",
            ConditionStatus::Refused => "refused",
            ConditionStatus::Overridden => "set off",
            ConditionStatus::Waived => "waived ",
            ConditionStatus::Error => "error  ",
        };
        text.push_str(&format!("  {mark}  {}\n", line(&condition.summary)));
        text.push_str(&people_in_words(condition));
    }
    for (state, plan) in &hold.plans {
        text.push_str(&format!("  the plan of `{state}` is {plan}\n"));
    }
    text.extend(hold.replanned.as_ref().map(|one| replanned_in_words(hold, one)));
    for (state, why) in &hold.no_plan {
        text.push_str(&format!("  {}\n", no_plan_in_words(state, why)));
    }
    if let Some(deadline) = &hold.deadline {
        text.push_str(&format!(
            "  if nothing happens: `{}` at {} UTC (in {})\n",
            deadline.outcome,
            time(deadline.at),
            span(deadline.at.duration_since(now)),
        ));
    }
    text
}

/// That a rollout of which people are asked about the plan has none.
pub(crate) fn no_plan_in_words(state: &str, why: &str) -> String {
    format!("`{state}`: there is no plan as things are now: {}", line(why))
}

/// That the inventory has changed plans that a hold is asked about.
fn replanned_in_words(hold: &HoldView, changed: &PlansChanged) -> String {
    let mut text = match changed.recorded {
        Some(at) => format!("  the inventory has changed the plan, found at {} UTC\n", time(at)),
        None if changed.plans.is_empty() => "  the inventory has changed the plan\n".to_owned(),
        None => {
            "  the inventory has changed the plan; approvals are about the one that follows now:\n"
                .to_owned()
        }
    };
    if changed.recorded.is_none() {
        for (state, plan) in
            changed.plans.iter().filter(|(state, plan)| hold.plans.get(*state) != Some(*plan))
        {
            text.push_str(&format!("    `{state}`: `--plan {plan}`\n"));
        }
    }
    for (state, drift) in &changed.drift {
        text.push_str(&format!("    `{state}`: {}\n", line(&drift.in_words())));
    }
    text
}

fn people_in_words(condition: &ConditionView) -> String {
    let mut text = String::new();
    if let Some(instructions) = condition.instructions.as_ref().filter(|_| !condition.met) {
        text.extend(instructions.lines().map(|how| format!("           {}\n", line(how))));
    }
    for vote in &condition.votes {
        let done = match vote.vote {
            Vote::Approve => "approved",
            Vote::Reject => "rejected",
            Vote::Veto => "vetoed",
        };
        let place = vote.in_place_of.as_ref().map(place_in_words).unwrap_or_default();
        let other = vote.other_text.as_ref().map(|OtherText { given_on, now }| {
            format!(", on another text: {}, which is {} now", short(given_on), short(now))
        });
        text.push_str(&format!(
            "           {}{place} {done} at {} UTC{}\n",
            vote.member,
            time(vote.at),
            other.unwrap_or_default()
        ));
    }
    for one in &condition.confirmations {
        text.push_str(&format!("           {} confirmed it at {} UTC\n", one.member, time(one.at)));
    }
    if condition.met {
        return text;
    }
    let (can, cannot): (Vec<&Candidate>, Vec<&Candidate>) =
        condition.candidates.iter().partition(|candidate| candidate.lacks.is_none());
    if condition.kind == "signal"
        && condition.status == ConditionStatus::Open
        && condition.open == 0
    {
        text.push_str("           can send it: every member of the project\n");
    }
    if !can.is_empty() {
        let names: Vec<_> = can.iter().map(|candidate| candidate.member.as_str()).collect();
        let what = doing(condition);
        text.push_str(&format!("           can {what} it: {}\n", names.join(", ")));
        text.push_str(&too_few(condition, names.len()));
    } else if condition.open > 0 && condition.substitutes.iter().all(|one| one.lacks.is_some()) {
        let what = doing(condition);
        text.push_str(&format!("           nobody in the project can {what} it now\n"));
    }
    for candidate in cannot {
        let lacks = line(candidate.lacks.as_deref().unwrap_or_default());
        text.push_str(&format!("           cannot: {}, who {lacks}\n", candidate.member));
    }
    for one in &condition.substitutes {
        let who = format!("{}{}", one.member, place_in_words(&one.in_place_of));
        text.push_str(&match &one.lacks {
            None => format!("           can {} it: {who}\n", doing(condition)),
            Some(lacks) => format!("           cannot: {who}, who {}\n", line(lacks)),
        });
    }
    text
}

/// That those who could are not enough, whatever they do.
fn too_few(condition: &ConditionView, can: usize) -> String {
    let stand_in = condition.substitutes.iter().filter(|one| one.lacks.is_none()).count();
    let can = u64::try_from(can.saturating_add(stand_in)).unwrap_or(u64::MAX);
    let open = u64::from(condition.open);
    if condition.kind != "approval" || can >= open {
        return String::new();
    }
    format!("           that is {can}, and {open} are still needed\n")
}

/// In whose place somebody votes.
fn place_in_words(place: &PlaceView) -> String {
    let PlaceView { member, substitution, until } = place;
    format!(" for {member} (substitution {substitution}, until {} UTC)", time(*until))
}

fn unknown_in_words(one: &UnknownView) -> String {
    let mut text = format!(
        "  unknown  how attempt {} at `{}` (`{}`) ended, since {} UTC: {}\n",
        one.attempt,
        line(one.effect.as_str()),
        one.activity,
        time(one.since),
        line(&one.reason)
    );
    if let Some(check) = &one.asks {
        text.push_str(&format!("           `{check}` is asked whether it was done\n"));
    }
    if let Some(found) = &one.found {
        text.push_str(&format!("           the check: {}\n", line(found)));
    }
    text.push_str(&format!("           who may say what became of it: {}\n", line(&one.whom)));
    let can: Vec<&str> = one
        .candidates
        .iter()
        .filter(|candidate| candidate.lacks.is_none())
        .map(|candidate| candidate.member.as_str())
        .collect();
    text.push_str(&match can.as_slice() {
        [] => "           nobody in the project can now\n".to_owned(),
        can => format!("           can: {}\n", can.join(", ")),
    });
    for candidate in &one.candidates {
        if let Some(lacks) = &candidate.lacks {
            text.push_str(&format!(
                "           cannot: {}, who {}\n",
                candidate.member,
                line(lacks)
            ));
        }
    }
    text
}

/// What a person does to meet a condition.
fn doing(condition: &ConditionView) -> &'static str {
    match condition.kind {
        "evidence" => "attach",
        "task" => "confirm",
        "signal" => "send",
        "baseline" => "override",
        _ => "release",
    }
}

fn duty_in_words(duty: &DutyView) -> String {
    let before = match &duty.before {
        Some(state) => format!("before `{state}`"),
        None => "before the end".to_owned(),
    };
    let what = match duty.due {
        Some(due) => {
            let late = if duty.overdue { ", OVERDUE" } else { "" };
            format!("until {} UTC{late}", time(due))
        }
        None => before,
    };
    let whose = if duty.for_waiver { "for the waiver" } else { "a condition" };
    let names: Vec<_> = duty.candidates.iter().map(MemberId::as_str).collect();
    let who = if names.is_empty() { "nobody in the project".to_owned() } else { names.join(", ") };
    format!(
        "  owed     duty {}, {what}: {} ({whose} of {})\n           can discharge it: {who}\n",
        duty.duty,
        line(&duty.text),
        duty.by
    )
}

fn waived_in_words(waived: &WaivedView) -> String {
    let by: Vec<_> = waived.by.iter().map(MemberId::as_str).collect();
    let without = if waived.conditions.is_empty() {
        String::new()
    } else {
        format!(", without {}", waived.conditions.join(", "))
    };
    format!(
        "  waived   `{}` by {} at {} UTC{without}\n           {}\n",
        waived.hold,
        by.join(" and "),
        time(waived.at),
        line(&waived.reason)
    )
}

fn evidence_in_words(evidence: &EvidenceView) -> String {
    let what = match (&evidence.reference, &evidence.file, evidence.size) {
        (Some(reference), ..) => reference.clone(),
        (None, Some(file), Some(size)) => format!("{file}, {}", count(size, "byte")),
        (None, file, _) => file.clone().unwrap_or_default(),
    };
    let note = evidence.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!(
        "  shown    {} ({}) by {} at {} UTC{}\n           {}\n",
        line(&evidence.name),
        line(&what),
        evidence.by,
        time(evidence.at),
        line(&note),
        evidence.digest
    )
}

fn between_in_words(between: &BetweenView, now: Timestamp) -> String {
    let wave = between.wave;
    if between.need == 0 {
        return match between.until {
            Some(at) => format!(
                "  wave {wave} bakes until {} UTC (in {})\n",
                time(at),
                span(at.duration_since(now))
            ),
            None => format!("  wave {wave} bakes; its clock stands still\n"),
        };
    }
    let mut text =
        format!("  held after wave {wave}: {} of {} promoted it\n", between.by.len(), between.need);
    let (can, cannot): (Vec<&Candidate>, Vec<&Candidate>) =
        between.candidates.iter().partition(|candidate| candidate.lacks.is_none());
    let names: Vec<_> = can.iter().map(|candidate| candidate.member.as_str()).collect();
    let names =
        if names.is_empty() { "nobody in the project".to_owned() } else { names.join(", ") };
    text.push_str(&format!("           can promote it: {names}\n"));
    for candidate in cannot {
        let lacks = line(candidate.lacks.as_deref().unwrap_or_default());
        text.push_str(&format!("           cannot: {}, who {lacks}\n", candidate.member));
    }
    text
}

/// How far a rollout has come as a whole, and what it waits for.
pub(crate) fn rollout_as_a_whole(rollout: &RolloutView, now: Timestamp) -> String {
    let limit = match rollout.phase {
        "rolling_out" | "paused" | "baking" | "held" => {
            format!(" (undone at {})", rollout.failed_max)
        }
        _ => String::new(),
    };
    let skipped = match rollout.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    let mut text = format!(
        "rollout: {}, wave {} of {}, {} of {} failed{limit}{skipped}\n",
        rollout.phase.replace('_', " "),
        rollout.wave,
        rollout.waves,
        rollout.failed,
        count(rollout.targets.len() as u64, "target"),
    );
    if let Some(pause) = &rollout.paused {
        let by = pause.by.member().map_or("engine", MemberId::as_str);
        let since = time(pause.since);
        text.push_str(&format!("  paused by {by} since {since} UTC: {}\n", line(&pause.reason)));
    }
    text.extend(rollout.between.as_ref().map(|between| between_in_words(between, now)));
    text
}

fn rollout_in_words(rollout: &RolloutView, now: Timestamp) -> String {
    rollout_as_a_whole(rollout, now) + &targets_in_words(&rollout.targets)
}

fn earlier_in_words(earlier: &EarlierRolloutView) -> String {
    let targets = match earlier.targets.as_slice() {
        [] => String::new(),
        targets => targets_in_words(targets),
    };
    format!(
        "earlier rollout of `{}`: {}, {} of {} failed\n{targets}",
        earlier.state,
        earlier.phase,
        earlier.failed,
        count(earlier.count, "target"),
    )
}

fn targets_in_words(targets: &[TargetView]) -> String {
    table(
        &["  WAVE", "TARGET", "STATE", ""],
        targets.iter().map(|target| {
            vec![
                format!("  {}", target.wave),
                target.target.clone(),
                target.state.replace('_', " "),
                went_wrong(target),
            ]
        }),
    )
}

/// What went wrong at a target; where it is being made good, that it lies in the past.
pub(crate) fn went_wrong(target: &TargetView) -> String {
    match (target.state, &target.error) {
        ("restoring" | "restored", Some(error)) => format!("before: {error}"),
        (_, error) => error.clone().unwrap_or_default(),
    }
}

/// A duration as people say it, to its two largest units.
pub(crate) fn span(duration: SignedDuration) -> String {
    let seconds = duration.max(SignedDuration::ZERO).round(Unit::Second).unwrap_or(duration);
    let seconds = seconds.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        let many = rest.checked_div(size).unwrap_or_default();
        rest = rest.checked_rem(size).unwrap_or_default();
        if many > 0 && parts.len() < 2 {
            parts.push(format!("{many} {unit}"));
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// Where a run stands, as a sentence.
pub(crate) fn in_a_line(detail: &RunDetail) -> String {
    let line = in_few_words(detail);
    match &detail.row.status {
        RunStatus::Stuck => {
            format!("{line}: `holdpoint show {}` says what can be done", detail.row.number)
        }
        _ => line,
    }
}

/// The same, for whoever is just deciding what is to be done.
pub(crate) fn in_few_words(detail: &RunDetail) -> String {
    let row = &detail.row;
    let run = format!("run {} ({})", row.number, line(&row.title));
    match &row.status {
        RunStatus::Ended { outcome } => format!("{run} has ended: {outcome}"),
        RunStatus::Working if row.waits_for_configuration() => {
            let names: Vec<_> = row.unconfigured.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "{run} waits at `{}`: no activity {} is configured here",
                row.state,
                names.join(", ")
            )
        }
        status => format!("{run} is {} at `{}`", status.as_str(), row.state),
    }
}

/// Where a run stands, for programs.
pub(crate) fn standing_as_json(row: &RunRow, answer: RunAnswer) -> Value {
    json!({
        "run": row.id,
        "number": row.number,
        "project": row.project,
        "version": answer.version,
        "sequence": answer.sequence,
        "state": row.state,
        "status": row.status.as_str(),
        "unconfigured": row.unconfigured,
        "outcome": match &row.status {
            RunStatus::Ended { outcome } => Some(outcome),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_largest_units() {
        for (seconds, expected) in
            [(-5, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (604_800, "7 d"), (90_061, "1 d 1 h")]
        {
            assert_eq!(span(SignedDuration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn an_earlier_rollout_is_shown_with_what_went_wrong() {
        let mut earlier = EarlierRolloutView {
            state: "roll-out".to_owned(),
            phase: "undone",
            failed: 1,
            count: 12,
            targets: vec![TargetView {
                target: "web-4".to_owned(),
                wave: 2,
                state: "restored",
                error: Some("cannot reload".to_owned()),
            }],
        };
        let whole = "earlier rollout of `roll-out`: undone, 1 of 12 targets failed\n";
        let table = "  WAVE  TARGET  STATE\n  2     web-4   restored  before: cannot reload\n";
        assert_eq!(earlier_in_words(&earlier), format!("{whole}{table}"));
        earlier.targets.clear();
        assert_eq!(earlier_in_words(&earlier), whole);
    }
}
