//! The operator's own boundaries: a GeoJSON file (RFC 7946) with its review number 审图号. None is shipped: which
//! boundaries may be shown is decided by the map authorities, not by a program. The file is kept as the boundary
//! of one Location in the ledger, so that who put it there, when, and what stood before is on record.

use std::fmt::Write;

use data_encoding::BASE64;
use serde_json::{Value, json};
use tongmai_base::limits::{MAP_BYTES, MAP_FEATURES, MAP_POINTS};
use tongmai_engine::write::{Conditions, Target};
use tongmai_engine::{Failure, Outcome, Reason};
use tongmai_fhir::definition::{ResourceTypeId, resource_type_id};

use super::tiles::Tile;
use crate::Site;
use crate::chart::escape;

/// Id of the Location that carries the boundaries.
const LOCATION: &str = "surveillance-map";
const BOUNDARY: &str = "http://hl7.org/fhir/StructureDefinition/location-boundary-geojson";
const REVIEW: &str = "urn:tongmai:map-review-number";
/// Properties that may hold the name of a place.
const NAMES: [&str; 6] = ["name", "NAME", "名称", "XZQMC", "fullname", "FULLNAME"];
/// Longest review number and name, in characters.
const TEXT: usize = 100;
/// Width of the drawing; its height follows from the land, up to this times as much.
const WIDTH: f64 = 640.0;
const TALLEST: f64 = 1.4;
/// Most bytes of outlines on a page; a finer file is drawn more coarsely.
const DRAWN: usize = 40_000;
/// Up to so many places each carries its name.
const NAMED: usize = 60;

type Point = (f64, f64);

/// A place with its outlines.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Rings of longitude and latitude; holes among them.
    pub rings: Vec<Vec<Point>>,
}

/// Boundaries with what the law wants to stand beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Boundaries {
    /// 审图号.
    pub review: String,
    /// Who made the map.
    pub source: String,
    /// Places.
    pub features: Vec<Feature>,
}

fn wrong(path: impl AsRef<str>, code: &str, what: impl Into<String>, repair: &str) -> Failure {
    Failure::new(Reason::Invalid, path.as_ref(), code, what).repair(repair)
}

/// Whether a text is written as review numbers are: `GS（2024）0650号`, `川S（2023）00012号`.
pub fn is_review_number(text: &str) -> bool {
    let plain: String = text.trim().trim_start_matches("审图号").trim_start_matches(['：', ':', ' ']).into();
    let plain = plain.replace('（', "(").replace('）', ")").replace(' ', "");
    let Some((before, rest)) = plain.split_once('(') else { return false };
    let Some((year, number)) = rest.split_once(')') else { return false };
    let number = number.trim_end_matches('号');
    let digits = |text: &str, from: usize, to: usize| {
        (from..=to).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    (1..=8).contains(&before.chars().count())
        && before.chars().all(char::is_alphanumeric)
        && digits(year, 4, 4)
        && digits(number, 1, 6)
}

/// Reads a GeoJSON FeatureCollection of areas with names.
///
/// # Errors
/// It is too large, no GeoJSON, has no area, or a place that breaks a rule: the first is named.
pub fn parse(bytes: &[u8]) -> Outcome<Vec<Feature>> {
    if bytes.len() > MAP_BYTES {
        let what = format!("the file has {} bytes, at most {MAP_BYTES} are taken", bytes.len());
        return Err(wrong("file", "too-long", what, "simplify its outlines, or send fewer places"));
    }
    let value: Value =
        serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).map_err(|error| {
            wrong(
                "file",
                "invalid",
                format!("the file is no JSON: {error}"),
                "send GeoJSON (RFC 7946), UTF-8",
            )
        })?;
    let Some(list) = value["features"].as_array().filter(|_| value["type"] == "FeatureCollection") else {
        return Err(wrong("file", "invalid", "the file is no FeatureCollection", "send GeoJSON (RFC 7946)"));
    };
    if list.len() > MAP_FEATURES {
        let what = format!("{} features, at most {MAP_FEATURES} are taken", list.len());
        return Err(wrong("features", "too-many", what, "send the places of your own region"));
    }
    let (mut features, mut points) = (Vec::new(), 0);
    for (index, feature) in list.iter().enumerate() {
        let path = format!("features[{index}]");
        let name = NAMES.iter().find_map(|key| feature["properties"][key].as_str()).unwrap_or("").trim();
        if name.is_empty() || name.chars().count() > TEXT {
            let what = "a place has a name of at most 100 characters in its properties";
            return Err(wrong(format!("{path}.properties"), "required", what, "name it in \"name\""));
        }
        let rings = rings(&feature["geometry"], &path)?;
        points += rings.iter().map(Vec::len).sum::<usize>();
        if points > MAP_POINTS {
            let what = format!("more than {MAP_POINTS} points");
            return Err(wrong(path, "too-many", what, "simplify the outlines"));
        }
        features.push(Feature { name: name.to_owned(), rings });
    }
    if features.is_empty() {
        return Err(wrong("features", "required", "there is no place in the file", "send at least one"));
    }
    Ok(features)
}

