//! In plain sentences: what of a baseline applies to a definition, and by what it is met there.

use crate::{
    Definition,
    baseline::{Baseline, Requirement, Standing},
    diagnostics::Findings,
    model::{Model, StateKind},
    phrase,
};

impl Baseline {
    /// How a definition stands to each requirement in plain sentences, and by what.
    #[must_use]
    pub fn explain(&self, definition: &Definition) -> String {
        let mut text = format!("By the baseline `{}` ({}):\n", self.name(), self.title());
        for (one, (name, demands)) in self.requirements.iter().zip(self.in_words()) {
            text.push_str(&format!("\n{name}\n  {}.\n", demands.trim_end_matches('.')));
            let sentence = self.sentence_about(one, &definition.model);
            text.push_str(&format!("  {sentence}\n"));
        }
        text
    }

    fn sentence_about(&self, one: &Requirement, model: &Model) -> String {
        // What is found is told in words here; `check` has it with its place.
        let mut findings = Findings::new("definition", "");
        let (_, standing) = one.standing(model, self.name(), &mut findings);
        let work = phrase::joined(&named(model, |kind| one.is_before(kind)), "and");
        let keeping = named(model, |kind| one.is_within(kind));
        let holds =
            named(model, |kind| matches!(kind, StateKind::Hold(hold) if one.lacks(hold).is_none()));
        let mut by = Vec::new();
        if !holds.is_empty() {
            by.push(format!("the release of {}", phrase::joined(&holds, "or")));
        }
        if !keeping.is_empty() {
            by.push(format!("{}, which keeps to it itself", phrase::joined(&keeping, "and")));
        }
        let by = by.join(", and by ");
        match standing {
            Standing::NotApplicable => "The definition has no such work.".to_owned(),
            Standing::Met if by.is_empty() => format!("Met: no way leads to {work}."),
            Standing::Met => format!("Met before {work} by {by}."),
            Standing::NotMet if by.is_empty() => {
                format!("Not met: nothing here meets it, and it stands before {work}.")
            }
            Standing::NotMet => {
                format!("Not met: a way leads to {work} past what meets it, {by}.")
            }
            Standing::Error { reason } => {
                format!("Whether it is demanded before {work} cannot be told: {reason}.")
            }
            Standing::Overridden { reason, met } => {
                let nevertheless = match (met, by.is_empty()) {
                    (true, false) => format!(" It is met nevertheless, by {by}."),
                    (true, true) => " It is met nevertheless.".to_owned(),
                    (false, _) => String::new(),
                };
                format!("Not demanded of this definition: {reason}.{nevertheless}")
            }
        }
    }
}

/// The names of the states that are so, in the order of the file.
fn named(model: &Model, is: impl Fn(&StateKind) -> bool) -> Vec<String> {
    let mut found: Vec<_> = model.states.iter().filter(|(_, state)| is(&state.kind)).collect();
    found.sort_by_key(|(_, state)| state.span.start);
    found.into_iter().map(|(name, _)| format!("`{name}`")).collect()
}
