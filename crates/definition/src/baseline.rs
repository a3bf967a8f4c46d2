//! A baseline: what an organisation demands of every definition, and whether one keeps to it.
//!
//! Whether it does is told from the definition alone: a requirement is met when no way leads to the
//! work without passing, by its release, a hold that demands at least as much. So it holds for every
//! run, and what a definition demands beyond it is never in its way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holdpoint_core::{BaselineReader, Judged, LoadFailure, ReadBaseline, Shortfall};

use crate::{
    Definition, LANGUAGE, check,
    diagnostics::{DiagnosticCode as Code, Diagnostics, Findings},
    expr::{Expr, Fault, FaultKind, Scope},
    expr_types::Kinds,
    hold_model::{Amended, Approval, Approver, Exclusion, Hold, listed},
    model::{Model, StateKind, StateModel, Target},
    node, read_into,
    requirement_override::Overriders,
    risk::RiskModel,
    substitutes::Substitutes,
    syntax_baseline,
    window_model::Times,
};

/// What an organisation demands of every definition of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) requirements: Vec<Requirement>,
}

/// One thing that is demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) name: String,
    /// What it is for.
    pub(crate) title: Option<String>,
    pub(crate) before: BTreeSet<WorkKind>,
    /// The condition under which it is demanded, as definitions write it.
    pub(crate) when: Option<String>,
    pub(crate) demand: Demanded,
    /// Whether a hold that is waived counts as passed.
    pub(crate) waivable: bool,
    /// The definitions of which it is not demanded, and why.
    pub(crate) except: BTreeMap<String, String>,
    /// Who may take it off one run.
    pub(crate) overriders: Option<Overriders>,
}

/// What must lie before work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Demanded {
    Approval { from: Vec<Approver>, need: u32, qualified: Option<String>, not: Vec<Exclusion> },
    Evidence(String),
    NotDuring { calendar: String, overriders: Vec<Approver> },
}

/// The kinds of work that a definition has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WorkKind {
    Activity,
    Rollout,
    Run,
}

impl WorkKind {
    pub(crate) const ALL: [Self; 3] = [Self::Activity, Self::Rollout, Self::Run];

    /// Its key in `do`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Rollout => "rollout",
            Self::Run => "run",
        }
    }

    pub(crate) const fn of(kind: &StateKind) -> Option<Self> {
        match kind {
            StateKind::Activity(_) => Some(Self::Activity),
            StateKind::Rollout(_) => Some(Self::Rollout),
            StateKind::Child(_) => Some(Self::Run),
            StateKind::Hold(_)
            | StateKind::Choose { .. }
            | StateKind::All(_)
            | StateKind::End { .. } => None,
        }
    }
}

/// How a definition stands to one requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has no work of the kind that the requirement is about.
    NotApplicable,
    /// No way leads to the work without it.
    Met,
    /// A way does.
    NotMet,
    /// When it is demanded cannot be told of this definition.
    Error {
        /// Why not.
        reason: String,
    },
    /// The baseline does not demand it of this definition.
    Overridden {
        /// Why.
        reason: String,
        /// Whether the definition would meet it nevertheless.
        met: bool,
    },
}

/// How a definition stands to a baseline.
#[derive(Clone, Debug)]
pub struct Conformance {
    /// The definition, unless it cannot be used, whatever a baseline says.
    pub definition: Option<Definition>,
    /// All findings about it, those that the baseline makes with them.
    pub findings: Diagnostics,
    /// The requirements by name, in the baseline's order; none, where the definition cannot be used.
    pub requirements: Vec<(String, Standing)>,
}

/// Whether a text calls itself a baseline, and not a definition, whatever else is wrong with it.
#[must_use]
pub fn is_baseline(source: &str) -> bool {
    let mut findings = Findings::new("file", source);
    let root = node::read(source, &mut findings);
    let Some(node::Kind::Map(entries)) = root.map(|root| root.kind) else { return false };
    let has = |name: &str| entries.iter().any(|(key, _)| key.name == name);
    has("baseline") && !has("workflow")
}

impl Baseline {
    /// Reads a baseline. `file` is the name that findings show.
    ///
    /// # Errors
    /// All findings, when one of them keeps it from being used.
    pub fn parse(file: &str, source: &str) -> Result<Self, Diagnostics> {
        let mut findings = Findings::new(file, source);
        let read = node::read(source, &mut findings)
            .and_then(|root| syntax_baseline::read(&root, &mut findings));
        match read {
            Some(baseline) if !findings.has_errors() => Ok(baseline),
            _ => Err(findings.finish()),
        }
    }

