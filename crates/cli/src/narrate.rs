//! Events as sentences: what happened, in plain words, without who and when.

use std::collections::BTreeSet;

use holdpoint::{
    core::{
        EffectId, Event, ItemName, PlanDrift, RoleName, Settled, Vote, event::TypedEvent,
        project::ProjectEvent, run::RunEvent,
    },
    definition::{
        Attached, Ballot, Because, Confirmation, DefinitionEvent, Lapsing, MetByRelease, OfTarget,
        Opened, OverrideEnd, Overriding, Past, QualifiedVote, Risk, Verdict,
    },
};
use serde_json::Value;

use crate::{
    command::{lockdown::scope_in_words, show::phrase_of_risk, substitute::substitution_in_words},
    output::{count, line, time},
};

/// What an event says happened. Every type of event that the product writes has a sentence of its
/// own; those of workflows that were added to it have a general one.
pub(crate) fn sentence(event: &Event) -> String {
    line(&in_words(event))
}

/// The same, with the line breaks of what others have said.
pub(crate) fn in_words(event: &Event) -> String {
    if let Ok(typed) = RunEvent::from_parts(&event.kind, &event.data) {
        return of_run(&typed);
    }
    if let Ok(typed) = ProjectEvent::from_parts(&event.kind, &event.data) {
        return of_project(&typed);
    }
    if let Ok(typed) = DefinitionEvent::from_parts(&event.kind, &event.data) {
        return of_definition(&typed);
    }
    of_any(event)
}

/// As [`in_words`], before `next`; `None` where that says the same in better words: that an attempt was done comes
/// before what that means for the run. Why one failed for good is left to it, too.
pub(crate) fn before(event: &Event, next: Option<&Event>) -> Option<String> {
    let next = next.filter(|next| next.subject == event.subject && next.cause == event.cause);
    if let (Some(next), Ok(typed)) = (next, RunEvent::from_parts(&event.kind, &event.data)) {
        match typed {
            RunEvent::AttemptCompleted { .. } => return None,
            RunEvent::AttemptFailed { effect, attempt, error, retry_at: None }
                if in_words(next).ends_with(&format!(": {error}")) =>
            {
                return Some(format!("{effect} failed at attempt {attempt}, the last"));
            }
            _ => {}
        }
    }
    Some(in_words(event))
}

