//! Rendering any template ends within its limits; its pieces are what a plain render writes.
#![no_main]

use gatepost_fuzz::{environment, limits, within_limits};
use gatepost_template::{Profile, Template};
use gatepost_value::Value;
use libfuzzer_sys::fuzz_target;
use std::cell::LazyCell;

thread_local! {
    static DATA: LazyCell<Value> = const { LazyCell::new(environment) };
}

fn render(template: &Template, data: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let done = within_limits(|ctx| template.render(data, ctx, &mut out));
    assert!(out.len() as u64 <= limits().output_bytes, "{} bytes were written", out.len());
    done.map_err(|error| drop(error.to_string())).ok().map(|()| out)
}

fn pieces(template: &Template, data: &Value) -> Option<Vec<u8>> {
    let segments = within_limits(|ctx| template.render_segments(data, ctx));
    Some(segments.ok()?.into_iter().flat_map(|segment| segment.bytes).collect())
}

fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse("t", text, Profile::notifications(), &limits()) else { return };
    DATA.with(|data| assert_eq!(render(&template, data), pieces(&template, data), "other pieces"));
});