    /// The name that it gives itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is about, in a line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The requirement of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|one| one.name == name)
    }

    /// What it demands, by name, in its order.
    pub fn requirements(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|one| one.name.as_str())
    }

    /// The definitions that it excepts from what it demands: the requirement, and the definition's name.
    pub fn excepted(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.requirements.iter();
        all.flat_map(|one| {
            one.except.keys().map(|definition| (one.name.as_str(), definition.as_str()))
        })
    }

    /// What it demands in words, by name, in its order.
    pub fn in_words(&self) -> impl Iterator<Item = (&str, String)> {
        self.requirements.iter().map(|one| (one.name.as_str(), one.sentence()))
    }

    /// What a definition lacks that may have been published by an earlier version, which found less.
    fn shortfalls(&self, source: &str) -> Result<Vec<Shortfall>, Diagnostics> {
        let mut all = Findings::new("definition", source);
        let Some(model) = read_into(source, &mut all) else { return Err(all.finish()) };
        let mut found = Vec::new();
        for one in &self.requirements {
            let mut findings = Findings::new("definition", source);
            one.standing(&model, &self.name, &mut findings);
            found.extend(findings.finish().iter().map(|finding| Shortfall {
                requirement: one.name.clone(),
                line: finding.line,
                column: finding.column,
                message: finding.message.clone(),
                help: finding.help.clone(),
            }));
        }
        Ok(found)
    }

    /// Reads and checks a definition, and whether it keeps to this baseline.
    #[must_use]
    pub fn check(&self, file: &str, source: &str) -> Conformance {
        let mut findings = Findings::new(file, source);
        let model = read_into(source, &mut findings).filter(|_| !findings.has_errors());
        let requirements = model.as_ref().map_or_else(Vec::new, |model| {
            let of = |one: &Requirement| one.standing(model, &self.name, &mut findings);
            self.requirements.iter().map(of).collect()
        });
        Conformance {
            definition: model.map(Definition::of),
            findings: findings.finish(),
            requirements,
        }
    }
}

/// Reads baselines in this language, and judges definitions by them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Baselines;

impl Baselines {
    fn parse(source: &str) -> Result<Baseline, LoadFailure> {
        Baseline::parse("baseline", source)
            .map_err(|found| LoadFailure { reason: found.to_string() })
    }
}

impl BaselineReader for Baselines {
    fn read(&self, source: &str) -> Result<ReadBaseline, LoadFailure> {
        let read = Self::parse(source)?;
        let baseline = read.name.parse().map_err(|error: holdpoint_core::id::MalformedId| {
            LoadFailure { reason: error.to_string() }
        })?;
        let requirements = read.requirements().map(str::to_owned).collect();
        Ok(ReadBaseline { baseline, title: read.title, requirements })
    }

    fn shortfalls(
        &self,
        baseline: &str,
        definition: &Judged<'_>,
    ) -> Result<Vec<Shortfall>, LoadFailure> {
        let baseline = Self::parse(baseline)?;
        if definition.language == LANGUAGE {
            let found = baseline.shortfalls(definition.source);
            return found.map_err(|findings| LoadFailure { reason: findings.to_string() });
        }
        // Nobody can tell it of another language, so it is as if it were below.
        let open = baseline
            .requirements
            .iter()
            .filter(|one| !one.except.contains_key(definition.name.as_str()));
        let shortfall = |one: &Requirement| Shortfall {
            requirement: one.name.clone(),
            line: 1,
            column: 1,
            message: format!(
                "whether a definition in the language `{}` keeps to `{}` cannot be told",
                definition.language, one.name
            ),
            help: Some(format!("have the baseline except `{}`, with a reason", definition.name)),
        };
        Ok(open.map(shortfall).collect())
    }
}

