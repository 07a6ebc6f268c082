//! Runs of a rule in many layouts, against the one of row-major arrays.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

use ndarray::ArrayD;
use thalweg::{Entry, Optimizer, Scalar, Settings, StepInfo};

use crate::LOSS;
use crate::layout::{Layout, Placed};
use crate::numbers::{array, assert_agrees, assert_close, assert_same, bits, elements};
use crate::settings::has_hidden_norms;

/// What a run starts from and goes by; of each layout that was asked for, laid out once for all rules and pairs.
pub struct Course<F> {
    pub start: ArrayD<F>,
    pub gradients: Vec<ArrayD<F>>,
    laid: RefCell<HashMap<Layout, Rc<Laid<F>>>>,
}

struct Laid<F> {
    start: Placed<F>,
    gradients: Vec<Placed<F>>,
    /// The buffers of the gradients again, which no step gets.
    untouched: Vec<ArrayD<F>>,
}

impl<F: Scalar> Course<F> {
    fn new(start: ArrayD<F>, gradients: Vec<ArrayD<F>>) -> Self {
        Self { start, gradients, laid: RefCell::default() }
    }

    /// The one of this shape that a test has.
    fn of_shape(shape: &[usize]) -> Rc<Self> {
        type Made = RefCell<HashMap<(&'static str, Vec<usize>), Rc<dyn Any>>>;
        thread_local!(static MADE: Made = RefCell::default());
        let new = || -> Rc<dyn Any> {
            let gradients = (0..STEPS).map(|step| array(shape, 100 + step as u64)).collect();
            Rc::new(Self::new(array(shape, 1), gradients))
        };
        let key = (F::NAME, shape.to_vec());
        let made = MADE.with_borrow_mut(|made| made.entry(key).or_insert_with(new).clone());
        made.downcast().unwrap()
    }

    fn laid(&self, layout: &Layout) -> Rc<Laid<F>> {
        let mut all = self.laid.borrow_mut();
        if let Some(laid) = all.get(layout) {
            return laid.clone();
        }
        let poisoned = |g: &ArrayD<F>| Placed::new(layout, g.view(), F::nan());
        let gradients: Vec<_> = self.gradients.iter().map(poisoned).collect();
        let laid = Rc::new(Laid {
            start: Placed::new(layout, self.start.view(), F::from_f64(-1.25e30)),
            untouched: gradients.iter().map(|g| g.buffer.clone()).collect(),
            gradients,
        });
        all.insert(layout.clone(), laid.clone());
        laid
    }
}

/// Of a contiguous run: parameters and report after each step.
pub struct Run<F: Scalar> {
    pub entry: &'static Entry<F>,
    pub settings: Settings,
    course: Rc<Course<F>>,
    pub expected: Vec<(ArrayD<F>, StepInfo)>,
    /// What is expected in each layout that was asked for.
    placed: RefCell<HashMap<Layout, Rc<[Placed<F>]>>>,
}

impl<F: Scalar> Deref for Run<F> {
    type Target = Course<F>;

    fn deref(&self) -> &Course<F> {
        &self.course
    }
}

/// Large enough that a wrong step shows in both precisions.
pub const RATE: f64 = 0.03;
pub const STEPS: usize = 6;

impl<F: Scalar> Run<F> {
    pub fn new(entry: &'static Entry<F>, settings: &Settings, shape: &[usize]) -> Self {
        Self::along(entry, settings, Course::of_shape(shape))
    }

    pub fn of(
        entry: &'static Entry<F>,
        settings: &Settings,
        start: ArrayD<F>,
        gradients: Vec<ArrayD<F>>,
    ) -> Self {
        Self::along(entry, settings, Rc::new(Course::new(start, gradients)))
    }

    fn along(entry: &'static Entry<F>, settings: &Settings, course: Rc<Course<F>>) -> Self {
        let mut optimizer = entry.build(RATE, settings.clone());
        let mut w = course.start.clone();
        let expected = course.gradients.iter().map(|g| {
            let info = optimizer.step_with_loss(&mut w, g, LOSS).unwrap();
            (w.clone(), info)
        });
        let expected = expected.collect();
        Self { entry, settings: settings.clone(), course, expected, placed: RefCell::default() }
    }

    fn expected_in(&self, layout: &Layout) -> Rc<[Placed<F>]> {
        let mut all = self.placed.borrow_mut();
        if let Some(placed) = all.get(layout) {
            return placed.clone();
        }
        let guard = F::from_f64(-1.25e30);
        let placed = self.expected.iter().map(|(w, _)| Placed::new(layout, w.view(), guard));
        let placed: Rc<[Placed<F>]> = placed.collect();
        all.insert(layout.clone(), placed.clone());
        placed
    }

    pub fn optimizer(&self) -> Box<dyn Optimizer<F>> {
        self.entry.build(RATE, self.settings.clone())
    }

    /// Runs again with parameters and gradients in other layouts, and compares.
    #[track_caller]
    pub fn check(&self, layouts: impl Fn(usize) -> (Layout, Layout)) {
        self.check_by(&layouts);
    }

    #[track_caller]
    pub(crate) fn check_by(&self, layouts: &dyn Fn(usize) -> (Layout, Layout)) {
        let mut optimizer = self.optimizer();
        let mut w = self.laid(&layouts(0).0).start.clone();
        let mut equal_norms = !has_hidden_norms(&self.settings);
        for (step, (expected, report)) in self.expected.iter().enumerate() {
            let (of_w, of_g) = layouts(step);
            let what = (self.entry.name, F::NAME, self.start.shape(), step, &of_w, &of_g);
            if w.layout != of_w {
                w = Placed::new(&of_w, w.view(), w.guard);
            }
            let laid = self.laid(&of_g);
            let g = &laid.gradients[step];
            let info = optimizer.step_with_loss(&mut w.view_mut(), &g.view(), LOSS).unwrap();
            assert_same(g.buffer.view(), laid.untouched[step].view(), ("gradient", &what));
            equal_norms &= info.grad_norm.map(bits) == report.grad_norm.map(bits);
            if let (Some(a), Some(b)) = (info.grad_norm, report.grad_norm) {
                assert!((a - b).abs() <= 1e-15 * b, "{what:?}: norm {a} and not {b}");
            }
            if w.is_same(&self.expected_in(&of_w)[step]) {
                continue;
            }
            w.assert_guarded(what);
            // Sums in another order may round otherwise; whatever does not depend on them may not.
            if equal_norms {
                assert_agrees(self.entry, w.view(), expected.view(), what);
            } else {
                assert_close(&elements(&w.view()), &elements(expected), what);
            }
        }
    }
}
