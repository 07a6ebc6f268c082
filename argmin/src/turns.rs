//! A minimization that rests after each iteration.
//!
//! thalweg's loop calls the objective, and argmin's calls the solver: both want to be the outer one. So thalweg's runs in a
//! thread of its own, which never runs while argmin's does: each waits for the other's word.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use ndarray::{Array2, ArrayViewMut2};
use thalweg::solvers::{self, Flat, FlatMut, Objective, Report, Solver, Stop};
use thalweg::{Error, ParamsMut, Scalar};

use crate::objective::{check, times};

/// What the solver says.
pub(crate) enum Word<P, F> {
    /// It wants an answer.
    Ask(Ask, P),
    /// An iteration has brought it to a point.
    Arrived(Iterate<F>),
    /// It is at the end, with the best point that it has seen.
    Ended(Box<Result<(Report, P), Error>>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    Value,
    ValueAndGradient,
    Hessian,
}

pub(crate) struct Iterate<F> {
    pub(crate) iteration: u64,
    pub(crate) evaluations: u64,
    pub(crate) value: f64,
    pub(crate) gradient_max: f64,
    pub(crate) length: f64,
    pub(crate) point: Vec<F>,
    pub(crate) gradient: Vec<F>,
}

/// What it is answered.
pub(crate) enum Answer<F> {
    Value(f64),
    ValueAndGradient(f64, Vec<F>),
    Hessian(Array2<F>),
    Failed(Error),
    /// To the next iteration.
    GoOn,
}

/// What the user says of when to stop.
pub(crate) type Limits<F> = Box<dyn for<'a> FnOnce(Stop<'a, F>) -> Stop<'a, F> + Send>;

/// The minimization, seen from argmin.
pub(crate) struct Turns<P, F> {
    words: Receiver<Word<P, F>>,
    /// `None` once it is to end.
    answers: Option<Sender<Answer<F>>>,
    thread: Option<JoinHandle<()>>,
}

impl<P, F> Turns<P, F>
where
    F: Scalar,
    P: ParamsMut<F> + Clone + Send + 'static,
{
    /// Begins; it waits for its first answer at once.
    pub(crate) fn begin<S>(
        mut solver: S,
        mut params: P,
        limits: Limits<F>,
        has_hessian: bool,
    ) -> Result<Self, Error>
    where
        S: Solver<F> + Send + 'static,
    {
        let (say, words) = channel();
        let (answers, hear) = channel();
        let work = move || {
            let mut far = Far { say: &say, hear: &hear, has_hessian, known: None };
            let stop = limits(Stop::default()).callback(|progress| {
                let arrived = Word::Arrived(Iterate {
                    iteration: progress.iteration,
                    evaluations: progress.evaluations.total(),
                    value: progress.value,
                    gradient_max: progress.gradient_max,
                    length: progress.length,
                    point: progress.point.as_slice().to_vec(),
                    gradient: progress.gradient.as_slice().to_vec(),
                });
                // Where nobody listens any more, it is over.
                match say.send(arrived).ok().and_then(|()| hear.recv().ok()) {
                    Some(_) => ControlFlow::Continue(()),
                    None => ControlFlow::Break(()),
                }
            });
            let outcome = solvers::minimize(&mut solver, &mut params, &mut far, stop);
            let _ = say.send(Word::Ended(Box::new(outcome.map(|report| (report, params)))));
        };
        let thread = std::thread::Builder::new().name("thalweg".to_owned()).spawn(work);
        let thread = Some(thread.map_err(Error::other)?);
        Ok(Self { words, answers: Some(answers), thread })
    }

    /// Waits for the solver's next word.
    pub(crate) fn hear(&self) -> Result<Word<P, F>, Error> {
        self.words.recv().map_err(|_| Error::other("the solver has panicked"))
    }

    pub(crate) fn answer(&self, answer: Answer<F>) {
        if let Some(answers) = &self.answers {
            // Who has ended says so when it is heard next.
            let _ = answers.send(answer);
        }
    }
}

impl<P, F> Drop for Turns<P, F> {
    fn drop(&mut self) {
        self.answers = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The objective as the solver has it: the other thread's.
struct Far<'c, P, F> {
    say: &'c Sender<Word<P, F>>,
    hear: &'c Receiver<Answer<F>>,
    has_hessian: bool,
    /// The last Hessian, and where it is of: a solver asks for many products at one point.
    known: Option<(Vec<F>, Array2<F>)>,
}

impl<P: ParamsMut<F> + Clone, F: Scalar> Far<'_, P, F> {
    fn ask(&self, ask: Ask, params: &P) -> Result<Answer<F>, Error> {
        let answer = self.say.send(Word::Ask(ask, params.clone())).ok();
        match answer.and_then(|()| self.hear.recv().ok()) {
            Some(Answer::Failed(error)) => Err(error),
            Some(answer) => Ok(answer),
            None => Err(Error::other("the executor has ended")),
        }
    }

    fn matrix(&mut self, params: &P) -> Result<&Array2<F>, Error> {
        let flatten = thalweg::params::Flatten::of::<F>(params)?;
        let mut at = vec![F::zero(); flatten.len()];
        flatten.gather(params, &mut at)?;
        let matrix = match self.known.take().filter(|(known, _)| *known == at) {
            Some((_, matrix)) => matrix,
            None => match self.ask(Ask::Hessian, params)? {
                Answer::Hessian(matrix) => matrix,
                _ => return Err(out_of_turn()),
            },
        };
        Ok(&self.known.insert((at, matrix)).1)
    }
}

fn out_of_turn() -> Error {
    Error::other("an answer to another question")
}

impl<P: ParamsMut<F> + Clone, F: Scalar> Objective<F, P> for Far<'_, P, F> {
    fn value_and_gradient(
        &mut self,
        params: &P,
        gradient: &mut FlatMut<'_, F>,
    ) -> Result<f64, Error> {
        match self.ask(Ask::ValueAndGradient, params)? {
            Answer::ValueAndGradient(value, g) => {
                gradient.as_mut_slice().copy_from_slice(&g);
                Ok(value)
            }
            _ => Err(out_of_turn()),
        }
    }

    fn has_value(&self) -> bool {
        true
    }

    fn value(&mut self, params: &P) -> Result<f64, Error> {
        match self.ask(Ask::Value, params)? {
            Answer::Value(value) => Ok(value),
            _ => Err(out_of_turn()),
        }
    }

    fn has_hessian_vector(&self) -> bool {
        self.has_hessian
    }

    fn hessian_vector(
        &mut self,
        params: &P,
        vector: Flat<'_, F>,
        product: &mut FlatMut<'_, F>,
    ) -> Result<(), Error> {
        times(self.matrix(params)?, vector, product)
    }

    fn has_hessian(&self) -> bool {
        self.has_hessian
    }

    fn hessian(&mut self, params: &P, mut hessian: ArrayViewMut2<'_, F>) -> Result<(), Error> {
        let matrix = self.matrix(params)?;
        check(matrix, hessian.nrows())?;
        hessian.assign(matrix);
        Ok(())
    }
}
