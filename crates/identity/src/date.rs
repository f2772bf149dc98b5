//! Birth dates as people write them: whole, partial, mistyped or impossible.

/// A date by its digits. Month or day 0 is unknown. An impossible date
/// (`1836-21-01`) is kept: its digits are still evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(u32);

/// How two dates relate, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// The same day.
    Equal,
    /// Day and month changed places.
    Swapped,
    /// One slip of the pen.
    OneSlip,
    /// The same year, and one of the two knows no more or is the first of January, which often means the same.
    YearOnly,
    /// Two of year, month and day agree.
    TwoParts,
    /// Two slips of the pen.
    TwoSlips,
    /// The same year only.
    SameYear,
    /// Nothing agrees.
    Different,
}

impl Date {
    /// A date of year 0–9999, month 0–99 and day 0–99.
    pub fn new(year: u32, month: u32, day: u32) -> Date {
        Date(year % 10_000 * 10_000 + month % 100 * 100 + day % 100)
    }

    /// Year.
    pub fn year(self) -> u32 {
        self.0 / 10_000
    }

    /// Month, 0 when unknown.
    pub fn month(self) -> u32 {
        self.0 / 100 % 100
    }

    /// Day, 0 when unknown.
    pub fn day(self) -> u32 {
        self.0 % 100
    }

    /// `yyyymmdd` as a number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The date of a `yyyymmdd` number.
    pub fn from_number(number: u32) -> Date {
        Date(number)
    }

    /// Whether the calendar has this day (unknown parts allowed).
    pub fn exists(self) -> bool {
        let (year, month, day) = (self.year(), self.month(), self.day());
        match (month, day) {
            (0, 0) => year > 0,
            (1..=12, 0) => year > 0,
            (1..=12, _) => year > 0 && day <= tongmai_base::time::days_in_month(i64::from(year), month),
            _ => false,
        }
    }

    fn digits(self) -> [u8; 8] {
        let mut rest = self.0;
        let mut out = [0; 8];
        for place in out.iter_mut().rev() {
            *place = (rest % 10) as u8;
            rest /= 10;
        }
        out
    }

    fn is_year_only(self) -> bool {
        self.month() == 0 || (self.month() == 1 && self.day() <= 1)
    }

    /// How this date relates to another.
    pub fn relate(self, other: Date) -> Relation {
        if self == other {
            return Relation::Equal;
        }
        let same = [self.year() == other.year(), self.month() == other.month(), self.day() == other.day()];
        if same[0] && self.month() == other.day() && self.day() == other.month() {
            return Relation::Swapped;
        }
        if same[0] && (self.is_year_only() || other.is_year_only()) {
            return Relation::YearOnly;
        }
        let slips = crate::similarity::edit_distance(&self.digits(), &other.digits(), 2);
        if slips == 1 {
            Relation::OneSlip
        } else if same.iter().filter(|same| **same).count() == 2 {
            Relation::TwoParts
        } else if slips == 2 {
            Relation::TwoSlips
        } else if same[0] {
            Relation::SameYear
        } else {
            Relation::Different
        }
    }

    /// Reads a date. `format` takes `%Y %y %m %d` and literal characters, and
    /// ignores what follows (a time of day); without it the usual forms are
    /// told apart: year first, or day and month first where that is certain.
    pub fn read(raw: &str, format: Option<&str>) -> Option<Date> {
        let raw = raw.trim();
        match format {
            Some(format) => read_by(raw, format),
            None => read_usual(raw),
        }
    }
}

fn read_by(raw: &str, format: &str) -> Option<Date> {
    let (mut year, mut month, mut day) = (0, 0, 0);
    let mut rest = raw;
    let mut pattern = format.chars();
    while let Some(c) = pattern.next() {
        let mut number = |width: usize| -> Option<u32> {
            let length = rest.bytes().take(width).take_while(u8::is_ascii_digit).count();
            let value = rest.get(..length)?.parse().ok()?;
            rest = &rest[length..];
            Some(value)
        };
        if c != '%' {
            rest = rest.strip_prefix(c)?;
            continue;
        }
        match pattern.next()? {
            'Y' => year = number(4)?,
            'y' => year = number(2).map(|y| if y < 30 { 2000 + y } else { 1900 + y })?,
            'm' => month = number(2)?,
            'd' => day = number(2)?,
            _ => break,
        }
    }
    (year > 0).then(|| Date::new(year, month, day))
}

fn read_usual(raw: &str) -> Option<Date> {
    // The commonest form first, without taking it apart.
    if let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *raw.as_bytes() {
        let digits = [y0, y1, y2, y3, m0, m1, d0, d1];
        if digits.iter().all(u8::is_ascii_digit) {
            let number = digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
            return Some(Date(number)).filter(|date| date.year() > 0);
        }
    }
    let raw = raw.split(['T', 't']).next()?;
    let parts: Vec<&str> = raw.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let number = |text: &str| text.parse::<u32>().ok();
    match parts[..] {
        [whole] if whole.len() == 8 => {
            Some(Date::new(number(&whole[..4])?, number(&whole[4..6])?, number(&whole[6..])?))
        }
        [year] if year.len() == 4 => Some(Date::new(number(year)?, 0, 0)),
        [year, month] if year.len() == 4 => Some(Date::new(number(year)?, number(month)?, 0)),
        [year, month, day, ..] if year.len() == 4 => {
            Some(Date::new(number(year)?, number(month)?, number(day)?))
        }
        [first, second, year, ..] if year.len() == 4 => {
            let (first, second) = (number(first)?, number(second)?);
            // Day first, unless only month first gives a date that exists.
            let date = Date::new(number(year)?, second, first);
            let turned = Date::new(number(year)?, first, second);
            Some(if !date.exists() && turned.exists() { turned } else { date })
        }
        _ => None,
    }
    .filter(|date| date.year() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (raw, format, expected) in [
            ("19560409", Some("%Y%m%d"), Some(19_560_409)),
            ("1956-04-09", None, Some(19_560_409)),
            ("1956年4月9日", None, Some(19_560_409)),
            ("1956-04-09T10:00:00+08:00", None, Some(19_560_409)),
            ("9/4/1956", None, Some(19_560_409)),
            ("04/19/1956", None, Some(19_560_419)),
            ("09.04.56", Some("%d.%m.%y"), Some(19_560_409)),
            ("1956", None, Some(19_560_000)),
            ("1836-21-01", None, Some(18_362_101)),
            ("1956-04-09", Some("%Y%m%d"), None),
            ("unknown", None, None),
            ("", None, None),
        ] {
            assert_eq!(Date::read(raw, format).map(Date::number), expected, "{raw}");
        }
        assert!(
            !Date::new(1836, 21, 1).exists()
                && !Date::new(2023, 2, 29).exists()
                && Date::new(2024, 2, 29).exists()
        );
    }

    #[test]
    fn relations() {
        for (a, b, expected) in [
            (19_560_409, 19_560_409, Relation::Equal),
            (19_560_409, 19_560_904, Relation::Swapped),
            (19_560_409, 19_560_401, Relation::OneSlip),
            (19_560_409, 19_560_490, Relation::OneSlip),
            (19_560_409, 19_560_101, Relation::YearOnly),
            (19_560_409, 19_561_209, Relation::TwoParts),
            (19_560_409, 19_560_531, Relation::SameYear),
            (19_560_409, 19_721_130, Relation::Different),
        ] {
            assert_eq!(Date::from_number(a).relate(Date::from_number(b)), expected, "{a} {b}");
        }
    }
}
