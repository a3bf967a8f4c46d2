//! Evidence: what a hold demands to be shown, what a run was shown, and what becomes of votes when
//! that changes.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    Actor, Digest, MemberId, NewEvidence, Refusal, RefusalCode, RoleName,
    view::{Candidate, ConditionView, EvidenceView},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    check,
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    event_data::Attached,
    evolve::hold_of,
    expr::Expr,
    hold_model::{Amended, Approver, Exclusion, Hold, listed},
    hold_state::{Given, HoldState},
    model::Model,
    node::Span,
    phrase,
    state::{Place, State},
    view::condition,
    voting::is_excluded,
};

/// How many bytes what is said of a piece may have.
const NOTE_BYTES_MAX: usize = 4096;

/// A piece of evidence that a hold demands.
#[derive(Debug)]
pub(crate) struct Demand {
    pub(crate) name: String,
    pub(crate) when: Option<Expr>,
    /// Who may attach it; every member, when empty.
    pub(crate) from: Vec<Approver>,
    pub(crate) not: Vec<Exclusion>,
    /// The media types that it may have, such as `application/pdf` or `image/*`; any, when empty.
    pub(crate) media: Vec<String>,
    /// How many bytes a file that is kept beside the log may have.
    pub(crate) max_size: Option<u64>,
    /// How old it may be when the hold is released.
    pub(crate) valid: Option<SignedDuration>,
    pub(crate) again: BTreeSet<Again>,
    pub(crate) span: Span,
}

/// When a piece that was attached before no longer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Again {
    /// When the hold is opened anew.
    EachVisit,
    /// When the input is amended.
    Amended,
}

impl Again {
    pub(crate) const ALL: [Self; 2] = [Self::EachVisit, Self::Amended];

    /// Its name in a definition.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::EachVisit => "each_visit",
            Self::Amended => "amended",
        }
    }
}

/// A piece of evidence that a run was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) what: NewEvidence,
    pub(crate) note: Option<String>,
    pub(crate) by: MemberId,
    /// The roles that its author held then.
    pub(crate) roles: BTreeSet<RoleName>,
    pub(crate) at: Timestamp,
    /// The digest of the input then.
    pub(crate) input: Digest,
}

impl Demand {
    /// Its name among the conditions of a hold.
    pub(crate) fn key(&self) -> String {
        format!("evidence/{}", self.name)
    }

    fn asks(&self, id: &MemberId, roles: &BTreeSet<RoleName>) -> bool {
        self.from.is_empty() || self.from.iter().any(|from| from.names(id, roles))
    }

    /// What keeps somebody from attaching it.
    fn keeps(
        &self,
        state: &State,
        id: &MemberId,
        roles: &BTreeSet<RoleName>,
    ) -> Option<(RefusalCode, String)> {
        if let Some(exclusion) = self.not.iter().copied().find(|one| is_excluded(state, *one, id)) {
            return Some((RefusalCode::SelfApproval, exclusion.why().to_owned()));
        }
        (!self.asks(id, roles)).then(|| {
            let why = format!("is none of those who may attach it: {}", listed(&self.from));
            (RefusalCode::NotEligible, why)
        })
    }

    /// What keeps a piece from being what is demanded, whoever attaches it.
    fn misfit(&self, what: &NewEvidence) -> Option<String> {
        let fits = |wanted: &String, given: &str| match wanted.strip_suffix("/*") {
            Some(kind) => given.split_once('/').is_some_and(|(k, _)| k.eq_ignore_ascii_case(kind)),
            None => given.eq_ignore_ascii_case(wanted),
        };
        if !self.media.is_empty() {
            let given = what.media_type.as_deref().unwrap_or("no media type");
            if !self.media.iter().any(|wanted| fits(wanted, given)) {
                return Some(format!(
                    "it is {given}, and must be {}",
                    phrase::joined(&self.media, "or")
                ));
            }
        }
        match (self.max_size, what.size, &what.reference) {
            (Some(max), Some(size), None) if size > max => {
                Some(format!("it has {size} bytes, and may have {}", phrase::size(max)))
            }
            _ => None,
        }
    }

