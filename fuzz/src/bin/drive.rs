//! Runs mutations of valid inputs through every target: `drive [INPUTS [SEED]]`.

use std::time::Instant;

use thalweg_fuzz::{Mutator, Reached, TARGETS};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().expect("a number"));
    let (inputs, seed) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(1));
    let each = inputs.div_ceil(TARGETS.len() as u64);
    for target in &TARGETS {
        let begun = Instant::now();
        let corpus = (target.corpus)();
        assert!(corpus.iter().any(|input| (target.run)(input) == Reached::Loaded));
        let mut mutator = Mutator::new(corpus, seed);
        let mut reached = [0_u64; 3];
        for count in 0..each {
            let input = mutator.input();
            let result = std::panic::catch_unwind(|| (target.run)(input));
            let Ok(result) = result else {
                let file = format!("crash-{}-{seed}-{count}", target.name);
                std::fs::write(&file, input).expect("to write here");
                eprintln!("{}: input {count} of seed {seed} is in {file}", target.name);
                std::process::exit(1);
            };
            reached[result as usize] += 1;
        }
        let [refused, read, loaded] = reached;
        println!(
            "{:10} {each} inputs in {:.0} s: {refused} refused, {read} read, {loaded} loaded",
            target.name,
            begun.elapsed().as_secs_f64()
        );
    }
}
