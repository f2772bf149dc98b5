//! Page links: where a page begins, as a short text that cannot be forged.

use crate::Engine;
use crate::failure::{Failure, Outcome, Reason};
use crate::search::{PageStart, Resume};

impl Engine {
    /// The text of a page's beginning.
    pub fn seal_link(&self, start: &PageStart) -> String {
        let mut numbers: Vec<i128> = vec![
            start.as_of.into(),
            start.made.into(),
            start.offset.into(),
            start.type_index.into(),
            start.leader.into(),
        ];
        match start.resume {
            None => {}
            Some(Resume::Before(seq)) => numbers.push(seq.into()),
            Some(Resume::Row { stage, value, seq, extra }) => {
                numbers.extend([i128::from(stage), value.into(), seq.into(), extra.into()]);
            }
        }
        let body = numbers.iter().map(i128::to_string).collect::<Vec<_>>().join(".");
        let seal = self.keys.source("page link", "", &body);
        format!("{body}.{:x}", seal as u64)
    }

    /// Reads what [`Engine::seal_link`] wrote.
    pub fn open_link(&self, text: &str) -> Outcome<PageStart> {
        let refused = || {
            Failure::new(Reason::Invalid, "_page", "page-link", "this page link was not made here")
                .repair("follow the links of the answer as they are")
        };
        let (body, seal) = text.rsplit_once('.').ok_or_else(refused)?;
        if u64::from_str_radix(seal, 16).ok() != Some(self.keys.source("page link", "", body) as u64) {
            return Err(refused());
        }
        let numbers: Vec<i128> =
            body.split('.').map(|n| n.parse().map_err(|_| refused())).collect::<Outcome<_>>()?;
        let [as_of, made, offset, type_index, leader, rest @ ..] = numbers.as_slice() else {
            return Err(refused());
        };
        let resume = match rest {
            [] => None,
            [seq] => Some(Resume::Before(*seq as u64)),
            [stage, value, seq, extra] => Some(Resume::Row {
                stage: *stage as u32,
                value: *value as i64,
                seq: *seq as u64,
                extra: *extra as i64,
            }),
            _ => return Err(refused()),
        };
        Ok(PageStart {
            as_of: *as_of as u64,
            made: *made as i64,
            offset: *offset as u64,
            type_index: *type_index as u32,
            leader: *leader as u32,
            resume,
        })
    }
}
