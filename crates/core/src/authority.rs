//! Who may change a project, and that there is always somebody who may.

use crate::{
    baseline::BASELINE,
    id::{MemberId, RoleName},
    lockdown::LOCKDOWN,
    project::{OWNER, Project, ProjectAction},
    refusal::{Refusal, RefusalCode},
};

impl Project {
    /// Whether somebody may do this to the project.
    pub(crate) fn authorize(
        &self,
        actor: &MemberId,
        action: &ProjectAction,
    ) -> Result<(), Refusal> {
        let other = match action {
            ProjectAction::ImposeLockdown { .. } | ProjectAction::ReleaseLockdown { .. } => {
                Some((LOCKDOWN, "impose or release lockdowns"))
            }
            ProjectAction::PublishBaseline { .. } | ProjectAction::WithdrawBaseline { .. } => {
                Some((BASELINE, "publish or withdraw baselines"))
            }
            _ => None,
        };
        let owners = || {
            let names: Vec<_> = self
                .members()
                .iter()
                .filter(|(_, member)| member.has_role(OWNER))
                .map(|(id, _)| id.as_str())
                .collect();
            format!("ask an owner of the project: {}", names.join(", "))
        };
        let member = self.member(actor).map_err(|refusal| refusal.needs(owners()))?;
        if let ProjectAction::WithdrawSubstitute { substitution, reason } = action
            && self.substitutions().get(*substitution).is_none()
        {
            // There is nobody who could be asked about it.
            return self.substitutions().withdraw(*substitution, reason.as_deref()).map(drop);
        }
        // Whose votes are given by another, and who else may end that.
        let (whose, by) = match action {
            ProjectAction::NameSubstitute(asked) => (Some(&asked.member), None),
            ProjectAction::WithdrawSubstitute { substitution, .. } => {
                let one = self.substitutions().get(*substitution);
                (one.map(|one| &one.member), one.map(|one| &one.substitute))
            }
            _ => (None, None),
        };
        let is_theirs = whose == Some(actor) || by == Some(actor);
        if is_theirs
            || member.has_role(OWNER)
            || other.is_some_and(|(role, _)| member.has_role(role))
        {
            return Ok(());
        }
        if let Some(whose) = whose {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{actor}` may not say who votes in the place of `{whose}`"),
            )
            .needs(format!("ask `{whose}`, or {}", owners())));
        }
        if let Some((role, what)) = other {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{actor}` may not {what}: that takes the role `{role}` or `{OWNER}`"),
            )
            .needs(owners()));
        }
        Err(Refusal::new(
            RefusalCode::NotEligible,
            format!(
                "`{actor}` may not change the project `{}`: that takes the role `{OWNER}`",
                self.id()
            ),
        )
        .needs(owners()))
    }

    /// Refuses to leave the project without an owner.
    pub(crate) fn keeps_an_owner_without(&self, leaving: &MemberId) -> Result<(), Refusal> {
        if self.members().iter().any(|(id, member)| id != leaving && member.has_role(OWNER)) {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::NotEligible,
            format!("`{leaving}` is the project's last owner, and a project must have one"),
        )
        .needs(format!("grant another member the role `{OWNER}` first")))
    }
}

/// The role whose holders may change the project.
pub(crate) fn owner_role() -> Result<RoleName, Refusal> {
    OWNER.parse().map_err(|error: crate::id::MalformedId| {
        Refusal::new(RefusalCode::InvalidInput, error.to_string())
    })
}
