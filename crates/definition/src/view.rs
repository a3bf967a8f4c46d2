//! What a run looks like to a person: what holds it and who could release it, how far a rollout
//! has come, and what can be done next.

use std::collections::BTreeMap;

use holdpoint_core::{
    Digest, Moment, NextAsk, NextStep, RunStatus, RunSummary, RunView, Vote,
    project::OWNER,
    view::{
        BranchView, Candidate, ConditionStatus, ConditionView, DeadlineView, DutyView, FailureView,
        HoldView, OtherText, PlaceView, RiskView, VoteView,
    },
};

use crate::{
    amending,
    approval::Asked,
    conflicting, deadlines, drift, duties, earlier,
    event_data::OpenRule,
    evidence,
    evolve::{hold_of, work_of},
    hold_check,
    hold_model::{Approval, Approver, Exclusion, Hold, listed},
    hold_state::{Given, HoldState, Substitute},
    hold_steps::{hold_steps, window_steps},
    lockdown, locking,
    model::{CANCELLED, Model},
    parallel_state::Fork,
    phrase, requalifying, requirement_override, requirements,
    rollout_state::RolloutState,
    rollout_view, senders,
    state::{Place, State},
    substitutes::{self, COUNTS_ONCE, Voter},
    tasks,
    voting::needs_now,
    waiver::{self, Waivable},
    window_model::HoldWindow,
    windows::{AskedTimes, Found, Outlook, WindowState, could_override, local},
};

/// Where a run stands.
pub(crate) fn status(state: &State) -> RunStatus {
    status_at(&state.place, state.rollout.as_ref())
}

fn status_at(place: &Place, rollout: Option<&RolloutState>) -> RunStatus {
    match place {
        Place::Activity { window: Some(window), .. } if window.shut => RunStatus::Held,
        Place::Begin | Place::Entered { .. } | Place::Activity { .. } | Place::Resolved { .. } => {
            RunStatus::Working
        }
        Place::Hold(_) | Place::Owing { .. } | Place::Child(_) => RunStatus::Held,
        Place::Blocked { .. } => RunStatus::Stuck,
        Place::Rollout { .. } => {
            if rollout.is_some_and(RolloutState::is_held) {
                RunStatus::Held
            } else if rollout.is_some_and(RolloutState::rests) {
                RunStatus::Stuck
            } else if rollout.is_some_and(RolloutState::waits_for_window) {
                RunStatus::Held
            } else {
                RunStatus::Working
            }
        }
        // What needs a person most comes first.
        Place::All(fork) => {
            let all =
                || fork.branches.values().map(|one| status_at(&one.place, one.rollout.as_ref()));
            [RunStatus::Stuck, RunStatus::Held]
                .into_iter()
                .find(|status| all().any(|one| one == *status))
                .unwrap_or(RunStatus::Working)
        }
        Place::Ended { outcome, .. } => RunStatus::Ended { outcome: outcome.clone() },
        Place::Stopped { .. } => RunStatus::Ended { outcome: CANCELLED.to_owned() },
    }
}

/// What a list says of a run.
pub(crate) fn summary(model: &Model, state: &State) -> RunSummary {
    let title = match state.input.get("title").and_then(|title| title.as_str()) {
        Some(title) => title.to_owned(),
        None => model.title.clone(),
    };
    RunSummary { title, state: state.state().to_owned(), status: status(state) }
}

