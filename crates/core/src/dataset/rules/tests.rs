//! The direct checks say "valid" exactly where `jsonschema` does.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::node::{Node, Row};
use super::{Rules, keywords};
use crate::csv::{Fields, Writer};
use crate::dataset::{Column, Dataset, Quoting};

const FIELDS: [&str; 3] = ["a", "b", "c"];

/// Patterns inside and outside of what the direct checks take.
fn pattern() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        3 => "[ab0-9]",
        2 => prop::sample::select(vec!["[ab]", "[0-9]", "[a-c]", "[A-Z]", "[a-z0-9_ ]", "[a-c-]", "[0-9.,/:@]"]).prop_map(String::from),
        1 => prop::sample::select(vec!["\\.", "\\-", "\\+", "\\$", "\\\\", "-", " ", "/", "#", "&", "~", "<", "\""]).prop_map(String::from),
        1 => prop::sample::select(vec![".", "\\d", "\\w", "\\s", "[^a]", "(a|bc)", "é", "\\S", "[éa]"]).prop_map(String::from),
    ];
    let times = prop::sample::select(vec!["", "", "", "{2}", "{1,2}", "{0,3}", "{2,}", "?", "*", "+", "+?"]);
    let atoms = prop::collection::vec((atom, times).prop_map(|(atom, times)| atom + times), 0..4);
    let ends = prop::sample::select(vec![("^", "$"), ("^", "$"), ("^", "$"), ("^", ""), ("", "$"), ("", "")]);
    (ends, atoms).prop_map(|((start, end), atoms)| format!("{start}{}{end}", atoms.concat()))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => Just(String::new()),
        4 => "[abcA0-9_ .,/\\-]{1,5}",
        2 => "[ab0-9é\u{1F600}\n\r\"$\\\\]{1,5}",
        1 => prop::sample::select(vec!["2024-02-30", "2024-02-29", "a@b.de", "ab", "é", "a\n", "１"]).prop_map(String::from),
    ]
}

/// A keyword of a field with its value.
fn keyword() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![
        Just(("type", json!("string"))),
        Just(("type", json!(["string", "null"]))),
        Just(("description", json!("nothing"))),
        (0..4_u32).prop_map(|least| ("minLength", json!(least))),
        (0..6_u32).prop_map(|most| ("maxLength", json!(most))),
        Just(("maxLength", json!(3.0))),
        prop::collection::vec(text(), 1..3).prop_map(|values| ("enum", json!(values))),
        text().prop_map(|value| ("enum", json!([value, "1"]))),
        text().prop_map(|value| ("const", json!(value))),
        pattern().prop_map(|pattern| ("pattern", json!(pattern))),
        prop::sample::select(vec!["date", "email", "ipv4"]).prop_map(|format| ("format", json!(format))),
        pattern().prop_map(|pattern| ("not", json!({"pattern": pattern}))),
        (0..6_u32).prop_map(|most| ("anyOf", json!([{"maxLength": most}, {"pattern": "^a"}]))),
        Just(("if", json!({"minLength": 2}))),
        Just(("then", json!({"pattern": "^a"}))),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let field = prop::collection::vec(keyword(), 0..4)
        .prop_map(|keywords| Value::from_iter(keywords.into_iter().map(|(name, value)| (name.to_owned(), value))));
    let rest = prop::sample::select(vec![json!({}), json!({}), json!({"type": "object"}), json!({"minProperties": 2})]);
    let parts = (prop::collection::vec(field, 3), prop::sample::subsequence(FIELDS.to_vec(), 0..=3), rest);
    parts.prop_map(|(fields, required, rest)| {
        let properties: Map<String, Value> = FIELDS.iter().map(|&name| name.to_owned()).zip(fields).collect();
        let mut schema = json!({"properties": properties, "required": required});
        schema.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        schema
    })
}

/// Values that a schema's own patterns, words and sizes suggest, beside any.
fn values(schema: &Value) -> impl Strategy<Value = Vec<String>> + use<> {
    let value = |name: &&str| -> BoxedStrategy<String> {
        let rules = &schema["properties"][*name];
        let words = rules["enum"].as_array().into_iter().flatten().chain([&rules["const"]]);
        let words: Vec<String> = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
        let fitting = rules["pattern"].as_str().map(|pattern| pattern.trim_start_matches('^').trim_end_matches('$'));
        match (fitting.and_then(|fitting| proptest::string::string_regex(fitting).ok()), words.is_empty()) {
            (Some(fitting), true) => prop_oneof![text(), fitting].boxed(),
            (_, false) => prop_oneof![text(), prop::sample::select(words)].boxed(),
            _ => text().boxed(),
        }
    };
    FIELDS.iter().map(value).collect::<Vec<_>>()
}

