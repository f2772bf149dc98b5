//! Dates and times: DTM, DT, TS and TM as FHIR writes them.

use tongmai_base::time::days_in_month;

/// A date or time read from HL7 v2, as far as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// `2026`, `2026-01`, `2026-01-31`.
    pub date: String,
    /// `07:40:00` or `07:40:00.25`, when an hour was given.
    pub time: Option<String>,
    /// `+08:00`, when a zone was given.
    pub zone: Option<String>,
}

/// Reads `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][±ZZZZ]` (section 2.A.22). The separators of ISO 8601 are
/// tolerated, as many systems write them. `None` when it is no date.
pub fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    let text = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |rest| format!("{rest}+0000"));
    // A zone begins with a sign after the day: before it, signs part a date.
    let zone_at = text.bytes().enumerate().skip(8).find_map(|(at, byte)| match byte {
        b'+' => Some(at),
        b'-' if at >= 11 || text[..at].bytes().all(|byte| byte.is_ascii_digit()) => Some(at),
        _ => None,
    });
    let zone_at = zone_at.or_else(|| (text.len() > 4).then(|| text.find('+')).flatten());
    let (body, zone) = zone_at.map_or((text.as_str(), None), |at| (&text[..at], Some(&text[at..])));
    let (digits, fraction) = match body.split_once('.') {
        Some((digits, fraction)) => (digits, fraction.trim()),
        None => (body, ""),
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = digits.chars().filter(|c| !matches!(c, '-' | ':' | 'T' | ' ' | '/')).collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.len() < 4 {
        return None;
    }
    let two = |at: usize| digits.get(at..at + 2);
    let number = |at: usize| two(at).and_then(|text| text.parse::<u32>().ok());
    let year = &digits[..4];
    let mut date = year.to_owned();
    let given = digits.len();
    // Months and days of zeros mean that they are not known.
    if given >= 6 && number(4)? != 0 {
        date = format!("{date}-{}", two(4)?);
        if number(4)? > 12 {
            return None;
        }
        if given >= 8 && number(6)? != 0 {
            date = format!("{date}-{}", two(6)?);
            if number(6)? > days_in_month(year.parse().ok()?, number(4)?) {
                return None;
            }
        }
    }
    let time = if given >= 10 && date.len() == 10 { Some(time_of(&digits[8..], fraction)?) } else { None };
    Some(Moment { date, time, zone: zone.and_then(zone_of) })
}

/// A time of day: `HH[MM[SS[.S…]]]`, with or without colons.
pub fn time(text: &str) -> Option<String> {
    let body = text.trim().split(['+', '-']).next().unwrap_or_default();
    let (digits, fraction) = body.split_once('.').unwrap_or((body, ""));
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    time_of(&digits, fraction)
}

fn time_of(digits: &str, fraction: &str) -> Option<String> {
    let part = |at: usize, limit: u32| match digits.get(at..at + 2) {
        Some(text) => text.parse::<u32>().ok().filter(|number| *number < limit),
        None => Some(0),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.len() < 2 || digits.len() > 6 {
        return None;
    }
    let mut time = format!("{:02}:{:02}:{:02}", part(0, 24)?, part(2, 60)?, part(4, 60)?);
    if !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        time.push('.');
        time.push_str(&fraction[..fraction.len().min(9)]);
    }
    Some(time)
}

fn zone_of(text: &str) -> Option<String> {
    let (sign, digits) = text.split_at_checked(1)?;
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let hours = digits.get(..2)?.parse::<u32>().ok().filter(|hours| *hours <= 14)?;
    let minutes = match digits.get(2..4) {
        Some(text) => text.parse::<u32>().ok().filter(|minutes| *minutes < 60)?,
        None => 0,
    };
    Some(format!("{sign}{hours:02}:{minutes:02}"))
}

impl Moment {
    /// As FHIR's `dateTime`; a time without a zone gets this one, since FHIR wants one.
    pub fn date_time(&self, default_zone: &str) -> String {
        match &self.time {
            Some(time) => format!("{}T{time}{}", self.date, self.zone.as_deref().unwrap_or(default_zone)),
            None => self.date.clone(),
        }
    }

    /// As FHIR's `instant`, of which no part may be missing; the day begins at midnight.
    pub fn instant(&self, default_zone: &str) -> Option<String> {
        let time = self.time.as_deref().unwrap_or("00:00:00");
        let zone = self.zone.as_deref().unwrap_or(default_zone);
        (self.date.len() == 10).then(|| format!("{}T{time}{zone}", self.date))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_all_precisions() {
        for (text, expected) in [
            ("1988", "1988"),
            ("198808", "1988-08"),
            ("19880818", "1988-08-18"),
            ("1988081811", "1988-08-18T11:00:00+08:00"),
            ("198808181126+0215", "1988-08-18T11:26:00+02:15"),
            ("20210817151943.4+0200", "2021-08-17T15:19:43.4+02:00"),
            ("20210817151943-0500", "2021-08-17T15:19:43-05:00"),
            ("2021-08-17 15:19:43", "2021-08-17T15:19:43+08:00"),
            ("2021-08-17T15:19:43Z", "2021-08-17T15:19:43+00:00"),
            ("2021-08-17", "2021-08-17"),
            ("2021/08/17 7:", "2021-08-17"),
            ("19880000", "1988"),
            ("19881301", ""),
            ("20230229", ""),
            ("2023022824", ""),
            ("-", ""),
            ("无", ""),
        ] {
            let found = moment(text).map(|moment| moment.date_time("+08:00")).unwrap_or_default();
            assert_eq!(found, expected, "{text}");
            assert!(found.is_empty() || tongmai_fhir::format::is_date_time(&found), "{found}");
        }
        assert_eq!(time("0740"), Some("07:40:00".to_owned()));
        assert_eq!(time("25"), None);
    }
}
