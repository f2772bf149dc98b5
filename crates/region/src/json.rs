//! A writer of minified JSON straight into a string: no tree, no reflection.

use tongmai_base::time::civil_from_days;

/// Appends members and elements; commas are put where they belong.
pub struct Json<'a>(pub &'a mut String);

impl Json<'_> {
    /// A comma unless this is the first member or element. Looking at the last
    /// byte is enough: a finished value never ends in an opening bracket or a colon.
    fn separate(&mut self) {
        if !matches!(self.0.as_bytes().last(), None | Some(b'{' | b'[' | b':' | b'\n')) {
            self.0.push(',');
        }
    }

    /// The name of a member; its value must follow.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self
    }

    /// JSON text that is known to be whole, such as a constant member.
    pub fn raw(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.0.push_str(text);
        self
    }

    /// Opens an object that is a member or an element.
    pub fn open(&mut self) -> &mut Self {
        self.separate();
        self.0.push('{');
        self
    }

    /// Closes an object.
    pub fn close(&mut self) -> &mut Self {
        self.0.push('}');
        self
    }

    /// `"name":{`
    pub fn object(&mut self, name: &str) -> &mut Self {
        self.key(name).open()
    }

    /// `"name":[`
    pub fn array(&mut self, name: &str) -> &mut Self {
        self.key(name);
        self.0.push('[');
        self
    }

    /// Closes an array.
    pub fn end(&mut self) -> &mut Self {
        self.0.push(']');
        self
    }

    /// A string value, escaped.
    pub fn value(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.0.push('"');
        for piece in text.split_inclusive(['"', '\\', '\n']) {
            match piece.as_bytes().last() {
                Some(b'"') => self.0.extend([&piece[..piece.len() - 1], "\\\""]),
                Some(b'\\') => self.0.extend([&piece[..piece.len() - 1], "\\\\"]),
                Some(b'\n') => self.0.extend([&piece[..piece.len() - 1], "\\n"]),
                _ => self.0.push_str(piece),
            }
        }
        self.0.push('"');
        self
    }

    /// A member with a string value.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.key(name).value(value)
    }

    /// A member with a whole number.
    pub fn integer(&mut self, name: &str, value: i64) -> &mut Self {
        self.key(name);
        digits(self.0, value, 1);
        self
    }

    /// A member with a decimal: `value` counts units of 10^-`places`.
    pub fn decimal(&mut self, name: &str, value: i64, places: u32) -> &mut Self {
        self.key(name);
        decimal(self.0, value, places);
        self
    }

    /// A member with a date.
    pub fn date(&mut self, name: &str, days: i64) -> &mut Self {
        self.key(name);
        self.0.push('"');
        date(self.0, days);
        self.0.push('"');
        self
    }

    /// A member with a date and time of China Standard Time.
    pub fn time(&mut self, name: &str, minute: i64) -> &mut Self {
        self.key(name);
        self.0.push('"');
        time(self.0, minute);
        self.0.push('"');
        self
    }
}

/// Appends a whole number with at least `width` digits.
pub fn digits(out: &mut String, value: i64, width: usize) {
    if value < 0 {
        out.push('-');
    }
    let mut buffer = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut start = buffer.len();
    while rest > 0 || buffer.len() - start < width.max(1) {
        start -= 1;
        buffer[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend(buffer[start..].iter().map(|&b| char::from(b)));
}

/// Appends a decimal of which `value` counts units of 10^-`places`.
pub fn decimal(out: &mut String, value: i64, places: u32) {
    if places == 0 {
        return digits(out, value, 1);
    }
    let unit = 10_i64.pow(places);
    if value < 0 && value > -unit {
        out.push('-');
    }
    digits(out, value / unit, 1);
    out.push('.');
    digits(out, (value % unit).abs(), places as usize);
}

/// Appends a date, `2026-11-21`.
pub fn date(out: &mut String, days: i64) {
    let (year, month, day) = civil_from_days(days);
    digits(out, year, 4);
    out.push('-');
    digits(out, i64::from(month), 2);
    out.push('-');
    digits(out, i64::from(day), 2);
}

/// Appends a time of China Standard Time, `2026-11-21T07:40:00+08:00`, out of
/// the minutes since 1970-01-01T00:00 on a clock in China.
pub fn time(out: &mut String, minute: i64) {
    date(out, minute.div_euclid(1_440));
    out.push('T');
    let minute = minute.rem_euclid(1_440);
    digits(out, minute / 60, 2);
    out.push(':');
    digits(out, minute % 60, 2);
    out.push_str(":00+08:00");
}

/// Appends the text form of a UUID.
pub fn uuid(out: &mut String, id: u128) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for nibble in 0..32 {
        if matches!(nibble, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(char::from(HEX[(id >> (124 - 4 * nibble)) as usize & 15]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_elements_and_values_are_separated() {
        let mut out = String::new();
        let mut json = Json(&mut out);
        json.open().text("a", "x\"y\\z\n").array("b").value("1").value("2").end();
        json.object("c").integer("d", -12).decimal("e", -5, 2).decimal("f", 1234, 1).close();
        json.date("g", 0).time("h", -1).close();
        assert_eq!(
            out,
            r#"{"a":"x\"y\\z\n","b":["1","2"],"c":{"d":-12,"e":-0.05,"f":123.4},"g":"1970-01-01","h":"1969-12-31T23:59:00+08:00"}"#
        );
    }

    #[test]
    fn uuids_have_their_dashes() {
        let mut out = String::new();
        uuid(&mut out, 0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
        assert_eq!(out, "01234567-89ab-4def-8123-456789abcdef");
    }
}
