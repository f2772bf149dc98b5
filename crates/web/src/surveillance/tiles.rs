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

/// Provinces by the first two digits of their codes (GB/T 2260), with their names in official style and
/// their places on the grid: column and row.
pub const PROVINCES: [(&str, &str, usize, usize); 34] = [
    ("11", "北京", 6, 2),
    ("12", "天津", 7, 2),
    ("13", "河北", 5, 2),
    ("14", "山西", 4, 2),
    ("15", "内蒙古", 5, 1),
    ("21", "辽宁", 8, 2),
    ("22", "吉林", 8, 1),
    ("23", "黑龙江", 8, 0),
    ("31", "上海", 7, 5),
    ("32", "江苏", 6, 4),
    ("33", "浙江", 6, 5),
    ("34", "安徽", 5, 4),
    ("35", "福建", 5, 6),
    ("36", "江西", 5, 5),
    ("37", "山东", 5, 3),
    ("41", "河南", 4, 3),
    ("42", "湖北", 4, 4),
    ("43", "湖南", 4, 5),
    ("44", "广东", 4, 6),
    ("45", "广西", 3, 6),
    ("46", "海南", 3, 7),
    ("50", "重庆", 3, 4),
    ("51", "四川", 2, 4),
    ("52", "贵州", 3, 5),
    ("53", "云南", 2, 6),
    ("54", "西藏", 0, 3),
    ("61", "陕西", 3, 3),
    ("62", "甘肃", 2, 3),
    ("63", "青海", 1, 3),
    ("64", "宁夏", 3, 2),
    ("65", "新疆", 0, 2),
    ("71", "中国台湾", 7, 6),
    ("81", "中国香港", 5, 7),
    ("82", "中国澳门", 4, 7),
];

/// The code of the province that a name as it is written in addresses names; `None` for one that is not on the list.
pub fn province(name: &str) -> Option<&'static str> {
    let known = |it: &&(&str, &str, usize, usize)| name.contains(it.1.trim_start_matches("中国"));
    PROVINCES.iter().find(known).map(|it| it.0)
}

/// Draws the country as one square a province; `tiles` are named by code.
pub fn draw_country(tiles: &[Tile], title: &str) -> String {
    let (columns, rows) = (9, 8);
    let mut svg =
        format!("<svg class=tiles viewBox=\"0 0 {} {}\" role=img><title>", columns * TILE, rows * TILE);
    escape(title, &mut svg);
    svg.push_str("</title>");
    for (code, name, column, row) in PROVINCES {
        let tile = tiles.iter().find(|tile| tile.name == code);
        let count = tile.map_or("", |tile| tile.count.as_str());
        square(&mut svg, (column * TILE, row * TILE), tile.map_or(0, |tile| tile.shade), name, count);
    }
    svg.push_str("</svg>");
    svg
}

fn square(svg: &mut String, (x, y): (usize, usize), shade: u8, name: &str, count: &str) {
    let side = TILE - 4;
    let middle = x + TILE / 2;
    let _ = write!(
        svg,
        "<rect class=\"shade{shade}\" x={} y={} width={side} height={side} rx=4 />",
        x + 2,
        y + 2
    );
    let _ = write!(svg, "<text x={middle} y={}>", y + 40);
    escape(&name.chars().take(6).collect::<String>(), svg);
    let _ = write!(svg, "</text><text class=count x={middle} y={}>", y + 66);
    escape(count, svg);
    svg.push_str("</text>");
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
        let corner = (index % columns * TILE, index / columns * TILE);
        square(&mut svg, corner, tile.shade, &tile.name, &tile.count);
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_country_is_34_squares_and_none_lies_on_another() {
        let places: std::collections::BTreeSet<_> = PROVINCES.iter().map(|it| (it.2, it.3)).collect();
        assert_eq!(places.len(), 34);
        assert_eq!(province("四川省"), Some("51"));
        assert_eq!(province("香港特别行政区"), Some("81"));
        assert_eq!(province("禾州省"), None);
        let svg = draw_country(&[Tile { name: "51".into(), count: "7".into(), shade: 4 }], "图");
        assert_eq!(svg.matches("<rect").count(), 34);
        assert!(svg.contains("中国台湾") && svg.contains(">7<"));
    }

    #[test]
    fn tiles_carry_their_numbers() {
        let tile = |name: &str, count: u32| Tile {
            name: name.into(),
            count: count.to_string(),
            shade: shade(count, 9),
        };
        let svg = draw(&[tile("河口镇", 9), tile("芦滩乡", 0), tile("<x>", 3)], "图");
        assert!(svg.contains("河口镇") && svg.contains(">9<") && svg.contains("&lt;x&gt;"));
        assert_eq!((shade(0, 9), shade(1, 9), shade(9, 9), shade(1, 1)), (0, 1, 4, 2));
        assert!(draw(&[], "").contains("</svg>"));
    }
}
