//! Pictures for those who would rather look than read: plain SVG, made of data that is given and of nothing else.
//!
//! Each picture says its numbers in words (`<title>`, `<desc>`) and brings the same numbers as a table, folded away. Colours are
//! classes of the style sheet; what a colour says, a shape or a word says too. Nothing inline, nothing that runs.

mod histogram;
mod phases;
mod queue;
mod scale;
mod svg;
#[cfg(test)]
mod tests;
mod timeline;

pub(super) use histogram::latency;
pub(super) use phases::{Band, Change, phases};
pub(super) use queue::{queue, rates};
pub(super) use timeline::{Lane, Mark, timeline};

use super::Tone;
use askama::filters::HtmlSafe;
use std::fmt;
use svg::{Area, Escaped, Svg};

/// Width of every picture.
const WIDTH: f64 = 760.0;
/// Rows of a table of numbers.
const TABLE_ROWS: usize = 200;

/// A picture with its numbers.
pub(super) struct Picture {
    id: &'static str,
    svg: String,
    table: Table,
}

/// The same numbers, to be read.
struct Table {
    caption: &'static str,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl HtmlSafe for Picture {}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is wider than a telephone: whoever scrolls by keys must be able to stop there.
        let name = Escaped(self.table.caption);
        write!(
            f,
            "<figure class=\"picture\"><div class=\"drawn\" tabindex=\"0\" role=\"group\" aria-label=\"{name}\">"
        )?;
        write!(f, "{}</div>", self.svg)?;
        if !self.table.rows.is_empty() {
            write!(
                f,
                "<details id=\"{}-numbers\"><summary>The same in numbers</summary>{}</details>",
                self.id, self.table
            )?;
        }
        f.write_str("</figure>")
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caption = Escaped(self.caption);
        write!(f, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{caption}\">")?;
        write!(f, "<table><caption class=\"sr\">{caption}</caption><thead><tr>")?;
        self.head.iter().try_for_each(|name| write!(f, "<th scope=\"col\">{}</th>", Escaped(name)))?;
        f.write_str("</tr></thead><tbody>")?;
        for row in self.rows.iter().take(TABLE_ROWS) {
            f.write_str("<tr>")?;
            row.iter().try_for_each(|cell| write!(f, "<td>{}</td>", Escaped(cell)))?;
            f.write_str("</tr>")?;
        }
        f.write_str("</tbody></table></div>")?;
        match self.rows.len().checked_sub(TABLE_ROWS) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "<p class=\"muted\">{more} more are not shown.</p>"),
        }
    }
}

/// A picture that has nothing to show yet, and says so.
fn nothing(id: &'static str, title: &str, words: &str) -> Picture {
    let mut svg = Svg::new(id, WIDTH, 60.0, title, words);
    svg.text(WIDTH / 2.0, 34.0, "nothing", words);
    Picture { id, svg: svg.finish(), table: Table { caption: "", head: Vec::new(), rows: Vec::new() } }
}

/// Names what the colours mean, in a row of boxes.
fn legend(svg: &mut Svg, left: f64, y: f64, entries: &[(&str, &str)]) {
    let mut x = left;
    for (class, words) in entries {
        let (at, top) = (svg::Px(x), svg::Px(y - 9.0));
        svg.element("rect", &[("class", class), ("x", &at), ("y", &top), ("width", &10), ("height", &10)]);
        svg.text(x + 15.0, y, "legend", words);
        x += 30.0 + 6.6 * words.chars().count() as f64;
    }
}

/// A colour as a class of shapes.
const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Ok => "ok",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
        Tone::Idle => "idle",
    }
}

/// `1 delivery`, `2 deliveries`.
fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
