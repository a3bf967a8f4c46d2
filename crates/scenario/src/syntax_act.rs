//! From YAML to what a member does in a step.

use std::collections::BTreeSet;

use holdpoint_core::{
    Action, Digest, EffectId, MemberId, NewDuty, NewEvidence, Ruling, Steering, Vote,
};
use holdpoint_definition::yaml::{Fields, Kind, Node};
use serde_json::Value;

use crate::{
    conflicts,
    play::Members,
    suite::{Act, Deed, Mention, MentionKind, Refused},
    syntax::File,
};

/// What members do, and so what can be refused; each with its keys, and its name as findings
/// quote it.
pub(crate) const ACTS: &[(&str, &str, &[&str])] = &[
    ("approve", "`approve`", &["by", "for", "hold", "reason", "duties"]),
    ("reject", "`reject`", &["by", "for", "hold", "reason"]),
    ("veto", "`veto`", &["by", "for", "hold", "reason"]),
    ("withdraw", "`withdraw`", &["by", "for", "hold", "requirement", "reason"]),
    ("overrule", "`overrule`", &["by", "veto_of", "hold", "reason"]),
    ("object", "`object`", &["by", "hold", "reason"]),
    ("override", "`override`", &["by", "hold", "requirement", "reason"]),
    ("accept", "`accept`", &["by", "conflict", "reason"]),
    ("recount", "`recount`", &["by", "hold"]),
    ("recheck", "`recheck`", &["by", "hold", "check"]),
    ("discharge", "`discharge`", &["by", "duty", "note"]),
    (
        "attach",
        "`attach`",
        &["by", "name", "content", "file", "media_type", "size", "reference", "note"],
    ),
    ("done", "`done`", &["by", "task", "hold", "note"]),
    ("reopen", "`reopen`", &["by", "task", "hold", "reason"]),
    ("waive", "`waive`", &["by", "hold", "reason"]),
    ("comment", "`comment`", &["by", "text"]),
    ("amend", "`amend`", &["by", "input", "reason"]),
    ("settle", "`settle`", &["by", "as", "output", "effect", "reason"]),
    ("cancel", "`cancel`", &["by", "reason"]),
    ("signal", "`signal`", &["by", "name", "data"]),
    ("pause", "`pause`", STEER),
    ("resume", "`resume`", STEER),
    ("abort", "`abort`", STEER),
    ("rollback", "`rollback`", STEER),
    ("promote", "`promote`", STEER),
    ("retry", "`retry`", STEER),
    ("skip", "`skip`", STEER),
    ("take-over", "`take-over`", STEER),
];
/// What steers a rollout; of parallel ones, in which state it is.
const STEER: &[&str] = &["by", "target", "reason", "state"];
/// Those that can be said by who does them: `approve: grace` is short for `approve: { by: grace }`.
const SHORT: &[&str] = &[
    "approve",
    "reject",
    "veto",
    "withdraw",
    "object",
    "recount",
    "recheck",
    "done",
    "reopen",
    "waive",
    "resume",
    "promote",
    "retry",
    "take-over",
];
const DUTY: &[&str] = &["text", "before"];

/// Reads what a member does; `kind` is one of [`ACTS`].
pub(crate) fn act(
    file: &mut File<'_>,
    kind: &str,
    node: &Node,
    members: &Members,
    refused: Option<Refused>,
) -> Option<Act> {
    let (name, quoted, known) = ACTS.iter().copied().find(|(name, ..)| *name == kind)?;
    if let Kind::Text(_) = node.kind {
        if !SHORT.contains(&name) {
            let what = if known.contains(&"reason") && !known.contains(&"input") {
                format!("{quoted} needs a reason: `{name}: {{ by: MEMBER, reason: TEXT }}`")
            } else {
                format!("{quoted} is a mapping: who, and what of it")
            };
            file.reader.wrong(node, &what);
            return None;
        }
        let by = file.acting(node, members, refused.as_ref())?;
        let refusal = refused.as_ref();
        let given = Given { fields: None, node, members, refused: refusal.is_some(), refusal };
        let deed = given.deed(file, name)?;
        return Some(Act { by, deed, refused });
    }
    let fields = file.reader.fields(node, quoted, known)?;
    let by = fields
        .need(&mut file.reader, "by")
        .and_then(|node| file.acting(node, members, refused.as_ref()));
    let refusal = refused.as_ref();
    let given = Given { fields: Some(&fields), node, members, refused: refusal.is_some(), refusal };
    let deed = given.deed(file, name);
    Some(Act { by: by?, deed: deed?, refused })
}

/// What is given of an act: nothing, where only its author is.
struct Given<'a> {
    fields: Option<&'a Fields<'a>>,
    node: &'a Node,
    members: &'a Members,
    /// What is refused may well be unknown to the definition.
    refused: bool,
    refusal: Option<&'a Refused>,
}

