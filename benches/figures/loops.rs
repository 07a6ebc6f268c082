//! The engine against loops written by hand for one rule and one type.

use ndarray::{Array1, ArrayView1, ArrayViewMut1};
use pulp::Arch;
use thalweg::regularize::Penalty;
use thalweg::{
    AdaDelta, Adam, Elementwise, Momentum, NonFinite, Optimizer, RmsProp, Rule, Scalar, Sgd, Yogi,
};

use crate::measure::{Aligned, Row, Section, duel};

const IN_CACHE: [usize; 3] = [10_000, 100_000, 1_000_000];
const IN_MEMORY: usize = 25_000_000;

/// A fused loop over up to four slices, dispatched as the engine's is.
macro_rules! hand_written {
    ($name:ident [$($s:ident),*] ($($k:ident),*) |$w:ident, $g:ident| $body:block) => {
        pub struct $name<'a, F> {
            pub w: &'a mut [F],
            pub g: &'a [F],
            $(pub $s: &'a mut [F],)*
            $(pub $k: F,)*
        }

        impl<F: thalweg::Scalar> pulp::WithSimd for $name<'_, F> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, _: S) {
                $(let $k = self.$k;)*
                let update = |$w: F, $g: F, [$($s),*]: [F; hand_written!(@count $($s)*)]| -> (F, [F; hand_written!(@count $($s)*)]) { $body };
                hand_written!(@loop self, update, $($s)*);
            }
        }
    };
    (@count) => { 0 };
    (@count $a:ident) => { 1 };
    (@count $a:ident $b:ident) => { 2 };
    (@count $a:ident $b:ident $c:ident) => { 3 };
    (@loop $self:ident, $update:ident, ) => {
        let (n, w) = ($self.w.len(), $self.w);
        let g = &$self.g[..n];
        for i in 0..n {
            let (moved, []): (F, [F; 0]) = $update(w[i], g[i], []);
            w[i] = moved;
        }
    };
    (@loop $self:ident, $update:ident, $a:ident) => {
        let (n, w) = ($self.w.len(), $self.w);
        let (g, $a) = (&$self.g[..n], &mut $self.$a[..n]);
        for i in 0..n {
            let (moved, [a]) = $update(w[i], g[i], [$a[i]]);
            w[i] = moved;
            $a[i] = a;
        }
    };
    (@loop $self:ident, $update:ident, $a:ident $b:ident) => {
        let (n, w) = ($self.w.len(), $self.w);
        let (g, $a, $b) = (&$self.g[..n], &mut $self.$a[..n], &mut $self.$b[..n]);
        for i in 0..n {
            let (moved, [a, b]) = $update(w[i], g[i], [$a[i], $b[i]]);
            w[i] = moved;
            $a[i] = a;
            $b[i] = b;
        }
    };
    (@loop $self:ident, $update:ident, $a:ident $b:ident $c:ident) => {
        let (n, w) = ($self.w.len(), $self.w);
        let (g, $a) = (&$self.g[..n], &mut $self.$a[..n]);
        let ($b, $c) = (&mut $self.$b[..n], &mut $self.$c[..n]);
        for i in 0..n {
            let (moved, [a, b, c]) = $update(w[i], g[i], [$a[i], $b[i], $c[i]]);
            w[i] = moved;
            $a[i] = a;
            $b[i] = b;
            $c[i] = c;
        }
    };
}
pub(crate) use hand_written;