fn of_project(event: &ProjectEvent) -> String {
    match event {
        ProjectEvent::Created { title } => format!("created the project: {title}"),
        ProjectEvent::MemberAdded { member, name } if name == member.as_str() => {
            format!("added {member} as a member")
        }
        ProjectEvent::MemberAdded { member, name } => {
            format!("added {member} ({name}) as a member")
        }
        ProjectEvent::MemberRemoved { member } => format!("removed the member {member}"),
        ProjectEvent::RoleGranted { member, role } => format!("gave {member} the role {role}"),
        ProjectEvent::RoleRevoked { member, role } => format!("took the role {role} from {member}"),
        ProjectEvent::QualificationRecorded { member, qualification } => {
            let from =
                qualification.from.map(|from| format!(" from {}", time(from))).unwrap_or_default();
            let until = qualification
                .until
                .map(|until| format!(" until {}", time(until)))
                .unwrap_or_default();
            let shown = qualification.evidence.as_ref().map(|shown| {
                format!("{} ({})", crate::command::project::evidence_in_words(shown), shown.digest)
            });
            format!(
                "recorded that {member} is qualified in {}{from}{until}, attested by {}{}",
                qualification.domain,
                qualification.issuer,
                shown.unwrap_or_default()
            )
        }
        ProjectEvent::QualificationRevoked { member, domain, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("revoked {member}'s qualification in {domain}{reason}")
        }
        ProjectEvent::PublishingGoverned { rule: Some(rule), reason } => {
            let states: Vec<_> = rule.states.iter().map(|state| format!("`{state}`")).collect();
            format!(
                "from now on a run of {} in {} releases what is published: {reason}",
                rule.definition,
                states.join(" or ")
            )
        }
        ProjectEvent::PublishingGoverned { rule: None, reason } => {
            format!("from now on no run has to release what is published: {reason}")
        }
        ProjectEvent::DefinitionPublished { name, version, title, release: Some(run), .. } => {
            format!(
                "published the definition {name} v{version}, released by the run {run}: {title}"
            )
        }
        ProjectEvent::DefinitionPublished { name, version, title, .. } => {
            format!("published the definition {name} v{version}: {title}")
        }
        ProjectEvent::BaselinePublished { baseline, revision, title, reason, .. } => {
            format!("published the baseline {baseline}, revision {revision}: {title} ({reason})")
        }
        ProjectEvent::BaselineWithdrawn { baseline, revision, reason } => {
            format!("withdrew the baseline {baseline}, revision {revision}: {reason}")
        }
        ProjectEvent::ItemsChanged { set, removed } => {
            let parts = [("set", set.len()), ("removed", removed.len())];
            let parts: Vec<_> = parts
                .iter()
                .filter(|(_, number)| *number > 0)
                .map(|(what, number)| format!("{what} {}", count(*number as u64, "item")))
                .collect();
            let names: Vec<&str> = set
                .iter()
                .map(|one| one.name.as_str())
                .chain(removed.iter().map(|name| name.as_str()))
                .collect();
            format!("{}: {}", parts.join(" and "), a_few(&names))
        }
        ProjectEvent::CalendarPublished { calendar, revision, title, .. } => {
            let title = title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
            format!("published the calendar {calendar}, revision {revision}{title}")
        }
        ProjectEvent::CalendarRetired { calendar, reason } => {
            format!("retired the calendar {calendar}: {reason}")
        }
        ProjectEvent::LockdownImposed { lockdown, scope, reason } => {
            format!("imposed the lockdown {lockdown} of {}: {reason}", scope_in_words(scope))
        }
        ProjectEvent::LockdownReleased { lockdown, reason } => {
            format!("released the lockdown {lockdown}: {reason}")
        }
        ProjectEvent::SubstituteNamed(one) => {
            let reason = because(&one.reason);
            format!("said that {}{reason}", substitution_in_words(one))
        }
        ProjectEvent::SubstituteWithdrawn { substitution, reason } => {
            format!("withdrew the substitution {substitution}{}", because(reason))
        }
    }
}

/// The first items of many.
fn some_items(items: &BTreeSet<ItemName>) -> String {
    a_few(&items.iter().map(ItemName::as_str).collect::<Vec<_>>())
}

