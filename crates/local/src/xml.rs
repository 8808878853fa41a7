//! The little XML that is read here.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Every element that ends, by its local name with the text directly in it, in the order in which they end: an element
/// comes after those it holds.
///
/// # Errors
/// The text is no XML.
pub fn elements(xml: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut reader = Reader::from_str(xml);
    let (mut ended, mut open) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event()? {
            Event::Start(_) => open.push(String::new()),
            Event::Empty(empty) => ended.push((empty.local_name().as_ref().to_owned(), String::new())),
            Event::End(end) => ended.push((end.local_name().as_ref().to_owned(), open.pop().unwrap_or_default())),
            Event::Text(text) => {
                open.last_mut().into_iter().for_each(|element| element.push_str(&text.xml10_content()))
            }
            Event::CData(text) => {
                open.last_mut().into_iter().for_each(|element| element.push_str(&text.xml10_content()))
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref()?.map(String::from);
                let named = || quick_xml::escape::resolve_xml_entity(&reference).map(str::to_owned);
                let text = character.or_else(named).unwrap_or_default();
                open.last_mut().into_iter().for_each(|element| element.push_str(&text));
            }
            Event::Eof => return Ok(ended),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn elements_end_inside_out_and_references_are_resolved() {
        let elements = elements("<a xmlns='x'><n:b>1 &amp; &#43;&#x2f;</n:b>t<c/></a>").unwrap();
        let expected = [("b", "1 & +/"), ("c", ""), ("a", "t")];
        assert_eq!(elements, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert!(super::elements("<a></b>").is_err());
    }
}