hand_written! { SgdLoop [] (alpha) |w, g| { (w - alpha * g, []) } }
hand_written! { MomentumLoop [d] (alpha, gamma) |w, g| {
    let d = gamma * d - alpha * g;
    (w + d, [d])
} }
hand_written! { RmsPropLoop [s] (alpha, gamma, rest, epsilon) |w, g| {
    let s = gamma * s + rest * g * g;
    (w - alpha * g / (s + epsilon).sqrt(), [s])
} }
hand_written! { AdaDeltaLoop [s, x] (rho, rest, epsilon) |w, g| {
    let s = rho * s + rest * g * g;
    let d = g * ((x + epsilon) / (s + epsilon)).sqrt();
    (w - d, [s, rho * x + rest * d * d])
} }
hand_written! { AdamLoop [m, v] (alpha, b1, r1, b2, r2, correction, epsilon) |w, g| {
    let m = b1 * m + r1 * g;
    let v = b2 * v + r2 * g * g;
    (w - alpha * m / ((v * correction).sqrt() + epsilon), [m, v])
} }
hand_written! { YogiLoop [m, s] (alpha, b1, r1, r2, correction, epsilon) |w, g| {
    let m = b1 * m + r1 * g;
    let square = g * g;
    let step = if square > s { r2 } else if square < s { -r2 } else { F::zero() };
    let s = s + step * square;
    (w - alpha * m / ((s * correction).sqrt() + epsilon), [m, s])
} }

// Memory streams with the traffic of 0, 1 and 2 slots.
hand_written! { Stream0 [] () |w, g| { (w + g, []) } }
hand_written! { Stream1 [a] () |w, g| { (w + g, [a + g]) } }
hand_written! { Stream2 [a, b] () |w, g| { (w + g, [a + g, b + g]) } }

fn slope<F: Scalar>(i: usize) -> F {
    F::from_f64((i % 17) as f64 * 0.1 - 0.75)
}

pub fn gradient<F: Scalar>(n: usize) -> Array1<F> {
    Array1::from_shape_fn(n, slope)
}

pub fn aligned_gradient<F: Scalar>(n: usize) -> Aligned<F> {
    let mut g = Aligned::new(n, F::zero());
    g.slice_mut().iter_mut().enumerate().for_each(|(i, g)| *g = slope(i));
    g
}

pub fn step<F: Scalar, R: Rule<F>>(
    optimizer: &mut Elementwise<F, R>,
    mut w: ArrayViewMut1<'_, F>,
    g: ArrayView1<'_, F>,
) {
    optimizer.step(&mut w, &g).expect("finite gradients of one shape");
}

pub fn quiet<F: Scalar, R: Rule<F>>(optimizer: Elementwise<F, R>) -> Elementwise<F, R> {
    optimizer.non_finite(NonFinite::Propagate).parallel_above(usize::MAX)
}

/// An optimizer that has seen its parameter, of `n` elements.
struct Ours<F: Scalar, R: Rule<F>> {
    optimizer: Elementwise<F, R>,
    w: Aligned<F>,
    g: Aligned<F>,
}

impl<F: Scalar, R: Rule<F>> Ours<F, R> {
    fn new(optimizer: Elementwise<F, R>, n: usize) -> Self {
        let mut ours = Self { optimizer, w: Aligned::new(n, F::one()), g: aligned_gradient(n) };
        ours.step();
        ours
    }

    fn step(&mut self) {
        step(&mut self.optimizer, self.w.view_mut(), self.g.view());
    }
}

/// One optimizer against a loop of the same work and against a stream of the same traffic.
macro_rules! against {
    ($rows:ident, $n:ident, $new:expr, |$w:ident, $g:ident, $a:ident, $b:ident| $hand:expr, $stream:expr) => {{
        let streams = $n == IN_MEMORY;
        let against = if streams { "stream" } else { "loop" };
        let what = format!("{} {}, {}, {against}", Optimizer::<F>::name(&$new), F::NAME, $n);
        $rows.push(Row::ratio(what, $n, 1.10, move || {
            // Memory allocated first may be slower or faster: each side is first once.
            let (mut ours, mut other) = (f64::INFINITY, f64::INFINITY);
            for ours_first in [true, false] {
                let mut early = ours_first.then(|| Ours::new(quiet($new), $n));
                let (mut w, mut g) = (Aligned::new($n, F::one()), aligned_gradient::<F>($n));
                let (mut a, mut b) = (Aligned::new($n, F::zero()), Aligned::new($n, F::zero()));
                let engine = early.get_or_insert_with(|| Ours::new(quiet($new), $n));
                let ($w, $g) = (w.slice_mut(), &*g.slice_mut());
                #[allow(unused_variables)]
                let ($a, $b) = (a.slice_mut(), b.slice_mut());
                let arch = Arch::new();
                let (one, two) = if streams {
                    duel(|| engine.step(), || arch.dispatch($stream))
                } else {
                    duel(|| engine.step(), || arch.dispatch($hand))
                };
                (ours, other) = (ours.min(one), other.min(two));
            }
            (ours, other)
        }));
    }};
}

