//! The functions of `argmin_testfunctions` that have a derivative, in two dimensions.

use argmin_testfunctions::*;

use super::{Point, Surface};

const ORIGIN: &[Point] = &[[0.0, 0.0]];
/// What every row leaves as it is.
const PLAIN: Surface = Surface {
    name: "",
    title: "",
    formula: "",
    lesson: "",
    frame: [[-5.5, -4.0], [5.5, 4.0]],
    start: [-4.0, 2.5],
    minima: ORIGIN,
    steps: 200,
    noise: 0.0,
    value: zero_of,
    gradient: |w| zero_derivative_const(w),
};

fn zero_of(w: &Point) -> f64 {
    zero(w)
}

pub(super) fn all() -> Vec<Surface> {
    vec![
        Surface {
            name: "rosenbrock",
            title: "Rosenbrock",
            formula: "(1 - x)² + 100(y - x²)²",
            lesson: "A bent valley: easy to enter, hard to follow to its end at (1, 1).",
            frame: [[-2.0, -1.0], [2.0, 3.0]],
            start: [-1.2, 1.0],
            minima: &[[1.0, 1.0]],
            value: |w| rosenbrock(w),
            gradient: |w| rosenbrock_derivative_const(w),
            ..PLAIN
        },
        Surface {
            name: "beale",
            title: "Beale",
            formula: "(1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²",
            lesson: "Flat in the middle, steep in the corners.",
            frame: [[-4.5, -4.5], [4.5, 4.5]],
            start: [-1.5, 2.0],
            minima: &[[3.0, 0.5]],
            value: beale,
            gradient: beale_derivative,
            ..PLAIN
        },
        Surface {
            name: "booth",
            title: "Booth",
            formula: "(x + 2y - 7)² + (2x + y - 5)²",
            lesson: "A quadratic bowl, κ = 9.",
            frame: [[-10.0, -10.0], [10.0, 10.0]],
            start: [-7.0, -4.0],
            minima: &[[1.0, 3.0]],
            value: booth,
            gradient: booth_derivative,
            ..PLAIN
        },
        Surface {
            name: "matyas",
            title: "Matyas",
            formula: "0.26(x² + y²) - 0.48xy",
            lesson: "A quadratic valley along the diagonal, κ = 25.",
            frame: [[-10.0, -10.0], [10.0, 10.0]],
            start: [-8.0, 2.0],
            value: matyas,
            gradient: matyas_derivative,
            ..PLAIN
        },
        Surface {
            name: "sphere",
            title: "Sphere",
            formula: "x² + y²",
            lesson: "The gradient points to the minimum: what remains is the choice of a length.",
            value: |w| sphere(w),
            gradient: |w| sphere_derivative_const(w),
            ..PLAIN
        },
        Surface {
            name: "himmelblau",
            title: "Himmelblau",
            formula: "(x² + y - 11)² + (x + y² - 7)²",
            lesson: "Four minima of one depth: the start decides, and the momentum.",
            frame: [[-5.5, -5.0], [5.5, 5.0]],
            start: [-0.3, -0.9],
            minima: &[
                [3.0, 2.0],
                [-2.805_118_086_952_745, 3.131_312_518_250_573],
                [-3.779_310_253_377_747, -3.283_185_991_286_17],
                [3.584_428_340_330_492, -1.848_126_526_964_404],
            ],
            value: himmelblau,
            gradient: himmelblau_derivative,
            ..PLAIN
        },
        Surface {
            name: "goldstein-price",
            title: "Goldstein-Price",
            formula: "(1 + (x + y + 1)²(19 - 14x + 3x² - 14y + 6xy + 3y²))\
                      (30 + (2x - 3y)²(18 - 32x + 12x² + 48y - 36xy + 27y²))",
            lesson: "Losses from 3 to a million: one rate cannot fit them all.",
            frame: [[-2.2, -2.2], [2.2, 2.2]],
            start: [-1.4, 0.6],
            minima: &[[0.0, -1.0]],
            value: goldsteinprice,
            gradient: goldsteinprice_derivative,
            ..PLAIN
        },
        Surface {
            name: "picheny",
            title: "Picheny",
            formula: "(log10(Goldstein-Price(4x - 2, 4y - 2)) - 8.693)/2.427",
            lesson: "The logarithm of Goldstein and Price's function, which tames it.",
            frame: [[0.0, 0.0], [1.0, 1.0]],
            start: [0.15, 0.65],
            minima: &[[0.5, 0.25]],
            value: picheny,
            gradient: picheny_derivative,
            ..PLAIN
        },
        Surface {
            name: "three-hump-camel",
            title: "Three-hump camel",
            formula: "2x² - 1.05x⁴ + x⁶/6 + xy + y²",
            lesson: "A minimum between two that are higher.",
            frame: [[-2.75, -2.0], [2.75, 2.0]],
            start: [-2.3, -1.6],
            value: threehumpcamel,
            gradient: threehumpcamel_derivative,
            ..PLAIN
        },
        Surface {
            name: "mccormick",
            title: "McCormick",
            formula: "sin(x + y) + (x - y)² - 1.5x + 2.5y + 1",
            lesson: "A wavy valley along the diagonal, which goes on downwards outside.",
            frame: [[-1.5, -3.0], [4.0, 4.0]],
            start: [3.0, -2.0],
            minima: &[[-0.547_197_551_196_597_7, -1.547_197_551_196_597_7]],
            value: mccormick,
            gradient: mccormick_derivative,
            ..PLAIN
        },
        Surface {
            name: "styblinski-tang",
            title: "Styblinski-Tang",
            formula: "½(x⁴ - 16x² + 5x + y⁴ - 16y² + 5y)",
            lesson: "Four minima of different depths.",
            frame: [[-5.0, -5.0], [5.0, 5.0]],
            start: [0.6, 0.4],
            minima: &[[-2.903_534_027_771_177, -2.903_534_027_771_177]],
            value: |w| styblinski_tang(w),
            gradient: |w| styblinski_tang_derivative_const(w),
            ..PLAIN
        },
        Surface {
            name: "ackley",
            title: "Ackley",
            formula: "-20·exp(-0.2√(½(x² + y²))) - exp(½(cos 2πx + cos 2πy)) + 20 + e",
            lesson: "Many small minima on the way to the one: noise of the landscape itself.",
            start: [-3.4, 2.3],
            value: |w| ackley(w),
            gradient: |w| ackley_derivative_const(w),
            ..PLAIN
        },
        Surface {
            name: "rastrigin",
            title: "Rastrigin",
            formula: "20 + x² - 10 cos 2πx + y² - 10 cos 2πy",
            lesson: "A minimum near every pair of integers: a descent ends in one nearby.",
            frame: [[-5.12, -5.12], [5.12, 5.12]],
            start: [-2.4, 2.3],
            value: |w| rastrigin(w),
            gradient: |w| rastrigin_derivative_const(w),
            ..PLAIN
        },
        Surface {
            name: "levy",
            title: "Levy",
            formula: "sin² πu + (u - 1)²(1 + 10 sin²(πu + 1)) + (v - 1)²(1 + sin² 2πv), \
                      u = (x + 3)/4, v = (y + 3)/4",
            lesson: "Long waves across, short ones along.",
            frame: [[-10.0, -10.0], [10.0, 10.0]],
            start: [-7.0, 6.0],
            minima: &[[1.0, 1.0]],
            value: |w| levy(w),
            gradient: |w| levy_derivative_const(w),
            ..PLAIN
        },
        Surface {
            name: "levy-n13",
            title: "Levy no. 13",
            formula: "sin² 3πx + (x - 1)²(1 + sin² 3πy) + (y - 1)²(1 + sin² 2πy)",
            lesson: "A bowl with ripples in both directions.",
            frame: [[-4.0, -3.0], [6.0, 5.0]],
            start: [-2.4, 3.7],
            minima: &[[1.0, 1.0]],
            value: levy_n13,
            gradient: levy_n13_derivative,
            ..PLAIN
        },
        Surface {
            name: "easom",
            title: "Easom",
            formula: "-cos x · cos y · exp(-(x - π)² - (y - π)²)",
            lesson: "A hole in a plain: far from it there is nothing to go by.",
            frame: [[-0.5, 0.0], [7.0, 6.0]],
            start: [1.4, 4.4],
            minima: &[[std::f64::consts::PI, std::f64::consts::PI]],
            value: easom,
            gradient: easom_derivative,
            ..PLAIN
        },
        Surface {
            name: "bukin-n6",
            title: "Bukin no. 6",
            formula: "100√|y - 0.01x²| + 0.01|x + 10|",
            lesson: "A bent crease, infinitely steep at its floor: no rate is small enough.",
            frame: [[-15.0, -3.0], [-5.0, 3.0]],
            start: [-13.0, -1.0],
            minima: &[[-10.0, 1.0]],
            value: bukin_n6,
            gradient: bukin_n6_derivative,
            ..PLAIN
        },
        Surface {
            name: "cross-in-tray",
            title: "Cross-in-tray",
            formula: "-10⁻⁴(|sin x · sin y · exp|100 - √(x² + y²)/π|| + 1)^0.1",
            lesson: "Smooth between creases along which the gradient jumps.",
            start: [-3.6, 0.8],
            minima: &[
                [1.349_406_608_602_084, 1.349_406_608_602_084],
                [-1.349_406_608_602_084, 1.349_406_608_602_084],
                [1.349_406_608_602_084, -1.349_406_608_602_084],
                [-1.349_406_608_602_084, -1.349_406_608_602_084],
            ],
            value: cross_in_tray,
            gradient: cross_in_tray_derivative,
            ..PLAIN
        },
        Surface {
            name: "holder-table",
            title: "Hölder table",
            formula: "-|sin x · cos y · exp|1 - √(x² + y²)/π||",
            lesson: "The deepest minima are in the corners, and deeper ones outside.",
            frame: [[-10.0, -10.0], [10.0, 10.0]],
            start: [-3.4, 4.6],
            minima: &[
                [8.055_023_472_141_116, 9.664_590_028_909_654],
                [-8.055_023_472_141_116, 9.664_590_028_909_654],
                [8.055_023_472_141_116, -9.664_590_028_909_654],
                [-8.055_023_472_141_116, -9.664_590_028_909_654],
            ],
            value: holder_table,
            gradient: holder_table_derivative,
            ..PLAIN
        },
        Surface {
            name: "eggholder",
            title: "Eggholder",
            formula: "-(y + 47) sin √|y + ½x + 47| - x sin √|x - y - 47|",
            lesson: "Deep minima everywhere, the lowest at the edge of the frame.",
            frame: [[-512.0, -512.0], [512.0, 512.0]],
            start: [100.0, 40.0],
            minima: &[[512.0, 404.231_805_123_817]],
            value: eggholder,
            gradient: eggholder_derivative,
            ..PLAIN
        },
        Surface {
            name: "schaffer-n2",
            title: "Schaffer no. 2",
            formula: "½ + (sin²(x² - y²) - ½)/(1 + 0.001(x² + y²))²",
            lesson: "Ridges and valleys that narrow outwards, all nearly as low.",
            frame: [[-2.75, -2.0], [2.75, 2.0]],
            start: [-2.1, 1.2],
            value: schaffer_n2,
            gradient: schaffer_n2_derivative,
            ..PLAIN
        },
        Surface {
            name: "schaffer-n4",
            title: "Schaffer no. 4",
            formula: "½ + (cos²(sin|x² - y²|) - ½)/(1 + 0.001(x² + y²))²",
            lesson: "Its minima lie on the axes, in valleys that are nearly as low.",
            frame: [[-2.75, -2.0], [2.75, 2.0]],
            start: [-2.1, 0.9],
            minima: &[
                [0.0, 1.253_131_828_792_882],
                [0.0, -1.253_131_828_792_882],
                [1.253_131_828_792_882, 0.0],
                [-1.253_131_828_792_882, 0.0],
            ],
            value: schaffer_n4,
            gradient: schaffer_n4_derivative,
            ..PLAIN
        },
        Surface {
            name: "zero",
            title: "Zero",
            formula: "0",
            lesson: "No gradient at all: who moves, moves by weight decay.",
            minima: &[],
            ..PLAIN
        },
    ]
}
