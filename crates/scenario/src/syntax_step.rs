//! From YAML to the steps of a scenario and what it expects.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::MemberId;
use holdpoint_definition::{
    DiagnosticCode as Code,
    yaml::{self, Kind, Node},
};

use crate::{
    baselines, calendars, conflicts, inventory,
    lockdowns::{self, LockdownStep},
    play::Members,
    suite::{
        AskedFor, Deadline, Expectation, Mention, MentionKind, OpenDuty, Step, StepKind, Targets,
        Waiting,
    },
    syntax::File,
    syntax_act::{self, ACTS},
};

/// What else happens in a step than that a member acts.
const EVENTS: &[&str] = &[
    "after",
    "at",
    "work",
    "child",
    "members",
    "calendars",
    "items",
    "conflicts",
    "lockdown",
    "lift",
    "expect",
];
const WORK: &[&str] = &[
    "run", "target", "step", "check", "succeeds", "fails", "for_good", "verdict", "detail",
    "unknown",
];
const EXPECT: &[&str] = &[
    "state",
    "status",
    "risk",
    "ended",
    "waiting_for",
    "could_approve",
    "vetoes",
    "duties",
    "comments",
    "input",
    "deadline",
    "branches",
    "targets",
    "baseline",
    "happened",
    "never",
    "asked",
];
const OPEN_DUTY: &[&str] = &["duty", "text", "before", "by"];
const ASKED: &[&str] = &["run", "target", "step", "with"];
const STATUS: &[&str] = &["held", "working", "stuck"];

/// Reads a step; `members` are those there are before it, and after.
pub(crate) fn step(file: &mut File<'_>, node: &Node, members: &mut Members) -> Option<Step> {
    let acts: Vec<&str> = ACTS.iter().map(|(name, ..)| *name).collect();
    let all: Vec<&str> = acts.iter().chain(EVENTS).copied().collect();
    let keys: Vec<&str> = all.iter().copied().chain(["refused"]).collect();
    let fields = file.reader.fields(node, "a step", &keys)?;
    let line = file.reader.findings.line(node.span.start);
    let kinds: Vec<&str> = all.iter().copied().filter(|kind| fields.get(kind).is_some()).collect();
    let ([kind], Some(inner)) = (kinds.as_slice(), kinds.first().and_then(|kind| fields.get(kind)))
    else {
        let found = if kinds.is_empty() {
            "nothing happens in this step".to_owned()
        } else {
            format!("this step is of several kinds: {}", yaml::listed(&kinds))
        };
        file.reader
            .findings
            .add(Code::StepKind, &node.span, found)
            .help(format!("a step has exactly one of {}", yaml::listed(&all)));
        return None;
    };
    let refused = file.refused(fields.get("refused"))?;
    if let Some(node) = fields.get("refused").filter(|_| !acts.contains(kind)) {
        file.reader
            .findings
            .add(Code::StepKind, &node.span, format!("`{kind}` is never refused"))
            .help(format!("`refused` goes with what members do: {}", yaml::listed(&acts)));
        return None;
    }
    let read = match *kind {
        "after" => file.duration(inner).map(StepKind::After),
        "at" => file.time(inner).map(StepKind::At),
        "work" => work(file, inner),
        "child" => file
            .child(inner)
            .map(|answer| StepKind::Work { which: answer.which, reply: answer.reply }),
        "members" => {
            members.append(&mut file.members(inner)?);
            file.check_substitutes(inner, members);
            Some(StepKind::Members(members.clone()))
        }
        "lockdown" => lockdowns::imposed(file, inner).map(StepKind::Lockdown),
        "lift" => file
            .reader
            .count(inner, "`lift`, the number of a lockdown,")
            .map(|number| StepKind::Lockdown(LockdownStep::Lift(number))),
        "calendars" => calendars::read(file, inner).map(StepKind::Calendars),
        "conflicts" => conflicts::read(file, inner).map(StepKind::Conflicts),
        "items" => inventory::read(file, inner).map(StepKind::Items),
        "expect" => expectation(file, inner, members).map(|one| StepKind::Expect(Box::new(one))),
        kind => syntax_act::act(file, kind, inner, members, refused).map(StepKind::Act),
    };
    Some(Step { line, kind: read? })
}

fn work(file: &mut File<'_>, node: &Node) -> Option<StepKind> {
    let fields = file.reader.fields(node, "`work`", WORK)?;
    let (which, reply) = (file.which(&fields), file.reply(&fields, node));
    Some(StepKind::Work { which: which?, reply: reply? })
}

fn mention(file: &mut File<'_>, kind: MentionKind, name: &str, node: &Node) {
    file.mentions.push(Mention { kind, name: name.to_owned(), span: node.span.clone() });
}