impl Given<'_> {
    fn get(&self, key: &str) -> Option<&Node> {
        self.fields?.get(key)
    }

    /// A text that may be left out.
    fn text(&self, file: &mut File<'_>, key: &str) -> Option<Option<String>> {
        match self.get(key) {
            None => Some(None),
            Some(node) => Some(Some(file.reader.text(node, &format!("`{key}`"))?.to_owned())),
        }
    }

    /// The value of a key that cannot be left out.
    fn need<'s>(&'s self, file: &mut File<'_>, key: &str) -> Option<&'s Node> {
        match self.fields {
            Some(fields) => fields.need(&mut file.reader, key),
            None => {
                file.reader.wrong(self.node, &format!("it needs the key `{key}`"));
                None
            }
        }
    }

    fn hold(&self, file: &mut File<'_>) -> Option<Option<String>> {
        let hold = self.text(file, "hold")?;
        if let (Some(hold), Some(node)) = (&hold, self.get("hold")) {
            mention(file, MentionKind::Hold, hold, node);
        }
        Some(hold)
    }

    /// A requirement of the baseline; what is said of a hold has no place beside it.
    fn requirement(&self, file: &mut File<'_>, others: &[&str]) -> Option<String> {
        for key in others {
            if let Some(node) = self.get(key) {
                let help = format!("leave `{key}` out: `requirement` is about the whole run");
                file.reader.wrong(node, &help);
                return None;
            }
        }
        let name = self.get("requirement")?;
        Some(file.reader.text(name, "the name of a requirement")?.to_owned())
    }

    /// A reason; whether one is needed is the definition's to say.
    fn reason(&self, file: &mut File<'_>) -> Option<String> {
        Some(self.text(file, "reason")?.unwrap_or_default())
    }

    fn deed(&self, file: &mut File<'_>, kind: &str) -> Option<Deed> {
        let action = match kind {
            "approve" => self.vote(file, Vote::Approve)?,
            "reject" => self.vote(file, Vote::Reject)?,
            "veto" => self.vote(file, Vote::Veto)?,
            "withdraw" if self.get("requirement").is_some() => Action::WithdrawOverride {
                requirement: self.requirement(file, &["for", "hold"])?,
                reason: self.text(file, "reason")?,
            },
            "withdraw" => {
                let (hold, reason) = (self.hold(file)?, self.text(file, "reason")?);
                Action::Withdraw { hold, in_place_of: self.in_place_of(file)?, reason }
            }
            "overrule" => Action::Overrule {
                hold: self.hold(file)?,
                member: self.veto_of(file)?,
                reason: self.reason(file)?,
            },
            "object" => Action::Object { hold: self.hold(file)?, reason: self.reason(file)? },
            "override" if self.get("requirement").is_some() => Action::OverrideRequirement {
                requirement: self.requirement(file, &["hold"])?,
                reason: self.reason(file)?,
            },
            "override" => Action::Override { hold: self.hold(file)?, reason: self.reason(file)? },
            "accept" => {
                let number = self.need(file, "conflict")?;
                let number =
                    file.reader.count(number, "`conflict`, the number of the other run,")?;
                Action::AcceptConflict { with: conflicts::run(number), reason: self.reason(file)? }
            }
            "recount" => Action::Recount { hold: self.hold(file)? },
            "recheck" => Action::Recheck { hold: self.hold(file)?, check: self.check(file)? },
            "discharge" => {
                let duty = self.need(file, "duty");
                let duty = duty.and_then(|node| file.reader.count(node, "`duty`, its number,"))?;
                Action::Discharge { duty, note: self.text(file, "note")?.unwrap_or_default() }
            }
            "attach" => self.attach(file)?,
            "done" => Action::Done {
                hold: self.hold(file)?,
                task: self.task(file)?,
                note: self.text(file, "note")?,
            },
            "reopen" => Action::Reopen {
                hold: self.hold(file)?,
                task: self.task(file)?,
                reason: self.reason(file)?,
            },
            "waive" => Action::Waive { hold: self.hold(file)?, reason: self.reason(file)? },
            "comment" => {
                let text = self.need(file, "text")?;
                Action::Comment { text: file.reader.text(text, "a comment")?.to_owned() }
            }
            "settle" => Action::Settle {
                effect: self.text(file, "effect")?.map(EffectId::new),
                ruling: self.ruling(file)?,
                reason: self.reason(file)?,
            },
            "cancel" => Action::Cancel { reason: self.reason(file)? },
            "amend" => {
                let patch = self.need(file, "input")?.to_json();
                return Some(Deed::Amend { patch, reason: self.reason(file)? });
            }
            "signal" => self.signal(file)?,
            steering => self.steer(file, steering)?,
        };
        Some(Deed::Action(action))
    }

    fn steer(&self, file: &mut File<'_>, kind: &str) -> Option<Action> {
        let steering = Steering::ALL.into_iter().find(|steering| steering.as_str() == kind)?;
        let state = self.text(file, "state")?;
        if let (Some(state), Some(node)) = (&state, self.get("state")) {
            mention(file, MentionKind::State, state, node);
        }
        let (target, reason) = (self.text(file, "target")?, self.text(file, "reason")?);
        Some(Action::Steer { steering, target, reason, state, over: Default::default() })
    }

    fn check(&self, file: &mut File<'_>) -> Option<Option<String>> {
        let check = self.text(file, "check")?;
        if let (Some(check), Some(node), false) = (&check, self.get("check"), self.refused) {
            mention(file, MentionKind::Check, check, node);
        }
        Some(check)
    }

    fn task(&self, file: &mut File<'_>) -> Option<Option<String>> {
        let task = self.text(file, "task")?;
        if let (Some(task), Some(node), false) = (&task, self.get("task"), self.refused) {
            mention(file, MentionKind::Condition, task, node);
        }
        Some(task)
    }

    /// A piece of evidence: a file with the content that is given, or a reference to it.
    fn attach(&self, file: &mut File<'_>) -> Option<Action> {
        let node = self.need(file, "name")?;
        let name = file.reader.text(node, "the name of a piece of evidence")?.to_owned();
        if !self.refused {
            mention(file, MentionKind::Condition, &name, node);
        }
        let content = self.text(file, "content")?.unwrap_or_else(|| name.clone());
        let reference = self.text(file, "reference")?;
        let called = self.text(file, "file")?;
        let media_type = self.text(file, "media_type")?;
        let size = match self.get("size") {
            None => u64::try_from(content.len()).ok(),
            Some(node) => Some(file.reader.count(node, "`size`")?.into()),
        };
        let called = match &reference {
            Some(_) => called,
            None => Some(called.unwrap_or_else(|| name.clone())),
        };
        let digest = Digest::of(content.as_bytes());
        let evidence = NewEvidence { digest, size, file: called, media_type, reference };
        Some(Action::Attach { name, evidence, note: self.text(file, "note")? })
    }

    fn vote(&self, file: &mut File<'_>, vote: Vote) -> Option<Action> {
        let duties = self.get("duties").map_or(Some(Vec::new()), |node| self.duties(file, node));
        let (hold, reason) = (self.hold(file)?, self.text(file, "reason")?);
        let in_place_of = self.in_place_of(file)?;
        Some(Action::Vote {
            hold,
            vote,
            reason,
            duties: duties?,
            in_place_of,
            plans: BTreeSet::new(),
        })
    }

    /// For whom a vote is given, where it is not the voter's own.
    fn in_place_of(&self, file: &mut File<'_>) -> Option<Option<MemberId>> {
        match self.get("for") {
            None => Some(None),
            Some(node) => file.acting(node, self.members, self.refusal).map(Some),
        }
    }

    /// The conditions of an approval.
    fn duties(&self, file: &mut File<'_>, node: &Node) -> Option<Vec<NewDuty>> {
        let Kind::List(items) = &node.kind else {
            let list =
                "`duties` is a list of what must be done: texts, or `{ text: …, before: STATE }`";
            file.reader.wrong(node, list);
            return None;
        };
        let read: Vec<_> = items.iter().map(|item| self.duty(file, item)).collect();
        read.into_iter().collect()
    }

    fn duty(&self, file: &mut File<'_>, node: &Node) -> Option<NewDuty> {
        if let Kind::Text(text) = &node.kind {
            return Some(NewDuty { text: text.clone(), before: None });
        }
        let fields = file.reader.fields(node, "a duty", DUTY)?;
        let text = fields.need(&mut file.reader, "text");
        let text = text.and_then(|node| Some(file.reader.text(node, "`text`")?.to_owned()));
        let before = match fields.get("before") {
            None => None,
            Some(node) => {
                let before = file.reader.text(node, "the name of a state")?.to_owned();
                if !self.refused {
                    mention(file, MentionKind::State, &before, node);
                }
                Some(before)
            }
        };
        Some(NewDuty { text: text?, before })
    }

    fn veto_of(&self, file: &mut File<'_>) -> Option<MemberId> {
        let node = self.need(file, "veto_of")?;
        file.member(node)
    }

    /// What became of an attempt whose end nobody knows.
    fn ruling(&self, file: &mut File<'_>) -> Option<Ruling> {
        let node = self.need(file, "as")?;
        match file.reader.text(node, "`as`, what became of it,")? {
            "done" => {
                Some(Ruling::Done { output: self.get("output").map_or(Value::Null, Node::to_json) })
            }
            "failed" => Some(Ruling::Failed),
            "again" => Some(Ruling::Again),
            _ => {
                file.reader.wrong(node, "`as` is `done`, `failed` or `again`");
                None
            }
        }
    }

    fn signal(&self, file: &mut File<'_>) -> Option<Action> {
        let node = self.need(file, "name")?;
        let name = file.reader.text(node, "the name of a signal")?.to_owned();
        if !self.refused {
            mention(file, MentionKind::Signal, &name, node);
        }
        Some(Action::Signal { name, data: self.get("data").map_or(Value::Null, Node::to_json) })
    }
}

fn mention(file: &mut File<'_>, kind: MentionKind, name: &str, node: &Node) {
    file.mentions.push(Mention { kind, name: name.to_owned(), span: node.span.clone() });
}