/// What a run looks like.
pub(crate) fn view(model: &Model, state: &State, at: &Moment<'_>) -> RunView {
    let RunSummary { title, state: name, status } = summary(model, state);
    let mut view = RunView::new(title, name, status);
    view.deadline = deadlines::of_run(model, state).map(|(_, at)| DeadlineView {
        at,
        outcome: model.expires.as_ref().map(|(_, to)| to.name.clone()).unwrap_or_default(),
    });
    view.risk = state.risk.as_ref().map(|risk| RiskView {
        level: risk.level.clone(),
        score: risk.score,
        factors: risk.factors.clone(),
        by_points: risk.by_points.clone(),
        at_least: risk.at_least.clone(),
    });
    if let Place::Hold(open) = &state.place
        && let Some(hold) = hold_of(model, &open.hold)
    {
        view.next_steps = hold_steps(hold, open, state, at);
        let mut held = hold_view(hold, open, state, at);
        drift::add_to_view(&mut held, model, state, open, at);
        held.conditions.extend(lockdown::conditions(model, state, at));
        let others = |one: &ConditionView| !matches!(one.kind, "conflicts" | "lock");
        if held.conditions.iter().filter(|one| others(one)).all(|one| one.met)
            && conflicting::is_to_be_looked_for(model, state)
        {
            let text = "run `holdpoint work`, which looks for conflicts";
            view.next_steps.insert(0, NextStep::told(text));
        }
        view.holds.push(held);
    }
    view.failure = state.failure.as_ref().map(|failure| FailureView {
        state: failure.state.clone(),
        reason: failure.reason.clone(),
    });
    view.earlier_rollouts = earlier::view(state);
    // The end of a run gives its locks back.
    if !matches!(state.place, Place::Ended { .. }) {
        view.locks = locking::held(state);
    }
    view.duties = state.duties.iter().map(|duty| duty_view(model, state, duty, at)).collect();
    view.evidence = evidence::views(state);
    view.waived = waiver::views(state);
    view.accepted = conflicting::views(state);
    let over = matches!(state.place, Place::Ended { .. }) || state.is_in_branch();
    let held_up = |duty: u32| match &state.place {
        Place::Owing { next, .. } => state.owed_before(model, next).any(|one| one.number == duty),
        _ => false,
    };
    // What is owed for a waiver keeps the run also from being cancelled.
    let asked = |duty: &&DutyView| held_up(duty.duty) || (duty.for_waiver && !over);
    for duty in view.duties.iter().filter(asked) {
        let text = format!("discharge the duty {}, with a note", duty.duty);
        view.next_steps.push(NextStep::ask(text, NextAsk::Discharge { duty: duty.duty }));
    }
    view.holds.extend(lockdown::hold_view(model, state, at));
    view.holds.extend(requirements::hold_view(model, state, at));
    view.holds.extend(requalifying::hold_views(model, state, at));
    if !state.is_in_branch() {
        view.baseline = requirements::view(model, state, at);
    }
    view.next_steps.extend(lockdown::steps(model, state, at));
    view.next_steps.extend(requirement_override::steps(model, state, at));
    view.next_steps.extend(requalifying::steps(model, state, at));
    if let Place::Child(child) = &state.place {
        let (name, verb) = (&child.definition, if child.stopping { "to stop" } else { "to end" });
        view.next_steps.push(NextStep::told(format!("wait for the run of `{name}` {verb}")));
        view.holds.push(HoldView {
            hold: child.state.clone(),
            since: state.entered,
            deadline: deadlines::of_work(model, state)
                .map(|(_, at)| DeadlineView { at, outcome: "expired".to_owned() }),
            plans: BTreeMap::new(),
            replanned: None,
            no_plan: BTreeMap::new(),
            conditions: vec![condition(
                "run",
                name.as_str(),
                false,
                format!("the end of the run of {name}"),
            )],
        });
    }
    if let Place::Activity { state: name, window: Some(window), .. } = &state.place
        && window.shut
        && let Some(defined) = work_of(model, name).and_then(|work| work.window.as_ref())
    {
        let (asked, overriders) = (&window.asked, &defined.overriders);
        view.next_steps.extend(window_steps(name, asked, overriders, at));
        view.holds.push(HoldView {
            hold: name.clone(),
            since: state.entered,
            deadline: deadlines::of_work(model, state)
                .map(|(_, at)| DeadlineView { at, outcome: "expired".to_owned() }),
            plans: BTreeMap::new(),
            replanned: None,
            no_plan: BTreeMap::new(),
            conditions: vec![times_view(asked, (overriders, &defined.not), state, at)],
        });
    }
    if let Place::Blocked { state: name, reason } = &state.place {
        view.next_steps.push(NextStep::told(format!("`{name}` cannot be entered: {reason}")));
        if state.may_be_given_up() {
            let text = "cancel the run and submit it again with another input";
            view.next_steps.push(NextStep::ask(text, NextAsk::Cancel));
        }
        view.next_steps.extend(locking::break_step(model, state).map(NextStep::told));
    }
    if let Some(rollout) = &state.rollout {
        if let Place::Rollout { .. } = state.place {
            view.next_steps.splice(0..0, rollout_view::steps(model, rollout, at));
        } else if matches!(view.status, RunStatus::Held | RunStatus::Stuck) && !state.cancelled {
            view.next_steps.extend(rollout_view::way_back(model, state, rollout));
        }
        view.rollout = Some(rollout_view::view(model, state, rollout, at));
    }
    if let Place::All(fork) = &state.place {
        add_branches(model, state, fork, at, &mut view);
    }
    if !amending::may_be(model, state) {
        view.next_steps.retain(|step| step.ask != Some(NextAsk::Amend));
    }
    if !over && !state.cancelled && state.may_be_given_up() {
        let requester = &state.vars().requester;
        let text = format!("cancel the run, as `{requester}` or a member with the role `{OWNER}`");
        view.next_steps.push(NextStep::ask(text, NextAsk::Cancel));
    }
    view
}

