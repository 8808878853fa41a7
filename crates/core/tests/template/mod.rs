//! Reads a template as text: its resources, and the statements of its policies.

/// A resource's text, or a parameter's or a rule's, by its logical id.
pub fn resource<'a>(template: &'a str, name: &str) -> &'a str {
    let (_, rest) = template.split_once(&format!("\n  {name}:\n")).expect("the template has the resource");
    let end = rest.match_indices("\n  ").find(|(at, _)| !rest[at + 3..].starts_with([' ', '#']));
    &rest[..end.map_or(rest.len(), |(at, _)| at)]
}

/// The statements of a policy, as text from one `Sid` to the next.
pub fn statements(policy: &str) -> Vec<&str> {
    policy.split("Sid: ").skip(1).collect()
}

/// The statement with this name.
pub fn statement<'a>(policy: &'a str, sid: &str) -> &'a str {
    let found = statements(policy).into_iter().find(|statement| statement.starts_with(&format!("{sid}\n")));
    found.expect("the policy has the statement")
}
