//! A definition in plain sentences.

use serde_json::Value;

use crate::{
    check,
    child::{ChildModel, Stopped},
    conflicting,
    hold_check::{Check, OnFail},
    hold_model::{Amended, Approval, Approver, Exclusion, Hold, Need, Roster, Rule, Wait, listed},
    locking,
    model::{Model, StateKind, StateModel, Target},
    parallel_model::All,
    phrase,
    rollout_model::{Order, Rollout},
    substitutes::Substitutes,
    tasks::Task,
    waiver::{Waivable, Waiver},
    window_model::{HoldWindow, Missed},
};

/// The definition in plain sentences: what is submitted, and then every state in the order of the
/// file.
pub(crate) fn explain(model: &Model) -> String {
    let mut text = format!("{} (`{}`, version {})\n\n", model.title, model.name, model.version);
    text.push_str(&submitted(&model.schema));
    if let Some(risk) = &model.risk {
        text.push_str("Its risk follows from what is submitted:\n");
        text.extend(risk.in_words().iter().map(|line| format!("  {line}\n")));
    }
    text.push_str(&format!("A run begins in `{}`.\n", model.start.name));
    let mut states: Vec<_> = model.states.iter().collect();
    states.sort_by_key(|(_, state)| state.span.start);
    for (name, state) in states {
        // Where a run ends was said where it comes from.
        if matches!(state.kind, StateKind::End { .. }) && *name != model.start.name {
            continue;
        }
        text.push_str(&format!("\n{name}\n"));
        let mut sentences = of_state(state);
        if let Some(within) = &state.within {
            let (branch, all) = (&within.branch, &within.all);
            sentences.insert(0, format!("In the branch `{branch}` of `{all}`:"));
        }
        if let Some(span) = state.expires {
            let then = match state.kind {
                StateKind::Rollout(_) => "it is turned round",
                StateKind::All(_) => "its branches are stopped",
                _ => "it is given up",
            };
            sentences.push(format!("After {} {then}.", phrase::duration(span)));
        }
        if state.unlock {
            sentences.push("The locks that the run holds are given back.".to_owned());
        }
        sentences.extend(onward(model, name, state));
        text.extend(sentences.iter().map(|sentence| format!("  {sentence}\n")));
    }
    if let Some((after, to)) = &model.expires {
        text.push_str(&format!(
            "\nA run that has not ended {} after its submission ends in `{}`, wherever it is.\n",
            phrase::duration(*after),
            to.name
        ));
    }
    text.push_str(
        "\nThe requester and members with the role owner can cancel a run at any time, with a reason.\n",
    );
    text
}

