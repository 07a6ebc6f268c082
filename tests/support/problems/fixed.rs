//! Problems 1 to 19: those of a fixed dimension.

use std::f64::consts::PI;

use super::data::{BARD, GAUSSIAN, KOWALIK_OSBORNE, MEYER, OSBORNE_1, OSBORNE_2};
use super::{Number, Problem, Sum, problem};

pub fn problems() -> Vec<Problem> {
    vec![
        problem!(1, "Rosenbrock", rosenbrock, [-1.2, 1.0]).minimum_at(0.0, [1.0, 1.0]),
        problem!(2, "Freudenstein and Roth", freudenstein_roth, [0.5, -2.0])
            .minimum_at(0.0, [5.0, 4.0])
            .minimum_at(48.984_253_679_24, [11.412_779, -0.896_805_25]),
        problem!(3, "Powell badly scaled", powell_badly_scaled, [0.0, 1.0])
            .minimum_at(0.0, [1.098_159_33e-5, 9.106_146_74]),
        problem!(4, "Brown badly scaled", brown_badly_scaled, [1.0, 1.0])
            .minimum_at(0.0, [1e6, 2e-6]),
        problem!(5, "Beale", beale, [1.0, 1.0]).minimum_at(0.0, [3.0, 0.5]),
        problem!(6, "Jennrich and Sampson", jennrich_sampson, [0.3, 0.4])
            .minimum_at(124.362_182_355_6, [0.257_825_21, 0.257_825_21]),
        problem!(7, "Helical valley", helical_valley, [-1.0, 0.0, 0.0])
            .minimum_at(0.0, [1.0, 0.0, 0.0]),
        problem!(8, "Bard", bard, [1.0, 1.0, 1.0])
            .minimum(8.214_877_306_579e-3)
            // x₂, x₃ → -∞
            .minimum(17.428_693_333),
        problem!(9, "Gaussian", gaussian, [0.4, 1.0, 0.0]).minimum(1.127_932_769_619e-8),
        problem!(10, "Meyer", meyer, [0.02, 4000.0, 250.0]).minimum(87.945_855_171),
        problem!(11, "Gulf research and development", gulf, [5.0, 2.5, 0.15])
            .minimum_at(0.0, [50.0, 25.0, 1.5]),
        problem!(12, "Box three-dimensional", box_3d, [0.0, 10.0, 20.0])
            .minimum_at(0.0, [1.0, 10.0, 1.0])
            .minimum_at(0.0, [10.0, 1.0, -1.0])
            .minimum_at(0.0, [7.0, 7.0, 0.0]),
        problem!(13, "Powell singular", powell_singular, [3.0, -1.0, 0.0, 1.0])
            .minimum_at(0.0, [0.0; 4]),
        problem!(14, "Wood", wood, [-3.0, -1.0, -3.0, -1.0]).minimum_at(0.0, [1.0; 4]),
        problem!(15, "Kowalik and Osborne", kowalik_osborne, [0.25, 0.39, 0.415, 0.39])
            .minimum(3.075_056_038_5e-4)
            // x₁, -x₃, -x₄ → ∞
            .minimum(1.027_34e-3),
        problem!(16, "Brown and Dennis", brown_dennis, [25.0, 5.0, -5.0, -1.0])
            .minimum(85_822.201_626_356),
        problem!(17, "Osborne 1", osborne_1, [0.5, 1.5, -1.0, 0.01, 0.02])
            .minimum(5.464_894_697_5e-5),
        problem!(18, "Biggs EXP6", biggs_exp6, [1.0, 2.0, 1.0, 1.0, 1.0, 1.0])
            .minimum_at(0.0, [1.0, 10.0, 1.0, 5.0, 4.0, 3.0])
            .minimum(5.655_649_925e-3),
        problem!(
            19,
            "Osborne 2",
            osborne_2,
            [1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5]
        )
        .minimum(4.013_773_629_4e-2),
    ]
}

fn rosenbrock<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    f.square((x[1] - x[0] * x[0]) * 10.0, [x[0] * -20.0, T::from(10.0)]);
    f.square(-x[0] + 1.0, [T::from(-1.0)]);
}

