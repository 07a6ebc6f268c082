//! The trials of two line searches, one by one, against transcriptions of where they come from: `dcsrch` and `dcstep`
//! of MINPACK-2 (Moré & Thuente, 1994), and the steps B, U, S and L of Hager & Zhang, "Algorithm 851: CG_DESCENT", 2006.

use thalweg::solvers::{HagerZhang, LineSearch, MoreThuente, Next, Sample};

use super::phis::{FIRSTS, PHIS, Phi, sample};

const ROUNDING: f64 = 1e-15;

/// The lengths that a search tries, the accepted one last.
fn trials(search: &mut dyn LineSearch, phi: Phi, first: f64) -> Vec<f64> {
    let mut all = vec![search.begin(sample(phi, 0.0), first, ROUNDING)];
    loop {
        match search.advance(sample(phi, all[all.len() - 1])) {
            Next::Try(next) => all.push(next),
            Next::Accept => return all,
            Next::Fail(why) => panic!("{search:?}: {why:?}"),
        }
    }
}

fn assert_alike(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}: {ours:?} {theirs:?}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= 1e-6 * theirs.abs(), "{what}: {ours:e} {theirs:e}");
    }
}

/// `dcsrch` without the least and the largest step, `stpmin` = 0 and `stpmax` = ∞.
fn dcsrch(phi: Phi, first: f64, ftol: f64, gtol: f64) -> Vec<f64> {
    let (finit, ginit) = phi(0.0);
    let gtest = ftol * ginit;
    let (mut brackt, mut stage) = (false, 1);
    let (mut width, mut width1) = (f64::INFINITY, f64::INFINITY);
    let mut x = [0.0, finit, ginit];
    let mut y = x;
    let mut stp = first;
    let (mut stmin, mut stmax) = (0.0, stp + 4.0 * stp);
    let mut all = Vec::new();
    loop {
        all.push(stp);
        let (f, g) = phi(stp);
        let ftest = finit + stp * gtest;
        if stage == 1 && f <= ftest && g >= 0.0 {
            stage = 2;
        }
        if f <= ftest && g.abs() <= gtol * -ginit {
            return all;
        }
        if stage == 1 && f <= x[1] && f > ftest {
            let less = |[stp, f, g]: [f64; 3]| [stp, f - stp * gtest, g - gtest];
            let more = |[stp, f, g]: [f64; 3]| [stp, f + stp * gtest, g + gtest];
            (x, y) = (less(x), less(y));
            let now = less([stp, f, g]);
            stp = dcstep(&mut x, &mut y, now, &mut brackt, stmin, stmax);
            (x, y) = (more(x), more(y));
        } else {
            stp = dcstep(&mut x, &mut y, [stp, f, g], &mut brackt, stmin, stmax);
        }
        if brackt {
            if (y[0] - x[0]).abs() >= 0.66 * width1 {
                stp = x[0] + 0.5 * (y[0] - x[0]);
            }
            width1 = width;
            width = (y[0] - x[0]).abs();
            (stmin, stmax) = (x[0].min(y[0]), x[0].max(y[0]));
        } else {
            stmin = stp + 1.1 * (stp - x[0]);
            stmax = stp + 4.0 * (stp - x[0]);
        }
    }
}

fn dcstep(
    x: &mut [f64; 3],
    y: &mut [f64; 3],
    now: [f64; 3],
    brackt: &mut bool,
    stpmin: f64,
    stpmax: f64,
) -> f64 {
    let ([stx, fx, dx], [sty, fy, dy], [stp, fp, dp]) = (*x, *y, now);
    let sgnd = dp * (dx / dx.abs());
    let theta_gamma = |st: f64, f: f64, d: f64, least: f64| {
        let theta = 3.0 * (f - fp) / (stp - st) + d + dp;
        let s = theta.abs().max(d.abs()).max(dp.abs());
        (theta, s * ((theta / s).powi(2) - (d / s) * (dp / s)).max(least).sqrt())
    };
    let stpf;
    if fp > fx {
        let (theta, mut gamma) = theta_gamma(stx, fx, dx, f64::NEG_INFINITY);
        if stp < stx {
            gamma = -gamma;
        }
        let r = ((gamma - dx) + theta) / (((gamma - dx) + gamma) + dp);
        let stpc = stx + r * (stp - stx);
        let stpq = stx + ((dx / ((fx - fp) / (stp - stx) + dx)) / 2.0) * (stp - stx);
        stpf =
            if (stpc - stx).abs() < (stpq - stx).abs() { stpc } else { stpc + (stpq - stpc) / 2.0 };
        *brackt = true;
    } else if sgnd < 0.0 {
        let (theta, mut gamma) = theta_gamma(stx, fx, dx, f64::NEG_INFINITY);
        if stp > stx {
            gamma = -gamma;
        }
        let r = ((gamma - dp) + theta) / (((gamma - dp) + gamma) + dx);
        let stpc = stp + r * (stx - stp);
        let stpq = stp + (dp / (dp - dx)) * (stx - stp);
        stpf = if (stpc - stp).abs() > (stpq - stp).abs() { stpc } else { stpq };
        *brackt = true;
    } else if dp.abs() < dx.abs() {
        let (theta, mut gamma) = theta_gamma(stx, fx, dx, 0.0);
        if stp > stx {
            gamma = -gamma;
        }
        let r = ((gamma - dp) + theta) / ((gamma + (dx - dp)) + gamma);
        let stpc = if r < 0.0 && gamma != 0.0 {
            stp + r * (stx - stp)
        } else if stp > stx {
            stpmax
        } else {
            stpmin
        };
        let stpq = stp + (dp / (dp - dx)) * (stx - stp);
        let nearer = (stpc - stp).abs() < (stpq - stp).abs();
        if *brackt {
            let step = if nearer { stpc } else { stpq };
            let bound = stp + 0.66 * (sty - stp);
            stpf = if stp > stx { step.min(bound) } else { step.max(bound) };
        } else {
            stpf = (if nearer { stpq } else { stpc }).min(stpmax).max(stpmin);
        }
    } else if *brackt {
        let (theta, mut gamma) = theta_gamma(sty, fy, dy, f64::NEG_INFINITY);
        if stp > sty {
            gamma = -gamma;
        }
        let r = ((gamma - dp) + theta) / (((gamma - dp) + gamma) + dy);
        stpf = stp + r * (sty - stp);
    } else {
        stpf = if stp > stx { stpmax } else { stpmin };
    }
    if fp > fx {
        *y = now;
    } else {
        if sgnd < 0.0 {
            *y = *x;
        }
        *x = now;
    }
    stpf
}

