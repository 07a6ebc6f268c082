//! Eigenvalues against planted ones.

use thalweg::curvature::{Dense, Lanczos};

use crate::planted::{Planted, rng, spectra};

#[test]
fn both_ends_of_planted_spectra_are_found_with_no_copies() {
    let mut rng = rng(1);
    for n in [10, 100, 1000] {
        for (name, values) in spectra(n, &mut rng) {
            let mut planted = Planted::new(values, &mut rng);
            let t = std::time::Instant::now();
            let k = 3;
            let found = Lanczos::ends(k, k).run(&mut planted).unwrap();
            let norm = planted.norm();
            let mut worst = 0.0_f64;
            for (i, pair) in found.lowest.iter().enumerate() {
                worst = worst.max((pair.value - planted.eigenvalues[i]).abs() / norm);
            }
            for (i, pair) in found.highest.iter().enumerate() {
                worst = worst.max((pair.value - planted.eigenvalues[n - 1 - i]).abs() / norm);
            }
            println!("{n} {name} conv {} prods {} restarts {} worst {worst:.1e} bounds {:.1e} {:.1e} defect {:.1e} {:?}", found.converged, found.products, found.restarts, found.lowest[k-1].bound/norm, found.highest[k-1].bound/norm, found.defect, t.elapsed());
        }
    }
}
