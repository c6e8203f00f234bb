//! Copy on write for the data of one render: templates write to live copies, the data itself never changes.
//!
//! In Go `set .app "x" 1` changes the live object. Here the first write to a frozen map makes a live copy that this render
//! reads from then on in place of the frozen map, wherever it meets it.

use gatepost_value::{CallContext, CallError, GoType, LiveMap, Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;

/// Deeper nested data is taken as it is: writes below are not seen when the whole is printed.
const DEPTH: u32 = 200;

/// The live copies of one render.
#[derive(Default)]
pub struct Overlay {
    /// By identity of the frozen map, which is kept so that its identity is not given to another.
    copies: RefCell<HashMap<usize, (Map, LiveMap)>>,
}

impl Overlay {
    /// Whether nothing was written to.
    pub fn is_empty(&self) -> bool {
        self.copies.borrow().is_empty()
    }
    /// The map as this render sees it.
    pub fn read(&self, map: &Map) -> Map {
        match map {
            Map::Live(_) => map.clone(),
            Map::Frozen(_) => match self.copies.borrow().get(&map.id()) {
                Some((_, live)) => Map::Live(live.clone()),
                None => map.clone(),
            },
        }
    }
    /// The map to write to.
    pub fn thaw(&self, map: &Map) -> LiveMap {
        match map {
            Map::Live(live) => live.clone(),
            Map::Frozen(_) => {
                self.copies.borrow_mut().entry(map.id()).or_insert_with(|| (map.clone(), map.thaw())).1.clone()
            }
        }
    }
    /// The value with every map inside as this render sees it; what a function or the printer is given.
    pub fn resolve(&self, context: &CallContext<'_>, value: &mut Value) -> Result<(), CallError> {
        if self.is_empty() || !matches!(value, Value::Map(_) | Value::List(_)) {
            return Ok(());
        }
        if let Some(changed) = self.changed(context, value, DEPTH)? {
            *value = changed;
        }
        Ok(())
    }
    fn changed(&self, context: &CallContext<'_>, value: &Value, depth: u32) -> Result<Option<Value>, CallError> {
        if depth == 0 {
            return Ok(None);
        }
        context.budget.step(1)?;
        match value {
            Value::Map(map) => self.changed_map(context, map, depth),
            Value::List(list) if list.elem == GoType::Any || matches!(list.elem, GoType::Map(_)) => {
                let mut items: Option<Vec<Value>> = None;
                for (i, item) in list.items.iter().enumerate() {
                    if let Some(new) = self.changed(context, item, depth - 1)? {
                        items.get_or_insert_with(|| list.items.to_vec())[i] = new;
                    }
                }
                Ok(items.map(|items| Value::list_of(list.elem.clone(), items)))
            }
            _ => Ok(None),
        }
    }
    fn changed_map(&self, context: &CallContext<'_>, map: &Map, depth: u32) -> Result<Option<Value>, CallError> {
        let seen = self.read(map);
        let mut live = match (&seen, map) {
            (Map::Live(live), Map::Frozen(_)) => Some(live.clone()),
            _ => None,
        };
        for (key, item) in seen.entries() {
            if let Some(new) = self.changed(context, &item, depth - 1)? {
                let target = self.thaw(&seen);
                target.insert(key, new);
                if matches!(map, Map::Frozen(_)) {
                    live = Some(target);
                }
            }
        }
        Ok(live.map(|live| Value::Map(Map::Live(live))))
    }
}