/// Whether `jsonschema`, the direct checks if there are any, and the rules as they are used, find the row valid.
fn verdicts(rules: &Rules, positions: &[usize], values: &[String]) -> (bool, Option<bool>, bool) {
    let mut writer = Writer::new(b',', Quoting::All);
    for value in values {
        writer.field(value.as_bytes());
    }
    let line = writer.into_bytes();
    let mut fields = Fields::new(b',');
    let record = fields.parse(&line).text().unwrap();
    let row = Row { fields: &rules.fields, positions, record: &record };
    let direct = rules.direct.as_ref().map(|direct| direct.is_valid(&record, positions));
    (rules.validator.is_valid(Node::Row(&row)), direct, rules.first_failed(&record, positions).is_none())
}

fn compiled(schema: &Value) -> Option<Rules> {
    let column = |name: &&str| Column { header: (*name).to_owned(), field: (*name).to_owned() };
    Rules::compile(&FIELDS.iter().map(column).collect::<Vec<_>>(), schema).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn direct_checks_and_jsonschema_give_one_verdict(
        (schema, values) in schema().prop_flat_map(|schema| {
            let values = prop::collection::vec(values(&schema), 1..8);
            (Just(schema), values)
        })
    ) {
        let Some(rules) = compiled(&schema) else { return Ok(()) };
        for values in values {
            let (expected, direct, used) = verdicts(&rules, &[2, 0, 1], &[&values[1..], &values[..1]].concat());
            prop_assert_eq!(direct.unwrap_or(expected), expected, "{} {:?}", schema, values);
            prop_assert_eq!(used, expected, "{} {:?}", schema, values);
        }
    }

    #[test]
    fn the_shipped_datasets_rules_are_direct_and_give_one_verdict(
        price_list in any::<bool>(),
        values in prop::collection::vec(prop_oneof![
            prop::sample::select(vec!["123456789", "ABC-1234", "0.00", "12.50", "EUR", "eur", "2024-02-29", "a@b.de", "H"]).prop_map(String::from),
            text(), "[A-Z]{3}-[0-9]{3,9}", "[0-9]{8,10}", "[0-9]{1,3}\\.[0-9]{2}", ".{0,130}",
        ], 8),
    ) {
        let (name, definition): (_, &[u8]) = if price_list {
            ("price-list", include_bytes!("../../../../../assets/datasets/price-list.json"))
        } else {
            ("sales-orders", include_bytes!("../../../../../assets/datasets/sales-orders.json"))
        };
        let dataset = Dataset::parse(name, definition).unwrap();
        let positions: Vec<usize> = (0..dataset.columns.len()).collect();
        let (expected, direct, used) = verdicts(&dataset.rules, &positions, &values);
        prop_assert_eq!((direct, used), (Some(expected), expected), "{:?}", values);
    }
}

#[test]
fn what_concerns_the_row_or_refers_elsewhere_is_left_to_jsonschema() {
    let fields = FIELDS.map(str::to_owned);
    for schema in [
        json!({"minProperties": 1}),
        json!({"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"a": {"const": "x"}}}),
        json!({"$defs": {"x": {"maxLength": 1}}, "properties": {"a": {"$ref": "#/$defs/x"}}}),
        json!({"properties": {"a": {"anyOf": [{"$ref": "#/properties/b"}]}, "b": {"maxLength": 1}}}),
        json!({"allOf": [{"required": ["a"]}]}),
    ] {
        assert!(keywords::check(&fields, &schema).is_ok(), "{schema}");
        let rules = compiled(&schema).unwrap();
        assert!(rules.direct.is_none(), "{schema}");
    }
}

#[test]
fn rules_that_refer_to_themselves_come_to_an_end() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}], "required": ["a"]}),
        json!({"not": {"required": ["b"]}, "unevaluatedProperties": {"$ref": "#/properties/a"}, "properties": {"a": {"$ref": "#/properties/a"}}}),
        json!({"properties": {"a": {"maxLength": 2, "anyOf": [{"$ref": "#/properties/a"}, {"const": "xyz"}]}}}),
        json!({"$defs": {"x": {"$ref": "#/$defs/y"}, "y": {"allOf": [{"$ref": "#/$defs/x"}, {"pattern": "^x"}]}},
            "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/y"}}}),
    ] {
        let rules = compiled(&schema).unwrap();
        let plain = jsonschema::validator_for(&schema).unwrap();
        for values in [["", "", ""], ["x", "", "z"], ["xyz", "x", ""], ["q", "q", "q"]] {
            let members = FIELDS.iter().zip(values).filter(|(_, value)| !value.is_empty());
            let row: Value = members.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            let values = values.map(str::to_owned);
            let (verdict, _, used) = verdicts(&rules, &[0, 1, 2], &values);
            assert_eq!((verdict, used), (plain.is_valid(&row), plain.is_valid(&row)), "{schema} {values:?}");
        }
    }
}

