//! Who may send a signal, and what is recorded of who did.

use std::collections::BTreeSet;

use holdpoint_core::{
    MemberId, Moment, NextAsk, NextStep, QualificationName, Refusal, RefusalCode,
    project::Member,
    view::{Candidate, ConditionView},
};

use crate::{
    decide::Draft,
    event_data::Sender,
    hold_model::{Approver, Exclusion, Hold, SignalWait, listed},
    hold_state::HoldState,
    phrase,
    state::State,
    template::Template,
    view::condition,
    voting::is_excluded,
};

/// Who may send a signal; every member, where nothing is said.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    /// Whom it is asked of; every member, where there is none.
    pub(crate) from: Vec<Approver>,
    pub(crate) not: Vec<Exclusion>,
    pub(crate) qualified: Option<Template>,
}

/// What keeps somebody from sending a signal: the kind of refusal and why, in words.
type Kept = (RefusalCode, String);

impl Senders {
    /// Whether not every member may.
    pub(crate) const fn are_named(&self) -> bool {
        !self.from.is_empty() || !self.not.is_empty() || self.qualified.is_some()
    }

    /// Who may, in words; nothing, where every member may.
    pub(crate) fn words(&self) -> Option<String> {
        self.are_named().then(|| {
            let whom = match self.from.as_slice() {
                [] => "any member".to_owned(),
                from => listed(from),
            };
            phrase::asked(&whom, self.qualified.as_ref(), &self.not)
        })
    }

    /// In what a sender must be qualified in this run.
    pub(crate) fn domain(&self, state: &State) -> Result<Option<QualificationName>, String> {
        let Some(template) = &self.qualified else { return Ok(None) };
        let domain: Result<QualificationName, _> = template.render_text(&state.vars())?.parse();
        domain.map(Some).map_err(|error: holdpoint_core::id::MalformedId| error.to_string())
    }

    fn excludes(&self, state: &State, id: &MemberId) -> Option<Kept> {
        let found = self.not.iter().copied().find(|one| is_excluded(state, *one, id));
        found.map(|one| (RefusalCode::SelfApproval, one.why().to_owned()))
    }

    /// What keeps a member from sending it now.
    fn keeps(
        &self,
        state: &State,
        domain: Option<&QualificationName>,
        (id, member): (&MemberId, &Member),
        at: &Moment<'_>,
    ) -> Option<Kept> {
        if let Some(kept) = self.excludes(state, id) {
            return Some(kept);
        }
        if !self.from.is_empty() && !self.from.iter().any(|from| from.is(id, member)) {
            let why = format!("is none of those who may send it: {}", listed(&self.from));
            return Some((RefusalCode::NotEligible, why));
        }
        domain
            .filter(|domain| !member.is_qualified(domain.as_str(), at.now))
            .map(|domain| (RefusalCode::NotQualified, format!("is not qualified in {domain} now")))
    }

    /// Whether what `sender` sent may be taken by a hold: by what was so when it was sent, and
    /// nobody who has amended the run or carried it out since, where that excludes them.
    pub(crate) fn admit(&self, hold: &str, sender: Option<&Sender>, state: &State) -> bool {
        if !self.are_named() {
            return true;
        }
        sender.is_some_and(|sender| {
            let qualified = match self.domain(state) {
                Ok(Some(domain)) => sender.qualified.contains(&domain),
                Ok(None) => true,
                Err(_) => false,
            };
            qualified
                && sender.holds.contains(hold)
                && self.excludes(state, &sender.member).is_none()
        })
    }
}

impl Draft<'_> {
    /// What is recorded of who sends a signal to holds, which need not be open yet; nothing, where
    /// every member may send it to each of them.
    ///
    /// # Errors
    /// The sender may send it to none of them.
    pub(crate) fn sender(
        &self,
        name: &str,
        holds: &[(&str, &SignalWait)],
    ) -> Result<Option<Sender>, Refusal> {
        let (id, member) = self.member()?;
        let mut may = BTreeSet::new();
        let mut refused = None;
        for (hold, signal) in holds {
            // What they must be qualified in may depend on what comes before the hold: then that is
            // asked when it opens.
            let domain = signal.senders.domain(&self.state).ok().flatten();
            match signal.senders.keeps(&self.state, domain.as_ref(), (id, member), self.at) {
                None => {
                    may.insert((*hold).to_owned());
                }
                Some((code, why)) => {
                    let could = self.could_send(&signal.senders, domain.as_ref());
                    refused.get_or_insert_with(|| {
                        Refusal::new(code, format!("`{id}` {why}"))
                            .needs(format!("the signal `{name}` sent by {could}"))
                    });
                }
            }
        }
        match refused {
            Some(refused) if may.is_empty() => return Err(refused),
            _ => {}
        }
        if !holds.iter().any(|(_, signal)| signal.senders.are_named()) {
            return Ok(None);
        }
        let demanded = holds.iter().any(|(_, signal)| signal.senders.qualified.is_some());
        let valid = member.qualifications.iter().filter(|held| held.is_valid(self.at.now));
        let qualified = valid.filter(|_| demanded).map(|held| held.domain.clone()).collect();
        Ok(Some(Sender { member: id.clone(), holds: may, roles: member.roles.clone(), qualified }))
    }

    fn could_send(&self, senders: &Senders, domain: Option<&QualificationName>) -> String {
        let members = self.at.project.members().iter();
        let could: Vec<&str> = members
            .filter(|who| senders.keeps(&self.state, domain, *who, self.at).is_none())
            .map(|(id, _)| id.as_str())
            .collect();
        let whom = senders.words().unwrap_or_default();
        if could.is_empty() {
            format!("{whom}; no member of the project can do that now")
        } else {
            format!("{whom}: {}", could.join(", "))
        }
    }
}

/// What the signal of an open hold looks like, and who could send it where not everybody may.
pub(crate) fn signal_view(
    signal: &SignalWait,
    open: &HoldState,
    state: &State,
    at: &Moment<'_>,
) -> ConditionView {
    let by = signal.senders.words().map(|by| format!(" by {by}")).unwrap_or_default();
    let summary = format!("the signal {}{by}", signal.name);
    let mut view = condition("signal", &signal.name, open.signalled, summary);
    if !open.signalled && signal.senders.are_named() {
        let domain = signal.senders.domain(state).ok().flatten();
        let asks = |id: &MemberId, member: &Member| {
            let from = &signal.senders.from;
            from.is_empty() || from.iter().any(|from| from.is(id, member))
        };
        view.open = 1;
        view.candidates = at
            .project
            .members()
            .iter()
            .filter(|(id, member)| asks(id, member))
            .map(|(id, member)| Candidate {
                member: id.clone(),
                lacks: signal
                    .senders
                    .keeps(state, domain.as_ref(), (id, member), at)
                    .map(|(_, why)| why),
            })
            .collect();
        view.candidates.sort_by_key(|candidate| candidate.lacks.is_some());
    }
    view
}

/// What can be done about a signal that has not come.
pub(crate) fn signal_step(hold: &Hold, open: &HoldState) -> Option<NextStep> {
    let signal = hold.signal.as_ref().filter(|_| !open.signalled)?;
    let by = signal.senders.words().map(|by| format!("as {by}, ")).unwrap_or_default();
    let name = signal.name.clone();
    let text = format!("{by}send the signal `{name}`");
    Some(NextStep::ask(text, NextAsk::Signal { name, with_data: signal.when.is_some() }))
}
