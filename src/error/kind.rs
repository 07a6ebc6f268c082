//! What can go wrong, kind by kind.

use super::names::{Name, Names, Parameter, told};
use super::{Foreign, Tree};

/// The kinds of [`Error`](super::Error).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A hyperparameter is out of its range, or NaN.
    #[error("{owner}: {name} = {value} is not allowed; it takes {allowed}")]
    Hyperparameter {
        /// The rule or setting that owns it.
        owner: &'static str,
        /// Its name, as the builder method is called.
        name: &'static str,
        /// The value it was given.
        value: f64,
        /// The range that is allowed.
        allowed: &'static str,
    },

    /// The learning rate of a step is negative, infinite or NaN.
    #[error(
        "the learning rate {value} of step {step} is not allowed; it takes a number >= 0 that is finite \
         in the precision of the parameters"
    )]
    LearningRate {
        /// The value that the schedule gave.
        value: f64,
        /// The step it was asked for, counted from 1.
        step: u64,
    },

    /// The parameters have no leaf at all.
    #[error("there is nothing to optimize: the parameters have no leaf (was a field forgotten?)")]
    NoLeaves,

    /// Two leaves of one tree have the same name.
    #[error("two leaves of the {tree} are named {}; names must differ", Name(leaf))]
    DuplicateLeaf {
        /// The tree it was found in.
        tree: Tree,
        /// The name.
        leaf: String,
    },

    /// The leaves are not the ones the optimizer keeps state for, or the gradients' are not the
    /// parameters'.
    #[error("{}: missing {}, unexpected {}; {}", tree.trouble(), Names(missing), Names(unexpected), tree.remedy())]
    Leaves {
        /// The tree that differs.
        tree: Tree,
        /// Leaves that should be there and are not.
        missing: Vec<String>,
        /// Leaves that are there and should not be.
        unexpected: Vec<String>,
    },

    /// A leaf of a type of one's own says one thing and does another.
    #[error(
        "the leaf {} contradicts itself: {problem}; see `Leaf` for what its methods must return",
        Name(leaf)
    )]
    ContradictoryLeaf {
        /// The leaf's name.
        leaf: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// A parameter's shape is not the one the optimizer keeps state for.
    #[error(
        "{} had shape {was:?} and now has {now:?}; give back the model of before, or start anew with the other one, by \
         an optimizer of its own or by `reset`",
        Parameter(leaf)
    )]
    ShapeChanged {
        /// The leaf's name.
        leaf: String,
        /// Its shape at the first step.
        was: Vec<usize>,
        /// Its shape now.
        now: Vec<usize>,
    },

    /// A gradient's shape is not its parameter's.
    #[error(
        "the gradient of {} has shape {gradient:?}, the parameter {parameter:?}; shapes must be equal, \
         nothing is broadcast",
        Name(leaf)
    )]
    GradientShape {
        /// The leaf's name.
        leaf: String,
        /// The parameter's shape.
        parameter: Vec<usize>,
        /// The gradient's shape.
        gradient: Vec<usize>,
    },

    /// A gradient of rows has values of another shape than rows of its parameter.
    #[error(
        "the gradient of {} has {rows} rows and values of shape {values:?}, the parameter has shape \
         {parameter:?}; values take the number of rows for the first axis and the parameter's other axes",
        Name(leaf)
    )]
    RowsShape {
        /// The leaf's name.
        leaf: String,
        /// The parameter's shape.
        parameter: Vec<usize>,
        /// How many row numbers there are.
        rows: usize,
        /// The shape of the values.
        values: Vec<usize>,
    },

    /// A gradient of rows names a row that the parameter does not have.
    #[error(
        "the gradient of {} has row number {row}, and the parameter has {rows} rows, counted from 0; look at what the \
         row numbers are made of",
        Name(leaf)
    )]
    RowOutOfRange {
        /// The leaf's name.
        leaf: String,
        /// The first such row.
        row: usize,
        /// How many there are.
        rows: usize,
    },

    /// A gradient of rows, where whole arrays are needed.
    #[error(
        "{} holds rows of an array, and a whole array is needed here; make it one by `Rows::to_array`",
        Name(leaf)
    )]
    WholeArrays {
        /// The leaf's name.
        leaf: String,
    },

    /// A leaf of 16 bits, where numbers of the tree's own are needed.
    #[error(
        "{} has numbers of 16 bits, and full numbers are needed here: let it be an `f32` array, of which a copy in 16 \
         bits is made after the step",
        Name(leaf)
    )]
    FullNumbers {
        /// The leaf's name.
        leaf: String,
    },

    /// Rows without a gradient are to be as if theirs were 0, and cannot be.
    #[error(
        "`Untouched::Exact` is not possible for {rule}: {reason}; use `Untouched::Lazy`, or gradients that \
         are whole arrays"
    )]
    NotExact {
        /// The rule.
        rule: &'static str,
        /// Why not.
        reason: &'static str,
    },

    /// A gradient of rows, and a setting that needs the others too.
    #[error("the gradient of {} holds rows, and {what} needs all of them: {remedy}", Name(leaf))]
    NeedsAllRows {
        /// The leaf's name.
        leaf: String,
        /// The setting.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },

    /// A gradient is NaN or infinite, and the policy is to reject it.
    #[error(
        "the gradient of {} is {value} at index {index:?}; nothing was changed: look for a division by 0 or an \
         overflow in the loss, or lower the learning rate (see `NonFinite` for other policies)",
        Name(leaf)
    )]
    NonFiniteGradient {
        /// The leaf's name.
        leaf: String,
        /// The index of the first such element, in logical (row-major) order.
        index: Vec<usize>,
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// A gradient is so large that its square overflows the optimizer's state, and the policy is to
    /// reject it.
    #[error(
        "the gradient of {} is {value:e} at index {index:?}; the state holds squares of gradients up to \
         {limit:e}, and nothing was changed: scale the loss or clip the gradients (see `NonFinite` for \
         other policies)",
        Name(leaf)
    )]
    LargeGradient {
        /// The leaf's name.
        leaf: String,
        /// The index of the first such element, in logical (row-major) order.
        index: Vec<usize>,
        /// The value.
        value: f64,
        /// The largest size that the rule's state can take.
        limit: f64,
    },

    /// The loss of a step is NaN or infinite, and the policy is to reject it.
    #[error(
        "the loss is {value}; nothing was changed: look for a division by 0 or an overflow in it, or lower the \
         learning rate (see `NonFinite` for other policies)"
    )]
    NonFiniteLoss {
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// What a rule sums over all leaves is NaN or infinite, though no gradient is.
    #[error(
        "{owner} takes its step size from {sum} over all leaves, which is {value}: a parameter or its \
         state is not finite, or squares are too large; nothing was changed (see `NonFinite` for other \
         policies)"
    )]
    NonFiniteSum {
        /// The rule.
        owner: &'static str,
        /// What is summed.
        sum: &'static str,
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// A rule takes its step size from the loss, and none was handed in.
    #[error(
        "{optimizer} takes its step size from the loss: call `step_with_loss` instead of `step`"
    )]
    NeedsLoss {
        /// The optimizer.
        optimizer: &'static str,
    },

    /// A schedule is to drive a hyperparameter that does not exist.
    #[error("{owner} has no hyperparameter `{name}`; it has {}", Names(known))]
    UnknownHyperparameter {
        /// The rule.
        owner: &'static str,
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },

    /// A group's pattern matches no leaf.
    #[error(
        "the group `{group}` matches no leaf; the leaves are {} (see `Pattern` for what `*` and `?` stand for)",
        Names(known)
    )]
    GroupMatchesNothing {
        /// The pattern.
        group: String,
        /// The leaves that there are.
        known: Vec<String>,
    },

    /// A group changes what concerns the step as a whole.
    #[error(
        "the group `{group}` changes {setting}, which is the whole step's; set it on the optimizer"
    )]
    GroupSetting {
        /// The pattern.
        group: String,
        /// The setting's name.
        setting: &'static str,
    },

    /// An average is wanted, and none is kept.
    #[error("no average of the parameters is kept; build the optimizer with `average`")]
    NoAverage,

    /// A step is wanted while the average is in the place of the parameters.
    #[error("the parameters are their average now; call `swap_average` again before the next step")]
    AverageInPlace,

    /// A step is wanted while the parameters are settled: at the point to evaluate, not at the one
    /// where gradients are taken.
    #[error("the parameters are settled for evaluation; call `unsettle` before the next step")]
    Settled,

    /// An optimizer is asked for what it does not have.
    #[error("{optimizer} has no {what} to change; change the optimizer that it was built with")]
    Unsupported {
        /// The optimizer.
        optimizer: &'static str,
        /// What was to be changed.
        what: &'static str,
    },

    /// A call came when another one was due.
    #[error("{what}")]
    OutOfTurn {
        /// What is due.
        what: &'static str,
    },

    /// A saved state is another optimizer's.
    #[error(
        "the state is of {saved}, and this is {here}; load it into the optimizer that saved it"
    )]
    StateOptimizer {
        /// The optimizer that the state is of.
        saved: String,
        /// The optimizer that was to load it.
        here: String,
    },

    /// A saved state is of parameters of another precision.
    #[error(
        "the state is of {saved} parameters, and these are {here}; load it into an optimizer of {saved}"
    )]
    StateScalar {
        /// The precision that was saved.
        saved: String,
        /// The precision here.
        here: &'static str,
    },

    /// A saved state has a format that this version does not read.
    #[error("the state has format {saved}, and this version reads up to {known}; update the crate")]
    StateVersion {
        /// The format's number.
        saved: u32,
        /// The newest that is known.
        known: u32,
    },

    /// A saved state was made by an optimizer that is built in another way.
    #[error(
        "{what} was `{}` when the state was saved and is `{}` here; build the optimizer alike, or say by a \
         `Precedence` whose values count",
        told(saved),
        told(here)
    )]
    StateDiffers {
        /// What differs.
        what: String,
        /// As it was.
        saved: String,
        /// As it is.
        here: String,
    },

    /// A saved state lacks an entry.
    #[error("the state has no {entry}: it is damaged, or its optimizer was built in another way")]
    StateMissing {
        /// The entry.
        entry: String,
    },

    /// A saved state has an entry that is not known.
    #[error(
        "the state has {entry}, which is not known here: it is damaged, or its optimizer was built in \
         another way"
    )]
    StateUnexpected {
        /// The entry.
        entry: String,
    },

    /// An entry of a saved state has a shape or a value that it cannot have.
    #[error("{entry} of the state {problem}: it is damaged, or of another model")]
    StateInvalid {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },

    /// Bytes that do not begin as a checkpoint does.
    #[error("this is not a checkpoint of thalweg; was another file meant?")]
    NotACheckpoint,

    /// A checkpoint whose end is missing.
    #[error(
        "the checkpoint is truncated: it has {found} bytes of at least {expected}; use an earlier one"
    )]
    Truncated {
        /// Its length.
        found: u64,
        /// The length that it had, or that its header has.
        expected: u64,
    },

    /// A checkpoint that is not as it was written.
    #[error("the checkpoint is damaged: {problem}; use an earlier one")]
    Damaged {
        /// What is wrong.
        problem: &'static str,
    },

    /// A whole checkpoint of another type of value.
    #[error("the checkpoint holds another value ({problem}); load the type that was saved")]
    OtherValue {
        /// Where the two differ.
        problem: String,
    },

    /// A value that has no compact form.
    #[error("the value cannot be written: {problem}")]
    NotWritable {
        /// What serde says.
        problem: String,
    },

    /// A file cannot be written or read.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        problem: String,
    },

    /// A schedule was loaded, and a closure that is part of it is known by its name only.
    #[error(
        "the schedule has a closure named `{name}`, of which only the name was saved; give it its \
         function with `Schedule::bind`"
    )]
    UnboundSchedule {
        /// The closure's name.
        name: String,
    },
    /// A batch without examples, of which there is no mean.
    #[error("{owner}: the batch is empty; a mean takes at least one example")]
    EmptyBatch {
        /// The function that was called.
        owner: &'static str,
    },

    /// An array has another shape than the one it belongs to.
    #[error(
        "{owner}: the {what} has shape {found:?} instead of {expected:?}; nothing is broadcast"
    )]
    Shape {
        /// What was called.
        owner: &'static str,
        /// The array.
        what: &'static str,
        /// The shape that it must have.
        expected: Vec<usize>,
        /// The shape that it has.
        found: Vec<usize>,
    },

    /// A class that has no score.
    #[error(
        "{owner}: class {class} at index {index} is out of range; there are scores for {classes} classes, \
         counted from 0"
    )]
    Class {
        /// The function that was called.
        owner: &'static str,
        /// The example.
        index: usize,
        /// Its class.
        class: usize,
        /// How many classes there are.
        classes: usize,
    },

    /// A target out of its range, or NaN.
    #[error("{owner}: the target {value} at index {index:?} is not allowed; it takes {allowed}")]
    Target {
        /// The function that was called.
        owner: &'static str,
        /// The first such index, in logical (row-major) order.
        index: Vec<usize>,
        /// The value found there.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },

    /// An axis that an array does not have.
    #[error("{owner}: {} has {rank} axes, counted from 0, and no axis {axis}", Name(leaf))]
    Axis {
        /// What was called.
        owner: &'static str,
        /// The leaf's name; empty for a lone array.
        leaf: String,
        /// The axis asked for.
        axis: usize,
        /// How many axes the array has.
        rank: usize,
    },

    /// A backward pass without the forward pass whose mask it needs.
    #[error("{owner}: there is no forward pass to go back through; call `forward` first")]
    NoForward {
        /// The layer.
        owner: &'static str,
    },

    /// The best parameters were asked for before there were any.
    #[error(
        "early stopping has no best parameters yet: no metric so far was a finite number (was it NaN in \
         every epoch?)"
    )]
    NothingBest,

    /// A vector or a matrix has another size than what it is used with.
    #[error("{what}: the number of elements is {found}, and {expected} is wanted")]
    Size {
        /// What has the size.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The size it should have.
        expected: usize,
    },

    /// No leaf has that name.
    #[error("there is no leaf named `{leaf}`; the leaves are {}", Names(known))]
    UnknownLeaf {
        /// The name that was asked for.
        leaf: String,
        /// The names that there are.
        known: Vec<String>,
    },

    /// A product of a linear operator is NaN or infinite.
    #[error(
        "{what} is {value} at element {index}: look for a division by 0 or an overflow in what \
         computes it, or for a training that has diverged"
    )]
    NonFiniteProduct {
        /// What was computed.
        what: &'static str,
        /// The first such element.
        index: usize,
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// A linear operator that must be symmetric is not.
    #[error(
        "the operator is not symmetric: its defect is {defect:.1e} of its norm, where {allowed:.1e} is \
         allowed; check the product, or allow more by `symmetry`, where it comes of differences in f32 \
         or across the kink of a ReLU"
    )]
    NotSymmetric {
        /// The largest entry found that a symmetric operator would not have, over the norm.
        defect: f64,
        /// The limit.
        allowed: f64,
    },

    /// A linear operator gave two products for one vector.
    #[error(
        "the operator changed between calls: the product with the same vector moved by {change:.1e} of \
         its norm, where {allowed:.1e} is allowed; keep batch, parameters and dropout mask fixed while \
         it is used"
    )]
    OperatorChanged {
        /// ‖difference‖₂ of the two products over the operator's norm.
        change: f64,
        /// The limit.
        allowed: f64,
    },

    /// The gradient at what should be a critical point is not small.
    #[error(
        "this is no critical point: ‖g‖ = {norm:.3e} is above {limit:.1e}; train further, or allow more"
    )]
    NotStationary {
        /// ‖g‖₂.
        norm: f64,
        /// The limit.
        limit: f64,
    },

    /// A matrix that must be positive definite is not.
    #[error("{what} is not positive definite; add damping to it")]
    NotPositiveDefinite {
        /// The matrix.
        what: &'static str,
    },

    /// A parameter is NaN or infinite where a minimization is to start.
    #[error("{} is {value} at index {index:?}; start from finite values", Parameter(leaf))]
    NonFiniteParameter {
        /// The leaf's name.
        leaf: String,
        /// The index of the first such element, in logical (row-major) order.
        index: Vec<usize>,
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// Bounds between which there is no number.
    #[error(
        "the bounds of {} at index {index:?} are {lower} and {upper}; a lower bound takes a number < ∞ or \
         -∞ for none, an upper one a number > -∞ that is not below it",
        Name(leaf)
    )]
    Bounds {
        /// The leaf's name.
        leaf: String,
        /// The index of the first such element, in logical (row-major) order.
        index: Vec<usize>,
        /// l.
        lower: f64,
        /// u.
        upper: f64,
    },

    /// A range of bounds that leaves its end out.
    #[error(
        "a bound belongs to the box, and this range leaves {end} out; write `..=`, as in `0.0..={end}`"
    )]
    OpenBound {
        /// The end that is left out.
        end: f64,
    },

    /// A leaf of a tree of bounds has another shape than the parameter.
    #[error(
        "the bound of {} has shape {bound:?}, the parameter {parameter:?}; shapes must be equal, \
         nothing is broadcast",
        Name(leaf)
    )]
    BoundShape {
        /// The leaf's name.
        leaf: String,
        /// The parameter's shape.
        parameter: Vec<usize>,
        /// The bound's shape.
        bound: Vec<usize>,
    },

    /// A pattern that says which leaves are meant matches none.
    #[error(
        "the {what} of `{pattern}` are of no leaf; the leaves are {} (see `Pattern` for what `*` and `?` stand for)",
        Names(known)
    )]
    MatchesNothing {
        /// What the leaves were to have.
        what: &'static str,
        /// The pattern.
        pattern: String,
        /// The leaves that there are.
        known: Vec<String>,
    },

    /// An error of the caller's own: see [`Error::other`](super::Error::other).
    #[error("{0}")]
    Other(Foreign),

    /// A step by gradients alone has left the finite numbers.
    #[error(
        "the step leads to {value} in {} at index {index:?}: f seems to fall without end along it; the \
         parameters are at the last accepted point",
        Name(leaf)
    )]
    NonFiniteStep {
        /// The leaf's name.
        leaf: String,
        /// The index of the first such element, in logical (row-major) order.
        index: Vec<usize>,
        /// What would have been written: NaN, ∞ or -∞.
        value: f64,
    },

    /// A solver needs products with the Hessian, and the objective has none.
    #[error(
        "{solver} needs products with the Hessian; give them by `WithHessian` or \
         `Objective::hessian_vector`"
    )]
    NoHessian {
        /// The solver's name.
        solver: &'static str,
    },

    /// A solver that works with residuals, and an objective that does not say what they are.
    #[error(
        "{solver} works with residuals; give it a `LeastSquares`, or take a solver for any function, \
         such as `Lbfgs`"
    )]
    NoResiduals {
        /// The solver's name.
        solver: &'static str,
    },

    /// Residuals that give neither a Jacobian nor products with it where one is asked for.
    #[error(
        "these residuals have no Jacobian of this kind; give it by `WithJacobian`, or products with it by \
         `WithProducts`"
    )]
    NoJacobian,

    /// Fewer observations than a fit needs.
    #[error(
        "{observations} observations are too few for {parameters} parameters; a fit takes at least one for each: \
         measure more, or fix some parameters"
    )]
    TooFewResiduals {
        /// m.
        observations: usize,
        /// n.
        parameters: usize,
    },

    /// A residual is NaN or infinite where a fit is to start.
    #[error(
        "the residual of observation {index}, counted from 0, is {value} at the first guess; look for a number in its \
         data that is not finite, or start where the model is defined"
    )]
    NonFiniteResidual {
        /// The first such observation.
        index: usize,
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// The residuals are finite where a fit is to start, and their squares or derivatives are not.
    #[error(
        "the fit cannot start: {problem}; start where the model and its derivatives are finite"
    )]
    UndefinedStart {
        /// What is not finite there.
        problem: String,
    },

    /// A natural gradient without the statistics that its metric is made of.
    #[error("{}; call `observe` before the step, or allow more steps by `observe_every`", match steps {
        None => "the metric has seen no statistics".to_owned(),
        Some(steps) => format!("the metric's statistics were used for {steps} steps already"),
    })]
    NoStatistics {
        /// Steps that the last statistics were used for; `None` if there were none.
        steps: Option<u64>,
    },

    /// A leaf that is in no layer of a batch of statistics.
    #[error("the statistics say nothing of {}; add its layer to the batch", Name(leaf))]
    NotObserved {
        /// The leaf's name.
        leaf: String,
    },

    /// A statistic of a batch is NaN or infinite.
    #[error(
        "{what} is {value} at element {index}, counted from 0; nothing was changed: leave it out, or look at what it was \
         computed by"
    )]
    NonFiniteStatistic {
        /// What it is.
        what: &'static str,
        /// The first such element, in logical (row-major) order.
        index: usize,
        /// The value: NaN, ∞ or -∞.
        value: f64,
    },

    /// What happened on one rank and cannot be sent as it is: an error of the caller's own, or a panic.
    #[error("rank {rank}: {problem}")]
    Rank {
        /// The rank.
        rank: usize,
        /// What its error says.
        problem: String,
    },

    /// Bytes did not get from rank to rank. The run is over: start again from the last checkpoint.
    #[error("the exchange between ranks failed: {problem}; start again from the last checkpoint")]
    Transport {
        /// What is known of it.
        problem: String,
    },

    /// What must be the same on all ranks is not.
    #[error(
        "{what} of rank {rank} differ from those of rank 0; ranks must be built and called alike"
    )]
    RanksDiffer {
        /// What differs.
        what: String,
        /// The first rank where it does.
        rank: usize,
    },

    /// An optimizer whose state cannot be split over ranks.
    #[error(
        "{optimizer} cannot be split over ranks; use `DataParallel`, or give `Sharded` the optimizer that \
         is inside and put this one around it"
    )]
    NotSplittable {
        /// The optimizer.
        optimizer: &'static str,
    },

    /// Two settings that exclude each other.
    #[error("`{first}` and `{second}` exclude each other: {reason}")]
    Conflict {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Why.
        reason: &'static str,
    },

    /// Elements of a leaf that must stay together are to be split over ranks.
    #[error("{what} cannot be split by elements; use `Split::Leaves`")]
    NeedsWholeLeaves {
        /// What couples the elements.
        what: &'static str,
    },
}