/// Adds what the branches look like: all that holds them, and what a person can do in each.
fn add_branches(model: &Model, state: &State, fork: &Fork, at: &Moment<'_>, view: &mut RunView) {
    for branch in fork.branches.keys() {
        let Some(inner) = state.looking_at(std::slice::from_ref(branch)) else { continue };
        let inner = self::view(model, &inner, at);
        // Several may rest for approvals of the same hold, which was released before them.
        let others: Vec<String> = view.holds.iter().map(|hold| hold.hold.clone()).collect();
        view.holds.extend(inner.holds.into_iter().filter(|hold| !others.contains(&hold.hold)));
        for step in inner.next_steps {
            if !view.next_steps.contains(&step) {
                view.next_steps.push(step);
            }
        }
        view.branches.push(BranchView {
            branch: branch.clone(),
            state: inner.state,
            status: inner.status,
            rollout: inner.rollout,
            branches: inner.branches,
        });
    }
}

fn hold_view(hold: &Hold, open: &HoldState, state: &State, at: &Moment<'_>) -> HoldView {
    let mut conditions = Vec::new();
    if let Some(approval) = &hold.approval {
        let asked = Asked::of(approval, open, state);
        let needs = needs_now(approval, open, state, at);
        conditions = rule_views(&asked, open, &needs, state.digest, at);
        conditions.extend(open.vetoes().map(|veto| {
            let reason = veto.reason.as_deref().unwrap_or_default();
            let whose = veto.in_words();
            let summary = format!("{whose} vetoed it, until that is lifted or overruled: {reason}");
            let mut view = condition("veto", veto.member.as_str(), false, summary);
            view.status = ConditionStatus::Refused;
            view
        }));
        if open.rules.is_empty() {
            conditions.push(condition("approval", "approval", false, no_rule(approval)));
        }
    }
    if let (Some(witness), Some(until)) = (&hold.witness, open.objection_until(hold)) {
        let until = phrase::moment(until);
        let mut members = at.project.members().iter();
        let could = members.any(|(id, member)| witness.from.iter().any(|one| one.is(id, member)));
        let nobody =
            if could || open.witnessed { "" } else { "; there is nobody now who could object" };
        let whom = listed(&witness.from);
        let summary = format!("no objection by {whom} until {until}{nobody}");
        conditions.push(condition("witness", "witness", open.witnessed, summary));
    }
    conditions.extend(evidence::conditions(hold, open, state, at));
    conditions.extend(tasks::conditions(hold, open, state, at));
    conditions.extend(hold_check::conditions(hold, open));
    if let Some(until) = open.until {
        let summary = format!("the time {}", phrase::moment(until));
        conditions.push(condition("wait", "wait", open.waited, summary));
    }
    if let Some(signal) = &hold.signal {
        conditions.push(senders::signal_view(signal, open, state, at));
    }
    if let (Some(window), Some(defined)) = (&open.window, &hold.window) {
        conditions.push(window_view(window, defined, state, at));
    }
    conditions.extend(conflicting::condition(hold, open, at));
    conditions.extend(locking::condition(hold, open));
    for view in &mut conditions {
        set_aside(view, hold, open);
    }
    conditions.extend(not_applicable(open));
    HoldView {
        hold: open.hold.clone(),
        plans: open.plans.clone(),
        replanned: None,
        no_plan: BTreeMap::new(),
        since: open.opened,
        deadline: open.ends().map(|at| DeadlineView { at, outcome: "expired".to_owned() }),
        conditions,
    }
}

