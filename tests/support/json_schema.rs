//! A validator of JSON Schema for the subset that `splitbrain schema` uses. A keyword that it does not know is a
//! failure, so that it can never pass what it did not look at.

use serde_json::Value;

/// The first reason why the value does not fit the schema; `None` if it fits.
pub(crate) fn refusal(root: &Value, value: &Value) -> Option<String> {
    check(root, root, value, "").err()
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let keywords = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Bool(false) => return Err(format!("{path}: nothing fits here")),
        Value::Object(keywords) => keywords,
        _ => panic!("{schema} is no schema"),
    };
    for (keyword, rule) in keywords {
        let good = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" => true,
            "$ref" => return check(root, resolve(root, rule), value, path),
            "type" => has_type(value, rule.as_str().expect("one type")),
            "const" => value == rule,
            "enum" => list(rule).contains(value),
            "pattern" => value.as_str().is_none_or(|text| matches(rule, text)),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= number(rule)),
            "minimum" => {
                value.as_i64().is_none_or(|value| 0 <= value)
                    && value.as_u64().is_none_or(|value| value >= number(rule))
            }
            "maximum" => value.as_u64().is_none_or(|value| value <= number(rule)),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= number(rule)),
            "uniqueItems" => value.as_array().is_none_or(|items| unique(items)),
            "required" => value.as_object().is_none_or(|map| keys(rule).all(|key| map.contains_key(key))),
            "not" => check(root, rule, value, path).is_err(),
            "anyOf" => list(rule).iter().any(|one| check(root, one, value, path).is_ok()),
            "oneOf" => list(rule).iter().filter(|one| check(root, one, value, path).is_ok()).count() == 1,
            "allOf" => list(rule).iter().all(|one| check(root, one, value, path).is_ok()),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(root, rule, item, &format!("{path}[]"))?;
                }
                true
            }
            "properties" | "patternProperties" => true,
            "propertyNames" => {
                for key in value.as_object().into_iter().flat_map(|map| map.keys()) {
                    check(root, rule, &Value::String(key.clone()), path)?;
                }
                true
            }
            "additionalProperties" => true,
            other => panic!("the validator does not know {other}"),
        };
        if !good {
            return Err(format!("{path}: {keyword} {rule} does not hold"));
        }
    }
    properties(root, schema, value, path)
}

fn properties(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        let named = schema.get("properties").and_then(|map| map.get(key));
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let matching =
            patterns.into_iter().flatten().find(|(pattern, _)| matches(&Value::String((*pattern).clone()), key));
        let rule = named.or(matching.map(|(_, rule)| rule)).or(schema.get("additionalProperties"));
        check(root, rule.unwrap_or(&Value::Bool(true)), value, &path)?;
    }
    Ok(())
}

fn resolve<'s>(root: &'s Value, reference: &Value) -> &'s Value {
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
    root.pointer(pointer).expect("a reference leads somewhere")
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the validator does not know the type {other}"),
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    let pattern = pattern.as_str().expect("a pattern is text");
    regex_lite::Regex::new(pattern).expect("a pattern is a regular expression").is_match(text)
}

fn unique(items: &[Value]) -> bool {
    items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
}

fn list(rule: &Value) -> &[Value] {
    rule.as_array().filter(|list| !list.is_empty()).map_or_else(|| panic!("{rule} is no list, or empty"), Vec::as_slice)
}

fn keys(rule: &Value) -> impl Iterator<Item = &str> {
    rule.as_array().into_iter().flatten().map(|key| key.as_str().expect("a key is text"))
}

fn number(rule: &Value) -> u64 {
    rule.as_u64().expect("a bound is a whole number")
}

/// A TOML file as the JSON that an editor would check.
pub(crate) fn from_toml(text: &str) -> Option<Value> {
    let table: toml::Table = text.parse().ok()?;
    serde_json::to_value(table).ok()
}
