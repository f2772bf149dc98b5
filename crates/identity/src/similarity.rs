//! String similarity on UTF-16 units, so that Latin letters and Chinese
//! characters share one code.

/// Jaro–Winkler similarity, 0 to 1, with the usual prefix weight 0.1 over at
/// most four units (Winkler 1990). Units past the 64th are ignored.
pub fn jaro_winkler(a: &[u16], b: &[u16]) -> f64 {
    let (a, b) = (&a[..a.len().min(64)], &b[..b.len().min(64)]);
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let window = (a.len().max(b.len()) / 2).saturating_sub(1);
    let (mut seen_a, mut seen_b) = (0u64, 0u64);
    for (i, unit) in a.iter().enumerate() {
        let from = i.saturating_sub(window);
        let to = (i + window + 1).min(b.len());
        for (j, other) in b.iter().enumerate().take(to).skip(from) {
            if seen_b >> j & 1 == 0 && unit == other {
                seen_a |= 1 << i;
                seen_b |= 1 << j;
                break;
            }
        }
    }
    let matches = seen_a.count_ones();
    if matches == 0 {
        return 0.0;
    }
    let (mut rest_a, mut rest_b, mut moved) = (seen_a, seen_b, 0u32);
    while rest_a != 0 {
        moved += u32::from(a[rest_a.trailing_zeros() as usize] != b[rest_b.trailing_zeros() as usize]);
        rest_a &= rest_a - 1;
        rest_b &= rest_b - 1;
    }
    let matches = f64::from(matches);
    let jaro =
        (matches / a.len() as f64 + matches / b.len() as f64 + (matches - f64::from(moved / 2)) / matches)
            / 3.0;
    let prefix = a.iter().zip(b).take(4).take_while(|(x, y)| x == y).count() as f64;
    jaro + prefix * 0.1 * (1.0 - jaro)
}

/// Largest distance that [`edit_distance`] tells apart.
const FARTHEST: usize = 7;

/// Optimal string alignment distance (insert, delete, replace, transpose
/// adjacent), cut off: any distance above `limit` is reported as `limit + 1`.
/// Limits above 7 count as 7. Only the cells that can be within the limit, a band
/// around the diagonal, are worked out (Ukkonen 1985).
pub fn edit_distance<T: PartialEq + Copy>(a: &[T], b: &[T], limit: usize) -> usize {
    let limit = limit.min(FARTHEST);
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[common..], &b[common..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    if a.is_empty() || b.is_empty() {
        return a.len().max(b.len());
    }
    let width = 2 * limit + 1;
    let far = limit as u8 + 1;
    // Cell `k` of row `i` stands for column `i + k - limit`; one cell of margin on either side.
    let mut rows = [[far; 2 * FARTHEST + 3]; 3];
    for (k, cell) in rows[0][1..=width].iter_mut().enumerate().skip(limit) {
        *cell = (k - limit) as u8;
    }
    for i in 1..=a.len() {
        let (last, before) = (rows[(i - 1) % 3], rows[(i + 1) % 3]);
        let mut row = [far; 2 * FARTHEST + 3];
        let mut least = far;
        for k in limit.saturating_sub(i)..width {
            let j = i + k - limit;
            if j > b.len() {
                break;
            }
            let cost = if j == 0 {
                i.min(far as usize) as u8
            } else {
                let replace = last[k + 1] + u8::from(a[i - 1] != b[j - 1]);
                let mut cost = replace.min(last[k + 2] + 1).min(row[k] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    cost = cost.min(before[k + 1] + 1);
                }
                cost.min(far)
            };
            row[k + 1] = cost;
            least = least.min(cost);
        }
        if least == far {
            return limit + 1;
        }
        rows[i % 3] = row;
    }
    usize::from(rows[a.len() % 3][b.len() + limit - a.len() + 1])
}

/// The set of adjacent pairs of units, hashed into 128 bits.
pub fn bigrams(text: &[u16]) -> u128 {
    let bit = |x: u16, y: u16| {
        let mixed = (u32::from(x) << 16 | u32::from(y)).wrapping_mul(0x9E37_79B1);
        1u128 << (mixed >> 25)
    };
    match text {
        [] => 0,
        [only] => bit(*only, 0),
        _ => text.windows(2).fold(0, |set, pair| set | bit(pair[0], pair[1])),
    }
}

/// Dice coefficient of two bigram sets, 0 to 1.
pub fn dice(a: u128, b: u128) -> f64 {
    let total = a.count_ones() + b.count_ones();
    if total == 0 { 0.0 } else { f64::from(2 * (a & b).count_ones()) / f64::from(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn jaro_winkler_of_the_textbook_pairs() {
        // Winkler's published examples.
        for (a, b, expected) in [
            ("martha", "marhta", 0.961),
            ("dwayne", "duane", 0.840),
            ("dixon", "dicksonx", 0.813),
            ("abc", "xyz", 0.0),
        ] {
            assert!((jaro_winkler(&units(a), &units(b)) - expected).abs() < 5e-4, "{a} {b}");
        }
    }

    #[test]
    fn edit_distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
            ("王刚春", "王刚永", 1),
            ("abcdef", "uvwxyz", 4),
            ("abcd", "", 4),
            ("abc", "", 3),
        ] {
            assert_eq!(edit_distance(&units(a), &units(b), 3), expected, "{a} {b}");
        }
    }

    /// The whole table, as the textbook has it.
    fn by_table(a: &[u8], b: &[u8]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                let mut cost = i.max(j);
                if i > 0 && j > 0 {
                    let replace: usize = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    cost = replace.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        cost = cost.min(table[i - 2][j - 2] + 1);
                    }
                }
                table[i][j] = cost;
            }
        }
        table[a.len()][b.len()]
    }

    #[test]
    fn the_band_finds_what_the_whole_table_finds() {
        let mut state = 5u64;
        let mut draw = |below: u64| {
            state = crate::text::mix(state, 3);
            state % below
        };
        for _ in 0..20_000 {
            let mut word = |most: u64| (0..draw(most)).map(|_| draw(3) as u8).collect::<Vec<u8>>();
            let (a, b) = (word(9), word(9));
            for limit in 1..=4 {
                let expected = by_table(&a, &b).min(limit + 1);
                assert_eq!(edit_distance(&a, &b, limit), expected, "{a:?} {b:?} {limit}");
            }
        }
    }
}
