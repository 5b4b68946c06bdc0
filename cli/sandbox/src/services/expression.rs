//! Expressions of the Earth Engine API: `Expression` and `ValueNode` of its discovery document.

use serde_json::{Map, Value, json};

/// How deep an expression may refer to its own parts: the end of one that refers to itself.
const MAX_DEPTH: u32 = 100;

/// The functions that are known, with what the real API says of them.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function { name: "Number.add", description: "Adds the first value to the second.", apply: |a, b| a + b },
    Function {
        name: "Number.subtract",
        description: "Subtracts the second value from the first.",
        apply: |a, b| a - b,
    },
    Function {
        name: "Number.multiply",
        description: "Multiplies the first value by the second.",
        apply: |a, b| a * b,
    },
    Function {
        name: "Number.divide",
        description: "Divides the first value by the second.",
        apply: |a, b| a / b,
    },
    Function {
        name: "Number.mod",
        description: "Calculates the remainder of a division.",
        apply: |a, b| a % b,
    },
    Function {
        name: "Number.pow",
        description: "Raises the first value to the power of the second.",
        // std's would have the whole program load the system's libm.
        apply: libm::pow,
    },
    Function { name: "Number.min", description: "Selects the minimum.", apply: f64::min },
    Function { name: "Number.max", description: "Selects the maximum.", apply: f64::max },
];

/// A function of two numbers, `left` and `right`.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    description: &'static str,
    apply: fn(f64, f64) -> f64,
}

impl Function {
    /// The function's `Algorithm` in the answer of `projects.algorithms.list`.
    pub(crate) fn algorithm(&self) -> Value {
        let argument = |name: &str, description: &str| json!({"argumentName": name, "type": "Number", "description": description});
        json!({
            "name": format!("algorithms/{}", self.name),
            "description": self.description,
            "returnType": "Number",
            "arguments": [argument("left", "The left-hand value."), argument("right", "The right-hand value.")],
        })
    }
}

/// The value of `{"result": "0", "values": {"0": {…}}}`.
///
/// # Errors
/// What is wrong, in a sentence for the person who wrote the expression.
pub(crate) fn evaluate(expression: &Value) -> Result<Value, String> {
    let values = expression["values"].as_object().ok_or("Expression has no values.")?;
    let result = expression["result"].as_str().ok_or("Expression has no result.")?;
    Scope { values }.reference(result, 0)
}

struct Scope<'a> {
    values: &'a Map<String, Value>,
}

impl Scope<'_> {
    fn reference(&self, name: &str, depth: u32) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("Expression is too deep, or refers to itself.".to_owned());
        }
        let node = self.values.get(name).ok_or_else(|| format!("Expression has no value \"{name}\"."))?;
        self.node(node, depth + 1)
    }

    fn node(&self, node: &Value, depth: u32) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err("Expression is too deep, or refers to itself.".to_owned());
        }
        let one = node.as_object().filter(|node| node.len() == 1).and_then(|node| node.iter().next());
        let (kind, value) = one.ok_or("A value must be of exactly one kind.")?;
        match (kind.as_str(), value) {
            ("constantValue", value) => Ok(value.clone()),
            ("integerValue", Value::String(text)) => {
                text.parse::<i64>().map(Value::from).map_err(|_| format!("Not an integer: \"{text}\"."))
            }
            ("valueReference", Value::String(name)) => self.reference(name, depth),
            ("arrayValue", array) => {
                let values = array["values"].as_array().ok_or("An array has no values.")?;
                values.iter().map(|value| self.node(value, depth + 1)).collect()
            }
            ("dictionaryValue", dictionary) => {
                let values = dictionary["values"].as_object().ok_or("A dictionary has no values.")?;
                let entry =
                    |(name, value): (&String, &Value)| Ok((name.clone(), self.node(value, depth + 1)?));
                values.iter().map(entry).collect::<Result<Map<_, _>, String>>().map(Value::Object)
            }
            ("functionInvocationValue", call) => self.call(call, depth),
            _ => Err(format!("Values of the kind {kind} are not known here.")),
        }
    }

    fn call(&self, call: &Value, depth: u32) -> Result<Value, String> {
        let name = call["functionName"].as_str().ok_or("A function invocation names no function.")?;
        let function = FUNCTIONS.iter().find(|function| function.name == name);
        let function = function.ok_or_else(|| format!("Unrecognized function: '{name}'."))?;
        let number = |argument: &str| {
            let node = call["arguments"]
                .get(argument)
                .ok_or_else(|| format!("{name}: required argument ({argument}) missing."))?;
            let value = self.node(node, depth + 1)?;
            value
                .as_f64()
                .ok_or_else(|| format!("{name}, argument '{argument}': Invalid type. Expected type: Number."))
        };
        let result = (function.apply)(number("left")?, number("right")?);
        Ok(to_json(result))
    }
}

/// Whole numbers without a fraction, as the real API writes them; null for what JSON cannot hold.
fn to_json(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(node: Value) -> Result<Value, String> {
        evaluate(&json!({"result": "0", "values": {"0": node, "five": {"constantValue": 5}}}))
    }

    fn call(name: &str, left: Value, right: Value) -> Value {
        json!({"functionInvocationValue": {"functionName": name, "arguments": {"left": left, "right": right}}})
    }

    #[test]
    fn values_of_every_kind() {
        let two = json!({"constantValue": 2});
        let five = json!({"valueReference": "five"});
        for (node, expected) in [
            (json!({"constantValue": {"a": [1, null]}}), json!({"a": [1, null]})),
            (json!({"integerValue": "12345678901"}), json!(12_345_678_901_i64)),
            (json!({"arrayValue": {"values": [five, two]}}), json!([5, 2])),
            (json!({"dictionaryValue": {"values": {"x": five}}}), json!({"x": 5})),
            (call("Number.add", five.clone(), two.clone()), json!(7)),
            (call("Number.divide", five.clone(), two.clone()), json!(2.5)),
            (call("Number.divide", five.clone(), json!({"constantValue": 0})), Value::Null),
            (call("Number.pow", call("Number.subtract", five.clone(), two.clone()), two.clone()), json!(9)),
        ] {
            assert_eq!(value(node.clone()), Ok(expected), "{node}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = json!({"constantValue": "x"});
        for (node, said) in [
            (json!({}), "exactly one kind"),
            (json!({"valueReference": "0"}), "refers to itself"),
            (json!({"valueReference": "7"}), "no value \"7\""),
            (json!({"bytesValue": ""}), "bytesValue are not known"),
            (call("Image.load", text.clone(), text.clone()), "Unrecognized function: 'Image.load'"),
            (call("Number.add", text.clone(), text.clone()), "argument 'left': Invalid type"),
            (
                json!({"functionInvocationValue": {"functionName": "Number.add", "arguments": {}}}),
                "(left) missing",
            ),
        ] {
            let error = value(node.clone()).expect_err("an error");
            assert!(error.contains(said), "{node}: {error}");
        }
        assert!(evaluate(&json!({"result": "0"})).is_err());
    }
}
