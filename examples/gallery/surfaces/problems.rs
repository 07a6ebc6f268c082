//! Surfaces that show the known problems of gradient learning.

use super::{Point, Surface};

/// The valleys lie askew: a diagonal cannot straighten them.
const AXIS: Point = [0.8, 0.6];
const ORIGIN: &[Point] = &[[0.0, 0.0]];

pub(super) fn all() -> Vec<Surface> {
    vec![
        valley::<10>(
            "valley-10",
            "Valley, κ = 10",
            "½(u² + 10v²), u = 0.8x + 0.6y, v = 0.8y - 0.6x",
            "A mild valley: every method gets there.",
        ),
        valley::<100>(
            "valley-100",
            "Valley, κ = 100",
            "½(u² + 100v²), u = 0.8x + 0.6y, v = 0.8y - 0.6x",
            "An ill-conditioned valley: a rate that the steep sides bear is slow along the floor.",
        ),
        valley::<1000>(
            "valley-1000",
            "Valley, κ = 1000",
            "½(u² + 1000v²), u = 0.8x + 0.6y, v = 0.8y - 0.6x",
            "A thousand times steeper across than along: momentum and curvature pay.",
        ),
        Surface {
            name: "saddle",
            title: "Saddle",
            formula: "½x² - ½y² + ¼y⁴",
            lesson: "The start is nearly on the ridge: the gradient leads to the saddle at 0, and \
                     only slowly away from it.",
            frame: [[-2.75, -2.0], [2.75, 2.0]],
            start: [-2.2, 0.002],
            minima: &[[0.0, 1.0], [0.0, -1.0]],
            steps: 200,
            noise: 0.0,
            value: |&[x, y]| 0.5 * x * x - 0.5 * y * y + 0.25 * y.powi(4),
            gradient: |&[x, y]| [x, y * y * y - y],
        },
        Surface {
            name: "monkey-saddle",
            title: "Monkey saddle",
            formula: "x³ - 3xy² + ½(x² + y²)²",
            lesson: "At 0 the Hessian vanishes altogether: no curvature says which of the three ways \
                     goes down.",
            frame: [[-2.75, -2.0], [2.75, 2.0]],
            start: [1.4, 0.01],
            minima: &[[-1.5, 0.0], [0.75, 1.299_038_105_676_658], [0.75, -1.299_038_105_676_658]],
            steps: 200,
            noise: 0.0,
            value: |&[x, y]| {
                let square = x * x + y * y;
                x * x * x - 3.0 * x * y * y + 0.5 * square * square
            },
            gradient: |&[x, y]| {
                let square = x * x + y * y;
                [3.0 * (x * x - y * y) + 2.0 * x * square, -6.0 * x * y + 2.0 * y * square]
            },
        },
        Surface {
            name: "plateau",
            title: "Plateau",
            formula: "1 - exp(-½(x² + 2y²))",
            lesson: "A well in a plain, where the gradient all but vanishes: who divides by its size \
                     walks on.",
            frame: [[-5.5, -4.0], [5.5, 4.0]],
            start: [-3.2, 1.6],
            minima: ORIGIN,
            steps: 200,
            noise: 0.0,
            value: |&[x, y]| -(-0.5 * (x * x + 2.0 * y * y)).exp_m1(),
            gradient: |&[x, y]| {
                let well = (-0.5 * (x * x + 2.0 * y * y)).exp();
                [x * well, 2.0 * y * well]
            },
        },
        Surface {
            name: "sharp-flat",
            title: "Sharp and flat minimum",
            formula: "1 - e^(-(x² + y²)/0.08) - 0.95·e^(-((x - 2.2)² + y²)/2) + 0.02(x² + y²)",
            lesson: "A sharp minimum lies on the way to a flat one that is nearly as deep.",
            frame: [[-2.2, -2.4], [4.4, 2.4]],
            start: [-1.6, 0.9],
            minima: &[[0.003_876_893_083_946_94, 0.0]],
            steps: 200,
            noise: 0.0,
            value: |&[x, y]| {
                let (sharp, flat) = wells(x, y);
                1.0 - sharp - 0.95 * flat + 0.02 * (x * x + y * y)
            },
            gradient: |&[x, y]| {
                let (sharp, flat) = wells(x, y);
                let steep = 25.0 * sharp + 0.95 * flat + 0.04;
                [steep * x - 0.95 * 2.2 * flat, steep * y]
            },
        },
        Surface {
            steps: 300,
            noise: 1.5,
            start: [-2.2, 1.2],
            ..valley::<10>(
                "noisy",
                "Noisy gradient",
                "½(u² + 10v²), u = 0.8x + 0.6y, v = 0.8y - 0.6x; gradient + N(0, 1.5²)",
                "The loss is shown without the noise of its gradient: a constant rate ends in a \
                 cloud, and line searches lose their way.",
            )
        },
    ]
}

fn wells(x: f64, y: f64) -> (f64, f64) {
    let square = x * x + y * y;
    ((-square / 0.08).exp(), (-0.5 * ((x - 2.2) * (x - 2.2) + y * y)).exp())
}

/// Along and across the valley.
fn turned(&[x, y]: &Point) -> Point {
    [AXIS[0] * x + AXIS[1] * y, AXIS[0] * y - AXIS[1] * x]
}

fn valley_value<const KAPPA: u32>(w: &Point) -> f64 {
    let [u, v] = turned(w);
    0.5 * (u * u + f64::from(KAPPA) * v * v)
}

fn valley_gradient<const KAPPA: u32>(w: &Point) -> Point {
    let [u, v] = turned(w);
    let v = f64::from(KAPPA) * v;
    [AXIS[0] * u - AXIS[1] * v, AXIS[1] * u + AXIS[0] * v]
}

fn valley<const KAPPA: u32>(
    name: &'static str,
    title: &'static str,
    formula: &'static str,
    lesson: &'static str,
) -> Surface {
    Surface {
        name,
        title,
        formula,
        lesson,
        frame: [[-2.75, -2.0], [2.75, 2.0]],
        start: [-2.2, -0.9],
        minima: ORIGIN,
        steps: 100,
        noise: 0.0,
        value: valley_value::<KAPPA>,
        gradient: valley_gradient::<KAPPA>,
    }
}
