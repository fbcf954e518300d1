//! The schemas of the document, and the bodies that fit them.

use std::collections::BTreeSet;

use acklog_api::OPENAPI;
use serde_json::{Value, json};

pub(super) fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// Follows a reference into the components.
pub(super) fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(target) => document.pointer(target.strip_prefix('#').unwrap()).expect(target),
        None => schema,
    }
}

/// Returns why a value does not fit a schema, as far as the document uses its keywords; a member
/// that the schema does not name fits nothing.
pub(super) fn misfit(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = resolved(document, schema);
    let wrong = |why: &str| Some(format!("{value} is not {why} of {schema}"));
    let fits = |schema: &Value| misfit(document, schema, value).is_none();
    if let Some(of) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array)
        && schema.get("properties").is_none()
    {
        return if of.iter().any(fits) { None } else { wrong("any") };
    }
    let type_of = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_type = |name: &Value| name == type_of(value) || (name == "number" && value.is_number());
    match schema.get("type") {
        Some(Value::Array(names)) if !names.iter().any(is_type) => return wrong("the type"),
        Some(name @ Value::String(_)) if !is_type(name) => return wrong("the type"),
        _ => {}
    }
    if schema.get("enum").is_some_and(|words| !words.as_array().unwrap().contains(value))
        || schema.get("const").is_some_and(|only| only != value)
    {
        return wrong("a word");
    }
    match value {
        Value::Array(items) => {
            items.iter().find_map(|item| misfit(document, schema.get("items")?, item))
        }
        Value::Object(members) => {
            let required = schema["required"].as_array().unwrap();
            let missing =
                required.iter().find(|name| !members.contains_key(name.as_str().unwrap()));
            let unknown = || {
                members.iter().find_map(|(name, member)| match schema["properties"].get(name) {
                    Some(schema) => misfit(document, schema, member),
                    None => Some(format!("{name} is not documented")),
                })
            };
            missing.map(|name| format!("{name} is missing")).or_else(unknown)
        }
        _ => None,
    }
}

/// Compares an object's schema with examples, which together have all members, and of which each
/// has those that are always there.
#[track_caller]
pub(super) fn assert_described(name: &str, examples: &[Value]) {
    let document = document();
    let schema = &document["components"]["schemas"][name];
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    for example in examples {
        assert_eq!(misfit(&document, schema, example), None, "{name}");
    }
    let members = examples.iter().map(names);
    let all: BTreeSet<_> = members.clone().flatten().collect();
    assert_eq!(names(&schema["properties"]), all, "{name}");
    let always = members.reduce(|one, other| &one & &other).unwrap();
    let required = schema["required"].as_array().unwrap();
    let required: BTreeSet<_> = required.iter().map(|name| name.as_str().unwrap().into()).collect();
    assert_eq!(required, always, "{name}");
}

#[test]
fn the_check_finds_what_does_not_fit() {
    let document = document();
    let misfit =
        |name: &str, value| misfit(&document, &document["components"]["schemas"][name], &value);
    assert!(misfit("Message", json!({"id": 3})).is_some());
    assert!(misfit("Message", json!({"id": "3", "message": "a"})).is_some());
    assert!(misfit("Message", json!({"id": 3, "message": "a", "more": 1})).is_some());
    assert!(misfit("Appended", json!({"id": 3, "writeConcern": 1, "ackedBy": [1]})).is_some());
    assert!(misfit("Disk", json!({"state": "fine", "detail": null})).is_some());
    assert!(misfit("Health", json!({"role": "witness"})).is_some());
}
