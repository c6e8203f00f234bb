//! Cards of Google Chat, legacy and v2: which fields there are and what they hold.
//!
//! As encoding/json reads them into Google's own types: names without regard to case, unknown ones dropped, scalars
//! coerced where a text belongs, and nothing printed that is empty.

use crate::notify::yaml::float32_text;
use serde_json::{Map, Value as Json};

/// Fields that are true or false.
const FLAGS: &str = "
    allWidgetsAreRequired collapsible contentMultiline defaultToCurrentSpace disabled enabled fill
    includeVariables persistValues selected wrapText
";
/// Fields that are numbers.
const NUMBERS: &str = "
    alpha aspectRatio blue characterLimit columnCount cornerRadius grade green maxLines minCharactersTrigger
    multiSelectMaxSelectedItems multiSelectMinQueryLength red timezoneOffsetDate uncollapsibleWidgetsCount
    weight
";
/// Fields that are texts. `header` is one in sections, and a group in cards.
const TEXTS: &str = "
    actionLabel actionMethodName actionRuleId altText bottomLabel bottomText commonDataSource conditionType
    content controlType displayStyle expression function header hintText horizontalAlignment
    horizontalSizeStyle icon iconUrl id imageAltText imageStyle imageType imageUri imageUrl inputType
    interaction key knownIcon label layout loadIndicator name onClose openAs placeholderText
    sectionDividerStyle startIconUri startIconVerticalAlignment subtitle text textSyntax title topLabel type
    url value valueMsEpoch verticalAlignment visibility
";
/// Fields that are groups or lists.
const GROUPS: &str = "
    action autoCompleteAction borderStyle bottomLabelText button buttonList buttons card cardActions carousel
    carouselCards chatDataSource chipList chips collapseButton collapseControl color columnItems columns
    commonWidgetAction conditions contentText cropStyle dataSourceConfigs dateTimePicker decoratedText divider
    endIcon eventActions expandButton expressionData expressionDataCondition externalDataSource fixedFooter
    footerWidgets grid hostAppDataSource image imageButton initialSuggestions items keyValue materialIcon
    onChangeAction onClick openDynamicLinkAction openLink overflowMenu parameters peekCardHeader
    platformDataSource postEventTriggers primaryButton remoteDataSource requiredWidgets secondaryButton
    sections selectionInput spaceDataSource startIcon strokeColor switchControl textButton textInput
    textParagraph topLabelText updateVisibilityAction validation widgets workflowDataSource
";

/// What a field holds.
#[derive(Clone, Copy, PartialEq)]
enum Holds {
    Flag,
    Number,
    Text,
    Group,
}

/// A field by name, without regard to case.
fn field(name: &str) -> Option<(&'static str, Holds)> {
    let lists = [(FLAGS, Holds::Flag), (NUMBERS, Holds::Number), (TEXTS, Holds::Text), (GROUPS, Holds::Group)];
    let find = |(names, holds): (&'static str, Holds)| {
        names.split_ascii_whitespace().find(|known| known.eq_ignore_ascii_case(name)).map(|known| (known, holds))
    };
    lists.into_iter().find_map(find)
}

/// Whether what stands under this name is a text.
pub fn is_text(name: &str) -> bool {
    field(name).is_some_and(|(_, holds)| holds == Holds::Text)
}

/// A list of cards.
///
/// # Errors
/// What does not fit, by the name of its field.
pub fn list(value: &Json) -> Result<Vec<Json>, String> {
    match value {
        Json::Null => Ok(Vec::new()),
        Json::Array(items) if items.iter().all(Json::is_object) => {
            items.iter().map(|card| read(card, Holds::Group, "card")).collect()
        }
        _ => Err("it must be a list of cards".to_owned()),
    }
}

fn read(value: &Json, holds: Holds, name: &str) -> Result<Json, String> {
    match (value, holds) {
        (Json::Object(pairs), Holds::Group) => group(pairs),
        (Json::Object(pairs), Holds::Text) if name == "header" => group(pairs),
        (Json::Array(items), Holds::Group) => {
            items.iter().filter(|item| !item.is_null()).map(|item| read_item(item, name)).collect()
        }
        (Json::Null, _) | (Json::Bool(_), Holds::Flag) | (Json::Number(_), Holds::Number) => Ok(value.clone()),
        (Json::String(_) | Json::Bool(_) | Json::Number(_), Holds::Text) => Ok(text(value).into()),
        (_, holds) => {
            let wanted = match holds {
                Holds::Flag => "true or false",
                Holds::Number => "a number",
                Holds::Text => "a text",
                Holds::Group => "a group or a list",
            };
            Err(format!("`{name}` must be {wanted}"))
        }
    }
}

/// Items are groups; in some lists, such as `requiredWidgets`, texts.
fn read_item(item: &Json, name: &str) -> Result<Json, String> {
    match item {
        Json::Object(pairs) => group(pairs),
        Json::Array(_) => Err(format!("`{name}` must not hold lists")),
        scalar => Ok(text(scalar).into()),
    }
}

fn group(pairs: &Map<String, Json>) -> Result<Json, String> {
    let mut out = Map::new();
    for (name, value) in pairs {
        let Some((name, holds)) = field(name) else { continue };
        let value = read(value, holds, name)?;
        if !is_empty(&value) {
            out.insert(name.to_owned(), value);
        }
    }
    Ok(Json::Object(out))
}

/// What `omitempty` leaves out; a group without fields, such as `divider: {}`, is not empty.
fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(flag) => !flag,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(_) => false,
    }
}

fn text(scalar: &Json) -> String {
    match scalar {
        Json::String(text) => text.clone(),
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => float32_text(float),
            None => number.to_string(),
        },
        Json::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn cards_are_read_as_googles_types() {
        let cards = json!([{
            "Header": {"title": 1.5, "subtitle": true, "unknown": 1},
            "sections": [{
                "header": "Metadata", "collapsible": false, "uncollapsibleWidgetsCount": 1,
                "widgets": [{"divider": {}}, {"textparagraph": {"text": 12, "maxLines": 0}}, null],
            }],
            "name": null,
        }]);
        let expected = json!([{
            "header": {"title": "1.5", "subtitle": "true"},
            "sections": [{
                "header": "Metadata", "uncollapsibleWidgetsCount": 1,
                "widgets": [{"divider": {}}, {"textParagraph": {"text": "12"}}],
            }],
        }]);
        assert_eq!(Json::from(list(&cards).unwrap()), expected);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (cards, name) in [
            (json!({"sections": []}), "list of cards"),
            (json!(["x"]), "list of cards"),
            (json!([{"sections": "x"}]), "`sections`"),
            (json!([{"sections": [{"collapsible": "x"}]}]), "`collapsible`"),
            (json!([{"name": {}}]), "`name`"),
            (json!([{"sections": [{"widgets": [[]]}]}]), "`widgets`"),
        ] {
            assert!(list(&cards).unwrap_err().contains(name), "{cards}");
        }
    }
}
