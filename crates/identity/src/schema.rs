//! Which column holds what: the mapping file that an analyst writes.

use crate::identifier::Scheme;
use std::fmt;
use tongmai_base::Finding;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The record's own key; never compared.
    RecordId,
    /// A whole name.
    FullName,
    /// Given name(s).
    GivenName,
    /// Family name.
    FamilyName,
    /// Administrative sex.
    Sex,
    /// Birth date.
    BirthDate,
    /// Telephone number.
    Phone,
    /// Street address or a part of it.
    Address,
    /// Town, suburb, district, birth place.
    Locality,
    /// Postcode.
    Postcode,
    /// Name of the mother.
    MotherName,
    /// A number that stands for one person: identity card, insurance, hospital card.
    NationalId,
    /// Anything else that tells people apart: e-mail, occupation.
    Other,
}

const KINDS: &[(&str, Kind)] = &[
    ("record_id", Kind::RecordId),
    ("full_name", Kind::FullName),
    ("given_name", Kind::GivenName),
    ("family_name", Kind::FamilyName),
    ("sex", Kind::Sex),
    ("birth_date", Kind::BirthDate),
    ("phone", Kind::Phone),
    ("address", Kind::Address),
    ("locality", Kind::Locality),
    ("postcode", Kind::Postcode),
    ("mother_name", Kind::MotherName),
    ("national_id", Kind::NationalId),
    ("other", Kind::Other),
];

/// One mapped column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in the header of the file.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Form of a birth date (`%Y%m%d`).
    pub format: Option<String>,
    /// Scheme of a number.
    pub scheme: Option<Scheme>,
}

/// The mapped columns in the order of the mapping file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Columns.
    pub columns: Vec<Column>,
}

/// Why a mapping file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError(pub String);

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

impl Schema {
    /// Reads a mapping file: `column = "kind"` or `column = { kind = "…", format = "…", scheme = "…" }`, one a line.
    ///
    /// A scheme that is not known is reported, and the numbers' own form decides.
    pub fn read(text: &str) -> Result<(Schema, Vec<Finding>), SchemaError> {
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| SchemaError(e.to_string()))?;
        let mut findings = Vec::new();
        let columns: Vec<Column> =
            table.iter().map(|(name, value)| column(name, value, &mut findings)).collect::<Result<_, _>>()?;
        match columns.iter().filter(|column| column.kind == Kind::RecordId).count() {
            1 => Ok((Schema { columns }, findings)),
            0 => Err(SchemaError(
                "no column is the record_id; add a line such as rec_id = \"record_id\"".into(),
            )),
            _ => Err(SchemaError("more than one column is the record_id".into())),
        }
    }

    /// The column that holds the record's key.
    pub fn record_id(&self) -> &str {
        self.columns.iter().find(|column| column.kind == Kind::RecordId).map_or("", |column| &column.name)
    }
}

fn column(name: &str, value: &toml::Value, findings: &mut Vec<Finding>) -> Result<Column, SchemaError> {
    let text = |key: &str| value.get(key).and_then(toml::Value::as_str);
    let kind = value.as_str().or_else(|| text("kind")).ok_or_else(|| {
        SchemaError(format!(
            "{name}: write a kind, such as {name} = \"given_name\", or a table with kind = …"
        ))
    })?;
    let found = KINDS.iter().find(|(word, _)| *word == kind).ok_or_else(|| {
        let known: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
        SchemaError(format!("{name}: unknown kind {kind:?}; known are {}", known.join(", ")))
    })?;
    let scheme = text("scheme").and_then(|word| {
        let scheme = Scheme::from_name(word);
        if scheme.is_none() {
            findings.push(Finding::warning(
                name,
                "unknown-scheme",
                format!("scheme {word:?} is not known; the form of each number decides"),
            ));
        }
        scheme
    });
    Ok(Column { name: name.to_owned(), kind: found.1, format: text("format").map(str::to_owned), scheme })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_file() {
        let (schema, findings) = Schema::read(
            "rec_id = \"record_id\"\ngiven_name = \"given_name\"\n\
             dob = { kind = \"birth_date\", format = \"%Y%m%d\" }\nid = { kind = \"national_id\", scheme = \"cn\" }\n\
             card = { kind = \"national_id\", scheme = \"zz\" }\n",
        )
        .unwrap();
        assert_eq!(findings.len(), 1);
        let names: Vec<&str> = schema.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["rec_id", "given_name", "dob", "id", "card"]);
        assert_eq!(schema.columns[2].format.as_deref(), Some("%Y%m%d"));
        assert_eq!(schema.columns[3].scheme, Some(Scheme::Resident));
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            ("a = \"given_name\"", "record_id"),
            ("a = \"record_id\"\nb = \"record_id\"", "more than one"),
            ("a = \"record_id\"\nb = \"nom\"", "unknown kind \"nom\""),
            ("a = 1", "write a kind"),
        ] {
            let error = Schema::read(text).unwrap_err();
            assert!(error.0.contains(part), "{text}: {error}");
        }
    }
}