fn rows<F: Scalar>(rows: &mut Vec<Row>) {
    let c = F::from_f64;
    for n in IN_CACHE.into_iter().chain([IN_MEMORY]) {
        against!(
            rows,
            n,
            Sgd::<F>::new(1e-3),
            |w, g, a, b| SgdLoop { w: &mut *w, g, alpha: c(1e-3) },
            Stream0 { w: &mut *w, g }
        );
        against!(
            rows,
            n,
            Momentum::<F>::new(1e-3),
            |w, g, a, b| MomentumLoop { w: &mut *w, g, d: &mut *a, alpha: c(1e-3), gamma: c(0.9) },
            Stream1 { w: &mut *w, g, a: &mut *a }
        );
        against!(
            rows,
            n,
            RmsProp::<F>::new(1e-3),
            |w, g, a, b| RmsPropLoop {
                w: &mut *w,
                g,
                s: &mut *a,
                alpha: c(1e-3),
                gamma: c(0.9),
                rest: c(0.1),
                epsilon: c(1e-6)
            },
            Stream1 { w: &mut *w, g, a: &mut *a }
        );
        against!(
            rows,
            n,
            AdaDelta::<F>::new(),
            |w, g, a, b| AdaDeltaLoop {
                w: &mut *w,
                g,
                s: &mut *a,
                x: &mut *b,
                rho: c(0.95),
                rest: c(0.05),
                epsilon: c(1e-6)
            },
            Stream2 { w: &mut *w, g, a: &mut *a, b: &mut *b }
        );
        against!(
            rows,
            n,
            Adam::<F>::new(1e-3),
            |w, g, a, b| AdamLoop {
                w: &mut *w,
                g,
                m: &mut *a,
                v: &mut *b,
                alpha: c(1e-3),
                b1: c(0.9),
                r1: c(0.1),
                b2: c(0.999),
                r2: c(0.001),
                correction: c(1.1),
                epsilon: c(1e-8)
            },
            Stream2 { w: &mut *w, g, a: &mut *a, b: &mut *b }
        );
        against!(
            rows,
            n,
            Yogi::<F>::new(1e-3),
            |w, g, a, b| YogiLoop {
                w: &mut *w,
                g,
                m: &mut *a,
                s: &mut *b,
                alpha: c(1e-3),
                b1: c(0.9),
                r1: c(0.1),
                r2: c(0.001),
                correction: c(1.1),
                epsilon: c(1e-3)
            },
            Stream2 { w: &mut *w, g, a: &mut *a, b: &mut *b }
        );
    }
}

/// Each rule against a loop written by hand in cache, and against a memory stream out of it.
pub fn against_hand_written() -> Section {
    let mut all = Vec::new();
    rows::<f32>(&mut all);
    rows::<f64>(&mut all);
    Section { name: "loop", title: "One thread, contiguous, no guard", rows: all }
}