/// Marks a condition that is not met and is waived.
fn set_aside(view: &mut ConditionView, hold: &Hold, open: &HoldState) {
    let waives = Waivable::ALL.into_iter().find(|one| one.as_str() == view.kind);
    if !view.met && waives.is_some_and(|what| open.waives(hold, what)) {
        view.met = true;
        view.status = ConditionStatus::Waived;
        view.open = 0;
        view.candidates.clear();
        view.substitutes.clear();
    }
}

/// The conditions that do not apply to this run.
fn not_applicable(open: &HoldState) -> Vec<ConditionView> {
    let view = |key: &String| {
        let (kind, name) = match key.split_once('/')? {
            ("evidence", name) => ("evidence", name),
            ("task", name) => ("task", name),
            ("check", name) => ("check", name),
            _ => return None,
        };
        let mut view = condition(kind, name, true, format!("the {kind} {name} does not apply"));
        view.status = ConditionStatus::NotApplicable;
        Some(view)
    };
    open.not_applicable.iter().filter_map(view).collect()
}

/// A window, as the calendars are now, and who could override it while it is closed.
fn window_view(
    window: &WindowState,
    defined: &HoldWindow,
    state: &State,
    at: &Moment<'_>,
) -> ConditionView {
    if let Some((member, reason)) = &window.overridden {
        let what = window.asked.in_words();
        let summary = format!("{what}: overridden by {member}: {reason}");
        return condition("window", "window", true, summary);
    }
    times_view(&window.asked, (&defined.overriders, &defined.not), state, at)
}

/// Whether calendars allow what waits for them, and who may let it go on all the same.
fn times_view(
    asked: &AskedTimes,
    (overriders, not): (&[Approver], &[Exclusion]),
    state: &State,
    at: &Moment<'_>,
) -> ConditionView {
    let what = asked.in_words();
    match asked.look(at) {
        Found::Open(found) => {
            let until = found.closes.map(|closes| local(asked, at, closes));
            let until = until.map_or_else(|| "open".to_owned(), |at| format!("open until {at}"));
            condition("window", "window", true, format!("{what}: {until}"))
        }
        Found::Closed(outlook) => {
            let summary = format!("{what}: {}", closed(asked, &outlook, at));
            let mut view = condition("window", "window", false, summary);
            view.candidates = could_override(overriders, not, state, at)
                .into_iter()
                .map(|member| Candidate { member, lacks: None })
                .collect();
            view
        }
    }
}

/// Why a window is closed, and when it opens.
pub(crate) fn closed(asked: &AskedTimes, outlook: &Outlook, at: &Moment<'_>) -> String {
    let why = outlook.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    match outlook.opens {
        Some(opens) => format!("closed{why}, opens {}", local(asked, at, opens)),
        None if outlook.looked_to.is_some() => {
            format!("closed{why}, and does not open as far as was looked")
        }
        None => format!("cannot be told{why}"),
    }
}

fn no_rule(approval: &Approval) -> String {
    let rules: Vec<&str> = approval.rules.iter().map(|rule| rule.name.as_str()).collect();
    format!("no rule applies (of {}), so nobody can release this", rules.join(", "))
}

