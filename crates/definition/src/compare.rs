//! What differs in meaning between two definitions, whatever their texts look like.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    check,
    child::ChildModel,
    conflicting::{Conflicts, OnConflict},
    expr::Expr,
    hold_check::Check,
    hold_model::{Amended, Approval, Approver, Exclusion, Hold, Rule, Wait, Witness, listed},
    locking,
    model::{Model, Settle, StateKind, StateModel, Work},
    parallel_model::All,
    phrase,
    risk::{Factor, Method, RiskModel},
    rollout_model::{Order, Rollout},
    settlers,
    substitutes::Substitutes,
    tasks::Task,
    waiver::{Afterwards, Waiver},
    window_model::{HoldWindow, Missed, WorkWindow},
};

/// A difference in meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about: the name of a state, `input`, or `definition`.
    pub place: String,
    /// Which property of it, such as `rule peer: who may vote`.
    pub what: String,
    /// What it was; `None` where there was none.
    pub before: Option<String>,
    /// What it is; `None` where there is none any more.
    pub after: Option<String>,
}

/// The meaning of a place, property by property.
pub(crate) type Facts = BTreeMap<String, String>;

/// What is different in `after`, in the order of its file; what is gone comes last.
pub(crate) fn compare(before: &Model, after: &Model) -> Vec<Change> {
    let (old, new) = (places(before), places(after));
    let gone = old.iter().filter(|(place, _)| !new.iter().any(|(other, _)| other == place));
    let order: Vec<&String> =
        new.iter().map(|(place, _)| place).chain(gone.map(|(place, _)| place)).collect();
    let of = |all: &[(String, Facts)], wanted: &String| {
        all.iter().find(|(place, _)| place == wanted).map(|(_, facts)| facts.clone())
    };
    let mut changes = Vec::new();
    for place in order {
        let (old, new) = (of(&old, place).unwrap_or_default(), of(&new, place).unwrap_or_default());
        changes.extend(self::changes(place, &old, &new));
    }
    changes
}

/// What is different at one place.
pub(crate) fn changes(place: &str, old: &Facts, new: &Facts) -> Vec<Change> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    let change = |name: &String| Change {
        place: place.to_owned(),
        what: name.clone(),
        before: old.get(name).cloned(),
        after: new.get(name).cloned(),
    };
    differing.map(change).collect()
}

fn places(model: &Model) -> Vec<(String, Facts)> {
    let mut places = vec![
        (
            "definition".to_owned(),
            facts([
                ("name", model.name.to_string()),
                ("version", model.version.to_string()),
                ("title", model.title.clone()),
                ("start", model.start.name.clone()),
            ]),
        ),
        ("input".to_owned(), input(&model.schema)),
    ];
    if let (Some((after, to)), Some((_, facts))) = (&model.expires, places.first_mut()) {
        let ends = format!("in {} after {}", to.name, phrase::duration(*after));
        facts.insert("a run ends by itself".to_owned(), ends);
    }
    if let (Some(risk), Some((_, facts))) = (&model.risk, places.first_mut()) {
        facts.extend(of_risk(risk));
    }
    let mut states: Vec<_> = model.states.iter().collect();
    states.sort_by_key(|(_, state)| state.span.start);
    places.extend(
        states
            .into_iter()
            .map(|(name, state)| (format!("state {name}"), of_state(model, name, state))),
    );
    places
}

fn of_risk(risk: &RiskModel) -> Facts {
    let RiskModel { method, levels: _, at_least } = risk;
    let mut found = facts([("risk: levels", risk.levels_in_words())]);
    if let Some(at_least) = at_least {
        found.insert("risk: at least".to_owned(), at_least.text().to_owned());
    }
    match method {
        Method::Score(score) => {
            found.insert("risk: points".to_owned(), score.text().to_owned());
        }
        Method::Factors(all) => found.extend(all.iter().map(|Factor { name, cases }| {
            let case = |(when, points): &(Expr, i64)| format!("{points} where {}", when.text());
            let cases: Vec<String> = cases.iter().map(case).collect();
            (format!("risk: factor {name}"), cases.join(", else "))
        })),
    }
    found
}

