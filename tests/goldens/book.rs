//! The files of `tests/golden`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub const FILES: [&str; 6] =
    ["torch", "keras", "optax", "adabelief_pytorch", "lion_pytorch", "pytorch_optimizer"];

/// What all cases run on.
#[derive(Deserialize)]
pub struct Problem {
    pub initial: Vec<f64>,
    pub gradients: Vec<Vec<f64>>,
}

/// The trajectories of one library.
#[derive(Deserialize)]
pub struct Book<C = Case> {
    pub library: String,
    pub version: String,
    pub cases: Vec<C>,
}

/// `T`: step to parameters, `None` where the library's are not finite.
#[derive(Deserialize)]
pub struct Case<T = BTreeMap<usize, Vec<Option<f64>>>> {
    pub id: String,
    pub optimizer: String,
    pub arguments: Map<String, Value>,
    pub resolved: Map<String, Value>,
    /// `zero` where the parameters begin there rather than where the problem says.
    #[serde(default)]
    pub start: Option<String>,
    pub checkpoints: T,
}

pub fn load<T: DeserializeOwned>(file: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let text = std::fs::read_to_string(folder.join(file).with_extension("json")).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}.json: {error}"))
}

pub fn problem() -> Problem {
    load("problem")
}

pub fn book(file: &str) -> Book {
    load(file)
}

impl<T> Case<T> {
    /// The learning rate that holds from step 31 on, where it changes.
    pub fn late_rate(&self) -> Option<f64> {
        let names = ["lr_from_step_31", "learning_rate_from_step_31"];
        names.iter().find_map(|&name| self.arguments.get(name)).and_then(Value::as_f64)
    }
}

/// The arguments of a case, each to be taken once: one that is left over was overlooked.
pub struct Arguments(Map<String, Value>);

impl Arguments {
    pub fn of<T>(case: &Case<T>) -> Self {
        let mut arguments = case.resolved.clone();
        arguments.retain(|name, _| !name.ends_with("_from_step_31"));
        Self(arguments)
    }

    fn take(&mut self, name: &str) -> Value {
        self.0.remove(name).unwrap_or_else(|| panic!("no argument {name} in {:?}", self.0))
    }

    /// A number; none is 0.
    pub fn number(&mut self, name: &str) -> f64 {
        match self.take(name) {
            Value::Null => 0.0,
            value => value.as_f64().unwrap_or_else(|| panic!("{name} = {value}")),
        }
    }

    pub fn optional(&mut self, name: &str) -> Option<f64> {
        self.take(name).as_f64()
    }

    pub fn text(&mut self, name: &str) -> String {
        self.take(name).as_str().map(str::to_owned).unwrap_or_default()
    }

    pub fn flag(&mut self, name: &str) -> bool {
        let value = self.take(name);
        value.as_bool().unwrap_or_else(|| panic!("{name} = {value}"))
    }

    pub fn numbers<const N: usize>(&mut self, name: &str) -> [f64; N] {
        let value = self.take(name);
        std::array::from_fn(|i| value[i].as_f64().unwrap())
    }

    /// Numbers of which some may be none.
    pub fn optional_numbers<const N: usize>(&mut self, name: &str) -> [Option<f64>; N] {
        let value = self.take(name);
        std::array::from_fn(|i| value[i].as_f64())
    }

    pub fn steps(&mut self, name: &str) -> u32 {
        self.number(name) as u32
    }

    /// Both betas, under whichever names.
    pub fn betas(&mut self) -> (f64, f64) {
        if self.0.contains_key("betas") {
            let value = self.take("betas");
            (value[0].as_f64().unwrap(), value[1].as_f64().unwrap())
        } else if self.0.contains_key("beta_1") {
            (self.number("beta_1"), self.number("beta_2"))
        } else {
            (self.number("b1"), self.number("b2"))
        }
    }

    pub fn learning_rate(&mut self) -> f64 {
        let name = if self.0.contains_key("lr") { "lr" } else { "learning_rate" };
        self.number(name)
    }

    pub fn assert_all_taken<T>(&self, case: &Case<T>) {
        assert!(self.0.is_empty(), "{}: {:?} were not looked at", case.id, self.0);
    }
}