    /// What an open hold lacks of it; nothing, when it is there and counts.
    pub(crate) fn lacks(&self, open: &HoldState, state: &State, now: Timestamp) -> Option<String> {
        let Some(found) = state.evidence.get(&self.name) else {
            return Some("is not attached".to_owned());
        };
        if self.again.contains(&Again::EachVisit) && found.at < open.opened {
            return Some(
                "was attached before the hold was opened, and is demanded anew".to_owned(),
            );
        }
        if self.again.contains(&Again::Amended) && found.input != state.digest {
            return Some("was attached before the input was amended".to_owned());
        }
        if let Some(valid) = self.valid
            && found.at.checked_add(valid).is_ok_and(|until| until <= now)
        {
            return Some(format!("is older than {}", phrase::duration(valid)));
        }
        if let Some((_, why)) = self.keeps(state, &found.by, &found.roles) {
            return Some(format!("was attached by {}, who {why}", found.by));
        }
        self.misfit(&found.what)
    }
}

impl Hold {
    /// The evidence that an open hold demands of this run.
    pub(crate) fn demands<'h>(
        &'h self,
        open: &'h HoldState,
    ) -> impl Iterator<Item = &'h Demand> + 'h {
        self.evidence.iter().filter(|demand| !open.not_applicable.contains(&demand.key()))
    }
}

impl HoldState {
    /// The digests of the evidence that a vote on this hold is given on.
    pub(crate) fn shown(
        &self,
        hold: &Hold,
        state: &State,
        now: Timestamp,
    ) -> BTreeMap<String, Digest> {
        hold.demands(self)
            .filter(|demand| demand.lacks(self, state, now).is_none())
            .filter_map(|demand| {
                let found = state.evidence.get(&demand.name)?;
                Some((demand.name.clone(), found.what.digest))
            })
            .collect()
    }
}

/// The files, by the names of their evidence, that open holds demand of this run.
pub(crate) fn files_shown(model: &Model, state: &State) -> BTreeMap<String, Digest> {
    let mut open = Vec::new();
    holds(&state.place, &mut open);
    let demanded = open.into_iter().filter_map(|one| Some((one, hold_of(model, &one.hold)?)));
    let names = demanded.flat_map(|(one, hold)| hold.demands(one)).map(|demand| &demand.name);
    let files = names.filter_map(|name| Some((name, &state.evidence.get(name)?.what)));
    let kept = files.filter(|(_, what)| what.reference.is_none());
    kept.map(|(name, what)| (name.clone(), what.digest)).collect()
}