impl Requirement {
    pub(crate) fn standing(
        &self,
        model: &Model,
        baseline: &str,
        findings: &mut Findings,
    ) -> (String, Standing) {
        let work: Vec<_> =
            model.states.iter().filter(|(_, state)| self.is_before(&state.kind)).collect();
        let past = self.past(model);
        let standing = match (self.except.get(model.name.as_str()), self.condition(model)) {
            _ if work.is_empty() => Standing::NotApplicable,
            (Some(reason), _) => {
                Standing::Overridden { reason: reason.clone(), met: past.is_empty() }
            }
            (None, Err(reason)) => {
                for (_, state) in &work {
                    findings
                        .add(
                            Code::ConditionUntold,
                            &state.span,
                            format!(
                                "whether the baseline `{baseline}` demands `{}` here cannot be told: {reason}",
                                self.name
                            ),
                        )
                        .help("have `input` declare what the condition uses, or have the definition excepted");
                }
                Standing::Error { reason }
            }
            (None, Ok(_)) if past.is_empty() => Standing::Met,
            (None, Ok(_)) => {
                for (name, state, way) in past {
                    findings
                        .add(
                            Code::BelowBaseline,
                            &state.span,
                            format!(
                                "`{name}` can be reached without `{}` of the baseline `{baseline}`",
                                self.name
                            ),
                        )
                        .help(self.remedy(model, &way));
                }
                Standing::NotMet
            }
        };
        (self.name.clone(), standing)
    }