fn freudenstein_roth<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let (one, y) = (T::from(1.0), x[1]);
    let r = x[0] - 13.0 + ((-y + 5.0) * y - 2.0) * y;
    f.square(r, [one, (-y * 3.0 + 10.0) * y - 2.0]);
    let r = x[0] - 29.0 + ((y + 1.0) * y - 14.0) * y;
    f.square(r, [one, (y * 3.0 + 2.0) * y - 14.0]);
}

fn powell_badly_scaled<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    f.square(x[0] * x[1] * 1e4 - 1.0, [x[1] * 1e4, x[0] * 1e4]);
    let (a, b) = ((-x[0]).exp(), (-x[1]).exp());
    f.square(a + b - 1.0001, [-a, -b]);
}

fn brown_badly_scaled<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let one = T::from(1.0);
    f.square(x[0] - 1e6, [one]);
    f.sparse(x[1] - 2e-6, [(1, one)]);
    f.square(x[0] * x[1] - 2.0, [x[1], x[0]]);
}

fn beale<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for (i, y) in [(1, 1.5), (2, 2.25), (3, 2.625)] {
        let s = -x[1].powi(i) + 1.0;
        f.square(-x[0] * s + y, [-s, x[0] * x[1].powi(i - 1) * f64::from(i)]);
    }
}

fn jennrich_sampson<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for i in 1..=10 {
        let i = f64::from(i);
        let (a, b) = ((x[0] * i).exp(), (x[1] * i).exp());
        f.square(-(a + b) + (2.0 + 2.0 * i), [-a * i, -b * i]);
    }
}

fn helical_valley<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let square = x[0] * x[0] + x[1] * x[1];
    let theta = if x[0] > 0.0 {
        (x[1] / x[0]).atan() / (2.0 * PI)
    } else if x[0] < 0.0 {
        (x[1] / x[0]).atan() / (2.0 * PI) + 0.5
    } else {
        // The paper leaves it open; the limit from one side.
        -(x[0] / x[1]).atan() / (2.0 * PI) + if x[1] < 0.0 { -0.25 } else { 0.25 }
    };
    let turn = square.recip() * (100.0 / (2.0 * PI));
    f.square((x[2] - theta * 10.0) * 10.0, [x[1] * turn, -x[0] * turn, T::from(10.0)]);
    let radius = square.sqrt();
    f.square((radius - 1.0) * 10.0, [x[0] / radius * 10.0, x[1] / radius * 10.0]);
    f.sparse(x[2], [(2, T::from(1.0))]);
}

fn bard<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for (i, y) in (1_u32..).zip(BARD) {
        let u = f64::from(i);
        let v = 16.0 - u;
        let w = u.min(v);
        let d = x[1] * v + x[2] * w;
        let s = (d * d).recip() * u;
        f.square(-(x[0] + d.recip() * u) + y, [T::from(-1.0), s * v, s * w]);
    }
}

fn gaussian<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for (i, y) in (1_u32..).zip(GAUSSIAN) {
        let d = -x[2] + (8.0 - f64::from(i)) / 2.0;
        let e = (-x[1] * d * d * 0.5).exp();
        f.square(x[0] * e - y, [e, x[0] * e * d * d * -0.5, x[0] * e * x[1] * d]);
    }
}

fn meyer<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for (i, y) in (1_u32..).zip(MEYER) {
        let d = x[2] + (45.0 + 5.0 * f64::from(i));
        let e = (x[1] / d).exp();
        f.square(x[0] * e - y, [e, x[0] * e / d, -x[0] * e * x[1] / (d * d)]);
    }
}

fn gulf<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for i in 1..=99 {
        let t = f64::from(i) / 100.0;
        let y = 25.0 + (-50.0 * t.ln()).powf(2.0 / 3.0);
        // The paper's |yᵢ m i x₂|: its `mi` is a minus sign.
        let d = -x[1] + y;
        let power = (d.abs().ln() * x[2]).exp();
        let e = (-power / x[0]).exp();
        let s = e * power / x[0];
        f.square(e - t, [s / x[0], s * x[2] / d, -s * d.abs().ln()]);
    }
}

