//! What stacks say about themselves.

use axum::http::Method;
use tandem_deploy::aws::Stack;

use crate::edge::upstream::{OwnRequest, Upstream};
use crate::xml;

/// Reads one stack, or all of a Region.
///
/// # Errors
/// There is no such stack, or the emulator can't be reached.
pub async fn read(upstream: &Upstream, region: &str, stack: Option<&str>) -> anyhow::Result<Vec<Stack>> {
    let name = stack.map(|stack| format!("&StackName={stack}")).unwrap_or_default();
    let body = format!("Action=DescribeStacks&Version=2010-05-15{name}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let request = OwnRequest {
        method: Method::POST,
        service: "cloudformation",
        region,
        path: "/",
        headers: &headers,
        body: body.into(),
    };
    let answer = upstream.call(request).await?;
    anyhow::ensure!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    parse(&answer.text())
}

/// The emulator gives a stack's name before all else of it.
fn parse(xml: &str) -> anyhow::Result<Vec<Stack>> {
    let (mut stacks, mut key, mut value) = (Vec::<Stack>::new(), None, None);
    for (element, text) in xml::elements(xml)? {
        if element == "StackName" {
            stacks.push(Stack { name: text, ..Stack::default() });
            continue;
        }
        let Some(stack) = stacks.last_mut() else { continue };
        match element.as_str() {
            "StackStatus" => stack.status = text,
            "OutputKey" => key = Some(text),
            "OutputValue" => value = Some(text),
            // Key and value come in either order; their member ends after both.
            "member" => stack.outputs.extend(key.take().zip(value.take())),
            _ => {}
        }
    }
    Ok(stacks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn stacks_are_read_with_their_status_and_outputs() {
        let xml = "<R><Stacks><member><StackName>s</StackName><StackStatus>CREATE_COMPLETE</StackStatus>\
            <Parameters><member><ParameterKey>P</ParameterKey><ParameterValue>0</ParameterValue></member></Parameters><Outputs>\
            <member><OutputKey>A</OutputKey><OutputValue>1</OutputValue><Description>d</Description></member>\
            <member><OutputValue>2</OutputValue><OutputKey>B</OutputKey></member></Outputs></member>\
            <member><StackName>t</StackName><StackStatus>X</StackStatus></member></Stacks></R>";
        let outputs = [("A", "1"), ("B", "2")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let first = Stack { name: "s".into(), status: "CREATE_COMPLETE".into(), outputs, ..Stack::default() };
        let second = Stack { name: "t".into(), status: "X".into(), ..Stack::default() };
        assert_eq!(parse(xml).unwrap(), [first, second]);
    }
}
