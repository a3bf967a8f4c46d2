//! What a person can do next about a run that is held.

use holdpoint_core::{Moment, NextAsk, NextStep, project::OWNER};

use crate::{
    approval::Asked,
    conflicting, hold_check,
    hold_model::{Approver, Hold, listed},
    hold_state::HoldState,
    phrase, senders,
    state::State,
    view::closed,
    voting::needs_now,
    waiver::Waivable,
    windows::{AskedTimes, Found, local},
};

/// All that can be done about what the hold waits for.
pub(crate) fn hold_steps(
    hold: &Hold,
    open: &HoldState,
    state: &State,
    at: &Moment<'_>,
) -> Vec<NextStep> {
    if open.is_past(at.now) {
        let text =
            "its time is over, which is noticed by `holdpoint work`: nobody decides any more";
        return vec![NextStep::told(text)];
    }
    let mut steps = Vec::new();
    let name = || open.hold.clone();
    if let Some(approval) = &hold.approval
        && !open.rules.is_empty()
    {
        let needs = needs_now(approval, open, state, at);
        if open.rules.iter().zip(&needs).any(|(rule, need)| rule.need != *need) {
            let text = format!("count the votes on `{}` anew: the members have changed", open.hold);
            steps.push(NextStep::ask(text, NextAsk::Recount { hold: name() }));
        }
        let text = if open.is_approved() {
            format!("reject `{}`, with a reason: every approval is there", open.hold)
        } else if open.waives(hold, Waivable::Approval) {
            format!("approve or reject `{}`: it is waived, so no approval is needed", open.hold)
        } else {
            format!("approve or reject `{}`", open.hold)
        };
        if !Asked::of(approval, open, state).could(at).is_empty() {
            steps.push(NextStep::ask(text, NextAsk::Vote { hold: name() }));
        }
    }
    if let Some(veto) = hold.approval.as_ref().and_then(|approval| approval.veto.as_ref()) {
        for member in open.vetoes().map(|veto| &veto.member) {
            let text = format!("lift the veto on `{}`, as `{member}`", open.hold);
            let lifted = NextAsk::Withdraw { hold: name(), member: member.clone() };
            steps.push(NextStep::ask(text, lifted));
            let whom = listed(&veto.overrule);
            let text = format!(
                "overrule the veto of `{member}` on `{}`, with a reason, as {whom}",
                open.hold
            );
            let overruled = NextAsk::Overrule { hold: name(), member: member.clone() };
            steps.push(NextStep::ask(text, overruled));
        }
        let mut members = at.project.members().iter();
        let could = members.any(|(id, member)| {
            veto.from.iter().any(|from| from.is(id, member))
                && !open.has_voted(id)
                && open.stands_overruled(hold, state, id).is_none()
        });
        if could && open.vetoes().next().is_none() {
            let whom = listed(&veto.from);
            let text = format!("veto `{}`, with a reason, as {whom}", open.hold);
            steps.push(NextStep::ask(text, NextAsk::Vote { hold: name() }));
        }
    }
    if hold.approval.as_ref().is_some_and(|approval| approval.amended.is_some()) {
        let text = format!(
            "amend the input, as `{}` or a member with the role `{OWNER}`",
            state.vars().requester
        );
        steps.push(NextStep::ask(text, NextAsk::Amend));
    }
    // What is waived is not asked for any more.
    let asks = |what: Waivable| !open.waives(hold, what);
    if let Some(until) =
        open.objection_until(hold).filter(|_| !open.witnessed && asks(Waivable::Witness))
    {
        let until = phrase::moment(until);
        let text = format!("object to `{}`, with a reason, before {until}", open.hold);
        steps.push(NextStep::ask(text, NextAsk::Object { hold: name() }));
    }
    let lacking = hold
        .demands(open)
        .filter(|demand| asks(Waivable::Evidence) && demand.lacks(open, state, at.now).is_some());
    steps.extend(lacking.map(|demand| {
        let text = format!("attach the evidence `{}`", demand.name);
        NextStep::ask(text, NextAsk::Attach { name: demand.name.clone() })
    }));
    let undone =
        open.tasks.iter().filter(|task| asks(Waivable::Task) && open.unconfirmed(task) > 0);
    steps.extend(undone.map(|task| {
        let text = format!("do the task `{}` and confirm it", task.task);
        NextStep::ask(text, NextAsk::Done { hold: name(), task: task.task.clone() })
    }));
    if asks(Waivable::Check) {
        steps.extend(hold_check::steps(open));
    }
    if let Some(waiver) = hold.waiver.as_ref().filter(|_| !open.is_waived(hold)) {
        let whom = listed(&waiver.from);
        let text = format!("in an emergency waive `{}`, with a reason, as {whom}", open.hold);
        steps.push(NextStep::ask(text, NextAsk::Waive { hold: name() }));
    }
    if let Some(until) = open.until.filter(|_| !open.waited && asks(Waivable::Wait)) {
        steps.push(NextStep::told(format!("wait until {}", phrase::moment(until))));
    }
    steps.extend(conflicting::steps(hold, open));
    if open.locking.waits_for().is_some() {
        let text = "wait for the locks, which `holdpoint work` asks for: `holdpoint locks` says who holds them";
        steps.push(NextStep::told(text));
    }
    if asks(Waivable::Signal) {
        steps.extend(senders::signal_step(hold, open));
    }
    if let (Some(window), Some(defined)) = (&open.window, &hold.window)
        && window.overridden.is_none()
    {
        steps.extend(window_steps(&open.hold, &window.asked, &defined.overriders, at));
    }
    steps
}

/// What can be done about a window that is closed.
pub(crate) fn window_steps(
    state: &str,
    asked: &AskedTimes,
    overriders: &[Approver],
    at: &Moment<'_>,
) -> Vec<NextStep> {
    let Found::Closed(outlook) = asked.look(at) else { return Vec::new() };
    let mut steps = vec![NextStep::told(match outlook.opens {
        Some(opens) => format!("wait until the window opens, {}", local(asked, at, opens)),
        None => {
            let closed = closed(asked, &outlook, at);
            format!("publish a calendar by which the window opens: it {closed}")
        }
    })];
    if !overriders.is_empty() {
        let whom = listed(overriders);
        let text = format!("override the window of `{state}`, with a reason, as {whom}");
        steps.push(NextStep::ask(text, NextAsk::Override { hold: state.to_owned() }));
    }
    steps
}
