//! The published prices of four cities follow one rate each.

use tongmai_drg::payment::PriceTable;
use tongmai_testkit::{data, read};

fn check(name: &str, rate: Option<f64>) {
    let Some(path) = data(&format!("drg/payment/{name}.csv")) else { return };
    // Half of the cities publish in GBK.
    let bytes = read(&path);
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => encoding_rs::GB18030.decode(error.as_bytes()).0.into_owned(),
    };
    let cells: Vec<Vec<String>> =
        text.lines().map(|line| line.split(',').map(str::to_string).collect()).collect();
    let (table, _) = PriceTable::read(&cells).expect("the table has codes and weights");
    let inference = table.infer().expect("the table has prices");
    println!(
        "{name}: {} within 0.01 of {} cells at {}; exceptions {:?}",
        inference.compared - inference.exceptions.len(),
        inference.compared,
        inference.rate,
        inference.exceptions.iter().take(6).collect::<Vec<_>>()
    );
    if let Some(rate) = rate {
        assert!((inference.rate - rate).abs() < 0.1, "{name}: {}", inference.rate);
    }
    let share = inference.exceptions.len() as f64 / inference.compared as f64;
    assert!(share <= 0.05, "{name}: {} of {} exceptions", inference.exceptions.len(), inference.compared);
}

#[test]
fn prices_follow_one_rate() {
    check("青岛2023", Some(12_000.0));
    check("苏州2022", None);
    check("苏州2023", Some(8_728.3));
    check("盐城2022", None);
    check("盐城2023", Some(8_227.2));
    check("兰州2022", Some(11_510.4));
}
