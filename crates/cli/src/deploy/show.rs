//! What a person sees of checks and plans.

use tandem_deploy::changes::Change;
use tandem_deploy::checks::Finding;
use tandem_deploy::engine::{Preview, What};
use tandem_deploy::leftover::Leftover;

/// Said below a plan.
pub const EXPLAINED: &str = "\
Nothing was changed. What `runs` is no stack: packages, replicas, trials. Whether what `may be replaced` is, CloudFormation says
only when it does it; where data could be lost by it, that is said.";

/// Shows what the checks found, on standard error.
pub fn findings(findings: &[Finding]) {
    for finding in findings {
        let mark = if finding.ok { "      ok" } else { " PROBLEM" };
        errln!("{mark}    {}: {}", finding.check, finding.says);
    }
}

/// Says which stacks an earlier configuration has left, on standard error.
pub fn left(left: &[Leftover]) {
    for one in left {
        errln!("{}", one.says);
    }
}

/// A plan as text.
pub fn plan(previews: &[Preview]) -> String {
    let mut text = String::new();
    for preview in previews {
        let (does, resources): (String, &[Change]) = match &preview.what {
            What::Runs => (String::from("runs"), &[]),
            What::Nothing => (String::from("no changes"), &[]),
            What::Changes { resources } => (counted(resources), resources),
            What::Creates { resources, waits_for: None } if resources.is_empty() => (String::from("created"), &[]),
            What::Creates { resources, waits_for: None } => (format!("created: {}", counted(resources)), &[]),
            What::Creates { waits_for: Some(missing), .. } => (format!("created; {missing} is known later"), &[]),
        };
        text += &format!("{:38}  {does}\n", format!("{} {}", preview.step, preview.region));
        for change in resources {
            let mark = if change.is_loss() { "  <- data would be lost" } else { "" };
            text += &format!("    {:16} {} ({}){mark}\n", change.words(), change.resource, change.kind);
        }
    }
    text
}

/// `3 added, 1 changed`.
fn counted(changes: &[Change]) -> String {
    let words = ["added", "changed", "may be replaced", "replaced", "removed"];
    let of = |word: &&str| changes.iter().filter(|change| change.words() == *word).count();
    let counts = words.iter().map(|word| (of(word), word)).filter(|(count, _)| *count > 0);
    counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_counts_changes_and_marks_what_would_lose_data() {
        let change = |action: &str, kind: &str, replacement: &str| Change {
            action: action.into(),
            resource: "R".into(),
            kind: kind.into(),
            replacement: replacement.into(),
        };
        let of = |what| Preview { step: "state".into(), region: "us-east-1".into(), what };
        let changes = vec![
            change("Modify", "AWS::DynamoDB::GlobalTable", "True"),
            change("Add", "AWS::IAM::Role", ""),
            change("Add", "AWS::IAM::Role", ""),
        ];
        let text = plan(&[
            of(What::Nothing),
            of(What::Creates { resources: changes.clone(), waits_for: None }),
            of(What::Creates { resources: Vec::new(), waits_for: Some("VpcId of x".into()) }),
            of(What::Changes { resources: changes }),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("no changes"));
        assert!(lines[1].ends_with("created: 2 added, 1 replaced"));
        assert!(lines[2].ends_with("created; VpcId of x is known later"));
        assert!(lines[3].ends_with("2 added, 1 replaced"));
        assert!(lines[4].contains("replaced") && lines[4].ends_with("data would be lost"));
        assert_eq!(lines.len(), 7);
    }
}