impl<'a> Draft<'a> {
    /// Decides that a piece of evidence is attached. It counts for every hold that demands it, as far
    /// as it is what that hold demands; an open one is asked first.
    pub(crate) fn attach(
        &mut self,
        name: &str,
        what: &NewEvidence,
        note: Option<&str>,
    ) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        if self.state.cancelled {
            return Err(not_awaited("the run is being cancelled"));
        }
        what.check()?;
        let note = note.map(str::trim).filter(|note| !note.is_empty());
        if note.is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
            return Err(invalid(format!(
                "what is said of it is longer than {NOTE_BYTES_MAX} bytes"
            )));
        }
        let wanted = self.evidence_wanted();
        let mut here = Vec::new();
        for (open, hold) in self.open_holds() {
            if let Some(demand) = hold.demands(open).find(|demand| demand.name == name) {
                here.push((open, demand));
            }
        }
        // A deadline that nobody has noticed must not let anything in.
        let in_time = here.iter().filter(|(open, _)| self.in_time(open).is_ok());
        let mut asked: Vec<&Demand> = in_time.map(|(_, demand)| *demand).collect();
        if let ([(open, _), ..], true) = (here.as_slice(), asked.is_empty()) {
            self.in_time(open)?;
        }
        if here.is_empty() {
            asked = wanted.iter().copied().filter(|demand| demand.name == name).collect();
        }
        if asked.is_empty() {
            let mut names: Vec<&str> = wanted.iter().map(|demand| demand.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            let refusal =
                not_awaited(format!("nothing in this run can want the evidence `{name}`"));
            return Err(if names.is_empty() {
                refusal
            } else {
                refusal.needs(format!("it can still want {}", names.join(", ")))
            });
        }
        let refused =
            asked.iter().map(|demand| match demand.keeps(&self.state, id, &member.roles) {
                Some((code, why)) => Some(
                    Refusal::new(code, format!("`{id}` {why}"))
                        .needs(format!("`{name}` attached by {}", self.who_could(demand))),
                ),
                None => demand
                    .misfit(what)
                    .map(|why| invalid(format!("this is not the evidence `{name}`: {why}"))),
            });
        let refused: Vec<Option<Refusal>> = refused.collect();
        if refused.iter().all(Option::is_some)
            && let Some(first) = refused.into_iter().flatten().next()
        {
            return Err(first);
        }
        let attached = Attached {
            evidence: name.to_owned(),
            state: self.state.state().to_owned(),
            member: id.clone(),
            roles: member.roles.clone(),
            digest: what.digest,
            size: what.size,
            file: what.file.clone(),
            media_type: what.media_type.clone(),
            reference: what.reference.clone(),
            note: note.map(str::to_owned),
            reset: self.reset_by(name, what.digest),
        };
        self.emit(Event::EvidenceAttached(attached));
        self.release();
        Ok(())
    }

    /// Who could attach a piece, in words.
    fn who_could(&self, demand: &Demand) -> String {
        let could: Vec<&str> = self
            .at
            .project
            .members()
            .iter()
            .filter(|(id, member)| demand.keeps(&self.state, id, &member.roles).is_none())
            .map(|(id, _)| id.as_str())
            .collect();
        let whom =
            if demand.from.is_empty() { "somebody else".to_owned() } else { listed(&demand.from) };
        if could.is_empty() {
            format!("{whom}; no member of the project can do that now")
        } else {
            format!("{whom}: {}", could.join(", "))
        }
    }

    /// The holds that are open.
    fn open_holds(&self) -> Vec<(&HoldState, &'a Hold)> {
        let mut open = Vec::new();
        holds(&self.state.place, &mut open);
        open.into_iter().filter_map(|one| Some((one, hold_of(self.model, &one.hold)?))).collect()
    }

    /// The evidence that a hold demands which is open, or can still open.
    fn evidence_wanted(&self) -> Vec<&'a Demand> {
        let model = self.model;
        let mut wanted: Vec<&'a Demand> = Vec::new();
        for (open, hold) in self.open_holds() {
            let here = hold.evidence.iter();
            wanted.extend(here.filter(|one| !open.not_applicable.contains(&one.key())));
        }
        let ahead =
            |place: &Place| check::ahead(model, place.state(), !matches!(place, Place::Hold(_)));
        let states: BTreeSet<&'a str> = match &self.state.place {
            Place::All(fork) => {
                let leaves = self.state.leaves();
                let within = leaves.into_iter().flat_map(|(_, focus)| ahead(&focus.place));
                within.chain(check::ahead(model, &fork.state, false)).collect()
            }
            place => ahead(place),
        };
        let holds = states.into_iter().filter_map(|name| hold_of(model, name));
        wanted.extend(holds.flat_map(|hold| &hold.evidence));
        wanted
    }

    /// Whose approvals of the open holds count no more when they are shown this under that name.
    fn reset_by(&self, name: &str, digest: Digest) -> BTreeMap<String, BTreeSet<MemberId>> {
        if self.state.evidence.get(name).is_some_and(|one| one.what.digest == digest) {
            return BTreeMap::new();
        }
        let of = |(open, hold): (&HoldState, &'a Hold)| {
            let approval = hold.approval.as_ref()?;
            hold.demands(open).find(|one| one.name == name)?;
            let falls = |vote: &&Given| match approval.amended {
                Some(Amended::Keep) => false,
                // What fills an open demand changes nothing that they were given on.
                Some(Amended::Subset) => vote.evidence.contains_key(name),
                Some(Amended::Reset) | None => true,
            };
            let fallen: BTreeSet<MemberId> =
                open.approving().filter(falls).map(|vote| vote.member.clone()).collect();
            (!fallen.is_empty()).then(|| (open.hold.clone(), fallen))
        };
        self.open_holds().into_iter().filter_map(of).collect()
    }
}

