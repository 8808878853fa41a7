//! The outputs of a stack.

use axum::http::Method;

use super::Outputs;
use crate::edge::upstream::{OwnRequest, Upstream};
use crate::xml;

/// Reads them. Asked for directly: the `aws` command needs half a second to start.
///
/// # Errors
/// There is no such stack, or the emulator can't be reached.
pub async fn read(upstream: &Upstream, region: &str, stack: &str) -> anyhow::Result<Outputs> {
    let body = format!("Action=DescribeStacks&Version=2010-05-15&StackName={stack}");
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
    anyhow::ensure!(answer.status.is_success(), "no outputs of {stack}: {} {}", answer.status, answer.text());
    parse(&answer.text())
}

fn parse(xml: &str) -> anyhow::Result<Outputs> {
    let (mut outputs, mut key, mut value) = (Outputs::new(), None, None);
    for (element, text) in xml::elements(xml)? {
        match element.as_str() {
            "OutputKey" => key = Some(text),
            "OutputValue" => value = Some(text),
            // Key and value come in either order; their member ends after both.
            "member" => outputs.extend(key.take().zip(value.take())),
            _ => {}
        }
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn outputs_are_read_by_name() {
        let xml = "<R><Stacks><member><StackName>s</StackName><Outputs>\
            <member><OutputKey>A</OutputKey><OutputValue>1</OutputValue><Description>d</Description></member>\
            <member><OutputValue>2</OutputValue><OutputKey>B</OutputKey></member></Outputs></member></Stacks></R>";
        let expected = [("A", "1"), ("B", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(parse(xml).unwrap(), Outputs::from(expected));
    }
}
