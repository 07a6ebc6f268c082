//! A log is valid CSV and JSON whatever the numbers.

use serde_json::Value;
use thalweg::train::Progress;

const NUMBERS: [f64; 7] = [0.0, -1.5, 1e-300, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

#[test]
fn each_line_is_read_back_by_another_reader() {
    let (mut csv, mut json) = (Progress::csv(Vec::new()), Progress::json_lines(Vec::new()));
    for (step, &x) in NUMBERS.iter().enumerate() {
        let norm = (step % 2 == 0).then_some(x);
        csv.line(step as u64, x, 0.1, norm).unwrap();
        json.line(step as u64, x, 0.1, norm).unwrap();
    }
    let csv = String::from_utf8(csv.into_inner()).unwrap();
    let json = String::from_utf8(json.into_inner()).unwrap();
    assert_eq!(csv.lines().count(), NUMBERS.len() + 1);
    let rows = csv.lines().skip(1).zip(json.lines()).zip(NUMBERS).enumerate();
    for (step, ((row, line), x)) in rows {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!((cells.len(), cells[0], cells[4]), (5, &*step.to_string(), "false"));
        assert_eq!(cells[1].parse::<f64>().unwrap().to_bits(), x.to_bits());
        let object: Value = serde_json::from_str(line).unwrap();
        let loss = match &object["loss"] {
            Value::String(text) => text.parse().unwrap(),
            number => number.as_f64().unwrap(),
        };
        assert_eq!(loss.to_bits(), x.to_bits());
        assert_eq!(object["grad_norm"].is_null(), step % 2 == 1);
        assert_eq!(cells[3].is_empty(), step % 2 == 1);
    }
}

#[test]
fn every_so_many_are_written_and_a_full_disk_is_an_error() {
    for (every, expected) in [(0, 10), (1, 10), (3, 4), (100, 1)] {
        let mut log = Progress::json_lines(Vec::new()).every(every);
        (1..=10).for_each(|step| log.line(step, 1.0, 0.1, None).unwrap());
        let text = String::from_utf8(log.into_inner()).unwrap();
        assert_eq!(text.lines().count(), expected, "{every}");
        assert!(text.starts_with("{\"step\":1,"));
    }
    let mut room = [0_u8; 10];
    let error = Progress::csv(&mut room[..]).line(1, 1.0, 0.1, None).unwrap_err();
    assert!(std::error::Error::source(&error).is_some(), "{error}");
}
