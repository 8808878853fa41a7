//! A CSV record as `jsonschema` sees it: an object of text members, without a JSON value being built.
//!
//! An empty field is an absent member. Nothing here allocates except what error messages ask for.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json;
use serde_json::Value;

use crate::csv::Text;

/// The representation.
pub(super) struct RowJson;

/// One record under its field names.
pub(super) struct Row<'a> {
    /// The dataset's fields.
    pub(super) fields: &'a [String],
    /// Where each field stands in the record.
    pub(super) positions: &'a [usize],
    /// The record.
    pub(super) record: &'a Text<'a>,
}

impl<'a> Row<'a> {
    fn value(&self, index: usize) -> Option<&'a str> {
        let value = self.record.get(*self.positions.get(index)?)?;
        (!value.is_empty()).then_some(value)
    }
}

/// The whole row, or one text in it.
#[derive(Clone, Copy)]
pub(super) enum Node<'a> {
    Row(&'a Row<'a>),
    Text(&'a str),
}

impl json::Json for RowJson {
    type Node<'a> = Node<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, with: impl FnOnce(Node<'_>) -> T) -> T {
        with(Node::Text(string))
    }
}

impl<'a> json::Node<'a, RowJson> for Node<'a> {
    type Object = &'a Row<'a>;
    type Array = NoArray;
    type Number = &'a serde_json::Number;

    fn as_object(&self) -> Option<Self::Object> {
        match self {
            Self::Row(row) => Some(row),
            Self::Text(_) => None,
        }
    }

    fn as_array(&self) -> Option<NoArray> {
        None
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Row(_) => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    fn as_number(&self) -> Option<Self::Number> {
        None
    }

    fn as_boolean(&self) -> Option<bool> {
        None
    }

    fn is_null(&self) -> bool {
        false
    }

    fn json_type(&self) -> JsonType {
        match self {
            Self::Row(_) => JsonType::Object,
            Self::Text(_) => JsonType::String,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match self {
            Self::Row(_) => *self.to_value() == *expected,
            Self::Text(text) => expected.as_str() == Some(text),
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(match self {
            Self::Row(row) => json::Object::members(row)
                .map(|(name, value)| (name.to_owned(), value.to_value().into_owned()))
                .collect(),
            Self::Text(text) => Value::from(*text),
        })
    }

    /// Where it lies. Rules may refer to themselves, and without it they would be followed until the stack is used up.
    fn identity(&self) -> Option<json::NodeIdentity> {
        Some(json::NodeIdentity::new(match self {
            Self::Row(row) => std::ptr::from_ref::<Row<'_>>(row).addr(),
            Self::Text(text) => text.as_ptr().addr(),
        }))
    }
}

impl<'a> json::Object<'a, RowJson> for &'a Row<'a> {
    type Node = Node<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        (0..self.fields.len()).filter(|&index| self.value(index).is_some()).count()
    }

    fn get(&self, key: &String) -> Option<Node<'a>> {
        let index = self.fields.iter().position(|field| field == key)?;
        self.value(index).map(Node::Text)
    }

    fn members(&self) -> Members<'a> {
        Members { row: self, next: 0 }
    }
}

/// The members of a row that are not empty.
pub(super) struct Members<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(field) = self.row.fields.get(self.next) {
            self.next += 1;
            if let Some(value) = self.row.value(self.next - 1) {
                return Some((field, Node::Text(value)));
            }
        }
        None
    }
}

/// A record holds no arrays.
pub(super) enum NoArray {}

impl<'a> json::Array<'a, RowJson> for NoArray {
    type Node = Node<'a>;
    type ElementsIter = std::iter::Empty<Node<'a>>;

    fn len(&self) -> usize {
        0
    }

    fn elements(&self) -> Self::ElementsIter {
        std::iter::empty()
    }
}
