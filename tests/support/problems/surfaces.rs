//! The surfaces of the crate `argmin_testfunctions`, whose gradients are its own.

use argmin_testfunctions as argmin;

/// A function of `argmin_testfunctions`, with where to begin and where it is least.
#[derive(Debug, Clone)]
pub struct Surface {
    pub name: &'static str,
    pub start: Vec<f64>,
    /// The minimum in whose basin the start lies, and a point where it is taken.
    ///
    /// It is the global one, but for the eggholder, whose own lies on the edge of its domain.
    pub minimum: (f64, Vec<f64>),
    /// Whether a gradient exists everywhere.
    pub smooth: bool,
    value: fn(&[f64]) -> f64,
    gradient: fn(&[f64]) -> Vec<f64>,
}

impl Surface {
    pub fn value(&self, x: &[f64]) -> f64 {
        (self.value)(x)
    }

    /// f, and ∇f into `gradient`.
    pub fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.copy_from_slice(&(self.gradient)(x));
        (self.value)(x)
    }
}

/// A surface over the plane.
macro_rules! plane {
    ($name:expr, $value:ident, $gradient:ident, $start:expr, $minimum:expr, $at:expr, $smooth:expr) => {
        Surface {
            name: $name,
            start: <[f64; 2]>::into($start),
            minimum: ($minimum, <[f64; 2]>::into($at)),
            smooth: $smooth,
            value: |x| argmin::$value(&[x[0], x[1]]),
            gradient: |x| argmin::$gradient(&[x[0], x[1]]).to_vec(),
        }
    };
}

/// A surface of any dimension, here five.
macro_rules! space {
    ($name:expr, $value:ident, $gradient:ident, $start:expr, $minimum:expr, $at:expr) => {
        Surface {
            name: $name,
            start: <[f64; 5]>::into($start),
            minimum: ($minimum, vec![$at; 5]),
            smooth: true,
            value: |x| argmin::$value(x),
            gradient: |x| argmin::$gradient(x),
        }
    };
}

/// All of them.
#[rustfmt::skip]
pub fn surfaces() -> Vec<Surface> {
    vec![
        plane!("Beale", beale, beale_derivative, [1.0, 1.0], 0.0, [3.0, 0.5], true),
        plane!("Booth", booth, booth_derivative, [-4.0, 7.0], 0.0, [1.0, 3.0], true),
        plane!("Bukin 6", bukin_n6, bukin_n6_derivative, [-9.0, 0.5], 0.0, [-10.0, 1.0], false),
        plane!("Cross-in-tray", cross_in_tray, cross_in_tray_derivative, [1.2, 1.5], -2.062_611_870_8, [1.349_406_6, 1.349_406_6], false),
        plane!("Easom", easom, easom_derivative, [2.6, 3.6], -1.0, [std::f64::consts::PI; 2], true),
        plane!("Goldstein-Price", goldsteinprice, goldsteinprice_derivative, [0.2, -0.8], 3.0, [0.0, -1.0], true),
        plane!("Himmelblau", himmelblau, himmelblau_derivative, [1.0, 1.0], 0.0, [3.0, 2.0], true),
        plane!("Holder table", holder_table, holder_table_derivative, [7.8, 9.4], -19.208_502_567_9, [8.055_023, 9.664_59], false),
        plane!("Levy 13", levy_n13, levy_n13_derivative, [1.1, 0.9], 0.0, [1.0, 1.0], true),
        plane!("Matyas", matyas, matyas_derivative, [8.0, -3.0], 0.0, [0.0, 0.0], true),
        plane!("McCormick", mccormick, mccormick_derivative, [-0.3, -1.2], -1.913_222_954_98, [-0.547_197_55, -1.547_197_55], true),
        plane!("Picheny", picheny, picheny_derivative, [0.55, 0.3], -3.385_199_318_203_682_6, [0.5, 0.25], true),
        plane!("Schaffer 2", schaffer_n2, schaffer_n2_derivative, [0.3, -0.2], 0.0, [0.0, 0.0], true),
        plane!("Schaffer 4", schaffer_n4, schaffer_n4_derivative, [0.1, 1.2], 0.292_578_632, [0.0, 1.253_131_83], false),
        plane!("Three-hump camel", threehumpcamel, threehumpcamel_derivative, [0.6, -0.8], 0.0, [0.0, 0.0], true),
        plane!("Eggholder", eggholder, eggholder_derivative, [480.0, 430.0], -956.918_231_38, [482.353, 432.878], false),
        space!("Ackley", ackley, ackley_derivative, [0.2, -0.3, 0.1, 0.25, -0.15], 0.0, 0.0),
        space!("Levy", levy, levy_derivative, [0.8, 1.2, 0.9, 1.1, 1.3], 0.0, 1.0),
        space!("Rastrigin", rastrigin, rastrigin_derivative, [0.3, -0.2, 0.1, 0.4, -0.3], 0.0, 0.0),
        space!("Rosenbrock of argmin", rosenbrock, rosenbrock_derivative, [0.5, -0.3, 0.8, 1.2, -0.4], 0.0, 1.0),
        space!("Sphere", sphere, sphere_derivative, [1.0, -2.0, 3.0, -4.0, 5.0], 0.0, 0.0),
        space!("Styblinski-Tang", styblinski_tang, styblinski_tang_derivative, [-2.0, -3.5, -2.5, -3.0, -4.0], -5.0 * 39.166_165_703_771_41, -2.903_534_027_771_18),
        space!("Zero", zero, zero_derivative, [1.0, 2.0, 3.0, 4.0, 5.0], 0.0, 0.0),
    ]
}