#[test]
fn rules_that_no_row_keeps_or_that_say_nothing_are_refused_at_any_depth() {
    let fields = FIELDS.map(str::to_owned);
    let of_a = |rules: Value| json!({"properties": {"a": rules}});
    for (schema, expected) in [
        (of_a(json!({"enum": [1, 2]})), "rules.properties.a.enum: 1 is no text, and a field is text: write \"1\""),
        (of_a(json!({"enum": ["a", null]})), "rules.properties.a.enum: null is no text"),
        (of_a(json!({"enum": []})), "rules.properties.a.enum: nothing is listed"),
        (of_a(json!({"const": 1.5})), "rules.properties.a.const: 1.5 is no text"),
        (of_a(json!({"const": true})), "rules.properties.a.const: true is no text"),
        (of_a(json!({"minLength": 3, "maxLength": 2})), "rules.properties.a: \"minLength\" is above \"maxLength\""),
        (of_a(json!({"type": ["integer"]})), "rules.properties.a: type [\"integer\"]: a field is text"),
        (of_a(json!({"type": []})), "rules.properties.a: type []: a field is text"),
        (of_a(json!({"type": 1})), "rules.properties.a: type 1: a field is text"),
        (of_a(json!({"minimum": 2, "maximum": 1})), "\"maximum\" limits numbers"),
        (of_a(json!(true)), "rules.properties.a: must be an object"),
        (json!({"properties": []}), "rules.properties: must be an object"),
        (json!({"type": ["array"]}), "rules.type: a row is an object"),
        (json!({"minProperties": 2, "maxProperties": 1}), "rules: \"minProperties\" is above \"maxProperties\""),
        (json!({"minProperties": 4}), "rules.minProperties: 4 fields are asked for, and a row has 3"),
        (json!({"minProperties": 4.0}), "rules.minProperties: 4 fields are asked for, and a row has 3"),
        (
            of_a(json!({"anyOf": [{"maxLength": 1}, {"patern": "x"}]})),
            "rules.properties.a.anyOf[1]: \"patern\" is no rule here",
        ),
        (of_a(json!({"not": {"const": 1}})), "rules.properties.a.not.const: 1 is no text"),
        (of_a(json!({"if": {"minimum": 1}})), "rules.properties.a.if: \"minimum\" limits numbers"),
        (of_a(json!({"not": 1})), "rules.properties.a.not: must be an object"),
        (json!({"allOf": [{"required": ["d"]}]}), "rules.allOf[0].required: \"d\" is no field"),
        (json!({"allOf": [{"properties": {"d": {}}}]}), "rules.allOf[0].properties: \"d\" is no field"),
        (
            json!({"then": {"properties": {"a": {"formt": "date"}}}}),
            "rules.then.properties.a: \"formt\" is no rule here",
        ),
        (json!({"dependentRequired": {"d": ["a"]}}), "rules.dependentRequired: \"d\" is no field"),
        (json!({"dependentRequired": {"a": ["d"]}}), "rules.dependentRequired: \"d\" is no field"),
        (json!({"dependentSchemas": {"d": {}}}), "rules.dependentSchemas: \"d\" is no field"),
        (json!({"dependentSchemas": {"a": {"requird": []}}}), "rules.dependentSchemas.a: \"requird\" is no rule here"),
        (
            json!({"patternProperties": {"^a": {"pattrn": "x"}}}),
            "rules.patternProperties.^a: \"pattrn\" is no rule here",
        ),
        (json!({"additionalProperties": {"requird": 1}}), "rules.additionalProperties: \"requird\" is no rule here"),
        (json!({"propertyNames": {"enum": [1]}}), "rules.propertyNames.enum: 1 is no text"),
        (json!({"$defs": {"x": {"maxLenght": 1}}}), "rules.$defs.x: \"maxLenght\" is no rule here"),
    ] {
        let message = keywords::check(&fields, &schema).unwrap_err().to_string();
        assert!(message.contains(expected), "{schema}: {message}");
    }
    for schema in [
        of_a(json!({"type": ["string", "null"], "minLength": 2, "maxLength": 2, "anyOf": [true, {"const": "x"}]})),
        json!({"type": ["object", "null"], "minProperties": 3, "maxProperties": 3}),
        json!({"additionalProperties": false, "propertyNames": {"maxLength": 9}, "dependentRequired": {"a": ["b"]}}),
        json!({"$defs": {"x": {"maxLength": 1}, "y": {"required": ["a"]}}}),
    ] {
        assert!(keywords::check(&fields, &schema).is_ok(), "{schema}");
    }
}
