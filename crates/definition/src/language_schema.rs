//! The JSON Schema of the language, for editors: completion, and what each key means. What needs the
//! whole definition, such as whether a state exists, only the language itself can check.

/// The JSON Schema (draft-07, which every editor knows) of a definition.
pub const SCHEMA: &str = include_str!("language.schema.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        syntax, syntax_approval, syntax_check, syntax_child, syntax_conflicts, syntax_health,
        syntax_hold, syntax_lock, syntax_parallel, syntax_risk, syntax_rollout, syntax_settle,
        syntax_targets, syntax_window, syntax_work,
    };

    /// Every key of the language is in the schema with its description, and no other.
    #[test]
    fn the_schema_has_the_keys_of_the_language() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        for (place, keys) in [
            ("", syntax::TOP),
            ("/definitions/state", syntax::STATE),
            ("/definitions/hold", syntax_hold::HOLD),
            ("/properties/expires", syntax::EXPIRES),
            ("/properties/risk", syntax_risk::RISK),
            ("/definitions/riskCase", syntax_risk::CASE),
            ("/definitions/approval", syntax_approval::APPROVAL),
            ("/definitions/rule", syntax_approval::RULE),
            ("/definitions/veto", syntax_approval::VETO),
            ("/definitions/duties", syntax_approval::DUTIES),
            ("/definitions/remind", syntax_approval::REMIND),
            ("/definitions/escalate", syntax_approval::ESCALATE),
            ("/definitions/witness", syntax_approval::WITNESS),
            ("/definitions/lockMapping", syntax_lock::LOCK),
            ("/definitions/conflicts/oneOf/1", syntax_conflicts::CONFLICTS),
            ("/definitions/wait", syntax_hold::WAIT),
            ("/definitions/signal", syntax_hold::SIGNAL),
            ("/definitions/check", syntax_check::CHECK),
            ("/definitions/all", syntax_parallel::ALL),
            ("/definitions/run", syntax_child::RUN),
            ("/definitions/branch", syntax_parallel::BRANCH),
            ("/definitions/do", syntax_work::DO),
            ("/definitions/activity", syntax_work::WORK),
            ("/definitions/timedActivity", &[syntax_work::WORK, syntax_work::IN_WINDOW].concat()),
            ("/definitions/activityWindow", syntax_window::WORK_WINDOW),
            ("/definitions/settle", syntax_settle::SETTLE),
            ("/definitions/retry", syntax_work::RETRY),
            ("/definitions/rollout", syntax_work::ROLLOUT),
            ("/definitions/targets", syntax_targets::TARGETS),
            ("/definitions/healthy", syntax_health::HEALTHY),
            ("/definitions/wave", syntax_rollout::WAVE),
            ("/definitions/waveHold", syntax_rollout::WAVE_HOLD),
            ("/definitions/steps", syntax_rollout::STEPS),
            ("/definitions/rollback", syntax_rollout::ROLLBACK),
            ("/definitions/switch", syntax_rollout::SWITCH),
            ("/definitions/control", syntax_rollout::CONTROL),
            ("/definitions/window/oneOf/1", syntax_window::WINDOW),
            ("/definitions/workWindow", syntax_window::WORK_WINDOW),
            ("/definitions/working", syntax_window::WORKING),
        ] {
            let properties = schema.pointer(&format!("{place}/properties")).unwrap();
            let properties = properties.as_object().unwrap();
            let mut keys: Vec<&str> = keys.to_vec();
            keys.sort_unstable();
            let mut there: Vec<&str> = properties.keys().map(String::as_str).collect();
            there.sort_unstable();
            assert_eq!(there, keys, "{place}");
            for (key, inner) in properties {
                let inner = match inner.get("$ref").and_then(Value::as_str) {
                    Some(to) => schema.pointer(to.trim_start_matches('#')).unwrap(),
                    None => inner,
                };
                let described = inner.get("description").and_then(Value::as_str);
                assert!(described.is_some_and(|text| text.ends_with('.')), "{place}: {key}");
            }
            let open = schema.pointer(&format!("{place}/additionalProperties"));
            assert_eq!(open, Some(&Value::Bool(false)), "{place}");
        }
    }
}