fn rings(geometry: &Value, path: &str) -> Outcome<Vec<Vec<Point>>> {
    let path = format!("{path}.geometry");
    let unfit = |what: &str| wrong(&path, "invalid", what, "send Polygon or MultiPolygon in degrees");
    let coordinates = &geometry["coordinates"];
    let polygons = match geometry["type"].as_str() {
        Some("Polygon") => std::slice::from_ref(coordinates),
        Some("MultiPolygon") => items(coordinates),
        _ => return Err(unfit("a place is a Polygon or a MultiPolygon")),
    };
    let mut rings = Vec::new();
    for ring in polygons.iter().flat_map(items) {
        let mut points = Vec::new();
        for position in items(ring) {
            let (Some(longitude), Some(latitude)) = (position[0].as_f64(), position[1].as_f64()) else {
                return Err(unfit("a position is two numbers"));
            };
            if !(-180.0..=180.0).contains(&longitude) || !(-90.0..=90.0).contains(&latitude) {
                return Err(unfit(
                    "a position is a longitude and a latitude in degrees (WGS 84 or CGCS2000)",
                ));
            }
            points.push((longitude, latitude));
        }
        if points.len() < 4 {
            return Err(unfit("a ring has at least four positions"));
        }
        rings.push(points);
    }
    if rings.is_empty() { Err(unfit("a place has an outline")) } else { Ok(rings) }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn location() -> Outcome<ResourceTypeId> {
    resource_type_id("Location").ok_or_else(|| Failure::not_found("Location"))
}

/// The boundaries in use, if there are any.
pub async fn read(site: &Site) -> Outcome<Option<Boundaries>> {
    let sealed = match site.engine.read(&site.sight(), location()?, LOCATION) {
        Ok(sealed) => sealed,
        Err(failure) if matches!(failure.reason, Reason::NotFound | Reason::Gone) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let resource = site.release(sealed).await?.into_inner();
    let stored: Value = serde_json::from_slice(&resource.text).unwrap_or_default();
    let attachment =
        items(&stored["extension"]).iter().find(|it| it["url"] == BOUNDARY).map(|it| &it["valueAttachment"]);
    let data =
        attachment.and_then(|it| it["data"].as_str()).and_then(|text| BASE64.decode(text.as_bytes()).ok());
    let Some(features) = data.and_then(|bytes| parse(&bytes).ok()) else { return Ok(None) };
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    Ok(Some(Boundaries {
        review: text(&stored["identifier"][0]["value"]),
        source: text(&stored["description"]),
        features,
    }))
}

/// Puts boundaries into use, or takes them out of use when the file is empty.
///
/// # Errors
/// The review number or the file breaks a rule, or whoever asks may not write.
pub async fn replace(site: &Site, review: &str, source: &str, file: &[u8]) -> Outcome<()> {
    let target = Target::Id(LOCATION.to_owned());
    if !is_review_number(review) {
        let what = "a map that is shown has the number of its review 审图号";
        return Err(wrong("review", "required", what, "write it as on the map: GS（2024）0650号"));
    }
    if source.trim().is_empty() || source.chars().count() > TEXT {
        let what = "say who made the map, in at most 100 characters";
        return Err(wrong("source", "required", what, "name the publisher"));
    }
    let features = parse(file)?;
    let resource = json!({
        "resourceType": "Location", "id": LOCATION, "status": "active", "mode": "kind",
        "identifier": [{"system": REVIEW, "value": review.trim()}],
        "name": format!("{} places", features.len()),
        "description": source.trim(),
        "extension": [{"url": BOUNDARY, "valueAttachment": {
            "contentType": "application/geo+json", "data": BASE64.encode(file),
        }}],
    });
    let text = resource.to_string();
    let checked = site.engine.check(text.as_bytes(), Some(location()?))?;
    site.engine.update(&site.pen(), &target, &checked, &Conditions::default()).await.map(drop)
}

/// Takes the boundaries out of use; earlier versions stay in the ledger.
pub async fn remove(site: &Site) -> Outcome<()> {
    let target = Target::Id(LOCATION.to_owned());
    site.engine.delete(&site.pen(), location()?, &target, &Conditions::default()).await.map(drop)
}

/// Draws the places; `tiles` have counts and shades by name. An area is drawn equirectangular, true to scale at
/// its middle latitude; it is a picture of a county or a province, not a chart to measure by.
pub fn draw(boundaries: &Boundaries, tiles: &[Tile], title: &str) -> String {
    let all = || boundaries.features.iter().flat_map(|feature| feature.rings.iter().flatten());
    let range = |of: fn(&Point) -> f64| {
        all().map(of).fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(it), high.max(it)))
    };
    let ((west, east), (south, north)) = (range(|point| point.0), range(|point| point.1));
    let narrowing = f64::midpoint(south, north).to_radians().cos().max(0.05);
    let (wide, high) = (((east - west) * narrowing).max(1e-6), (north - south).max(1e-6));
    let scale = (WIDTH / wide).min(WIDTH * TALLEST / high);
    let (width, height) = ((wide * scale).ceil(), (high * scale).ceil());
    let place = |point: &Point| ((point.0 - west) * narrowing * scale, (north - point.1) * scale);
    let mut outlines = Vec::new();
    for grid in [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0] {
        outlines = boundaries.features.iter().map(|feature| outline(feature, place, grid)).collect();
        if outlines.iter().map(String::len).sum::<usize>() <= DRAWN {
            break;
        }
    }
    let mut svg = format!(
        "<svg class=\"tiles land\" viewBox=\"-2 -2 {} {}\" role=img><title>",
        width + 4.0,
        height + 4.0
    );
    escape(title, &mut svg);
    svg.push_str("</title>");
    for (feature, path) in boundaries.features.iter().zip(&outlines) {
        let tile = tiles.iter().find(|tile| tile.name == feature.name);
        let shade = tile.map_or(0, |tile| tile.shade);
        let _ = write!(svg, "<path class=shade{shade} d=\"{path}\"><title>");
        escape(&feature.name, &mut svg);
        svg.push(' ');
        escape(tile.map_or("", |tile| &tile.count), &mut svg);
        svg.push_str("</title></path>");
    }
    for feature in &boundaries.features {
        let tile = tiles.iter().find(|tile| tile.name == feature.name);
        if boundaries.features.len() <= NAMED || tile.is_some_and(|tile| tile.shade > 0) {
            label(&mut svg, feature, tile, place);
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Outlines as a path on a grid of so many units; a ring that shrinks to a line is left out.
fn outline(feature: &Feature, place: impl Fn(&Point) -> (f64, f64), grid: f64) -> String {
    let mut path = String::new();
    for ring in &feature.rings {
        let snapped =
            ring.iter().map(&place).map(|(x, y)| ((x / grid).round() * grid, (y / grid).round() * grid));
        let mut points: Vec<(f64, f64)> = snapped.collect();
        points.dedup();
        if points.first() == points.last() {
            points.pop();
        }
        if points.len() < 3 {
            continue;
        }
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = write!(path, "{}{x} {y}", if index == 0 { 'M' } else { 'L' });
        }
        path.push('Z');
    }
    path
}

/// The name and count in the middle of the largest ring's frame.
fn label(svg: &mut String, feature: &Feature, tile: Option<&Tile>, place: impl Fn(&Point) -> (f64, f64)) {
    let frame = |ring: &Vec<Point>| {
        ring.iter().map(&place).fold((f64::MAX, f64::MIN, f64::MAX, f64::MIN), |(w, e, n, s), (x, y)| {
            (w.min(x), e.max(x), n.min(y), s.max(y))
        })
    };
    let area = |(w, e, n, s): &(f64, f64, f64, f64)| (e - w) * (s - n);
    let frames = feature.rings.iter().map(frame);
    let Some((w, e, n, s)) = frames.max_by(|left, right| area(left).total_cmp(&area(right))) else { return };
    let (x, y) = (f64::midpoint(w, e), f64::midpoint(n, s));
    let _ = write!(svg, "<text x={x:.0} y={y:.0}>");
    escape(&feature.name.chars().take(6).collect::<String>(), svg);
    svg.push_str("</text>");
    if let Some(tile) = tile.filter(|tile| tile.shade > 0) {
        let _ = write!(svg, "<text class=count x={x:.0} y={:.0}>", y + 18.0);
        escape(&tile.count, svg);
        svg.push_str("</text>");
    }
}

/// How many of these places the boundaries have.
pub fn known(boundaries: &Boundaries, tiles: &[Tile]) -> usize {
    tiles.iter().filter(|tile| boundaries.features.iter().any(|feature| feature.name == tile.name)).count()
}

/// The parts of a form that was sent with a file (RFC 7578): name and bytes.
pub fn form_parts<'b>(content_type: &str, body: &'b [u8]) -> Outcome<Vec<(String, &'b [u8])>> {
    let unfit = || {
        let what = "the form came in no known shape";
        wrong("form", "invalid", what, "send multipart/form-data, as the page's own form does")
    };
    let boundary =
        content_type.strip_prefix("multipart/form-data").and_then(|rest| rest.split("boundary=").nth(1));
    let boundary = boundary.map(|it| it.split(';').next().unwrap_or("").trim().trim_matches('"'));
    let boundary = boundary.filter(|it| (1..=70).contains(&it.len())).ok_or_else(unfit)?;
    let mark = [&b"\r\n--"[..], boundary.as_bytes()].concat();
    // The first line has no line end before it.
    let mut rest = body.strip_prefix(&mark[2..]).ok_or_else(unfit)?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let rest_of = rest.strip_prefix(b"\r\n").ok_or_else(unfit)?;
        let head = find(rest_of, b"\r\n\r\n").ok_or_else(unfit)?;
        let end = find(&rest_of[head + 4..], &mark).ok_or_else(unfit)? + head + 4;
        let header = String::from_utf8_lossy(&rest_of[..head]);
        let name = header.split("name=\"").nth(1).and_then(|it| it.split('"').next()).ok_or_else(unfit)?;
        parts.push((name.to_owned(), &rest_of[head + 4..end]));
        rest = &rest_of[end + mark.len()..];
        if parts.len() > 16 {
            return Err(unfit());
        }
    }
    Ok(parts)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    // A file of two megabytes is searched once: windows are quick enough, and look first at one byte.
    let first = *what.first()?;
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == first) {
        if bytes[at + found..].starts_with(what) {
            return Some(at + found);
        }
        at += found + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(name: &str, west: f64) -> Value {
        let east = west + 1.0;
        json!({"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates":
            [[[west, 30.0], [east, 30.0], [east, 31.0], [west, 31.0], [west, 30.0]]]}})
    }

    fn collection(features: &[Value]) -> Vec<u8> {
        json!({"type": "FeatureCollection", "features": features}).to_string().into_bytes()
    }

    fn fault(bytes: &[u8]) -> String {
        parse(bytes).expect_err("a fault").findings[0].path.clone()
    }

    #[test]
    fn areas_with_names_are_read_and_drawn() {
        let features =
            parse(&collection(&[square("河口镇", 100.0), square("<x>", 101.0)])).expect("features");
        let boundaries = Boundaries { review: "GS（2024）0650号".into(), source: "x".into(), features };
        let tiles = [Tile { name: "河口镇".into(), count: "7".into(), shade: 4 }];
        assert_eq!(known(&boundaries, &tiles), 1);
        let svg = draw(&boundaries, &tiles, "图");
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(svg.contains("class=shade4") && svg.contains(">7<") && svg.contains("&lt;x&gt;"), "{svg}");
    }

    #[test]
    fn what_is_no_map_is_named() {
        assert_eq!(fault(b"{"), "file");
        assert_eq!(fault(br#"{"type":"Feature"}"#), "file");
        assert_eq!(fault(&collection(&[])), "features");
        let mut bad = square("a", 100.0);
        bad["properties"] = json!({});
        assert_eq!(fault(&collection(&[square("a", 0.0), bad])), "features[1].properties");
        let mut bad = square("a", 100.0);
        bad["geometry"]["coordinates"][0][0][1] = json!(91.0);
        assert_eq!(fault(&collection(&[bad])), "features[0].geometry");
        let mut bad = square("a", 100.0);
        bad["geometry"]["type"] = json!("Point");
        assert_eq!(fault(&collection(&[bad])), "features[0].geometry");
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_past_it() {
        let many = |count: usize| collection(&vec![square("a", 1.0); count]);
        assert_eq!(parse(&many(MAP_FEATURES)).expect("at the limit").len(), MAP_FEATURES);
        assert_eq!(fault(&many(MAP_FEATURES + 1)), "features");
        let mut padded = collection(&[square("a", 1.0)]);
        padded.resize(MAP_BYTES, b' ');
        assert!(parse(&padded).is_ok());
        padded.push(b' ');
        assert_eq!(fault(&padded), "file");
        let ring = |points: usize| {
            let mut place = square("a", 1.0);
            place["geometry"]["coordinates"][0] = (0..points).map(|_| json!([1, 2])).collect();
            collection(&[place])
        };
        assert!(parse(&ring(MAP_POINTS)).is_ok());
        assert_eq!(fault(&ring(MAP_POINTS + 1)), "features[0]");
    }

    #[test]
    fn review_numbers_are_known_by_their_form() {
        for good in ["GS（2024）0650号", "审图号：GS(2019)1822号", "川S（2023）00012号", "GS京（2022）1061号"]
        {
            assert!(is_review_number(good), "{good}");
        }
        for bad in ["", "无", "2024", "GS0650号", "GS（24）0650号", "GS（2024）号"] {
            assert!(!is_review_number(bad), "{bad}");
        }
    }

    #[test]
    fn a_large_file_is_drawn_small() {
        let ring: Vec<Value> = (0..20_000)
            .map(|step| {
                let angle = f64::from(step) / 20_000.0 * std::f64::consts::TAU;
                let wave = 1.0 + 0.01 * (angle * 900.0).sin();
                json!([100.0 + wave * angle.cos(), 30.0 + wave * angle.sin()])
            })
            .collect();
        let mut place = square("a", 1.0);
        place["geometry"]["coordinates"] = json!([ring]);
        let features = parse(&collection(&[place])).expect("features");
        let boundaries = Boundaries { review: String::new(), source: String::new(), features };
        assert!(draw(&boundaries, &[], "图").len() < DRAWN + 1_000);
    }

    #[test]
    fn a_form_with_a_file_is_taken_apart() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"review\"\r\n\r\nGS\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{}\r\n\r\n--b--\r\n";
        let parts = form_parts("multipart/form-data; boundary=b", body).expect("parts");
        assert_eq!(parts, [("review".to_owned(), &b"GS"[..]), ("file".to_owned(), &b"{}\r\n"[..])]);
        assert!(form_parts("text/plain", body).is_err());
        assert!(form_parts("multipart/form-data; boundary=c", body).is_err());
        assert!(form_parts("multipart/form-data; boundary=b", &body[..60]).is_err());
    }
}