/// Reads what is expected.
pub(crate) fn expectation(
    file: &mut File<'_>,
    node: &Node,
    members: &Members,
) -> Option<Expectation> {
    let fields = file.reader.fields(node, "what is expected", EXPECT)?;
    if !EXPECT.iter().any(|key| fields.get(key).is_some()) {
        file.reader
            .findings
            .add(Code::NothingExpected, &node.span, "nothing is expected")
            .help(format!("say at least one of {}", yaml::listed(EXPECT)));
        return None;
    }
    let mut name = |key: &str, kind: MentionKind, what: &str| match fields.get(key) {
        None => Some(None),
        Some(node) => {
            let name = file.reader.text(node, what)?.to_owned();
            mention(file, kind, &name, node);
            Some(Some(name))
        }
    };
    let state = name("state", MentionKind::State, "the name of a state");
    let ended = name("ended", MentionKind::Ending, "an outcome");
    let risk = name("risk", MentionKind::Level, "a level of the risk");
    let status = fields.get("status").map(|node| status(file, node));
    let waiting_for = fields.get("waiting_for").map(|node| waiting(file, node));
    let could_approve =
        fields.get("could_approve").map(|node| actors(file, node, members, "could_approve"));
    let vetoes = fields.get("vetoes").map(|node| actors(file, node, members, "vetoes"));
    let duties = fields.get("duties").map(|node| duties(file, node, members));
    let comments = fields.get("comments").map(|node| comments(file, node));
    let deadline = fields.get("deadline").map(|node| deadline(file, node));
    let branches = fields.get("branches").map(|node| branches(file, node));
    let targets = fields.get("targets").map(|node| targets(file, node));
    let baseline = fields.get("baseline").map(|node| baselines::expected(file, node));
    let happened = fields.get("happened").map(|node| events(file, node));
    let never = fields.get("never").map(|node| events(file, node));
    let asked = fields.get("asked").map(|node| asked(file, node));
    Some(Expectation {
        line: file.reader.findings.line(node.span.start),
        state: state?,
        status: whole(status)?,
        ended: ended?,
        risk: risk?,
        waiting_for: whole(waiting_for)?,
        could_approve: whole(could_approve)?,
        vetoes: whole(vetoes)?,
        duties: whole(duties)?,
        comments: whole(comments)?,
        input: fields.get("input").map(Node::to_json),
        deadline: whole(deadline)?,
        branches: whole(branches)?,
        targets: whole(targets)?,
        baseline: whole(baseline)?,
        happened: whole(happened)?.unwrap_or_default(),
        never: whole(never)?.unwrap_or_default(),
        asked: whole(asked)?.unwrap_or_default(),
    })
}

/// What is absent is as good as what could be read.
fn whole<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn status(file: &mut File<'_>, node: &Node) -> Option<String> {
    let text = file.reader.text(node, "a status")?;
    if !STATUS.contains(&text) {
        file.reader
            .findings
            .add(Code::WrongKind, &node.span, format!("there is no status `{text}`"))
            .help(format!(
                "the statuses are {}; for a run that is over say `ended: OUTCOME`",
                yaml::listed(STATUS)
            ));
        return None;
    }
    Some(text.to_owned())
}

fn waiting(file: &mut File<'_>, node: &Node) -> Option<Waiting> {
    match &node.kind {
        Kind::List(items) => {
            let names: Vec<_> = items
                .iter()
                .map(|item| {
                    let name = file.reader.text(item, "a rule, a signal or `wait`")?.to_owned();
                    mention(file, MentionKind::Condition, &name, item);
                    Some(name)
                })
                .collect();
            names.into_iter().collect::<Option<_>>().map(Waiting::Names)
        }
        Kind::Map(entries) => {
            let counts: Vec<_> = entries
                .iter()
                .map(|(key, value)| {
                    file.mentions.push(Mention {
                        kind: MentionKind::Condition,
                        name: key.name.clone(),
                        span: key.span.clone(),
                    });
                    Some((key.name.clone(), file.reader.count(value, "how many are needed")?))
                })
                .collect();
            counts.into_iter().collect::<Option<BTreeMap<_, _>>>().map(Waiting::Counts)
        }
        _ => {
            file.reader.wrong(
                node,
                "`waiting_for` is a list of rules and signals, or says how many each still needs: `{ peers: 1 }`",
            );
            None
        }
    }
}

/// Members, all that are meant.
fn actors(
    file: &mut File<'_>,
    node: &Node,
    members: &Members,
    key: &str,
) -> Option<BTreeSet<MemberId>> {
    let Kind::List(items) = &node.kind else {
        file.reader.wrong(node, &format!("`{key}` is a list of members, all of them"));
        return None;
    };
    let read: Vec<_> = items.iter().map(|item| file.acting(item, members, None)).collect();
    read.into_iter().collect()
}

fn duties(file: &mut File<'_>, node: &Node, members: &Members) -> Option<Vec<OpenDuty>> {
    let Kind::List(items) = &node.kind else {
        file.reader.wrong(
            node,
            "`duties` is a list of those that are open, such as `- { duty: 1, before: done }`",
        );
        return None;
    };
    let read: Vec<_> = items.iter().map(|item| open_duty(file, item, members)).collect();
    read.into_iter().collect()
}

