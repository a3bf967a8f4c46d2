//! In plain sentences: what of a baseline applies to a definition, and by what it is met there.

use crate::{
    Definition,
    baseline::{Baseline, Standing},
    baseline_outline::RequirementOutline,
};

impl Baseline {
    /// How a definition stands to each requirement in plain sentences, and by what.
    #[must_use]
    pub fn explain(&self, definition: &Definition) -> String {
        let mut text = format!("By the baseline `{}` ({}):\n", self.name(), self.title());
        let outline = self.outline(definition);
        for (one, (name, demands)) in outline.requirements.iter().zip(self.in_words()) {
            text.push_str(&format!("\n{name}\n  {}.\n", demands.trim_end_matches('.')));
            text.push_str(&format!("  {}\n", one.sentence()));
        }
        text
    }
}

impl RequirementOutline {
    fn sentence(&self) -> String {
        let (work, by) = (self.work(), self.by());
        match (&self.standing, by) {
            (Standing::NotApplicable, _) => "The definition has no such work.".to_owned(),
            (Standing::Met, None) => format!("Met: no way leads to {work}."),
            (Standing::Met, Some(by)) => format!("Met before {work} by {by}."),
            (Standing::NotMet, None) => {
                format!("Not met: nothing here meets it, and it stands before {work}.")
            }
            (Standing::NotMet, Some(by)) => {
                format!("Not met: a way leads to {work} past what meets it, {by}.")
            }
            (Standing::Error { reason }, _) => {
                format!("Whether it is demanded before {work} cannot be told: {reason}.")
            }
            (Standing::Overridden { reason, met }, by) => {
                let nevertheless = match (met, by) {
                    (true, Some(by)) => format!(" It is met nevertheless, by {by}."),
                    (true, None) => " It is met nevertheless.".to_owned(),
                    (false, _) => String::new(),
                };
                format!("Not demanded of this definition: {reason}.{nevertheless}")
            }
        }
    }
}
