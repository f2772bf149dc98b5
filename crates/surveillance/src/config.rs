//! Methods from their parameters in JSON, named as in R `surveillance`.

use crate::detect::Algorithm;
use crate::historical::Reference;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A named set of parameters: `{"farringtonFlexible/ff_default": {…}}`.
#[derive(Debug, Clone)]
pub struct Named {
    /// Last part of the key.
    pub config: String,
    /// Parameters, `null`s left out.
    pub parameters: Map<String, Value>,
}

/// Reads one entry; an empty list stands for no parameters, as R writes it.
pub fn parse(text: &str) -> Result<Named, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
    let entries = value.as_object().ok_or("a JSON object with one entry is expected")?;
    let mut entries = entries.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return Err("exactly one entry, the name of the configuration, is expected".into());
    };
    let mut parameters = match value {
        Value::Object(parameters) => parameters.clone(),
        Value::Array(list) if list.is_empty() => Map::new(),
        _ => return Err(format!("the parameters of \"{key}\" are not an object")),
    };
    parameters.retain(|_, value| !value.is_null());
    let config = key.rsplit('/').next().unwrap_or(key).to_owned();
    Ok(Named { config, parameters })
}

/// Names that [`algorithm`] knows.
pub const NAMES: &[&str] = &[
    "farringtonFlexible",
    "farrington",
    "earsC",
    "rki1",
    "rki2",
    "rki3",
    "rki",
    "bayes1",
    "bayes2",
    "bayes3",
    "bayes",
    "cdc",
    "cusum",
    "glrpois",
    "glrnb",
    "outbreakP",
    "mpm",
    "fixed",
];

/// The method `name` with these parameters.
pub fn algorithm(name: &str, parameters: &Map<String, Value>) -> Result<Algorithm, String> {
    let mut given = parameters.clone();
    // R's switches for messages change no result.
    for silent in ["verbose", "glmWarnings", "fitFun", "plot"] {
        given.remove(silent);
    }
    if let Some(range) = given.get("range") {
        given.insert("range".into(), first_and_last(range)?);
    }
    match name {
        "farringtonFlexible" => read(given).map(Algorithm::FarringtonFlexible),
        "farrington" => read(given).map(Algorithm::Farrington),
        "earsC" => read(given).map(Algorithm::Ears),
        "rki1" | "rki2" | "rki3" | "rki" => reference(name, given).map(Algorithm::Rki),
        "bayes1" | "bayes2" | "bayes3" | "bayes" => reference(name, given).map(Algorithm::Bayes),
        "cdc" => read(given).map(Algorithm::Cdc),
        "cusum" => read(given).map(Algorithm::Cusum),
        "glrpois" if given.get("alpha").and_then(Value::as_f64).is_some_and(|a| a != 0.0) => {
            Err("glrpois is the chart with alpha 0; use glrnb".into())
        }
        "glrpois" => read(given).map(Algorithm::LikelihoodRatio),
        "glrnb" if !given.contains_key("alpha") => Err("glrnb needs alpha, the overdispersion".into()),
        "glrnb" => read(given).map(Algorithm::LikelihoodRatio),
        "outbreakP" => read(given).map(Algorithm::OutbreakP),
        "mpm" => read(given).map(Algorithm::MovingPercentile),
        "fixed" => read(given).map(Algorithm::Fixed),
        _ => Err(format!("unknown algorithm \"{name}\"; known: {}", NAMES.join(", "))),
    }
}

fn read<T: DeserializeOwned>(parameters: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(parameters)).map_err(|e| e.to_string())
}

/// RKI and Bayes 1, 2, 3: this year's six weeks, those and a year, two years of nine weeks.
fn reference(name: &str, given: Map<String, Value>) -> Result<Reference, String> {
    let preset = match name.as_bytes()[name.len() - 1] {
        b'1' => json!({"b": 0, "w": 6, "actY": true}),
        b'2' => json!({"b": 1, "w": 6, "actY": true}),
        b'3' => json!({"b": 2, "w": 4, "actY": false}),
        _ if name == "bayes" => json!({"b": 0, "w": 6, "actY": true}),
        _ => json!({}),
    };
    let mut parameters = preset.as_object().cloned().unwrap_or_default();
    parameters.extend(given);
    read(parameters)
}

/// R gives a range as all its points; its ends are enough.
fn first_and_last(range: &Value) -> Result<Value, String> {
    let points: Option<Vec<u64>> = range.as_array().and_then(|list| list.iter().map(Value::as_u64).collect());
    match points.as_deref() {
        Some([first, .., last]) if first <= last => Ok(json!([first, last])),
        Some([only]) => Ok(json!([only, only])),
        _ => Err("range must be a rising list of points".into()),
    }
}