fn box_3d<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for i in 1..=10 {
        let t = f64::from(i) / 10.0;
        let (a, b) = ((-x[0] * t).exp(), (-x[1] * t).exp());
        let c = (-t).exp() - (-10.0 * t).exp();
        f.square(a - b - x[2] * c, [-a * t, b * t, T::from(-c)]);
    }
}

fn powell_singular<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    super::variable::extended_powell_singular(x, f);
}

fn wood<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    let number = T::from;
    let (ten, fifth) = (10.0_f64.sqrt(), 10.0_f64.sqrt().recip());
    f.square((x[1] - x[0] * x[0]) * 10.0, [x[0] * -20.0, number(10.0)]);
    f.square(-x[0] + 1.0, [number(-1.0)]);
    let ninety = 90.0_f64.sqrt();
    f.sparse((x[3] - x[2] * x[2]) * ninety, [(2, x[2] * -2.0 * ninety), (3, number(ninety))]);
    f.sparse(-x[2] + 1.0, [(2, number(-1.0))]);
    f.sparse((x[1] + x[3] - 2.0) * ten, [(1, number(ten)), (3, number(ten))]);
    f.sparse((x[1] - x[3]) * fifth, [(1, number(fifth)), (3, number(-fifth))]);
}

fn kowalik_osborne<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for (y, u) in KOWALIK_OSBORNE {
        let top = (x[1] + u) * u;
        let d = (x[2] + u) * u + x[3];
        let q = x[0] * top / (d * d);
        f.square(-x[0] * top / d + y, [-top / d, -x[0] * u / d, q * u, q]);
    }
}

fn brown_dennis<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for i in 1..=20 {
        let t = f64::from(i) / 5.0;
        let a = x[0] + x[1] * t - t.exp();
        let b = x[2] + x[3] * t.sin() - t.cos();
        f.square(a * a + b * b, [a * 2.0, a * 2.0 * t, b * 2.0, b * 2.0 * t.sin()]);
    }
}

fn osborne_1<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for (i, y) in (0_u32..).zip(OSBORNE_1) {
        let t = 10.0 * f64::from(i);
        let (a, b) = ((-x[3] * t).exp(), (-x[4] * t).exp());
        let r = -(x[0] + x[1] * a + x[2] * b) + y;
        f.square(r, [T::from(-1.0), -a, -b, x[1] * a * t, x[2] * b * t]);
    }
}

fn biggs_exp6<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for i in 1..=13 {
        let t = 0.1 * f64::from(i);
        let y = (-t).exp() - 5.0 * (-10.0 * t).exp() + 3.0 * (-4.0 * t).exp();
        let (a, b, c) = ((-x[0] * t).exp(), (-x[1] * t).exp(), (-x[4] * t).exp());
        let r = x[2] * a - x[3] * b + x[5] * c - y;
        f.square(r, [-x[2] * a * t, x[3] * b * t, a, -b, -x[5] * c * t, c]);
    }
}

fn osborne_2<T: Number>(x: &[T], f: &mut Sum<'_, T>) {
    for (i, y) in (0_u32..).zip(OSBORNE_2) {
        let t = f64::from(i) / 10.0;
        let a = (-x[4] * t).exp();
        let bell = |rate: T, center: T| {
            let d = -center + t;
            (d, (-d * d * rate).exp())
        };
        let [(d1, b), (d2, c), (d3, d)] = [bell(x[5], x[8]), bell(x[6], x[9]), bell(x[7], x[10])];
        f.square(
            -(x[0] * a + x[1] * b + x[2] * c + x[3] * d) + y,
            [
                -a,
                -b,
                -c,
                -d,
                x[0] * a * t,
                x[1] * b * d1 * d1,
                x[2] * c * d2 * d2,
                x[3] * d * d3 * d3,
                -x[1] * b * x[5] * d1 * 2.0,
                -x[2] * c * x[6] * d2 * 2.0,
                -x[3] * d * x[7] * d3 * 2.0,
            ],
        );
    }
}