/// Functions that fall at once, and then by less than a ten-thousandth of the first slope: there the search is
/// steered by what is left of them beside that.
const SLOW: [(&str, Phi); 2] = [
    ("flat", |a| (1e-5 * ((-1e5 * a).exp() - 1.0), -(-1e5 * a).exp())),
    ("slow", |a| {
        let d = 1.0 + 1e3 * a;
        (-1e-3 * d.ln() + 0.0004 * a * a, -1.0 / d + 0.0008 * a)
    }),
];

#[test]
fn more_and_thuentes_trials_are_those_of_minpack_2() {
    for (name, phi) in PHIS.into_iter().chain(SLOW) {
        for first in FIRSTS {
            for eta in [1e-3, 0.01, 0.1, 0.5, 0.9] {
                let ours = trials(&mut MoreThuente::new().curvature(eta), phi, first);
                let theirs = dcsrch(phi, first, 1e-4, eta);
                assert_alike(&ours, &theirs, &format!("{name} from {first}, {eta}"));
                // A decrease that asks for much: what is left of φ beside it steers for longer.
                for mu in [1e-3, 0.1, 0.3, 0.5] {
                    let mut search = MoreThuente::new().decrease(mu).curvature(eta);
                    let ours = trials(&mut search, phi, first);
                    let theirs = dcsrch(phi, first, mu, eta.max(mu));
                    assert_alike(&ours, &theirs, &format!("{name} from {first}, {mu}, {eta}"));
                }
            }
        }
    }
}

/// The search of the paper, which evaluates; it ends by the `Err` of the trial that is accepted.
struct Paper {
    phi: Phi,
    sigma: f64,
    all: Vec<f64>,
}

impl Paper {
    fn at(&mut self, length: f64) -> Result<Sample, ()> {
        const DELTA: f64 = 0.1;
        self.all.push(length);
        let (zero, s) = (sample(self.phi, 0.0), sample(self.phi, length));
        let t1 = DELTA * zero.slope >= (s.value - zero.value) / length;
        let t2 = (2.0 * DELTA - 1.0) * zero.slope >= s.slope && self.is_low(s);
        if s.slope >= self.sigma * zero.slope && (t1 || t2) { Err(()) } else { Ok(s) }
    }

    fn is_low(&self, s: Sample) -> bool {
        s.value <= sample(self.phi, 0.0).value + ROUNDING
    }

    fn bracket(&mut self, first: f64) -> Result<[Sample; 2], ()> {
        let (mut low, mut c) = (sample(self.phi, 0.0), first);
        loop {
            let now = self.at(c)?;
            if now.slope >= 0.0 {
                return Ok([low, now]);
            }
            if !self.is_low(now) {
                return self.bisect(low, now);
            }
            (low, c) = (now, 5.0 * c);
        }
    }

    /// U3, with θ = ½.
    fn bisect(&mut self, mut a: Sample, mut b: Sample) -> Result<[Sample; 2], ()> {
        loop {
            let d = self.at(0.5 * a.length + 0.5 * b.length)?;
            if d.slope >= 0.0 {
                return Ok([a, d]);
            }
            *(if self.is_low(d) { &mut a } else { &mut b }) = d;
        }
    }

    fn update(&mut self, [a, b]: [Sample; 2], c: f64) -> Result<[Sample; 2], ()> {
        if !(a.length < c && c < b.length) {
            return Ok([a, b]);
        }
        let c = self.at(c)?;
        if c.slope >= 0.0 {
            Ok([a, c])
        } else if self.is_low(c) {
            Ok([c, b])
        } else {
            self.bisect(a, c)
        }
    }

    fn search(&mut self, first: f64) -> Result<(), ()> {
        let secant =
            |a: Sample, b: Sample| (a.length * b.slope - b.length * a.slope) / (b.slope - a.slope);
        let mut ends = self.bracket(first)?;
        loop {
            let [a, b] = ends;
            let c = secant(a, b);
            let mut now = self.update(ends, c)?;
            if c == now[1].length {
                now = self.update(now, secant(b, now[1]))?;
            } else if c == now[0].length {
                now = self.update(now, secant(a, now[0]))?;
            }
            if now[1].length - now[0].length > 0.66 * (b.length - a.length) {
                now = self.update(now, 0.5 * (now[0].length + now[1].length))?;
            }
            ends = now;
        }
    }
}

#[test]
fn hager_and_zhangs_trials_are_those_of_their_paper() {
    for (name, phi) in PHIS {
        for first in FIRSTS {
            for sigma in [0.1, 0.2, 0.4, 0.9] {
                let ours = trials(&mut HagerZhang::new().curvature(sigma), phi, first);
                let mut paper = Paper { phi, sigma, all: Vec::new() };
                paper.search(first).unwrap_err();
                assert_alike(&ours, &paper.all, &format!("{name} from {first}, {sigma}"));
            }
        }
    }
}
