//! Which cases the crate has no counterpart for, and which are compared less closely.

/// File, case, reason.
pub const NOT_OURS: &[(&str, &str, &str)] = &[
    ("torch", "rmsprop_centered_momentum", CENTERED_MOMENTUM),
    ("keras", "rmsprop_centered_momentum", CENTERED_MOMENTUM),
    ("optax", "rmsprop_bias_correction", "RMSprop is not corrected"),
    ("optax", "rmsprop_bias_correction_eps", "RMSprop is not corrected"),
    ("optax", "rmsprop_nesterov", "RMSprop's momentum has no look-ahead"),
    ("optax", "rmsprop_centered_momentum", CENTERED_MOMENTUM),
    ("optax", "amsgrad_eps_root", EPSILON_ROOT),
    ("optax", "radam_threshold", "the threshold of RAdam is 5"),
    ("optax", "adabelief_eps", "AdaBelief has one ε, in the state and in the root"),
    ("optax", "adabelief_eps_root", "AdaBelief has one ε, in the state and in the root"),
    ("optax", "adabelief_nesterov", "AdaBelief has no look-ahead"),
    ("optax", "yogi_eps_root", EPSILON_ROOT),
    ("optax", "adan_default", "Optax has 1 - β₂ where the paper and its authors have β₂"),
    ("optax", "adopt_nesterov", "ADOPT has no look-ahead"),
    ("optax", "madgrad_default", SINGLE_PRECISION),
    ("optax", "madgrad_l2", SINGLE_PRECISION),
    ("optax", "madgrad_lr_change", SINGLE_PRECISION),
    ("adabelief_pytorch", "adabelief_default", RECTIFIED),
    ("adabelief_pytorch", "adabelief_plain_amsgrad", "AdaBelief has no maximum"),
    ("adabelief_pytorch", "adabelief_rectified_betas", RECTIFIED),
    ("adabelief_pytorch", "adabelief_rectified_eps", RECTIFIED),
    ("adabelief_pytorch", "adabelief_rectified_skip", RECTIFIED),
    ("pytorch_optimizer", "adabelief_plain_amsgrad", "AdaBelief has no maximum"),
    ("pytorch_optimizer", "adabelief_rectified", RECTIFIED),
];

const SINGLE_PRECISION: &str =
    "Optax computes √t in single precision, so it is up to 1e-7 off its formula";
const CENTERED_MOMENTUM: &str = "centred RMSprop has no momentum";
const EPSILON_ROOT: &str = "an ε inside the corrected root is of Adam alone";
const RECTIFIED: &str = "AdaBelief is not rectified";

/// An element whose trajectory in the library becomes rounding noise, and then not a number.
pub struct Noise {
    pub file: &'static str,
    pub id: &'static str,
    pub element: usize,
    /// The last checkpoint that is compared; from then on ours must be finite, and no more.
    pub until: usize,
    pub reason: &'static str,
}

pub const NOISY: &[Noise] = &[
    Noise {
        file: "torch",
        id: "rmsprop_centered_nan",
        element: 7,
        until: 10,
        reason: CONSTANT_GRADIENT,
    },
    Noise {
        file: "optax",
        id: "rmsprop_centered_nan",
        element: 7,
        until: 10,
        reason: CONSTANT_GRADIENT,
    },
];

const CONSTANT_GRADIENT: &str = "s - m² of a constant gradient is noise from step 20 on, and, \
    unclamped, negative from step 23 on";