fn open_duty(file: &mut File<'_>, node: &Node, members: &Members) -> Option<OpenDuty> {
    if let Kind::Text(text) = &node.kind {
        return Some(OpenDuty { text: Some(text.clone()), ..OpenDuty::default() });
    }
    let fields = file.reader.fields(node, "a duty", OPEN_DUTY)?;
    let duty = fields.get("duty").map(|node| file.reader.count(node, "`duty`, its number,"));
    let text = fields
        .get("text")
        .map(|node| Some(file.reader.text(node, "what must be done")?.to_owned()));
    let before = fields.get("before").map(|node| match &node.kind {
        Kind::Null => Some(None),
        _ => {
            let name = file.reader.text(node, "the name of a state")?.to_owned();
            mention(file, MentionKind::State, &name, node);
            Some(Some(name))
        }
    });
    let by = fields.get("by").map(|node| file.acting(node, members, None));
    Some(OpenDuty {
        duty: whole(duty)?,
        text: whole(text)?,
        before: whole(before)?,
        by: whole(by)?,
    })
}

fn comments(file: &mut File<'_>, node: &Node) -> Option<Vec<String>> {
    let Kind::List(items) = &node.kind else {
        file.reader.wrong(node, "`comments` is a list of all that was said so far");
        return None;
    };
    let read: Vec<_> =
        items.iter().map(|item| Some(file.reader.text(item, "a comment")?.to_owned())).collect();
    read.into_iter().collect()
}

fn deadline(file: &mut File<'_>, node: &Node) -> Option<Deadline> {
    match &node.kind {
        Kind::Text(text) if text == "never" => Some(Deadline::Never),
        Kind::Text(text) if yaml::duration(text).is_some() => file.duration(node).map(Deadline::In),
        _ => file.time(node).map(Deadline::At),
    }
}

fn targets(file: &mut File<'_>, node: &Node) -> Option<Targets> {
    match &node.kind {
        Kind::Text(_) => target_state(file, node).map(Targets::All),
        Kind::Map(entries) => {
            let read: Vec<_> = entries
                .iter()
                .map(|(key, node)| Some((key.name.clone(), target_state(file, node)?)))
                .collect();
            read.into_iter().collect::<Option<BTreeMap<_, _>>>().map(Targets::Each)
        }
        _ => {
            file.reader.wrong(node, "`targets` says how each is: `{ web-1: healthy }`, or all are");
            None
        }
    }
}

/// In which state each branch is.
fn branches(file: &mut File<'_>, node: &Node) -> Option<BTreeMap<String, String>> {
    let Kind::Map(entries) = &node.kind else {
        file.reader.wrong(node, "`branches` says in which state each is: `{ network: check }`");
        return None;
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            let state = file.reader.text(node, "the name of a state")?.to_owned();
            mention(file, MentionKind::State, &state, node);
            Some((key.name.clone(), state))
        })
        .collect();
    read.into_iter().collect()
}

fn target_state(file: &mut File<'_>, node: &Node) -> Option<String> {
    // As `TargetView` has them.
    const STATES: &[&str] = &[
        "waiting",
        "pre_checking",
        "draining",
        "deploying",
        "verifying",
        "undraining",
        "checking",
        "unchecked",
        "drained",
        "healthy",
        "failed",
        "restoring",
        "restored",
        "skipped",
        "taken_over",
        "stuck",
    ];
    let text = file.reader.text(node, "the state of a target")?;
    if !STATES.contains(&text) {
        file.reader
            .findings
            .add(Code::WrongKind, &node.span, format!("a target is never `{text}`"))
            .help(format!("a target is one of {}", yaml::listed(STATES)));
        return None;
    }
    Some(text.to_owned())
}

fn events(file: &mut File<'_>, node: &Node) -> Option<Vec<String>> {
    let Kind::List(items) = &node.kind else {
        file.reader.wrong(node, "here stands a list of events, such as `[approval.granted]`");
        return None;
    };
    let read: Vec<_> = items
        .iter()
        .map(|item| {
            let text = file.reader.text(item, "the type of an event")?;
            let text = text.trim_start_matches("holdpoint.").to_owned();
            mention(file, MentionKind::Event, &text, item);
            Some(text)
        })
        .collect();
    read.into_iter().collect()
}

fn asked(file: &mut File<'_>, node: &Node) -> Option<Vec<AskedFor>> {
    let Kind::List(items) = &node.kind else {
        file.reader.wrong(node, "`asked` is a list, such as `- { run: deploy, target: web-1 }`");
        return None;
    };
    let read: Vec<_> = items
        .iter()
        .map(|item| {
            let fields = file.reader.fields(item, "what was asked for", ASKED)?;
            let which = file.which(&fields)?;
            Some(AskedFor { which, with: fields.get("with").map(Node::to_json) })
        })
        .collect();
    read.into_iter().collect()
}