/// Two settings of one optimizer against each other.
fn settings<F: Scalar, R: Rule<F>>(
    n: usize,
    changed: Elementwise<F, R>,
    plain: Elementwise<F, R>,
) -> (f64, f64) {
    let g = aligned_gradient::<F>(n);
    let mut plain = plain.parallel_above(usize::MAX);
    let mut w_plain = Aligned::new(n, F::one());
    step(&mut plain, w_plain.view_mut(), g.view());
    let mut changed = changed.parallel_above(usize::MAX);
    let mut w_changed = Aligned::new(n, F::one());
    step(&mut changed, w_changed.view_mut(), g.view());
    duel(
        || step(&mut changed, w_changed.view_mut(), g.view()),
        || step(&mut plain, w_plain.view_mut(), g.view()),
    )
}

/// The guard against NaN and ∞ on and off.
pub fn guard() -> Section {
    fn row<F: Scalar, R: Rule<F>>(n: usize, make: impl Fn() -> Elementwise<F, R> + 'static) -> Row {
        let what = format!("{} {}, {n}", Optimizer::<F>::name(&make()), F::NAME);
        Row::ratio(what, n, 1.25, move || settings(n, make(), quiet(make())))
    }
    let mut rows = Vec::new();
    for n in IN_CACHE.into_iter().chain([IN_MEMORY]) {
        rows.push(row(n, || Adam::<f32>::new(1e-3)));
        rows.push(row(n, || Adam::<f64>::new(1e-3)));
        rows.push(row(n, || Momentum::<f32>::new(1e-3)));
        rows.push(row(n, || Sgd::<f32>::new(1e-3)));
    }
    Section { name: "guard", title: "`Reject` against `Propagate`", rows }
}

/// L1 and L2 in the sweep.
pub fn penalty() -> Section {
    let mut rows = Vec::new();
    for n in IN_CACHE {
        for (name, penalty) in [
            ("L2", Penalty::l2(1e-4)),
            ("L1", Penalty::l1(1e-4)),
            ("both", Penalty::elastic_net(1e-4, 1e-4)),
        ] {
            rows.push(Row::ratio(format!("{name} f32, {n}"), n, 1.15, move || {
                settings(n, quiet(Adam::<f32>::new(1e-3)).penalty(penalty), quiet(Adam::new(1e-3)))
            }));
        }
    }
    Section { name: "penalty", title: "A penalty in the sweep against none (Adam)", rows }
}

/// Subnormal state and gradients.
pub fn denormal() -> Section {
    fn row<F: Scalar, R: Rule<F>>(
        what: &str,
        tiny: f64,
        make: impl Fn() -> Elementwise<F, R> + 'static,
    ) -> Row {
        let n = 10_000;
        let name = make();
        let what = format!("{} {}{what}, {n}", Optimizer::<F>::name(&name), F::NAME);
        Row::ratio(what, n, 2.0, move || {
            let (g_tiny, g) = (Aligned::new(n, F::from_f64(tiny)), aligned_gradient::<F>(n));
            let (mut w_a, mut w_b) = (Aligned::new(n, F::one()), Aligned::new(n, F::one()));
            let (mut a, mut b) = (quiet(make()), quiet(make()));
            duel(
                || step(&mut a, w_a.view_mut(), g_tiny.view()),
                || step(&mut b, w_b.view_mut(), g.view()),
            )
        })
    }
    let rows = vec![
        row("", 1e-41, || Sgd::<f32>::new(1e-3)),
        row("", 1e-41, || Momentum::<f32>::new(1e-3)),
        row(", g² subnormal", 1e-20, || RmsProp::<f32>::new(1e-3)),
        row("", 1e-41, || Adam::<f32>::new(1e-3)),
        row(", g² subnormal", 1e-20, || Adam::<f32>::new(1e-3)),
        row("", 1e-41, AdaDelta::<f32>::new),
        row("", 1e-41, || Yogi::<f32>::new(1e-3)),
        row("", 1e-310, || Adam::<f64>::new(1e-3)),
        row(", g² subnormal", 1e-156, || Adam::<f64>::new(1e-3)),
        row("", 1e-310, || Yogi::<f64>::new(1e-3)),
    ];
    Section { name: "denormal", title: "Subnormal gradients and state against normal ones", rows }
}
