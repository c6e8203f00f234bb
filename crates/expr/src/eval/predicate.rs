//! Built-ins that take a predicate: loops over a list with `#`, `#index` and `#acc`.

use super::convert::{Res, as_bool, as_text, fault, plain, type_text};
use super::items::Items;
use super::{Element, Frame, Outcome, Run, Stop, at, compare, key, number};
use crate::ast::{BuiltinCall, Kind, Node};
use crate::builtin_types::Builtin;
use crate::error::Position;
use gatepost_value::{CallError, GoType, LimitError, Value, fmt};
use std::collections::HashMap;
use std::sync::Arc;

/// Levels that an accumulator may gain before its depth is measured again.
const UNMEASURED_LEVELS: u32 = 256;

/// Why an element of a map cannot be read.
const NO_ENTRY: &str = "reflect: call of reflect.Value.Index on map Value";

/// A loop over the first argument.
struct Loop<'l> {
    place: Position,
    call: &'l BuiltinCall,
    items: Items,
    frame: Frame<'l>,
}

impl Run<'_> {
    #[inline(never)]
    pub(super) fn predicate_builtin(&self, place: Position, call: &BuiltinCall, frame: Frame<'_>) -> Outcome {
        let Some(list) = call.args.first() else { return Ok(Value::Nil) };
        let items = match self.range_items(list, frame)? {
            Some(items) => items,
            None => at(place, iterable(&plain(self.eval(list, frame)?)))?,
        };
        let around = Loop { place, call, items, frame };
        match call.builtin {
            Builtin::All => self.until(&around, false),
            Builtin::None | Builtin::Any => self.until(&around, true),
            Builtin::One | Builtin::Count => self.count(&around),
            Builtin::Filter => self.filter(&around),
            Builtin::Map => self.map_each(&around),
            Builtin::Find | Builtin::FindIndex => self.find(&around, false),
            Builtin::FindLast | Builtin::FindLastIndex => self.find(&around, true),
            Builtin::Sum => self.sum(&around),
            Builtin::GroupBy => self.group_by(&around),
            Builtin::SortBy => self.sort_by(&around),
            _ => self.reduce(&around),
        }
    }
    /// Evaluates a body for the element at an index.
    fn body(&self, around: &Loop<'_>, node: &Node, index: usize, acc: Option<&Value>) -> Outcome {
        let node = if let Kind::Predicate(inner) = &node.kind { inner } else { node };
        let made;
        let item = match (&around.items, around.items.peek(index)) {
            (Items::Entries(_), _) => Err(NO_ENTRY),
            (_, Some(item)) => Ok(item),
            _ => {
                made = around.items.get(index);
                Ok(&made)
            }
        };
        let element = Element { item, index, acc };
        self.eval(node, Frame { element: Some(&element), ..around.frame })
    }
    /// A third argument. Go has entered the loop when it evaluates one: in a predicate around, `#` is not that one's
    /// element but the first of this loop.
    fn third(&self, around: &Loop<'_>, node: &Node) -> Outcome {
        if around.items.len() > 0 {
            return self.body(around, node, 0, None);
        }
        let element = Element { item: Err("runtime error: index out of range [0] with length 0"), index: 0, acc: None };
        self.eval(node, Frame { element: Some(&element), ..around.frame })
    }
    /// The element itself.
    fn item(around: &Loop<'_>, index: usize) -> Outcome {
        match around.items {
            Items::Entries(_) => at(around.place, fault(NO_ENTRY)),
            _ => Ok(around.items.get(index)),
        }
    }
    /// The predicate, or the element itself where the predicate was left out.
    fn value(&self, around: &Loop<'_>, index: usize) -> Outcome {
        match around.call.args.get(1) {
            Some(node) => self.body(around, node, index, None),
            None => {
                at(around.place, self.ctx.budget.step(1).map_err(CallError::from))?;
                Self::item(around, index)
            }
        }
    }
    fn test(&self, around: &Loop<'_>, index: usize) -> Result<bool, Stop> {
        at(around.place, as_bool(&self.value(around, index)?))
    }
    /// What an element that passed is turned into.
    fn mapped(&self, around: &Loop<'_>, index: usize) -> Outcome {
        match &around.call.map {
            Some(node) => self.body(around, node, index, None),
            None => Self::item(around, index),
        }
    }
    /// all, none, any: stops at the first element whose predicate is `stop`.
    fn until(&self, around: &Loop<'_>, stop: bool) -> Outcome {
        for index in 0..around.items.len() {
            if self.test(around, index)? == stop {
                return Ok(Value::Bool(around.call.builtin == Builtin::Any));
            }
        }
        Ok(Value::Bool(around.call.builtin != Builtin::Any))
    }
    fn count(&self, around: &Loop<'_>) -> Outcome {
        let mut count = 0;
        for index in 0..around.items.len() {
            if self.test(around, index)? {
                count += 1;
                if around.call.threshold.is_some_and(|enough| count >= enough) {
                    break;
                }
            }
        }
        Ok(if around.call.builtin == Builtin::One { Value::Bool(count == 1) } else { Value::int(count) })
    }
    fn filter(&self, around: &Loop<'_>) -> Outcome {
        let mut kept = Vec::new();
        for index in 0..around.items.len() {
            if self.test(around, index)? {
                kept.push(self.mapped(around, index)?);
            }
        }
        at(around.place, self.grow(kept.len() as u64))?;
        Ok(Value::list(kept))
    }
    fn map_each(&self, around: &Loop<'_>) -> Outcome {
        at(around.place, self.grow(around.items.len() as u64))?;
        let mut out = Vec::with_capacity(around.items.len());
        for index in 0..around.items.len() {
            out.push(self.value(around, index)?);
        }
        Ok(Value::list(out))
    }
    fn find(&self, around: &Loop<'_>, backwards: bool) -> Outcome {
        let len = around.items.len();
        for step in 0..len {
            let index = if backwards { len - 1 - step } else { step };
            if self.test(around, index)? {
                let wants_index = matches!(around.call.builtin, Builtin::FindIndex | Builtin::FindLastIndex);
                return if wants_index { Ok(Value::int(index as i64)) } else { self.mapped(around, index) };
            }
        }
        if around.call.throws { at(around.place, fault("reflect: slice index out of range")) } else { Ok(Value::Nil) }
    }
    fn sum(&self, around: &Loop<'_>) -> Outcome {
        let mut total = Value::int(0);
        for index in 0..around.items.len() {
            let item = self.value(around, index)?;
            total = at(around.place, number::add(self.ctx.budget, &item, &total))?;
        }
        Ok(total)
    }
    fn group_by(&self, around: &Loop<'_>) -> Outcome {
        let mut places: HashMap<key::Key, usize> = HashMap::new();
        let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
        for index in 0..around.items.len() {
            let value = self.value(around, index)?;
            let group = at(around.place, key::key(&value))?;
            let place = *places.entry(group).or_insert(groups.len());
            if place == groups.len() {
                groups.push((value, Vec::new()));
            }
            if let Some((_, members)) = groups.get_mut(place) {
                members.push(Self::item(around, index)?);
            }
        }
        Ok(Value::AnyMap(Arc::new(groups.into_iter().map(|(k, members)| (k, Value::list(members))).collect())))
    }
    fn sort_by(&self, around: &Loop<'_>) -> Outcome {
        let descending = match around.call.args.get(2) {
            Some(node) => at(around.place, descending(&self.third(around, node)?))?,
            None => false,
        };
        let mut keyed = Vec::with_capacity(around.items.len());
        for index in 0..around.items.len() {
            keyed.push((self.value(around, index)?, Self::item(around, index)?));
        }
        let before = |a: &(Value, Value), b: &(Value, Value)| {
            if descending { compare::less(&b.0, &a.0) } else { compare::less(&a.0, &b.0) }
        };
        at(around.place, compare::sort(self.ctx.budget, &mut keyed, &before))?;
        at(around.place, self.grow(keyed.len() as u64))?;
        Ok(Value::list(keyed.into_iter().map(|(_, item)| item).collect()))
    }
    fn reduce(&self, around: &Loop<'_>) -> Outcome {
        let Some(body) = around.call.args.get(1) else { return Ok(Value::Nil) };
        let (mut acc, start) = match around.call.args.get(2) {
            Some(initial) => (plain(self.third(around, initial)?), 0),
            None if around.items.len() == 0 => {
                return at(around.place, fault("reduce of empty array with no initial value"));
            }
            None => (Self::item(around, 0)?, 1),
        };
        let mut unmeasured = 0;
        for index in start..around.items.len() {
            acc = self.body(around, body, index, Some(&acc))?;
            unmeasured += body.height;
            if unmeasured > UNMEASURED_LEVELS {
                at(around.place, self.check_depth(&acc))?;
                unmeasured = 0;
            }
        }
        Ok(acc)
    }
    /// A value may not grow so deep that walking or dropping it would run out of stack.
    fn check_depth(&self, value: &Value) -> Res<()> {
        self.depth(value, self.ctx.budget.limits().depth, &mut HashMap::new()).map(|_| ())
    }
    /// Levels of containers in a value; shared ones are measured once. At most `left` are gone down.
    fn depth(&self, value: &Value, left: u32, known: &mut HashMap<usize, u32>) -> Res<u32> {
        let Some(id) = container_id(value) else { return Ok(0) };
        self.ctx.budget.step(1)?;
        let depth = match known.get(&id) {
            Some(depth) => *depth,
            None if left == 0 => 1,
            None => {
                let mut below = 0;
                match value {
                    Value::List(list) => {
                        for item in list.items.iter() {
                            below = below.max(self.depth(item, left - 1, known)?);
                        }
                    }
                    Value::Map(map) => {
                        for (_, item) in map.entries() {
                            below = below.max(self.depth(&item, left - 1, known)?);
                        }
                    }
                    Value::AnyMap(pairs) => {
                        for (_, item) in pairs.iter() {
                            below = below.max(self.depth(item, left - 1, known)?);
                        }
                    }
                    _ => {}
                }
                known.insert(id, below + 1);
                below + 1
            }
        };
        if depth > left {
            let allowed = self.ctx.budget.limits().depth;
            return Err(LimitError { limit: "depth", allowed: u64::from(allowed) }.into());
        }
        Ok(depth)
    }
}