fn submitted(schema: &Value) -> String {
    let properties = schema.get("properties").and_then(Value::as_object);
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        let open = schema.get("additionalProperties") != Some(&Value::Bool(false));
        let what = if open { "anything that fits its schema" } else { "nothing" };
        return format!("What is submitted: {what}.\n");
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut text = "What is submitted:\n".to_owned();
    for (name, property) in properties {
        let mut line = format!("  - {name}: {}", type_of(property));
        match property.get("default") {
            Some(default) => line.push_str(&format!("; {} when left out", plain(default))),
            None if required.contains(&name.as_str()) => {}
            None => line.push_str("; may be left out"),
        }
        if let Some(about) = property.get("description").and_then(Value::as_str) {
            line.push_str(&format!(" ({about})"));
        }
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// What a schema asks for, in a few words.
fn type_of(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return phrase::joined(&values.iter().map(plain).collect::<Vec<_>>(), "or");
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "a text".to_owned(),
        Some("integer") => "a whole number".to_owned(),
        Some("number") => "a number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => match schema.get("items").map(type_of).as_deref() {
            Some("a text") => "a list of texts".to_owned(),
            Some("a whole number" | "a number") => "a list of numbers".to_owned(),
            _ => "a list".to_owned(),
        },
        Some("object") => "a mapping".to_owned(),
        _ => "a value".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn of_state(state: &StateModel) -> Vec<String> {
    match &state.kind {
        StateKind::Hold(hold) => of_hold(hold),
        StateKind::Activity(work) => {
            let mut sentences = vec![format!("A worker does {}.", phrase::work(work))];
            if let Some(window) = &work.window {
                sentences.push(format!(
                    "It begins in {}; when that closes, {}.",
                    phrase::times(&window.times),
                    phrase::closing_alone(window.closes)
                ));
                sentences.extend(may_override(&window.overriders, &window.not));
            }
            sentences
        }
        StateKind::Rollout(rollout) => of_rollout(rollout),
        StateKind::Choose { branches, otherwise } => {
            let mut sentences: Vec<String> = branches
                .iter()
                .map(|(when, to)| {
                    format!("Where `{}`, the run goes on in `{}`.", when.text(), to.name)
                })
                .collect();
            sentences.push(format!("Otherwise it goes on in `{}`.", otherwise.name));
            sentences
        }
        StateKind::Child(child) => of_child(child),
        StateKind::All(all) => of_all(all),
        StateKind::End { outcome } => vec![format!("The run is over: {outcome}.")],
    }
}

fn of_child(child: &ChildModel) -> Vec<String> {
    let good: Vec<String> = child.good.iter().cloned().collect();
    vec![
        format!(
            "A run of `{}` is started with {}, for the same requester; it succeeds when that ends with {}.",
            phrase::run(child),
            phrase::tree(&child.input),
            phrase::joined(&good, "or")
        ),
        match child.stopped {
            Stopped::Cancel => {
                "Where this run is stopped first, that one is cancelled, and its end waited for."
            }
            Stopped::Leave => "Where this run is stopped first, that one goes on by itself.",
        }
        .to_owned(),
    ]
}

fn of_all(all: &All) -> Vec<String> {
    let begins = |(name, start): (&String, &Target)| format!("`{name}` from `{}`", start.name);
    let branches: Vec<String> = all.branches.iter().map(begins).collect();
    vec![
        format!("Side by side the run goes through {}.", phrase::joined(&branches, "and")),
        format!("It is completed when {}; {}.", phrase::join(all), phrase::others(all)),
    ]
}

fn of_hold(hold: &Hold) -> Vec<String> {
    let mut sentences = vec!["The run is held.".to_owned()];
    if let Some(approval) = &hold.approval {
        sentences.extend(of_approval(approval));
    }
    if let Some(witness) = &hold.witness {
        sentences.push(format!(
            "For {} {} may object, with a reason; if nobody does, that is met by itself.",
            phrase::duration(witness.span),
            phrase::approvers(&witness.from)
        ));
    }
    sentences.extend(hold.evidence.iter().map(|demand| {
        let when = demand
            .when
            .as_ref()
            .map(|when| format!("Where `{}`, it", when.text()))
            .unwrap_or_else(|| "It".to_owned());
        let parts = phrase::demand(demand);
        let parts =
            if parts.is_empty() { String::new() } else { format!(", {}", parts.join(", ")) };
        format!("{when} waits for the evidence `{}`{parts}.", demand.name)
    }));
    sentences.extend(hold.tasks.iter().map(of_task));
    sentences.extend(hold.checks.iter().map(of_check));
    match &hold.wait {
        None => {}
        Some(Wait::For(span)) => {
            sentences.push(format!("It waits for {} from then on.", phrase::term(span)));
        }
        Some(Wait::Until(at)) => {
            sentences.push(format!("It waits until {}.", phrase::template(at)));
        }
    }
    if let Some(signal) = &hold.signal {
        let when = signal
            .when
            .as_ref()
            .map(|when| format!(", with data for which `{}`", when.text()))
            .unwrap_or_default();
        let by = signal.senders.words().map(|by| format!(", sent by {by}")).unwrap_or_default();
        sentences.push(format!("It waits for the signal `{}`{when}{by}.", signal.name));
    }
    if let Some(window) = &hold.window {
        sentences.extend(of_window(window));
    }
    sentences.extend(hold.conflicts.as_ref().map(conflicting::sentence));
    if let Some(lock) = &hold.lock {
        sentences.push(format!(
            "When it has all else it waits for {}, which it holds until the run ends or unlocks them; {} may break one.",
            locking::words(lock),
            locking::breakers(lock)
        ));
    }
    sentences.extend(hold.waiver.iter().flat_map(of_waiver));
    let spans: Vec<String> = hold.expiries().map(phrase::term).collect();
    match spans.as_slice() {
        [] => {}
        [only] => sentences.push(format!("After {only} it expires.")),
        several => sentences.push(format!(
            "After {} it expires, whichever comes first.",
            phrase::joined(several, "or")
        )),
    }
    sentences
}

fn of_task(task: &Task) -> String {
    let when =
        task.when.as_ref().map(|when| format!("Where `{}`, ", when.text())).unwrap_or_default();
    let twice = match task.need {
        1 => String::new(),
        need => format!("{need} of "),
    };
    let note = if task.noted { ", with a note" } else { "" };
    format!(
        "{when}{twice}{} must confirm the task `{}`{note}: {}.",
        phrase::approvers(&task.from),
        task.name,
        task.title.text()
    )
}

fn of_check(check: &Check) -> String {
    let when =
        check.when.as_ref().map(|when| format!("Where `{}`, ", when.text())).unwrap_or_default();
    let times = check.attempts.map(|times| format!(", {times} times in all")).unwrap_or_default();
    let again = match &check.every {
        None => "; it is made once".to_owned(),
        Some(every) => {
            format!("; until it passes it is made again after {}{times}", phrase::timed(every))
        }
    };
    let fails = match check.on_fail {
        OnFail::Wait => ", and a person may have it made again",
        OnFail::Refuse => ", and when it fails the last time the hold fails",
    };
    let valid = check
        .valid
        .as_ref()
        .map(|span| {
            let span = phrase::timed(span);
            format!("; one that passed {span} ago is made again before the run goes on")
        })
        .unwrap_or_default();
    let (name, must) = (&check.name, check.health.must());
    format!("{when}the check `{name}` must pass: {must}{again}{fails}{valid}.")
}

fn of_waiver(waiver: &Waiver) -> Vec<String> {
    let scope: Vec<String> = waiver.scope.iter().map(|one| one.as_str().to_owned()).collect();
    let scope = if waiver.scope.len() == Waivable::ALL.len() {
        "all of that".to_owned()
    } else {
        format!("the {}", phrase::joined(&scope, "and"))
    };
    let who = match waiver.need {
        1 => phrase::approvers(&waiver.from),
        need => format!("{need} of {}", phrase::approvers(&waiver.from)),
    };
    let mut sentences = vec![format!("In an emergency {who} can waive {scope}, with a reason.")];
    sentences.extend(waiver.duties.iter().map(|owed| {
        format!(
            "For that {} is owed within {}, which {} must say has been done.",
            owed.text,
            phrase::duration(owed.within),
            phrase::approvers(&owed.from)
        )
    }));
    sentences
}

fn of_window(window: &HoldWindow) -> Vec<String> {
    let fits = window
        .fits
        .as_ref()
        .map(|span| format!(" into what is left of which work of {} fits", phrase::timed(span)));
    let mut sentences = vec![format!(
        "When all else is there it waits for {}{}.",
        phrase::times(&window.times),
        fits.unwrap_or_default()
    )];
    if window.missed == Missed::Expire {
        sentences.push("When the first one is over, or when there is none, it expires.".to_owned());
    }
    sentences.extend(may_override(&window.overriders, &window.not));
    sentences
}

fn may_override(overriders: &[Approver], not: &[Exclusion]) -> Option<String> {
    let whom = (!overriders.is_empty()).then(|| phrase::overriders(overriders, not))?;
    Some(format!("{whom} may let it go on while that is closed, with a reason."))
}

fn of_approval(approval: &Approval) -> Vec<String> {
    let mut sentences = vec![match approval.rules.len() {
        1 => "People must agree:".to_owned(),
        _ => "People must agree, under every rule that applies; each approval fills one seat:"
            .to_owned(),
    }];
    sentences.extend(approval.rules.iter().map(of_rule));
    sentences.extend(approval.not.iter().map(|exclusion| {
        let done = match exclusion {
            Exclusion::Requester => "submitted",
            Exclusion::Editors => "amended",
            Exclusion::Executors => "carried out",
        };
        format!("Nobody decides on a run that they have {done}.")
    }));
    sentences.push("One rejection, with a reason, is enough to reject.".to_owned());
    sentences.extend(of_the_rest(approval));
    sentences
}

fn of_the_rest(approval: &Approval) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(veto) = &approval.veto {
        sentences.push(format!(
            "A veto of {} holds it until its author lifts it or {} overrules it, with a reason.",
            phrase::approvers(&veto.from),
            phrase::approvers(&veto.overrule)
        ));
    }
    if let Some(dischargers) = &approval.duties {
        sentences.push(format!(
            "An approval can be given on conditions, which {} must say have been met.",
            listed(dischargers)
        ));
    }
    match approval.amended {
        None => {}
        Some(Amended::Reset) => {
            sentences.push("When the input is amended, approvals do not count any more.".to_owned())
        }
        Some(Amended::Subset) => sentences.push(
            "When the input is amended, approvals stand where the new one asks for no more."
                .to_owned(),
        ),
        Some(Amended::Keep) => {
            sentences.push("When the input is amended, approvals stand.".to_owned());
        }
    }
    match approval.drifted {
        None | Some((Amended::Reset, _)) => {}
        Some((Amended::Subset, _)) => sentences.push(
            "When the inventory takes targets out of the plan, and changes nothing else, approvals stand."
                .to_owned(),
        ),
        Some((Amended::Keep, _)) => {
            sentences.push("When the inventory changes the plan, approvals stand.".to_owned());
        }
    }
    sentences.push(
        match approval.substitutes() {
            Substitutes::Never => "Nobody votes in the place of another.",
            Substitutes::Once => "Whoever votes in the place of others counts once.",
            Substitutes::Each => "Whoever votes in the place of others counts for each of them.",
        }
        .to_owned(),
    );
    if let Some(times) = &approval.remind {
        sentences.push(format!("Who could approve is reminded {}.", phrase::remind(times)));
    }
    if let Some(escalate) = &approval.escalate {
        sentences.push(format!(
            "After {}, {} may approve as well, under every rule; as many are needed as before.",
            phrase::term(&escalate.after),
            phrase::approvers(&escalate.to)
        ));
    }
    sentences
}

fn of_rule(rule: &Rule) -> String {
    let when = rule
        .when
        .as_ref()
        .map(|when| format!("only where `{}`, ", when.text()))
        .unwrap_or_default();
    let approvals = match &rule.need {
        Need::Fixed(1) => "1 approval".to_owned(),
        Need::Fixed(count) => format!("{count} approvals"),
        Need::Share(_) => format!("the approval of {}", phrase::need(&rule.need)),
        Need::Computed(_) => format!("as many approvals as `{}` gives,", phrase::need(&rule.need)),
    };
    let by = if matches!(rule.need, Need::Share(_)) { "of" } else { "by" };
    let roster = match (&rule.need, rule.roster) {
        (Need::Share(_), roster) => format!(", of {}", phrase::roster(roster)),
        (_, Roster::Opening) => format!(", among {}", phrase::roster(rule.roster)),
        (_, Roster::Now) => String::new(),
    };
    let before: Vec<String> = rule.after.iter().map(|named| named.name.clone()).collect();
    let after = if before.is_empty() {
        String::new()
    } else {
        format!(", after {}", phrase::joined(&before, "and"))
    };
    format!("- {}: {when}{approvals} {by} {}{roster}{after}.", rule.name, phrase::who(rule))
}

fn of_rollout(rollout: &Rollout) -> Vec<String> {
    let mut sentences = of_targets(rollout);
    if let Some(health) = &rollout.healthy {
        sentences.push(format!(
            "Then {} for {}, asked every {}{}.",
            health.must(),
            phrase::timed(&health.span),
            phrase::timed(&health.every),
            health.limits()
        ));
    }
    for entry in rollout.waves.iter().filter(|entry| phrase::has_gate(&entry.gate)) {
        sentences.push(format!(
            "After the wave that ends at {}: {}.",
            phrase::wave(entry.end),
            phrase::gate(&entry.gate)
        ));
    }
    if let Some(switch) = &rollout.switch {
        sentences.push(format!(
            "When all are done, a worker does {}; undone by {}.",
            phrase::work(&switch.to),
            phrase::work(&switch.back)
        ));
        if phrase::has_gate(&switch.gate) {
            sentences.push(format!("After that: {}.", phrase::gate(&switch.gate)));
        }
    }
    let failures = match rollout.max_failed {
        1 => "the first target that fails".to_owned(),
        count => format!("{count} failed targets"),
    };
    sentences.push(match &rollout.rollback {
        Some(work) => format!(
            "With {failures} it is turned round: what was begun is restored in reverse order{}, by {}.",
            undo_pace(rollout),
            phrase::work(work)
        ),
        None if rollout.can_undo() => {
            format!("With {failures} it is turned round: the switch is undone, the targets are not.")
        }
        None => format!("With {failures} it goes no further, and nothing is restored."),
    });
    if let Some(window) = &rollout.window {
        sentences.push(format!(
            "Targets are begun with in {}; when that closes, {}.",
            phrase::times(&window.times),
            phrase::closing(window.closes)
        ));
        sentences.extend(may_override(&window.overriders, &window.not));
    }
    sentences.push(format!("It is steered by {}.", listed(&rollout.control)));
    if let Some(hold) = &rollout.approved_at {
        sentences
            .push(format!("It begins only with the plan with which `{}` was released.", hold.name));
    }
    sentences
}

fn undo_pace(rollout: &Rollout) -> String {
    let mut pace = match rollout.undo_parallel {
        1 => String::new(),
        many => format!(", {} at once", phrase::parallel(many)),
    };
    if !rollout.undo_waves.is_empty() {
        let waves: Vec<String> =
            rollout.undo_waves.iter().map(|wave| phrase::wave(*wave)).collect();
        pace.push_str(&format!(", in waves that end at {}", waves.join(", ")));
    }
    pace
}

fn of_targets(rollout: &Rollout) -> Vec<String> {
    let targets = rollout.targets.words();
    let mut sentences = match &rollout.steps {
        None => vec![format!(
            "At each target of {targets} a worker does {}.",
            phrase::work(&rollout.each)
        )],
        Some(steps) => {
            let step = |what: &str, work| format!("  {what}: {}.", phrase::work(work));
            let mut all = vec![format!("At each target of {targets}, one after the other:")];
            all.extend(steps.pre_check.iter().map(|work| step("pre-check", work)));
            all.extend(steps.drain.iter().map(|(drain, _)| step("out of service", drain)));
            all.push(step("deploy", &rollout.each));
            all.extend(steps.verify.iter().map(|work| step("verify", work)));
            all.extend(steps.drain.iter().map(|(_, undrain)| step("into service", undrain)));
            all.push("A target at which a step fails is undone at once.".to_owned());
            all
        }
    };
    if rollout.order == Order::Name {
        sentences.push("They come in the order of their names.".to_owned());
    }
    if let Some(first) = &rollout.first {
        sentences.push(format!("Those of {} come first.", phrase::tree(first)));
    }
    let at_once = match rollout.max_parallel {
        u32::MAX => "all of a wave".to_owned(),
        many => format!("at most {many}"),
    };
    sentences.push(format!(
        "The waves end at {} of all targets; {at_once} are worked on at once.",
        phrase::waves(&rollout.waves)
    ));
    if let Some(most) = rollout.max_unavailable {
        sentences.push(format!("At most {} are out of service at once.", phrase::most(most)));
    }
    sentences
}

/// Where the outcomes of a state lead.
fn onward(model: &Model, name: &str, state: &StateModel) -> Vec<String> {
    check::outcomes(model, name, state)
        .into_iter()
        .filter_map(|outcome| {
            let to = state.on.get(outcome)?;
            let said = outcome.replace('_', " ");
            let next = model.states.get(&to.name);
            Some(match next.map(|next| (&next.kind, &next.within)) {
                Some((StateKind::End { outcome }, Some(_))) => {
                    format!("When {said}, the branch is over: {outcome}.")
                }
                Some((StateKind::End { outcome }, None)) => {
                    format!("When {said}, the run is over: {outcome}.")
                }
                _ => format!("When {said}, it goes on in `{}`.", to.name),
            })
        })
        .collect()
}
