//! The input's JSON Schema: what it says about members, and the defaults it gives.

use serde_json::Value;

/// What a schema says about a member of an object.
pub(crate) enum Member<'a> {
    /// It is declared; `given` says whether it is always there.
    Declared { schema: &'a Value, given: bool },
    /// The schema does not say which members there are.
    Unknowable,
    /// It is not among those declared.
    Absent { declared: Vec<String> },
}

/// What `schema` says about the member `name`.
///
/// Only `properties` counts as a declaration at the top; a nested object without `properties` may
/// have any member.
pub(crate) fn member<'a>(schema: &'a Value, name: &str) -> Member<'a> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Member::Unknowable;
    };
    match properties.get(name) {
        Some(inner) => {
            let required = schema
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|all| all.iter().any(|one| one == name));
            let given = required || inner.get("default").is_some();
            Member::Declared { schema: inner, given }
        }
        None => Member::Absent { declared: properties.keys().cloned().collect() },
    }
}

/// `input` with the defaults of the schema's top-level properties where they are absent.
pub(crate) fn with_defaults(schema: &Value, mut input: Value) -> Value {
    if let (Some(members), Some(properties)) =
        (input.as_object_mut(), schema.get("properties").and_then(Value::as_object))
    {
        for (name, property) in properties {
            if let Some(default) = property.get("default")
                && !members.contains_key(name)
            {
                members.insert(name.clone(), default.clone());
            }
        }
    }
    input
}