pub(crate) fn condition(
    kind: &'static str,
    name: &str,
    met: bool,
    summary: String,
) -> ConditionView {
    ConditionView {
        kind,
        name: name.to_owned(),
        met,
        status: if met { ConditionStatus::Met } else { ConditionStatus::Open },
        summary,
        instructions: None,
        votes: Vec::new(),
        confirmations: Vec::new(),
        open: 0,
        candidates: Vec::new(),
        substitutes: Vec::new(),
    }
}

pub(crate) fn rule_views(
    asked: &Asked<'_>,
    open: &HoldState,
    needs: &[u32],
    now: Digest,
    at: &Moment<'_>,
) -> Vec<ConditionView> {
    let filled = open.filled();
    open.rules
        .iter()
        .zip(needs)
        .zip(filled)
        .map(|((rule, need), filled)| {
            let left = need.saturating_sub(filled);
            let mut view = condition(
                "approval",
                &rule.rule,
                left == 0,
                format!(
                    "{filled} of {need} approval{} by {}{}",
                    if *need == 1 { "" } else { "s" },
                    asked.words(rule),
                    afterwards(&asked.waits_for(rule)),
                ),
            );
            view.open = left;
            view.votes = open.votes_under(rule).map(|vote| vote_view(vote, now)).collect();
            if left > 0 {
                view.candidates = candidates(asked, rule, open, at);
                view.substitutes = substitutes::views(&asked.only(rule), open, at);
            }
            view
        })
        .collect()
}

fn vote_view(vote: &Given, now: Digest) -> VoteView {
    let place = |by: &Substitute| PlaceView {
        member: vote.member.clone(),
        substitution: by.substitution,
        until: by.until,
    };
    VoteView {
        member: vote.voter().clone(),
        vote: vote.vote,
        at: vote.at,
        in_place_of: vote.by.as_ref().map(place),
        other_text: vote
            .digest
            .filter(|given_on| *given_on != now)
            .map(|given_on| OtherText { given_on, now }),
    }
}

/// What a rule waits for before it asks anybody.
fn afterwards(before: &[&str]) -> String {
    if before.is_empty() { String::new() } else { format!(", after {}", before.join(" and ")) }
}

fn duty_view(model: &Model, state: &State, duty: &duties::Duty, at: &Moment<'_>) -> DutyView {
    let members = at.project.members().iter();
    DutyView {
        duty: duty.number,
        text: duty.text.clone(),
        by: duty.by.clone(),
        before: duty.before.clone(),
        due: duty.due,
        overdue: duty.overdue || duty.due.is_some_and(|due| due <= at.now),
        for_waiver: duty.waiver.is_some(),
        candidates: members
            .filter(|(id, member)| duties::may_discharge(model, state, duty, id, member))
            .map(|(id, _)| id.clone())
            .collect(),
    }
}

/// The members whom a rule asks: those who could approve first, then those whom something keeps
/// from it.
fn candidates(
    asked: &Asked<'_>,
    rule: &OpenRule,
    open: &HoldState,
    at: &Moment<'_>,
) -> Vec<Candidate> {
    let one = asked.only(rule);
    let mut all: Vec<Candidate> = at
        .project
        .members()
        .iter()
        .map(|(id, member)| Voter::own(id, member))
        .filter(|voter| one.asks_any(voter))
        .map(|voter| {
            let lacks = match open.vote_of(voter.id) {
                Some(vote) => (!one.fills_anew(&voter, at)).then(|| has_voted(vote)),
                None => match one.eligible(&voter, at) {
                    Err((_, why)) => Some(why),
                    Ok(eligible) => open
                        .counts_already(voter.id, &eligible.rules)
                        .then(|| COUNTS_ONCE.to_owned()),
                },
            };
            Candidate { member: voter.id.clone(), lacks }
        })
        .collect();
    all.sort_by_key(|candidate| candidate.lacks.is_some());
    all
}

/// What somebody has done about a hold, or another has in their place.
fn has_voted(vote: &Given) -> String {
    let done = match vote.vote {
        Vote::Approve => "approved",
        Vote::Reject => "rejected",
        Vote::Veto => "a veto",
    };
    match &vote.by {
        None => format!("has {done}"),
        Some(by) => format!("has {done} by `{}`", by.member),
    }
}
