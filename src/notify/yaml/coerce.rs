//! From nodes to fields the way sigs.k8s.io/yaml does it: names without regard to case, scalars coerced where the field
//! is text, anything else that does not fit refused with encoding/json's words.

use super::{Kind, Node, Scalar};
use crate::notify::configuration::Fault;
use std::collections::BTreeMap;

const DECODING: &str = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal";

/// The fields of a map, looked up as encoding/json does.
pub struct Fields<'a> {
    pairs: &'a [(Node, Node)],
}

impl Node {
    /// What encoding/json says to a value that does not fit.
    pub(crate) fn refuse(&self, field: &str, wanted: &str) -> Fault {
        let target = if field.is_empty() { "value".to_owned() } else { format!("struct field {field}") };
        let cause = format!("{DECODING} {} into Go {target} of type {wanted}", self.json_type());
        Fault::at(self.place.line, self.place.column, cause)
    }
    /// The fields of a map; null has none.
    ///
    /// # Errors
    /// Anything else.
    pub fn fields(&self, field: &str, wanted: &str) -> Result<Fields<'_>, Fault> {
        match &self.kind {
            Kind::Map(pairs) => Ok(Fields { pairs }),
            _ if self.is_null() => Ok(Fields { pairs: &[] }),
            _ => Err(self.refuse(field, wanted)),
        }
    }
    /// The items of a list; null has none.
    ///
    /// # Errors
    /// Anything else.
    pub fn items(&self, field: &str, wanted: &str) -> Result<&[Self], Fault> {
        match &self.kind {
            Kind::List(items) => Ok(items),
            _ if self.is_null() => Ok(&[]),
            _ => Err(self.refuse(field, wanted)),
        }
    }
    /// Text, coerced from any scalar.
    ///
    /// # Errors
    /// Lists and maps.
    pub fn text(&self, field: &str) -> Result<String, Fault> {
        match self.scalar() {
            Some(Scalar::Null) => Ok(String::new()),
            Some(_) => Ok(self.key_text()),
            None => Err(self.refuse(field, "string")),
        }
    }
    /// Text that really is text.
    ///
    /// # Errors
    /// Anything else but null.
    pub fn strict_text(&self, field: &str) -> Result<String, Fault> {
        match self.scalar() {
            Some(Scalar::Text(text)) => Ok(text),
            Some(Scalar::Null) => Ok(String::new()),
            _ => Err(self.refuse(field, "string")),
        }
    }
    /// A list of texts.
    ///
    /// # Errors
    /// Anything that is not one.
    pub fn texts(&self, field: &str) -> Result<Vec<String>, Fault> {
        self.items(field, "[]string")?.iter().map(|item| item.text(field)).collect()
    }
    /// A list of texts without coercion.
    ///
    /// # Errors
    /// Anything that is not one.
    pub fn strict_texts(&self, field: &str) -> Result<Vec<String>, Fault> {
        self.items(field, "[]string")?.iter().map(|item| item.strict_text(field)).collect()
    }
    /// A map of texts; the last of duplicate keys wins.
    ///
    /// # Errors
    /// Anything that is not one.
    pub fn text_map(&self, field: &str) -> Result<BTreeMap<String, String>, Fault> {
        let fields = self.fields(field, "map[string]string")?;
        fields.pairs.iter().map(|(key, value)| Ok((key.key_text(), value.text(field)?))).collect()
    }
}

impl<'a> Fields<'a> {
    /// A field by name, without regard to case; the last one wins.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        self.pairs.iter().rev().find(|(key, _)| key.key_text().eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (String, &'a Node)> + use<'a> {
        self.pairs.iter().map(|(key, value)| (key.key_text(), value))
    }
    /// A text field, empty without one.
    ///
    /// # Errors
    /// Where it is a list or map.
    pub fn text(&self, owner: &str, name: &str) -> Result<String, Fault> {
        self.get(name).map_or_else(|| Ok(String::new()), |node| node.text(&format!("{owner}.{name}")))
    }
}

/// A float as sigs.k8s.io/yaml prints it into a text field: `strconv.FormatFloat(f, 'g', -1, 32)`.
#[must_use]
pub fn float32_text(f: f64) -> String {
    if !f.is_finite() {
        return if f.is_nan() { "NaN".to_owned() } else { format!("{}Inf", if f > 0.0 { "+" } else { "-" }) };
    }
    let scientific = format!("{:e}", f as f32);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    // strconv's %g switches to an exponent below -4 and, for the shortest form, from 6 on.
    if !(-4..6).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", power.abs());
    }
    format!("{}", f as f32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::parse;

    #[test]
    fn scalars_become_text_where_text_is_wanted() {
        let node = parse("When: yes\nOncePer: 16777217.0\ndescription: ~\nnumber: 1.50\n").unwrap();
        let fields = node.fields("", "Condition").unwrap();
        assert_eq!(fields.text("Condition", "when").unwrap(), "true");
        assert_eq!(fields.text("Condition", "oncePer").unwrap(), "1.6777216e+07");
        assert_eq!(fields.text("Condition", "description").unwrap(), "");
        assert_eq!(fields.text("Condition", "number").unwrap(), "1.5");
    }

    #[test]
    fn misfits_are_refused_with_their_place() {
        let fault = parse("- a\n- {b: c}\n").unwrap().texts("Condition.send").unwrap_err();
        assert_eq!((fault.line, fault.column), (2, 3));
        assert!(fault.cause.contains("cannot unmarshal object into Go struct field Condition.send of type string"));
    }
}
