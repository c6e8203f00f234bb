//! Writes SVG. Names of elements, attributes and classes are this code's own; every value and every text is escaped.

use std::fmt::{self, Display, Write as _};

/// Left, top, width, height of an area in the picture's units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    /// Right edge.
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Lower edge.
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// A length: a tenth of a unit is finer than anybody sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Px(pub f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = if self.0.is_finite() { (self.0 * 10.0).round() / 10.0 } else { 0.0 };
        // Minus nought is nought.
        write!(f, "{}", tenths + 0.0)
    }
}

/// A text that may stand in HTML, between tags or as a value in quotes.
pub(super) struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                other if other.is_control() => self.0.write_char('\u{fffd}')?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Names and values of attributes.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

/// A picture under way.
pub(super) struct Svg {
    out: String,
    open: Vec<&'static str>,
}

impl Svg {
    /// Begins a picture that is read out as `title` and `description`. `id` is one on its page.
    pub fn new(id: &str, width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut svg = Self { out: String::with_capacity(4096), open: Vec::new() };
        let (title_id, description_id) = (format!("{id}-title"), format!("{id}-desc"));
        svg.open(
            "svg",
            &[
                ("class", &"chart"),
                ("viewBox", &format!("0 0 {} {}", Px(width), Px(height))),
                ("width", &Px(width)),
                ("height", &Px(height)),
                ("role", &"img"),
                ("aria-labelledby", &title_id),
                ("aria-describedby", &description_id),
            ],
        );
        svg.worded("title", &[("id", &title_id)], title);
        svg.worded("desc", &[("id", &description_id)], description);
        svg
    }

    /// Opens an element.
    pub fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.begin(name, attributes);
        self.out.push('>');
        self.open.push(name);
    }

    /// Closes what was opened last.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.end(name);
        }
    }

    /// An element with nothing in it.
    pub fn element(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.begin(name, attributes);
        self.out.push_str("/>");
    }

    /// An element with words in it.
    pub fn worded(&mut self, name: &'static str, attributes: Attributes<'_>, words: &str) {
        self.begin(name, attributes);
        // Writing to a String cannot fail.
        let _ = write!(self.out, ">{}", Escaped(words));
        self.end(name);
    }

    /// A shape that says what it is to those who point at it.
    pub fn shape(&mut self, name: &'static str, attributes: Attributes<'_>, words: &str) {
        self.open(name, attributes);
        self.worded("title", &[], words);
        self.close();
    }

    /// Words at a place.
    pub fn text(&mut self, x: f64, y: f64, class: &str, words: &str) {
        self.worded("text", &[("x", &Px(x)), ("y", &Px(y)), ("class", &class)], words);
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let (x1, y1, x2, y2) = (Px(from.0), Px(from.1), Px(to.0), Px(to.1));
        self.element("line", &[("class", &class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)]);
    }

    /// The whole picture.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn begin(&mut self, name: &str, attributes: Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in attributes {
            let _ = write!(self.out, " {name}=\"{}\"", Escaped(value));
        }
    }

    fn end(&mut self, name: &str) {
        let _ = write!(self.out, "</{name}>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_escaped_and_closed() {
        let mut svg = Svg::new("a\"b", 10.0, 5.0, "<script>", "it's & so\u{1b}");
        svg.open("g", &[("class", &"x\" onload=\"y")]);
        svg.shape("rect", &[("x", &Px(-0.04))], "</title>");
        let text = svg.finish();
        assert!(!text.contains("<script>") && !text.contains("\" onload") && !text.contains('\u{1b}'), "{text}");
        assert!(text.contains("x=\"0\"") && text.contains("it&#39;s &amp; so\u{fffd}"), "{text}");
        assert!(text.ends_with("<title>&lt;/title&gt;</title></rect></g></svg>"), "{text}");
        assert_eq!([Px(1.25).to_string(), Px(3.0).to_string(), Px(f64::NAN).to_string()], ["1.3", "3", "0"]);
    }
}
