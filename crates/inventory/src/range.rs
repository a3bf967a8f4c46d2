//! Ranges in the names of hosts, as Ansible writes them: `web-[01:10]`, `db-[a:f]`, `n[0:8:2]`.

/// Expands every range of a pattern into at most `max` names.
///
/// Numbers keep the width of the first where it has leading zeros. Letters go through the alphabet.
///
/// # Errors
/// Why the pattern is none, in words.
pub(crate) fn expand(pattern: &str, max: usize) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('[') {
        let (range, after) =
            after.split_once(']').ok_or_else(|| format!("the `[` of `{pattern}` is not closed"))?;
        let values = values(range, max)?;
        if names.len().saturating_mul(values.len()) > max {
            return Err(format!("`{pattern}` stands for more than {max} hosts"));
        }
        names = names
            .iter()
            .flat_map(|name| values.iter().map(move |value| format!("{name}{before}{value}")))
            .collect();
        rest = after;
    }
    if rest.contains(']') {
        return Err(format!("`{pattern}` has a `]` without a `[`"));
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

fn values(range: &str, max: usize) -> Result<Vec<String>, String> {
    let shape = || format!("`[{range}]` is not a range such as `[01:10]`, `[a:f]` or `[0:8:2]`");
    let parts: Vec<&str> = range.split(':').collect();
    let (from, to, step) = match parts.as_slice() {
        [from, to] => (*from, *to, 1),
        [from, to, step] => (*from, *to, step.parse().map_err(|_| shape())?),
        _ => return Err(shape()),
    };
    if step == 0 {
        return Err(shape());
    }
    let downwards = || format!("`[{range}]` ends before it begins");
    if let (Some(first), Some(last)) = (letter(from), letter(to)) {
        if first.is_ascii_lowercase() != last.is_ascii_lowercase() {
            return Err(shape());
        }
        let letters: Vec<String> =
            (first..=last).step_by(step).map(|one| char::from(one).to_string()).collect();
        return if letters.is_empty() { Err(downwards()) } else { Ok(letters) };
    }
    // As in Ansible, what is left out is 0.
    let from = if from.is_empty() { "0" } else { from };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(from) || !digits(to) {
        return Err(shape());
    }
    let width = if from.len() > 1 && from.starts_with('0') { from.len() } else { 0 };
    if width > 0 && width != to.len() {
        return Err(format!("`[{range}]` begins with {width} digits and ends with {}", to.len()));
    }
    let (Ok(first), Ok(last)) = (from.parse::<u64>(), to.parse::<u64>()) else {
        return Err(shape());
    };
    if last < first {
        return Err(downwards());
    }
    let step = u64::try_from(step).unwrap_or(u64::MAX);
    if last.abs_diff(first).checked_div(step).is_none_or(|count| count >= max as u64) {
        return Err(format!("`[{range}]` stands for more than {max} hosts"));
    }
    let mut values = Vec::new();
    let mut next = Some(first);
    while let Some(value) = next.filter(|value| *value <= last) {
        values.push(format!("{value:0width$}"));
        next = value.checked_add(step);
    }
    Ok(values)
}

fn letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [one] if one.is_ascii_alphabetic() => Some(*one),
        _ => None,
    }
}
