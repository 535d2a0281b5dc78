//! JSON as `svc --json` writes it. Just enough of RFC 8259: objects, arrays, strings, numbers.

use std::fmt::Write as _;

/// A value under construction, written from the front to the back.
#[derive(Default)]
pub struct Json {
    text: String,
}

impl Json {
    /// The text of a value that `fill` writes.
    pub fn text(fill: impl FnOnce(&mut Self)) -> String {
        let mut json = Self::default();
        fill(&mut json);
        json.text
    }

    /// An object; `fill` writes its fields.
    pub fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.begin('{');
        fill(self);
        self.text.push('}');
    }

    /// An array; `fill` writes its elements.
    pub fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.begin('[');
        fill(self);
        self.text.push(']');
    }

    /// The key of a field, which needs no escapes; its value follows.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.string(key);
        self.text.push(':');
        self
    }

    /// A field that is a string.
    pub fn named(&mut self, key: &str, text: &str) {
        self.key(key).string(text);
    }

    /// A field that is a number.
    pub fn count(&mut self, key: &str, value: u64) {
        self.key(key).number(Some(value));
    }

    /// A field that is a number, or null.
    pub fn count_or_null(&mut self, key: &str, value: Option<u64>) {
        self.key(key).number(value);
    }

    /// A field that is true or false.
    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key).truth(value);
    }

    /// A string. Bytes that are not text do not occur: names and values are checked.
    pub fn string(&mut self, text: &str) {
        self.begin('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => {
                    self.text.push('\\');
                    self.text.push(c);
                }
                '\n' => self.text.push_str("\\n"),
                c if c < ' ' || c == '\u{7f}' => {
                    write!(self.text, "\\u{:04x}", u32::from(c)).ok();
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    /// A string, or null.
    pub fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.bare("null"),
        }
    }

    /// A number, or null.
    pub fn number(&mut self, value: Option<u64>) {
        match value {
            Some(value) => self.bare(&value.to_string()),
            None => self.bare("null"),
        }
    }

    fn truth(&mut self, value: bool) {
        self.bare(if value { "true" } else { "false" });
    }

    fn bare(&mut self, text: &str) {
        self.separate();
        self.text.push_str(text);
    }

    fn begin(&mut self, opening: char) {
        self.separate();
        self.text.push(opening);
    }

    /// A comma, unless this is the first after an opening or a key.
    fn separate(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(['{', '[', ':']) {
            self.text.push(',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let text = Json::text(|json| json.string("a\"b\\c\nd\u{1}é"));
        assert_eq!(text, "\"a\\\"b\\\\c\\nd\\u0001é\"");
    }

    #[test]
    fn values_are_separated() {
        let text = Json::text(|json| {
            json.object(|json| {
                json.key("a").number(None);
                json.key("b").array(|json| {
                    json.string("x:");
                    json.number(Some(1));
                    json.array(|_| ());
                });
                json.key("c").object(|_| ());
                json.key("d").truth(true);
            });
        });
        assert_eq!(text, "{\"a\":null,\"b\":[\"x:\",1,[]],\"c\":{},\"d\":true}");
    }
}
