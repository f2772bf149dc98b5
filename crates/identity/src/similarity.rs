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

/// Optimal string alignment distance (insert, delete, replace, transpose
/// adjacent), cut off: any distance above `limit` is reported as `limit + 1`.
pub fn edit_distance<T: PartialEq + Copy>(a: &[T], b: &[T], limit: usize) -> usize {
    let common = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[common..], &b[common..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    if a.is_empty() || b.is_empty() {
        return a.len().max(b.len());
    }
    const WIDTH: usize = 80;
    if b.len() >= WIDTH {
        return limit + 1;
    }
    let (mut before, mut last, mut row) = ([0usize; WIDTH], [0usize; WIDTH], [0usize; WIDTH]);
    for (j, cell) in last.iter_mut().enumerate().take(b.len() + 1) {
        *cell = j;
    }
    for i in 1..=a.len() {
        row[0] = i;
        let mut least = i;
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut cost = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            row[j] = cost;
            least = least.min(cost);
        }
        if least > limit {
            return limit + 1;
        }
        (before, last, row) = (last, row, before);
    }
    last[b.len()].min(limit + 1)
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
        ] {
            assert_eq!(edit_distance(&units(a), &units(b), 3), expected, "{a} {b}");
        }
    }
}
