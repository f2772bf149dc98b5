//! The tile-grid map: one square for each place, from its name and nothing else. It is no map: no
//! boundary is drawn, so none can be wrong.

use std::fmt::Write;

use crate::chart::escape;

const TILE: usize = 92;

/// A tile: place, count as it is shown, and how dark it is from 0 to 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Name of the place.
    pub name: String,
    /// The count as this reader may see it.
    pub count: String,
    /// Shade by count or rate.
    pub shade: u8,
}

/// The shade of a count among all.
pub fn shade(count: u32, most: u32) -> u8 {
    if count == 0 || most == 0 { 0 } else { (1 + (3 * count) / most.max(3)).min(4) as u8 }
}

/// Draws tiles in rows, in the order of their codes.
pub fn draw(tiles: &[Tile], title: &str) -> String {
    let columns = (1..).find(|columns| columns * columns >= tiles.len()).unwrap_or(1).max(1);
    let rows = tiles.len().div_ceil(columns);
    let (width, height) = (columns * TILE, rows * TILE);
    let mut svg = format!("<svg class=tiles viewBox=\"0 0 {width} {height}\" role=img><title>");
    escape(title, &mut svg);
    svg.push_str("</title>");
    for (index, tile) in tiles.iter().enumerate() {
        let (x, y) = (index % columns * TILE, index / columns * TILE);
        let _ = write!(
            svg,
            "<rect class=\"shade{}\" x={} y={} width={} height={} rx=4 /><text x={} y={}>",
            tile.shade,
            x + 2,
            y + 2,
            TILE - 4,
            TILE - 4,
            x + TILE / 2,
            y + 40
        );
        escape(&tile.name.chars().take(6).collect::<String>(), &mut svg);
        let _ = write!(svg, "</text><text class=count x={} y={}>", x + TILE / 2, y + 66);
        escape(&tile.count, &mut svg);
        svg.push_str("</text>");
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_carry_their_numbers() {
        let tile = |name: &str, count: u32| Tile { name: name.into(), count: count.to_string(), shade: shade(count, 9) };
        let svg = draw(&[tile("河口镇", 9), tile("芦滩乡", 0), tile("<x>", 3)], "图");
        assert!(svg.contains("河口镇") && svg.contains(">9<") && svg.contains("&lt;x&gt;"));
        assert_eq!((shade(0, 9), shade(1, 9), shade(9, 9), shade(1, 1)), (0, 1, 4, 2));
        assert!(draw(&[], "").contains("</svg>"));
    }
}
