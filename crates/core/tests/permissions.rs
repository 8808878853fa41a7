//! What the template's roles may do to an input: read it and tag it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

const TEMPLATE: &str = include_str!("../../../sam/batch.yaml");

/// Actions that leave an object's key, content and versions as they are.
const HARMLESS: [&str; 6] = [
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
];

/// The actions on an `Action:` line, written as one or as a list.
fn actions(line: &str) -> Vec<&str> {
    let (_, actions) = line.split_once("Action:").expect("the line lists actions");
    actions.trim().trim_matches(['[', ']']).split(',').map(str::trim).collect()
}

#[test]
fn no_role_may_write_or_delete_an_input() {
    let lines: Vec<&str> = TEMPLATE.lines().collect();
    let mut statements = 0;
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.contains("/input/*")) {
        let granted = lines[..at].iter().rev().find(|line| line.contains("Action:")).expect("a statement has actions");
        for action in actions(granted) {
            assert!(HARMLESS.contains(&action), "{action} on input/*, line {}", at + 1);
        }
        statements += 1;
    }
    assert!(statements >= 3, "split, validate and deliver name input/*; were they found?");
}

#[test]
fn no_role_may_delete_objects_or_reach_all_of_a_bucket() {
    assert!(!TEMPLATE.contains("s3:Delete"), "a function may delete objects");
    assert!(!TEMPLATE.contains("s3:*"), "a role allows every action");
    let whole = TEMPLATE.lines().find(|line| line.contains(":s3:::") && line.trim_end().ends_with("${AWS::Region}/*"));
    assert_eq!(whole, None, "a role reaches all of a bucket, input/ included");
}