pub(crate) fn facts<const N: usize>(all: [(&str, String); N]) -> Facts {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What is listed, in an order of its own: how often and in which order it stands in the file means
/// nothing.
pub(crate) fn set(items: impl IntoIterator<Item = String>) -> Vec<String> {
    items.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn any_of(people: &[impl ToString]) -> String {
    phrase::joined(&set(people.iter().map(ToString::to_string)), "or")
}

/// A schema: its members one by one, and the rest as it is written.
fn input(schema: &Value) -> Facts {
    let mut found = Facts::new();
    let Some(members) = schema.as_object() else { return found };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    for (key, value) in members {
        match (key.as_str(), value.as_object()) {
            ("properties", Some(properties)) => {
                found.extend(properties.iter().map(|(name, property)| {
                    let must =
                        if required.contains(&name.as_str()) { "required" } else { "optional" };
                    (name.clone(), format!("{must} {property}"))
                }));
            }
            ("required", _) if members.contains_key("properties") => {}
            _ => {
                found.insert(format!("schema: {key}"), value.to_string());
            }
        }
    }
    found
}

fn of_state(model: &Model, name: &str, state: &StateModel) -> Facts {
    let mut found = match &state.kind {
        StateKind::Hold(hold) => of_hold(hold),
        StateKind::Activity(work) => {
            let mut found = of_work("", work);
            found.insert("kind".to_owned(), "an activity".to_owned());
            if let Some(window) = &work.window {
                found.extend(of_work_window(window, phrase::closing_alone(window.closes)));
            }
            found
        }
        StateKind::Rollout(rollout) => of_rollout(rollout),
        StateKind::Choose { branches, otherwise } => {
            let mut ways: Vec<String> = branches
                .iter()
                .map(|(when, to)| format!("where {} to {}", when.text(), to.name))
                .collect();
            ways.push(format!("else to {}", otherwise.name));
            facts([("kind", "a choice".to_owned()), ("ways, in order", ways.join("; "))])
        }
        StateKind::Child(child) => of_child(child),
        StateKind::All(all) => of_all(all),
        StateKind::End { outcome } => {
            facts([("kind", "an end".to_owned()), ("outcome", outcome.clone())])
        }
    };
    if let Some(span) = state.expires {
        found.insert("work may take".to_owned(), phrase::duration(span));
    }
    if state.unlock {
        found.insert("unlocks".to_owned(), "what the run has locked".to_owned());
    }
    if let Some(within) = &state.within {
        found.insert("in the branch".to_owned(), format!("{} of {}", within.branch, within.all));
    }
    for outcome in check::outcomes(model, name, state) {
        if let Some(to) = state.on.get(outcome) {
            found.insert(format!("on {outcome}"), to.name.clone());
        }
    }
    found
}

fn of_child(child: &ChildModel) -> Facts {
    let ChildModel { definition, version, input, good, stopped } = child;
    let good: Vec<String> = good.iter().cloned().collect();
    facts([
        ("kind", "a run of another definition".to_owned()),
        ("definition", definition.to_string()),
        (
            "its version",
            version.map_or_else(|| "the highest".to_owned(), |version| version.to_string()),
        ),
        ("what is submitted", phrase::tree(input)),
        ("outcomes that are good", phrase::joined(&good, "and")),
        ("the run, when this is stopped", stopped.as_str().to_owned()),
    ])
}

fn of_all(all: &All) -> Facts {
    let All { branches, join, good, others } = all;
    let good: Vec<String> = good.iter().cloned().collect();
    let mut found = facts([
        ("kind", "parallel branches".to_owned()),
        ("how many branches must end well", join.as_str().to_owned()),
        ("ends that are good", phrase::joined(&good, "and")),
        ("the others, once that is settled", others.as_str().to_owned()),
    ]);
    found.extend(
        branches
            .iter()
            .map(|(name, start)| (format!("branch {name} begins in"), start.name.clone())),
    );
    found
}

fn of_hold(hold: &Hold) -> Facts {
    let Hold {
        approval,
        witness,
        evidence,
        tasks,
        checks,
        waiver,
        wait,
        signal,
        conflicts,
        lock,
        window,
        expires,
    } = hold;
    let mut found = facts([("kind", "a hold".to_owned())]);
    if let Some(approval) = approval {
        found.extend(of_approval(approval));
    }
    if let Some(Witness { from, span }) = witness {
        found.extend(facts([
            ("witness: who may object", any_of(from)),
            ("witness: for", phrase::duration(*span)),
        ]));
    }
    for demand in evidence {
        let when = demand.when.as_ref().map(|when| format!("where {}", when.text()));
        let parts: Vec<String> = when.into_iter().chain(phrase::demand(demand)).collect();
        let demanded = if parts.is_empty() { "demanded".to_owned() } else { parts.join(", ") };
        found.insert(format!("evidence {}", demand.name), demanded);
    }
    found.extend(tasks.iter().flat_map(of_task));
    found.extend(checks.iter().flat_map(of_check));
    if let Some(waiver) = waiver {
        found.extend(of_waiver(waiver));
    }
    if let Some(span) = expires {
        found.insert("hold expires after".to_owned(), phrase::term(span));
    }
    match wait {
        None => {}
        Some(Wait::For(span)) => {
            found.insert("waits for".to_owned(), phrase::term(span));
        }
        Some(Wait::Until(at)) => {
            found.insert("waits until".to_owned(), phrase::template(at));
        }
    }
    if let Some(Conflicts { found: on, accepters }) = conflicts {
        let held = match on {
            OnConflict::Warn => "they are recorded",
            OnConflict::Hold => "they hold it",
        };
        found.insert("conflicts".to_owned(), held.to_owned());
        found.insert("conflicts: who may accept one".to_owned(), overriding(accepters, &[]));
    }
    if let Some(lock) = lock {
        found.insert("locks".to_owned(), phrase::tree(&lock.items));
        found.insert("who may break a lock".to_owned(), locking::breakers(lock));
    }
    if let Some(signal) = signal {
        found.insert("signal".to_owned(), signal.name.clone());
        if let Some(when) = &signal.when {
            found.insert("signal: accepted where".to_owned(), when.text().to_owned());
        }
        if let Some(by) = signal.senders.words() {
            found.insert("signal: who may send it".to_owned(), by);
        }
        if let Some(span) = &signal.expires {
            found.insert("signal expires after".to_owned(), phrase::term(span));
        }
    }
    if let Some(window) = window {
        found.extend(of_window(window));
    }
    found
}

fn of_task(task: &Task) -> Facts {
    let Task { name, when, title, instructions, from, not, qualified, need, noted, span: _ } = task;
    let fact = |what: &str| format!("task {name}: {what}");
    let mut found = facts([
        (&fact("what is done"), title.text().to_owned()),
        (&fact("who confirms it"), phrase::approvers(from)),
        (&fact("how many must"), need.to_string()),
        (&fact("note"), if *noted { "required" } else { "optional" }.to_owned()),
    ]);
    let not: Vec<String> = not.iter().map(|one| format!("the {}", one.as_str())).collect();
    let others = [
        ("applies where", when.as_ref().map(|when| when.text().to_owned())),
        ("how it is done", instructions.as_ref().map(|text| text.text().to_owned())),
        ("who is excluded", (!not.is_empty()).then(|| phrase::joined(&not, "and"))),
        ("qualified in", qualified.as_ref().map(phrase::template)),
    ];
    found.extend(others.into_iter().filter_map(|(what, text)| Some((fact(what), text?))));
    found
}

fn of_check(check: &Check) -> Facts {
    let Check { name, when, health, timeout, every, attempts, on_fail, valid } = check;
    let fact = |what: &str| format!("check {name}: {what}");
    let mut found = facts([
        (&fact("what must be so"), health.must()),
        (&fact("when it fails"), on_fail.as_str().to_owned()),
        (&fact("time for it"), phrase::duration(*timeout)),
    ]);
    let others = [
        ("applies where", when.as_ref().map(|when| when.text().to_owned())),
        ("is made again after", every.as_ref().map(phrase::timed)),
        ("how often at most", attempts.map(|attempts| attempts.to_string())),
        ("how old it may be", valid.as_ref().map(phrase::timed)),
    ];
    found.extend(others.into_iter().filter_map(|(what, text)| Some((fact(what), text?))));
    found
}

fn of_waiver(waiver: &Waiver) -> Facts {
    let Waiver { from, not, need, scope, duties, span: _ } = waiver;
    let scope: Vec<String> = scope.iter().map(|one| one.as_str().to_owned()).collect();
    let not: Vec<String> = not.iter().map(|one| format!("the {}", one.as_str())).collect();
    let mut found = facts([
        ("waiver: who may", phrase::approvers(from)),
        ("waiver: how many must", need.to_string()),
        ("waiver: of what", phrase::joined(&scope, "and")),
    ]);
    if !not.is_empty() {
        found.insert("waiver: who is excluded".to_owned(), phrase::joined(&not, "and"));
    }
    found.extend(duties.iter().map(|Afterwards { name, text, within, from }| {
        let owed =
            format!("{text}, within {}, by {}", phrase::duration(*within), phrase::approvers(from));
        (format!("waiver: owed {name}"), owed)
    }));
    found
}

fn of_window(window: &HoldWindow) -> Facts {
    let HoldWindow { times, fits, missed, overriders, not } = window;
    let mut found = facts([
        ("window", phrase::times(times)),
        (
            "window: when it is missed",
            match missed {
                Missed::Wait => "waits for the next".to_owned(),
                Missed::Expire => "expires".to_owned(),
            },
        ),
        ("window: who may override it", overriding(overriders, not)),
    ]);
    if let Some(span) = fits {
        found.insert("window: work that must fit".to_owned(), phrase::timed(span));
    }
    found
}

fn overriding(overriders: &[Approver], not: &[Exclusion]) -> String {
    if overriders.is_empty() { "nobody".to_owned() } else { phrase::overriders(overriders, not) }
}

fn of_approval(approval: &Approval) -> Facts {
    let Approval {
        rules,
        not,
        expires,
        veto,
        duties,
        amended,
        drifted,
        remind,
        escalate,
        substitutes: _,
    } = approval;
    let mut found: Facts = rules.iter().flat_map(of_rule).collect();
    let mut add = |what: &str, text: String| {
        found.insert(what.to_owned(), text);
    };
    let excluded = set(not.iter().map(|one| format!("the {}", one.as_str())));
    let excluded =
        if excluded.is_empty() { "nobody".to_owned() } else { phrase::joined(&excluded, "and") };
    add("who is excluded from voting", excluded);
    let counted = match approval.substitutes() {
        Substitutes::Never => "nobody does",
        Substitutes::Once => "counts once",
        Substitutes::Each => "counts for each of them",
    };
    add("who votes in the place of others", counted.to_owned());
    if let Some(span) = expires {
        add("approval expires after", phrase::term(span));
    }
    if let Some(veto) = veto {
        add("who has a veto", any_of(&veto.from));
        add("who overrules a veto", any_of(&veto.overrule));
    }
    if let Some(dischargers) = duties {
        add("who discharges conditions", any_of(dischargers));
    }
    if let Some(amended) = amended {
        let stand = match amended {
            Amended::Reset => "do not count any more",
            Amended::Subset => "stand where the new input asks for no more",
            Amended::Keep => "stand",
        };
        add("approvals of an amended input", stand.to_owned());
    }
    if let Some((drifted, _)) = drifted {
        let stand = match drifted {
            Amended::Reset => "do not count any more",
            Amended::Subset => "stand where only targets have gone",
            Amended::Keep => "stand",
        };
        add("approvals of a plan that the inventory has changed", stand.to_owned());
    }
    if let Some(times) = remind {
        add("reminds", phrase::remind(times));
    }
    if let Some(escalate) = escalate {
        let (after, to) = (phrase::term(&escalate.after), any_of(&escalate.to));
        add("asks others as well", format!("{to}, after {after}"));
    }
    found
}

fn of_rule(rule: &Rule) -> Facts {
    let Rule { name, when, from, qualified, at_work, need, roster, after, span: _ } = rule;
    let applies = when.as_ref().map_or_else(|| "always".to_owned(), |when| when.text().to_owned());
    let mut found = facts([
        (&format!("rule {name}: applies where"), applies),
        (&format!("rule {name}: how many must approve"), phrase::need(need)),
        (&format!("rule {name}: who may vote"), any_of(from)),
    ]);
    found.insert(format!("rule {name}: whose roster"), phrase::roster(*roster).to_owned());
    if !after.is_empty() {
        let before = set(after.iter().map(|named| named.name.clone()));
        found.insert(format!("rule {name}: comes after"), phrase::joined(&before, "and"));
    }
    if let Some(qualified) = qualified {
        found.insert(format!("rule {name}: qualified in"), phrase::template(qualified));
        if *at_work {
            let when = "the vote, and the beginning of the work".to_owned();
            found.insert(format!("rule {name}: qualified at"), when);
        }
    }
    found
}

fn of_work(prefix: &str, work: &Work) -> Facts {
    let Work { run, with, timeout, limits, retry, settle, settlers: _, repeatable, window: _ } =
        work;
    let mut found = facts([
        (&format!("{prefix}activity"), run.clone()),
        (&format!("{prefix}given to the worker"), phrase::tree(with)),
        (&format!("{prefix}timeout of an attempt"), phrase::duration(*timeout)),
        (&format!("{prefix}attempts"), phrase::retry(retry)),
    ]);
    for (what, limit) in phrase::limits(limits) {
        found.insert(format!("{prefix}at most {what}"), limit);
    }
    if settle.is_some() || !repeatable {
        let what = format!("{prefix}when its end is unknown");
        found.insert(what, phrase::unknown(work));
        found.insert(format!("{prefix}who may say what became of it"), settlers::words(work));
    }
    if let Some(Settle { run: _, with: _, timeout, retry }) = settle {
        found.extend(facts([
            (&format!("{prefix}settle: timeout of an attempt"), phrase::duration(*timeout)),
            (&format!("{prefix}settle: attempts"), phrase::retry(retry)),
        ]));
    }
    found
}

fn of_rollout(rollout: &Rollout) -> Facts {
    let Rollout {
        targets,
        order,
        first,
        waves,
        max_failed,
        max_parallel,
        max_unavailable,
        each: _,
        steps: _,
        healthy,
        rollback: _,
        undo_waves,
        undo_parallel,
        switch,
        control,
        window,
        approved_at,
    } = rollout;
    let order = match order {
        Order::Listed => "as listed",
        Order::Name => "by name",
    };
    let mut found = facts([
        ("kind", "a rollout".to_owned()),
        ("targets", targets.words()),
        ("order", order.to_owned()),
        ("waves", phrase::waves(waves)),
        ("turned round with so many failed", max_failed.to_string()),
        ("at most so many at once", phrase::parallel(*max_parallel)),
        ("undone so many at once", phrase::parallel(*undo_parallel)),
        ("who steers it", listed(control)),
    ]);
    let mut add = |what: &str, text: String| found.insert(what.to_owned(), text);
    for entry in waves.iter().filter(|entry| phrase::has_gate(&entry.gate)) {
        add(&format!("after wave {}", phrase::wave(entry.end)), phrase::gate(&entry.gate));
    }
    if let Some(switch) = switch.as_ref().filter(|switch| phrase::has_gate(&switch.gate)) {
        add("after the switch", phrase::gate(&switch.gate));
    }
    if let Some(first) = first {
        add("those that come first", phrase::tree(first));
    }
    if let Some(hold) = approved_at {
        add("the hold that approves its plan", format!("`{}`", hold.name));
    }
    if let Some(most) = max_unavailable {
        add("at most so many out of service", phrase::most(*most));
    }
    if !undo_waves.is_empty() {
        let ends: Vec<String> = undo_waves.iter().map(|wave| phrase::wave(*wave)).collect();
        add("undone in waves", ends.join(", "));
    }
    if let Some(health) = healthy {
        found.extend(facts([
            ("healthy", health.must()),
            ("healthy: for", phrase::timed(&health.span)),
            ("healthy: every", phrase::timed(&health.every)),
            ("healthy: failed with more bad in a row than", health.failure_limit.to_string()),
        ]));
        if let Some(limit) = health.inconclusive_limit {
            let what = "healthy: without a verdict with more in a row that tell nothing than";
            found.insert(what.to_owned(), limit.to_string());
        }
    }
    for (what, work) in rollout.works() {
        found.extend(of_work(&format!("{what}: "), work));
    }
    if let Some(window) = window {
        found.extend(of_work_window(window, phrase::closing(window.closes)));
    }
    found
}

fn of_work_window(window: &WorkWindow, closing: &str) -> Facts {
    let WorkWindow { times, closes: _, overriders, not } = window;
    facts([
        ("window", phrase::times(times)),
        ("window: when it closes", closing.to_owned()),
        ("window: who may override it", overriding(overriders, not)),
    ])
}
