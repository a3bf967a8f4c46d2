//! What a picture shows of a baseline: in the boxes of states, on the ways between them, and beneath.

use holdpoint_definition::{BaselineOutline, Outline, RequirementOutline, Standing};

/// How a definition stands to the baseline that it is drawn by, if there is one.
pub(crate) struct Marks<'o>(Option<&'o BaselineOutline>);

impl<'o> Marks<'o> {
    pub(crate) const fn of(outline: &'o Outline) -> Self {
        Self(outline.baseline.as_ref())
    }

    fn requirements(&self) -> impl Iterator<Item = &'o RequirementOutline> {
        self.0.into_iter().flat_map(|baseline| &baseline.requirements)
    }

    /// What is demanded: of the definition, and not only of others.
    fn demanded(&self) -> impl Iterator<Item = &'o RequirementOutline> {
        self.requirements().filter(|one| match one.standing {
            Standing::Met | Standing::NotMet | Standing::Error { .. } => true,
            Standing::NotApplicable | Standing::Overridden { .. } => false,
        })
    }

    /// What stands in the box of a state.
    pub(crate) fn lines(&self, state: &str) -> Vec<String> {
        let is = |names: &[String]| names.iter().any(|name| name == state);
        let said = |word: &str, so: &dyn Fn(&RequirementOutline) -> bool| {
            let names: Vec<&str> =
                self.demanded().filter(|one| so(one)).map(|one| one.name.as_str()).collect();
            (!names.is_empty()).then(|| format!("{word} {}", names.join(", ")))
        };
        let lines = [
            said("meets", &|one| is(&one.holds)),
            said("keeps to", &|one| is(&one.within)),
            said("needs", &|one| is(&one.before) && !is(&one.within) && !lacks(one, state)),
            said("reached without", &|one| lacks(one, state)),
        ];
        lines.into_iter().flatten().collect()
    }

    /// Whether a state can be reached without what is demanded there.
    pub(crate) fn is_below(&self, state: &str) -> bool {
        self.demanded().any(|one| lacks(one, state))
    }

    /// Whether a way is part of one that leads past what is demanded.
    pub(crate) fn leads_past(&self, from: &str, to: &str) -> bool {
        let unmet = self.demanded().filter(|one| one.standing == Standing::NotMet);
        let mut pairs = unmet.flat_map(|one| &one.past).flat_map(|way| way.windows(2));
        pairs.any(|pair| matches!(pair, [a, b] if a == from && b == to))
    }

    /// What stands beneath: how the definition stands to each requirement.
    pub(crate) fn caption(&self) -> Vec<String> {
        let heading = self.0.map(|baseline| format!("baseline {}", baseline.name));
        let standings =
            self.requirements().map(|one| format!("{}: {}", one.name, one.standing.in_words()));
        heading.into_iter().chain(standings).collect()
    }
}

fn lacks(one: &RequirementOutline, state: &str) -> bool {
    one.standing == Standing::NotMet
        && one.past.iter().any(|way| way.last().is_some_and(|last| last == state))
}