/// Identity of a container; nothing else can hold values.
fn container_id(value: &Value) -> Option<usize> {
    match value {
        Value::List(list) => Some(Arc::as_ptr(&list.items) as usize),
        Value::Map(map) => Some(map.id()),
        Value::AnyMap(pairs) => Some(Arc::as_ptr(pairs) as usize),
        _ => None,
    }
}

fn descending(order: &Value) -> Res<bool> {
    let Ok(text) = as_text(order) else { return fault("sortBy order argument must be a string") };
    match text.as_bytes() {
        b"asc" => Ok(false),
        b"desc" => Ok(true),
        _ => fault("unknown order, use asc or desc"),
    }
}

/// What a predicate can go through; Go takes strings as bytes, and refuses maps only when an element of one is read.
fn iterable(value: &Value) -> Res<Items> {
    if let Some(items) = Items::of(value) {
        return Ok(items);
    }
    let kind = match value {
        Value::Str(text) => return Ok(Items::of_text(text)),
        Value::Named(named) if matches!(named.base, Value::Str(_)) => return iterable(&named.base),
        Value::Map(map) => return Ok(Items::Entries(map.len())),
        Value::AnyMap(pairs) => return Ok(Items::Entries(pairs.len())),
        Value::TypedNil(GoType::Map(_) | GoType::AnyMap) => return Ok(Items::Empty),
        Value::Nil | Value::NoValue => "zero".to_owned(),
        Value::Struct(_) => "struct".to_owned(),
        other => {
            let kind = fmt::kind_name(other);
            if kind.is_empty() { type_text(other) } else { kind.to_owned() }
        }
    };
    fault(format!("reflect: call of reflect.Value.Len on {kind} Value"))
}
