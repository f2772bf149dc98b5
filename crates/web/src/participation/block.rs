//! What the pages of participation are made of: a few kinds of blocks, so that all of them look and read alike.

use std::borrow::Cow;

/// One block of a page.
pub enum Block {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Something to heed.
    Attention(String),
    /// What will stand here, and how to get it.
    Empty(String),
    /// Numbers with what they are.
    Figures(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// A form.
    Form(Form),
    /// Links side by side; the first is the main one.
    Links(Vec<(String, String)>),
    /// A list of cards.
    Cards(Vec<Card>),
    /// A drawing with what it shows.
    Drawing(String, String),
    /// Plain text that is copied or printed.
    Print(String),
}

/// A table.
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Heads, and whether the column holds numbers.
    pub heads: Vec<(String, bool)>,
    /// Rows; the first cell names the row.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell.
pub struct Cell {
    /// Its text.
    pub text: String,
    /// Where it leads; empty: nowhere.
    pub link: String,
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, link: String::new() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        text.to_owned().into()
    }
}

impl From<Cow<'static, str>> for Cell {
    fn from(text: Cow<'static, str>) -> Cell {
        text.into_owned().into()
    }
}

impl Cell {
    /// A cell that leads somewhere.
    pub fn link(text: impl Into<String>, link: impl Into<String>) -> Cell {
        Cell { text: text.into(), link: link.into() }
    }
}

/// A card: a line that leads on, a mark, a few lines beneath, and what can be done.
#[derive(Default)]
pub struct Card {
    /// Its line.
    pub title: String,
    /// Where it leads; empty: nowhere.
    pub link: String,
    /// A mark beside the line.
    pub tag: String,
    /// The mark is a strong one.
    pub strong: bool,
    /// Lines beneath.
    pub lines: Vec<String>,
    /// Forms beneath.
    pub forms: Vec<Form>,
}

/// A form.
#[derive(Default)]
pub struct Form {
    /// Where it is sent.
    pub action: String,
    /// What it is for; empty: the fields say it.
    pub title: String,
    /// What goes with it.
    pub hidden: Vec<(String, String)>,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Its buttons: value and label; the first is the main one.
    pub buttons: Vec<(String, String)>,
    /// Marks the form for a script: the whole works without it.
    pub script: &'static str,
    /// It is sent with GET and changes nothing.
    pub get: bool,
}

/// A field of a form.
pub struct Field {
    /// Its name in the form.
    pub name: String,
    /// Its label.
    pub label: String,
    /// What it holds.
    pub kind: Kind,
    /// What stands in it.
    pub value: String,
    /// It must be filled in.
    pub required: bool,
}

/// What a field holds.
pub enum Kind {
    /// A line of text of at most so many characters.
    Line(u32),
    /// A few lines.
    Area,
    /// A whole number from … to …
    Number(i64, i64),
    /// A day.
    Day,
    /// One of a list.
    Choice(Vec<(String, String)>),
    /// One of a few, all in sight.
    Radio(Vec<(String, String)>),
    /// Any of a few.
    Checks(Vec<(String, String)>),
    /// Yes or no.
    Check,
}

impl Form {
    /// A form that enters a fact and comes back to `back`.
    pub fn enter(fact: &str, back: &str) -> Form {
        Form {
            action: format!("/participation/enter/{fact}"),
            hidden: vec![("back".into(), back.into())],
            ..Form::default()
        }
    }

    /// With something that goes along.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Form {
        self.hidden.push((name.into(), value.into()));
        self
    }

    /// With a title.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Form {
        self.title = title.into();
        self
    }

    /// With a field that must be filled in.
    #[must_use]
    pub fn field(mut self, name: &str, label: impl Into<String>, kind: Kind) -> Form {
        let (name, label, value) = (name.into(), label.into(), String::new());
        self.fields.push(Field { name, label, kind, value, required: true });
        self
    }

    /// With a field that may stay empty.
    #[must_use]
    pub fn optional(self, name: &str, label: impl Into<String>, kind: Kind) -> Form {
        let mut form = self.field(name, label, kind);
        if let Some(field) = form.fields.last_mut() {
            field.required = false;
        }
        form
    }

    /// The last field holds this already.
    #[must_use]
    pub fn holding(mut self, value: impl Into<String>) -> Form {
        if let Some(field) = self.fields.last_mut() {
            field.value = value.into();
        }
        self
    }

    /// With a button.
    #[must_use]
    pub fn button(mut self, value: &str, label: impl Into<String>) -> Form {
        self.buttons.push((value.into(), label.into()));
        self
    }
}

impl Field {
    /// Whether an option stands chosen.
    pub fn holds(&self, value: &str) -> bool {
        self.value.split(',').any(|held| held == value)
    }
}

impl Table {
    /// A table with these heads; a head that begins with `#` stands over numbers.
    pub fn new(caption: impl Into<String>, heads: &[&str]) -> Table {
        let head = |head: &&str| match head.strip_prefix('#') {
            Some(head) => (head.to_owned(), true),
            None => ((*head).to_owned(), false),
        };
        Table { caption: caption.into(), heads: heads.iter().map(head).collect(), rows: Vec::new() }
    }

    /// With a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Whether the column holds numbers.
    pub fn is_number(&self, column: &usize) -> bool {
        self.heads.get(*column).is_some_and(|head| head.1)
    }
}
