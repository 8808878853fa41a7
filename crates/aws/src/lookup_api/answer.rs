//! Reads an answer, and believes nothing of it: each key that was asked for is answered once, and no other.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use tandem_core::ports::{LookupRequest, Records, ServiceError};

use super::wrong;

/// The form of an answer, as Tandem's own API gives it; other members are left alone.
#[derive(serde::Deserialize)]
struct Answer {
    records: Pairs<Pairs<String>>,
    missing: Vec<String>,
}

/// A JSON object's members as they stand there: a map would hide that one stands there twice.
struct Pairs<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
    type Value = Pairs<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// The records of an answer to a request.
pub(super) fn read(request: &LookupRequest<'_>, body: &[u8]) -> Result<Records, ServiceError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| wrong(form(&error)))?;
    let mut open: HashMap<&str, usize> = request.keys.iter().enumerate().map(|(index, &key)| (key, index)).collect();
    let mut answered = |key: &str| open.remove(key).ok_or_else(|| unexpected(request, key));
    let mut records = Records::new(request.fields.len());
    for (key, record) in &answer.records.0 {
        let index = answered(key)?;
        let values: Vec<&str> = request.fields.iter().map(|field| value(record, field)).collect::<Result<_, _>>()?;
        records.push(index, values);
    }
    answer.missing.iter().try_for_each(|key| answered(key).map(drop))?;
    match open.len() {
        0 => Ok(records),
        left => Err(wrong(format!("{left} keys are neither in \"records\" nor in \"missing\""))),
    }
}

/// A record's value of a field; empty where it has none.
fn value<'r>(record: &'r Pairs<String>, field: &str) -> Result<&'r str, ServiceError> {
    let mut values = record.0.iter().filter(|(name, _)| name == field).map(|(_, value)| value.as_str());
    let value = values.next().unwrap_or_default();
    if values.next().is_some() { Err(wrong(format!("a record has its field {field:?} twice"))) } else { Ok(value) }
}

fn unexpected(request: &LookupRequest<'_>, key: &str) -> ServiceError {
    let asked = request.keys.contains(&key);
    wrong(if asked { "a key is answered twice" } else { "a key is answered that was not asked for" })
}

/// What is wrong with the form, without what stands there.
fn form(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "it is not {\"records\": {key: {field: text}}, \"missing\": [key]}",
        Category::Eof => "it ends too early to be JSON",
        Category::Syntax | Category::Io => "it is no JSON in UTF-8",
    };
    format!("{what} (column {})", error.column())
}