/// The holds that are open at a place.
pub(crate) fn holds<'s>(place: &'s Place, found: &mut Vec<&'s HoldState>) {
    match place {
        Place::Hold(open) => found.push(open),
        Place::All(fork) => fork.branches.values().for_each(|focus| holds(&focus.place, found)),
        _ => {}
    }
}

fn holds_mut<'s>(place: &'s mut Place, found: &mut Vec<&'s mut HoldState>) {
    match place {
        Place::Hold(open) => found.push(open),
        Place::All(fork) => {
            fork.branches.values_mut().for_each(|focus| holds_mut(&mut focus.place, found));
        }
        _ => {}
    }
}

/// Adds [`Event::EvidenceAttached`] to a state.
pub(crate) fn attached(
    state: &mut State,
    event: &Attached,
    at: Timestamp,
    actor: &Actor,
) -> Result<(), String> {
    if matches!(state.place, Place::Begin | Place::Ended { .. }) {
        return Err("the run does not go on".to_owned());
    }
    if actor.member() != Some(&event.member) {
        return Err("it was attached by somebody else".to_owned());
    }
    let mut open = Vec::new();
    holds_mut(&mut state.place, &mut open);
    for (hold, members) in &event.reset {
        let one = open.iter_mut().find(|one| one.hold == *hold);
        let one = one.ok_or_else(|| format!("the hold `{hold}` is not open"))?;
        let there: BTreeSet<&MemberId> = one.approving().map(|vote| &vote.member).collect();
        if !members.iter().all(|member| there.contains(member)) {
            return Err("an approval falls that there is not".to_owned());
        }
        one.votes.retain(|vote| !members.contains(&vote.member));
    }
    let evidence = Evidence {
        what: NewEvidence {
            digest: event.digest,
            size: event.size,
            file: event.file.clone(),
            media_type: event.media_type.clone(),
            reference: event.reference.clone(),
        },
        note: event.note.clone(),
        by: event.member.clone(),
        roles: event.roles.clone(),
        at,
        input: state.digest,
    };
    state.evidence.insert(event.evidence.clone(), evidence);
    Ok(())
}

/// What the evidence that an open hold demands looks like.
pub(crate) fn conditions(
    hold: &Hold,
    open: &HoldState,
    state: &State,
    at: &holdpoint_core::Moment<'_>,
) -> Vec<ConditionView> {
    let of = |demand: &Demand| {
        let lacks = demand.lacks(open, state, at.now);
        let by = if demand.from.is_empty() {
            String::new()
        } else {
            format!(" by {}", listed(&demand.from))
        };
        let why = lacks.as_ref().map(|why| format!(", which {why}")).unwrap_or_default();
        let summary = format!("the evidence {}{by}{why}", demand.name);
        let mut view = condition("evidence", &demand.name, lacks.is_none(), summary);
        if lacks.is_some() && (!demand.from.is_empty() || !demand.not.is_empty()) {
            view.open = 1;
            view.candidates = candidates(demand, state, at);
        }
        view
    };
    hold.demands(open).map(of).collect()
}

/// Those who could attach a piece first, then those who are named and may not.
fn candidates(demand: &Demand, state: &State, at: &holdpoint_core::Moment<'_>) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = at
        .project
        .members()
        .iter()
        .filter(|(id, member)| demand.asks(id, &member.roles))
        .map(|(id, member)| Candidate {
            member: id.clone(),
            lacks: demand.keeps(state, id, &member.roles).map(|(_, why)| why),
        })
        .collect();
    all.sort_by_key(|candidate| candidate.lacks.is_some());
    all
}

/// What a run was shown.
pub(crate) fn views(state: &State) -> Vec<EvidenceView> {
    let view = |(name, evidence): (&String, &Evidence)| {
        let NewEvidence { digest, size, file, media_type, reference } = evidence.what.clone();
        EvidenceView {
            name: name.clone(),
            digest,
            size,
            file,
            media_type,
            reference,
            note: evidence.note.clone(),
            by: evidence.by.clone(),
            at: evidence.at,
        }
    };
    state.evidence.iter().map(view).collect()
}