    /// The work that can be reached past it, each with a shortest way there.
    pub(crate) fn past<'m>(
        &self,
        model: &'m Model,
    ) -> Vec<(&'m String, &'m StateModel, Vec<&'m str>)> {
        let ways = self.ways(model);
        model
            .states
            .iter()
            .filter(|(_, state)| self.is_before(&state.kind) && !self.is_within(&state.kind))
            .filter_map(|(name, state)| Some((name, state, way(&ways, name)?)))
            .collect()
    }

    /// When it is demanded, as runs of this definition can tell it.
    pub(crate) fn condition(&self, model: &Model) -> Result<Option<Expr>, String> {
        let Some(text) = &self.when else { return Ok(None) };
        let states = model.states.keys().cloned().collect();
        let risk = model.risk.as_ref().map(RiskModel::schema);
        let scope =
            Scope { schema: &model.schema, states: Some(&states), risk: risk.as_ref(), also: &[] };
        let (expr, faults) = Expr::compile(text, &scope);
        // What need not be given, or has not been left yet, is seen when a run asks.
        let told = |fault: &Fault| !matches!(fault.kind, FaultKind::Optional | FaultKind::Uses);
        match (faults.into_iter().find(told), expr) {
            (Some(fault), _) => Err(format!("`{text}`: {}", fault.message)),
            (None, Some(expr)) if expr.kinds().may_be(Kinds::BOOL) => Ok(Some(expr)),
            (None, _) => Err(format!("`{text}` is neither true nor false")),
        }
    }

    /// The states that a run can come to without having met the requirement, each with the one
    /// before it on a shortest way.
    fn ways<'m>(&self, model: &'m Model) -> BTreeMap<&'m str, Option<&'m str>> {
        let mut before = BTreeMap::from([(model.start.name.as_str(), None)]);
        let mut open = VecDeque::from([model.start.name.as_str()]);
        // What is demanded of a moment is no longer so after a state that takes time.
        if matches!(self.demand, Demanded::NotDuring { .. }) {
            for (name, state) in &model.states {
                if !matches!(state.kind, StateKind::Choose { .. }) {
                    for next in self.next(model, state) {
                        before.entry(next).or_insert(Some(name.as_str()));
                        open.push_back(next);
                    }
                }
            }
        }
        while let Some(name) = open.pop_front() {
            let Some(state) = model.states.get(name) else { continue };
            for next in self.next(model, state) {
                before.entry(next).or_insert_with(|| {
                    open.push_back(next);
                    Some(name)
                });
            }
        }
        before
    }

    /// The states that can follow one without the requirement being met by that.
    fn next<'m>(&self, model: &'m Model, state: &'m StateModel) -> Vec<&'m str> {
        match &state.kind {
            StateKind::Hold(hold) if self.lacks(hold).is_none() => state
                .on
                .iter()
                .filter(|(outcome, _)| match outcome.as_str() {
                    "released" => false,
                    "waived" => !self.waivable,
                    _ => true,
                })
                .map(|(_, to)| to.name.as_str())
                .collect(),
            _ => check::next(model, state).map(|to| to.name.as_str()).collect(),
        }
    }

    /// Whether a definition has work that it stands before.
    pub(crate) fn has_work(&self, model: &Model) -> bool {
        self.work(model).next().is_some()
    }

    /// Whether all the work sees to it itself.
    pub(crate) fn is_within_all(&self, model: &Model) -> bool {
        self.work(model).all(|kind| self.is_within(kind))
    }

    fn work<'m>(&self, model: &'m Model) -> impl Iterator<Item = &'m StateKind> {
        let kinds = model.states.values().map(|state| &state.kind);
        kinds.filter(|kind| self.is_before(kind))
    }

    /// Whether it stands before work of this kind.
    pub(crate) fn is_before(&self, kind: &StateKind) -> bool {
        WorkKind::of(kind).is_some_and(|kind| self.before.contains(&kind))
    }

    /// Whether the work itself sees to it.
    pub(crate) fn is_within(&self, kind: &StateKind) -> bool {
        match (&self.demand, kind) {
            (Demanded::NotDuring { calendar, overriders }, kind) => {
                let window = match kind {
                    StateKind::Rollout(rollout) => rollout.window.as_ref(),
                    StateKind::Activity(work) => work.window.as_ref(),
                    _ => None,
                };
                window.is_some_and(|window| {
                    times_lack(&window.times, calendar).is_none()
                        && beyond(&window.overriders, overriders).is_none()
                })
            }
            _ => false,
        }
    }

    /// Why the release of a hold does not meet the requirement; `None` when it does.
    pub(crate) fn lacks(&self, hold: &Hold) -> Option<Lack> {
        match &self.demand {
            Demanded::Approval { .. } => {
                let Some(approval) = &hold.approval else { return Some(Lack::Absent) };
                self.approval_lacks(approval, self.seats(approval))
            }
            Demanded::Evidence(name) => {
                let Some(demand) = hold.evidence.iter().find(|one| one.name == *name) else {
                    return Some(Lack::Absent);
                };
                (!self.applies(demand.when.as_ref()))
                    .then(|| Lack::Weaker(format!("its `{name}` has a condition of its own")))
            }
            Demanded::NotDuring { calendar, overriders } => {
                let Some(window) = &hold.window else { return Some(Lack::Absent) };
                times_lack(&window.times, calendar).or_else(|| {
                    beyond(&window.overriders, overriders)
                        .map(|who| Lack::Weaker(format!("{who} may override its window")))
                })
            }
        }
    }

    /// Why an approval of which so many seats count does not meet the requirement.
    pub(crate) fn approval_lacks(&self, approval: &Approval, seats: u32) -> Option<Lack> {
        let Demanded::Approval { from, need, not, .. } = &self.demand else {
            return Some(Lack::Absent);
        };
        let weaker = |why: String| Some(Lack::Weaker(why));
        if let Some(missing) = not.iter().find(|one| !approval.not.contains(one)) {
            return weaker(format!("its `not` has no `{}`", missing.as_str()));
        }
        if approval.amended == Some(Amended::Keep) {
            return weaker("its approvals stand for a text that was amended".to_owned());
        }
        if matches!(approval.drifted, Some((Amended::Keep, _))) {
            return weaker("its approvals stand for a plan that has drifted".to_owned());
        }
        if *need > 1 && approval.substitutes() == Substitutes::Each {
            return weaker("one person may count for several by `substitutes: each`".to_owned());
        }
        let others = approval.escalate.as_ref().and_then(|one| beyond(&one.to, from));
        if let Some(who) = others {
            return weaker(format!("it is escalated to {who}"));
        }
        (seats < *need).then(|| {
            Lack::Weaker(format!("only {seats} of its seats are always filled by such members"))
        })
    }

    /// How many seats of an approval are filled in every run by those who are demanded.
    ///
    /// Every seat of a hold is filled by somebody else, so seats of several rules add up.
    fn seats(&self, approval: &Approval) -> u32 {
        let Demanded::Approval { from, qualified, .. } = &self.demand else { return 0 };
        approval
            .rules
            .iter()
            .filter(|rule| self.applies(rule.when.as_ref()) && beyond(&rule.from, from).is_none())
            .filter(|rule| {
                let has = rule.qualified.as_ref().and_then(|template| template.literal());
                qualified.is_none() || has == qualified.as_deref()
            })
            .fold(0, |seats, rule| seats.saturating_add(rule.need.at_least()))
    }

    /// Whether what has this condition applies whenever the requirement does.
    fn applies(&self, when: Option<&Expr>) -> bool {
        when.is_none_or(|when| self.when.as_deref() == Some(when.text().trim()))
    }

    fn remedy(&self, model: &Model, way: &[&str]) -> String {
        let weaker = way.iter().find_map(|name| match &model.states.get(*name)?.kind {
            StateKind::Hold(hold) => match self.lacks(hold)? {
                Lack::Weaker(why) => Some(format!("`{name}` is not enough: {why}")),
                Lack::Absent => None,
            },
            _ => None,
        });
        let names: Vec<String> = way.iter().map(|name| format!("`{name}`")).collect();
        let mut text = format!("let every way to it pass {}", self.in_words());
        if let Some(weaker) = weaker {
            text.push_str("; ");
            text.push_str(&weaker);
        }
        // A hold that would be enough can be left past those who are asked.
        let past = way.windows(2).find_map(|pair| {
            let [name, to] = pair else { return None };
            let state = model.states.get(*name)?;
            let StateKind::Hold(hold) = &state.kind else { return None };
            let enough = self.lacks(hold).is_none();
            let leaves = |(outcome, target): &(&String, &Target)| {
                *outcome != "released" && target.name == *to
            };
            let outcome =
                state.on.iter().find(leaves).filter(|_| enough).map(|(outcome, _)| outcome)?;
            Some(format!("`{name}` is enough only by `released`, and leads there by `{outcome}`"))
        });
        if let Some(past) = past {
            text.push_str("; ");
            text.push_str(&past);
        }
        text.push_str("; this way does not: ");
        text.push_str(&names.join(", "));
        text
    }

    /// All that it says, in words.
    fn sentence(&self) -> String {
        let before: Vec<&str> = self.before.iter().map(|kind| kind.as_str()).collect();
        let before = if self.before.len() == WorkKind::ALL.len() {
            "any work".to_owned()
        } else {
            format!("each `do` with {}", before.join(" or "))
        };
        let mut text = match &self.title {
            Some(title) => format!("{title}. Before {before}: {}", self.in_words()),
            None => format!("before {before}: {}", self.in_words()),
        };
        if self.waivable {
            text.push_str("; a hold that was waived counts");
        }
        if let Some(overriders) = &self.overriders {
            text.push_str(&format!("; {} may override it for one run", overriders.in_words()));
        }
        for (definition, reason) in &self.except {
            text.push_str(&format!("; not of `{definition}`: {reason}"));
        }
        text
    }

    /// What is demanded, in words.
    fn in_words(&self) -> String {
        let mut text = match &self.demand {
            Demanded::Approval { from, need, qualified, not } => {
                let mut text =
                    format!("a hold in which at least {need} must approve, of {}", listed(from));
                if let Some(domain) = qualified {
                    text.push_str(&format!(", qualified in {domain}"));
                }
                if !not.is_empty() {
                    let not: Vec<&str> = not.iter().map(|one| one.as_str()).collect();
                    text.push_str(&format!(", with `not: [{}]`", not.join(", ")));
                }
                text
            }
            Demanded::Evidence(name) => format!("a hold with the evidence `{name}`"),
            Demanded::NotDuring { calendar, .. } => {
                format!("a hold with `not_during: {calendar}` directly before it")
            }
        };
        if let Some(when) = &self.when {
            text.push_str(&format!(", at least when `{when}`"));
        }
        text
    }
}

/// Why a hold does not meet a requirement.
pub(crate) enum Lack {
    /// It demands nothing of the kind.
    Absent,
    /// It demands less.
    Weaker(String),
}

/// The first of `some` whom `allowed` does not name.
fn beyond<'a>(some: &'a [Approver], allowed: &[Approver]) -> Option<&'a Approver> {
    some.iter().find(|one| !allowed.contains(one))
}

fn times_lack(times: &Times, calendar: &str) -> Option<Lack> {
    let named = times.not_during.iter().any(|one| one.template.literal() == Some(calendar));
    (!named).then_some(Lack::Absent)
}

/// The way to a state, from the first to the one itself; `None` when there is none.
fn way<'m>(ways: &BTreeMap<&'m str, Option<&'m str>>, to: &str) -> Option<Vec<&'m str>> {
    let (mut at, _) = ways.get_key_value(to)?;
    let mut way = vec![*at];
    while let Some(Some(before)) = ways.get(at) {
        // What begins anew in the middle of a definition may go round in a circle.
        if way.contains(before) {
            break;
        }
        way.push(before);
        at = before;
    }
    way.reverse();
    Some(way)
}