/// The first names of many.
fn a_few(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(5).copied().collect();
    let more = names.len().saturating_sub(shown.len());
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn of_run(event: &RunEvent) -> String {
    match event {
        RunEvent::Started { workflow, version, .. } => {
            format!("submitted it to {workflow} v{version}")
        }
        RunEvent::Migrated { from, to, state, reason, .. } => {
            format!("migrated it from v{} to v{} at `{state}`: {reason}", from.version, to.version)
        }
        RunEvent::Conflicts { with } => {
            let runs: Vec<String> = with.iter().map(|one| one.run.to_string()).collect();
            let runs: Vec<&str> = runs.iter().map(String::as_str).collect();
            format!("found it in conflict with the runs {}", a_few(&runs))
        }
        RunEvent::ChildStarted { effect, run } => format!("{effect}: the run {run} was started"),
        RunEvent::ChildRefused { effect, error } => {
            format!("{effect}: the run could not be started: {error}")
        }
        RunEvent::ChildEnded { effect, outcome, .. } => {
            format!("{effect}: the run that was started ended: {outcome}")
        }
        RunEvent::AttemptQueued { effect, waits_for, before, .. } => {
            format!("{effect} waits for {waits_for}{}", before_it(*before))
        }
        RunEvent::AttemptNotBegun { effect, error, .. } => {
            format!("{effect} does not begin: {error}")
        }
        RunEvent::AttemptStarted { effect, activity, attempt: 1, .. } => {
            format!("began `{activity}` for {}", place(effect))
        }
        RunEvent::AttemptStarted { effect, activity, attempt, .. } => {
            format!(
                "began `{activity}` for {} again, attempt {attempt}, with the same key",
                place(effect)
            )
        }
        RunEvent::AttemptCompleted { effect, .. } => format!("{effect} was done"),
        RunEvent::AttemptFailed { effect, attempt, error, retry_at: Some(at) } => {
            format!("attempt {attempt} at {effect} failed, the next is at {}: {error}", time(*at))
        }
        RunEvent::AttemptFailed { effect, attempt, error, retry_at: None } => {
            format!("{effect} failed at attempt {attempt}, the last: {error}")
        }
        RunEvent::AttemptUnknown { effect, attempt, reason, .. } => {
            format!("nobody knows how attempt {attempt} at {effect} ended: {reason}")
        }
        RunEvent::AttemptSettled { effect, attempt, settled, detail, retry_at, .. } => {
            let detail = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            let how = match (settled, retry_at) {
                (Settled::Done, _) => "had done it",
                (Settled::NotDone, _) => "had not done it, and it is tried again",
                (Settled::Failed, _) => "counts as failed",
                (Settled::Again, _) => "is followed by another",
                (Settled::Unknown, Some(_)) => "stays unknown, and it is tried again",
                (Settled::Unknown, None) => "stays unknown until somebody decides",
            };
            format!("settled that attempt {attempt} at {effect} {how}{detail}")
        }
        RunEvent::AttemptAbandoned { effect, attempt } => {
            format!("gave up attempt {attempt} at {effect}: the run had moved on")
        }
        RunEvent::TimerFired { effect, due } => format!("{effect}: its time {} came", time(*due)),
    }
}

/// How many come before one that waits.
pub(crate) fn before_it(before: u32) -> String {
    match before {
        0 => String::new(),
        more => format!(", {more} before it"),
    }
}

/// What an effect is about, without the step that the activity names anyway:
/// `implement#1/web-1/deploy` is about `implement#1/web-1`.
fn place(effect: &EffectId) -> &str {
    let text = effect.as_str();
    text.rsplit_once('/').map_or(text, |(place, _)| place)
}

/// Those who are or were qualified, each in what, and for what that matters.
fn qualified_in(votes: &[QualifiedVote]) -> String {
    let one = |vote: &QualifiedVote| {
        let QualifiedVote { hold, rule, member, domain, until } = vote;
        let until = until.map(|until| format!(" until {}", time(until))).unwrap_or_default();
        format!("{member} in {domain}{until} (`{hold}`, {rule})")
    };
    votes.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn of_definition(event: &DefinitionEvent) -> String {
    match event {
        DefinitionEvent::StateEntered { state, visit, qualified } => {
            let again = if *visit == 1 { String::new() } else { format!(" again, time {visit}") };
            let still = match qualified.as_slice() {
                [] => String::new(),
                qualified => format!("; still qualified: {}", qualified_in(qualified)),
            };
            format!("it reached `{state}`{again}{still}")
        }
        DefinitionEvent::Blocked { state, reason } => {
            format!("it cannot go on at `{state}`: {reason}")
        }
        DefinitionEvent::HoldOpened { hold, rules, until, deadline, window, .. } => {
            let rules: Vec<_> =
                rules.iter().map(|rule| format!("{} of rule {}", rule.need, rule.rule)).collect();
            let rules =
                if rules.is_empty() { String::new() } else { format!(" for {}", rules.join(", ")) };
            let until = until.map(|at| format!(", until {}", time(at))).unwrap_or_default();
            let deadline = deadline.map(|at| format!(", expires {}", time(at))).unwrap_or_default();
            let window = window.as_ref().map(|asked| format!(", for {}", asked.in_words()));
            format!("held at `{hold}`{rules}{}{until}{deadline}", window.unwrap_or_default())
        }
        DefinitionEvent::ApprovalGranted(ballot) => ballot_in_words("approved", ballot),
        DefinitionEvent::ApprovalRejected(ballot) => ballot_in_words("rejected", ballot),
        DefinitionEvent::Vetoed(ballot) => ballot_in_words("vetoed", ballot),
        DefinitionEvent::VoteWithdrawn { hold, vote, in_place_of, reason, .. } => {
            let reason = because(reason);
            let place =
                in_place_of.as_ref().map(|place| format!(" for {place}")).unwrap_or_default();
            match vote {
                Vote::Veto => format!("lifted the veto{place} on `{hold}`{reason}"),
                Vote::Approve | Vote::Reject => {
                    format!("withdrew the vote{place} on `{hold}`{reason}")
                }
            }
        }
        DefinitionEvent::VetoOverruled { hold, roles, veto_of, reason, .. } => {
            format!("overruled the veto of {veto_of} on `{hold}`{}: {reason}", held(roles))
        }
        DefinitionEvent::Recounted { hold, needs } => {
            let needs: Vec<_> =
                needs.iter().map(|(rule, need)| format!("{need} of rule {rule}")).collect();
            format!("`{hold}` now takes {}", needs.join(", "))
        }
        DefinitionEvent::DutyOpened(Opened { duty, by, text, before, due, .. }) => {
            let before =
                before.as_ref().map(|state| format!(" before `{state}`")).unwrap_or_default();
            match due {
                Some(due) => {
                    format!("duty {duty} is owed until {} for the waiver: {text}", time(*due))
                }
                None => format!("duty {duty} is owed{before}, a condition of {by}: {text}"),
            }
        }
        DefinitionEvent::DutyDischarged { duty, roles, note, .. } => {
            format!("discharged duty {duty}{}: {note}", held(roles))
        }
        DefinitionEvent::BaselineMet(MetByRelease { hold, requirements, overridden }) => {
            let listed = |names: &BTreeSet<String>| {
                names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            };
            let (met, without) = (listed(requirements), listed(overridden));
            match (requirements.is_empty(), overridden.is_empty()) {
                (false, true) => format!("`{hold}` meets {met} of the baseline"),
                (true, _) => {
                    format!(
                        "`{hold}` goes without {without} of the baseline: its window was overridden"
                    )
                }
                (false, false) => format!(
                    "`{hold}` meets {met} of the baseline, and goes without {without}: its window was overridden"
                ),
            }
        }
        DefinitionEvent::RequirementOverridden(Overriding {
            requirement, roles, reason, ..
        }) => format!(
            "overrode `{requirement}` of the baseline for this run{}: {reason}",
            held(roles)
        ),
        DefinitionEvent::OverrideWithdrawn(OverrideEnd { requirement, roles, reason, .. }) => {
            format!(
                "withdrew the override of `{requirement}` of the baseline{}{}",
                held(roles),
                reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
            )
        }
        DefinitionEvent::BaselineHeld { state, lacking } => {
            let all: Vec<_> = lacking.iter().map(|(name, why)| format!("{name} ({why})")).collect();
            format!("the baseline keeps it before `{state}`: {}", all.join(", "))
        }
        DefinitionEvent::DutiesAwaited { before, duties } => {
            let duties: Vec<_> = duties.iter().map(ToString::to_string).collect();
            format!("it waits before `{before}` for what is owed: duty {}", duties.join(", "))
        }
        DefinitionEvent::QualificationsLapsed(Lapsing { state, approvals, again, .. }) => {
            let again = again.map(|at| format!("; they are again at {}", time(at)));
            format!(
                "it rests before `{state}`, as who approved is not qualified any more: {}{}",
                qualified_in(approvals),
                again.unwrap_or_default()
            )
        }
        DefinitionEvent::LockedDown { state, by } => {
            let by: Vec<_> =
                by.iter().map(|one| format!("{} ({})", one.lockdown, one.reason)).collect();
            format!("`{state}`: held by the lockdown {}", by.join(" and the lockdown "))
        }
        DefinitionEvent::LockdownLifted { state } => {
            format!("`{state}`: no lockdown holds it any more")
        }
        DefinitionEvent::Amended { signal_fell: true, reason, risk, .. } => {
            format!(
                "amended the input, and the signal that was taken does not count any more: {reason}{}",
                now_the_risk(risk.as_ref())
            )
        }
        DefinitionEvent::Amended { rules, reason, risk, .. } if rules.is_empty() => {
            format!("amended the input: {reason}{}", now_the_risk(risk.as_ref()))
        }
        DefinitionEvent::Amended { kept, reason, risk, .. } => {
            let kept: Vec<_> = kept.keys().map(ToString::to_string).collect();
            let kept = if kept.is_empty() {
                "no approval stands".to_owned()
            } else {
                format!("the approval of {} stands", kept.join(", "))
            };
            format!("amended the input, {kept}: {reason}{}", now_the_risk(risk.as_ref()))
        }
        DefinitionEvent::EvidenceAttached(attached) => attached_in_words(attached),
        DefinitionEvent::TaskConfirmed(Confirmation { task, roles, note, .. }) => {
            let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            format!("confirmed the task `{task}`{}{note}", held(roles))
        }
        DefinitionEvent::TaskReopened { task, roles, reason, .. } => {
            format!("reopened the task `{task}`{}: {reason}", held(roles))
        }
        DefinitionEvent::WaiverGiven { hold, roles, reason, .. } => {
            format!("waived `{hold}`{}: {reason}", held(roles))
        }
        DefinitionEvent::HoldWaived { hold, conditions, .. } => {
            let without = if conditions.is_empty() {
                "although all was met".to_owned()
            } else {
                format!("without {}", conditions.join(", "))
            };
            format!("`{hold}` was passed by a waiver, {without}")
        }
        DefinitionEvent::DutyOverdue { duty, due } => {
            format!("duty {duty} is overdue, since {}", time(*due))
        }
        DefinitionEvent::Commented { text, .. } => format!("commented: {text}"),
        DefinitionEvent::LocksRequested { hold, items } => {
            format!("`{hold}` waits for the locks on {}", some_items(items))
        }
        DefinitionEvent::LocksGranted { items, .. } => {
            format!("it holds the locks on {}", some_items(items))
        }
        DefinitionEvent::LocksReleased { items, .. } => {
            format!("gave back the locks on {}", some_items(items))
        }
        DefinitionEvent::LockBroken { item, roles, reason, .. } => {
            format!("broke the lock on {item}{}: {reason}", held(roles))
        }
        DefinitionEvent::ConflictsChecked { hold, found } => {
            let named = |first: bool| {
                let all = found.with.iter().filter(|one| one.first == first);
                let numbers: Vec<String> = all.map(|one| one.number.to_string()).collect();
                a_few(&numbers.iter().map(String::as_str).collect::<Vec<_>>())
            };
            let (first, others) = (named(true), named(false));
            let mut parts = Vec::new();
            if !first.is_empty() {
                parts.push(format!("with the runs {}, which go first", first));
            }
            if !others.is_empty() {
                parts.push(format!("with the runs {}, before which it goes", others));
            }
            let with = if parts.is_empty() { "none".to_owned() } else { parts.join(" and ") };
            format!("looked for conflicts before releasing `{hold}`: {with}")
        }
        DefinitionEvent::ConflictAccepted { hold, number, roles, reason, .. } => {
            format!("accepted the conflict of `{hold}` with run {number}{}: {reason}", held(roles))
        }
        DefinitionEvent::WindowAwaited { state, outlook } => {
            let why = outlook.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            match outlook.opens {
                Some(opens) => {
                    let closes = outlook.closes.map(|at| format!(" to {}", time(at)));
                    format!(
                        "`{state}` waits for its window{why}, from {}{}",
                        time(opens),
                        closes.unwrap_or_default()
                    )
                }
                None => format!("`{state}` waits for a window, and none is known{why}"),
            }
        }
        DefinitionEvent::WindowOpened { state, window } => match window.closes {
            Some(closes) => format!("the window of `{state}` was open, until {}", time(closes)),
            None => format!("the window of `{state}` was open"),
        },
        DefinitionEvent::WindowOverridden { state, roles, reason, outlook, .. } => {
            let why = outlook.why.as_ref().map(|why| format!(", closed as {why}"));
            format!(
                "overrode the window of `{state}`{}{}: {reason}",
                held(roles),
                why.unwrap_or_default()
            )
        }
        DefinitionEvent::WaitElapsed { hold } => format!("the wait of `{hold}` is over"),
        DefinitionEvent::RiskAssessed(risk) => {
            format!("its risk is {}", risk_in_words(risk))
        }
        DefinitionEvent::CheckTold { hold, check, verdict, detail, next, .. } => {
            let what = match verdict {
                Verdict::Passed => "passed",
                Verdict::Failed => "failed",
                Verdict::Inconclusive => "told nothing",
            };
            let detail = detail.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let next = next.map(|at| format!("; it is made again {}", time(at)));
            format!("the check `{check}` of `{hold}` {what}{detail}{}", next.unwrap_or_default())
        }
        DefinitionEvent::CheckAsked { hold, check, because, .. } => match because {
            Because::Due => format!("the check `{check}` of `{hold}` is made again"),
            Because::Stale => {
                format!(
                    "the check `{check}` of `{hold}` had passed too long ago, and is made again"
                )
            }
            Because::Asked => format!("had the check `{check}` of `{hold}` made again"),
        },
        DefinitionEvent::HoldFailed { hold, check } => {
            format!("`{hold}` has failed by the check `{check}`")
        }
        DefinitionEvent::SignalReceived { name, data, .. } if data.is_null() => {
            format!("signalled `{name}`")
        }
        DefinitionEvent::SignalReceived { name, data, .. } => format!("signalled `{name}`: {data}"),
        DefinitionEvent::SignalConsumed { hold, name, .. } => {
            format!("`{hold}` took the signal `{name}`")
        }
        DefinitionEvent::HoldReleased { hold } => format!("`{hold}` was released"),
        DefinitionEvent::HoldRejected { hold, member } => {
            format!("`{hold}` was rejected by {member}")
        }
        DefinitionEvent::Objected { hold, roles, reason, .. } => {
            format!("objected to `{hold}`{}: {reason}", held(roles))
        }
        DefinitionEvent::NotObjected { hold, until } => {
            format!("nobody objected to `{hold}` before {}", time(*until))
        }
        DefinitionEvent::Reminded { hold, reminder, to, .. } => {
            let to: Vec<_> = to.iter().map(ToString::to_string).collect();
            let to = if to.is_empty() { "nobody can approve".to_owned() } else { to.join(", ") };
            format!("reminder {reminder} of `{hold}`: {to}")
        }
        DefinitionEvent::Escalated { hold, to } => {
            format!("`{hold}` may be approved by {} as well", to.join(", "))
        }
        DefinitionEvent::HoldExpired { hold, deadline } => {
            format!("`{hold}` expired: nobody decided before {}", time(*deadline))
        }
        DefinitionEvent::WorkRequested { state, activity, .. } => {
            format!("`{state}` asked for `{activity}`")
        }
        DefinitionEvent::WorkSucceeded { state, .. } => format!("the work of `{state}` succeeded"),
        DefinitionEvent::WorkFailed { state, reason } => {
            format!("the work of `{state}` failed: {reason}")
        }
        DefinitionEvent::Replanned { hold, plans, drift, fell, .. } => {
            let how: Vec<_> = drift.values().map(PlanDrift::in_words).collect();
            let how = if how.is_empty() { String::new() } else { format!(" ({})", how.join("; ")) };
            let fell: Vec<_> = fell.iter().map(ToString::to_string).collect();
            let fell = match fell.as_slice() {
                [] => String::new(),
                fell => format!("; what {} had decided counts no more", fell.join(", ")),
            };
            let none = if plans.is_empty() { " to none" } else { "" };
            format!(
                "the inventory has changed the plan that `{hold}` is asked about{none}{how}{fell}"
            )
        }
        DefinitionEvent::RolloutDrifted { state, problem: Some(why), .. } => {
            format!("`{state}` did not begin: there is no plan of it: {why}")
        }
        DefinitionEvent::RolloutDrifted { state, approved: Some(_), drift, .. } => {
            let how = drift.as_ref().map(|drift| format!(" ({})", drift.in_words()));
            format!(
                "`{state}` did not begin: its plan is not the one that was released{}",
                how.unwrap_or_default()
            )
        }
        DefinitionEvent::RolloutDrifted { state, approved: None, .. } => {
            format!("`{state}` did not begin: no plan of it was released")
        }
        DefinitionEvent::WorkExpired { state, deadline } => {
            format!("the work of `{state}` was not done before {}", time(*deadline))
        }
        DefinitionEvent::Expired { state, deadline } => {
            format!("its time was over at `{state}`, since {}", time(*deadline))
        }
        DefinitionEvent::RolloutStarted { targets, waves, .. } => {
            let ends: Vec<_> = waves.iter().map(ToString::to_string).collect();
            format!(
                "the rollout to {} began, in {} up to {}",
                count(targets.len() as u64, "target"),
                count(waves.len() as u64, "wave"),
                ends.join(", ")
            )
        }
        DefinitionEvent::WaveStarted { wave, targets, .. } => {
            format!("wave {wave} began, with {}", count(*targets, "target"))
        }
        DefinitionEvent::TargetDeployed(of) => about("was deployed to", of),
        DefinitionEvent::TargetHealthy(of) => about("is healthy", of),
        DefinitionEvent::TargetFailed(of) => about("failed", of),
        DefinitionEvent::TargetInconclusive(of) => {
            about("is in doubt, and a person must decide", of)
        }
        DefinitionEvent::TargetRechecked(of) => about("is to be checked again", of),
        DefinitionEvent::RolloutStopped { reason, .. } => {
            format!("the rollout goes no further, and is not undone: {reason}")
        }
        DefinitionEvent::UndoStarted { reason, over, .. } => {
            let over: Vec<String> = over.iter().map(ToString::to_string).collect();
            let over: Vec<&str> = over.iter().map(String::as_str).collect();
            let over = if over.is_empty() {
                String::new()
            } else {
                format!(", over what was done since by {}", a_few(&over))
            };
            format!("the rollout is being undone, the last target first{over}: {reason}")
        }
        DefinitionEvent::TargetRestored(of) => about("was restored", of),
        DefinitionEvent::TargetStuck(of) => {
            about("could not be restored, and a person must decide", of)
        }
        DefinitionEvent::TargetRetried(of) => about("is to be tried again", of),
        DefinitionEvent::TargetTakenOver(of) => about("was taken over by a person", of),
        DefinitionEvent::TargetSkipped(of) => about("was skipped", of),
        DefinitionEvent::TargetStepDone { of, step } => {
            about(&format!("passed the step `{step}`"), of)
        }
        DefinitionEvent::BakeStarted { wave, until, .. } => {
            format!("wave {wave} is done and bakes until {}", time(*until))
        }
        DefinitionEvent::BakeEnded { wave, .. } => format!("the bake of wave {wave} is over"),
        DefinitionEvent::RolloutHeld { wave, from, need, .. } => {
            format!("held after wave {wave} until {need} of {} promote it", from.join(", "))
        }
        DefinitionEvent::Promoted { wave, past, roles, reason, .. } => {
            let past = match past {
                Past::Bake => "the rest of its bake",
                Past::Hold => "the hold",
            };
            format!("promoted it past {past} after wave {wave}{}{}", held(roles), because(reason))
        }
        DefinitionEvent::RolloutPaused { reason, .. } => format!("paused the rollout: {reason}"),
        DefinitionEvent::RolloutResumed { reason, .. } => {
            format!("resumed the rollout{}", because(reason))
        }
        DefinitionEvent::NotBegun { targets, .. } => {
            let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
            format!("nothing had begun at {}, and nothing does now", a_few(&targets))
        }
        DefinitionEvent::RolloutFinished { outcome, .. } => {
            format!("the rollout is over: {}", outcome.replace('_', " "))
        }
        DefinitionEvent::ChildRequested { state, definition, version, .. } => {
            let version = version.map(|version| format!(" v{version}")).unwrap_or_default();
            format!("`{state}` asked for a run of {definition}{version}")
        }
        DefinitionEvent::ChildStopping { state, reason, .. } => {
            format!("the run that `{state}` asked for is to be stopped: {reason}")
        }
        DefinitionEvent::BranchesStarted { state, branches } => {
            format!("the branches of `{state}` began side by side: {}", branches.join(", "))
        }
        DefinitionEvent::BranchesStopping { state, reason } => {
            format!("the branches of `{state}` that are under way are stopped: {reason}")
        }
        DefinitionEvent::BranchEnded { branch, outcome, .. } => {
            format!("the branch {branch} ended: {outcome}")
        }
        DefinitionEvent::BranchStopped { state, branch } => {
            format!("the branch {branch} was stopped at `{state}`")
        }
        DefinitionEvent::BranchesJoined { state, outcome } => {
            format!("the branches of `{state}` joined: {outcome}")
        }
        DefinitionEvent::Cancelled { state, reason } => {
            format!("cancelled it at `{state}`: {reason}")
        }
        DefinitionEvent::Ended { outcome } => format!("it ended: {outcome}"),
    }
}

fn ballot_in_words(done: &str, ballot: &Ballot) -> String {
    let mut by: Vec<_> = ballot.roles.iter().map(|role| format!("role {role}")).collect();
    by.extend(ballot.qualified.iter().map(|domain| format!("qualified in {domain}")));
    if let Some(place) = &ballot.in_place_of {
        by.push(format!(
            "for {}: substitution {}, until {} UTC",
            place.member,
            place.substitution,
            time(place.until)
        ));
        by.extend(place.roles.iter().map(|role| format!("role {role} of {}", place.member)));
    }
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
    let reason = ballot.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let duties: Vec<_> = ballot
        .duties
        .iter()
        .map(|duty| match &duty.before {
            Some(before) => format!("{} (before `{before}`)", duty.text),
            None => duty.text.clone(),
        })
        .collect();
    let duties = match duties.as_slice() {
        [] => String::new(),
        duties => format!(", on condition of: {}", duties.join("; ")),
    };
    format!("{done} `{}`{by}{duties}{reason}", ballot.hold)
}

fn attached_in_words(attached: &Attached) -> String {
    let Attached { evidence, roles, digest, size, file, reference, note, reset, .. } = attached;
    let what = match (file, reference, size) {
        (_, Some(reference), _) => format!("{reference}, "),
        (Some(file), None, Some(size)) => format!("{file}, {}, ", count(*size, "byte")),
        _ => String::new(),
    };
    let reset: Vec<_> = reset.values().flatten().map(ToString::to_string).collect();
    let reset = match reset.as_slice() {
        [] => String::new(),
        members => format!("; the approval of {} stands no more", members.join(", ")),
    };
    let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("attached the evidence `{evidence}`{} ({what}{digest}){reset}{note}", held(roles))
}

/// A risk that was told, in words.
fn risk_in_words(risk: &Risk) -> String {
    let Risk { level, score, factors, by_points, at_least, .. } = risk;
    let of = phrase_of_risk(*score, factors, by_points.as_deref(), at_least.as_deref());
    format!("{level}, with {of}")
}

fn now_the_risk(risk: Option<&Risk>) -> String {
    risk.map(|risk| format!("; its risk is {}", risk_in_words(risk))).unwrap_or_default()
}

/// The roles that somebody held, in words.
fn held(roles: &BTreeSet<RoleName>) -> String {
    let roles: Vec<_> = roles.iter().map(|role| format!("role {role}")).collect();
    if roles.is_empty() { String::new() } else { format!(" ({})", roles.join(", ")) }
}

fn because(reason: &Option<String>) -> String {
    reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
}

fn about(what: &str, of: &OfTarget) -> String {
    let detail = of.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{} (wave {}) {what}{detail}", of.target, of.wave)
}

/// `acme.expense.claimed` with its data, as `expense claimed: cents 1200`.
fn of_any(event: &Event) -> String {
    let words: Vec<_> = event.kind.as_str().split('.').skip(1).collect();
    let what = if words.is_empty() { event.kind.as_str().to_owned() } else { words.join(" ") };
    let members: Vec<_> = match event.data.read::<Value>() {
        Ok(Value::Object(members)) => members
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => format!("{key} {text}"),
                other => format!("{key} {other}"),
            })
            .collect(),
        Ok(other) => vec![other.to_string()],
        Err(_) => vec![event.data.as_str().to_owned()],
    };
    let what = what.replace('_', " ");
    if members.is_empty() { what } else { format!("{what}: {}", members.join(", ")) }
}
